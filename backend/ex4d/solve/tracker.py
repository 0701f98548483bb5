# SPDX-License-Identifier: Apache-2.0
"""Follows points from frame to frame (KLT), each of them held to the frame in which it was found.

From frame to frame alone the small errors of a track add up to a drift, which no residual shows and which ends in a
wrong lens. So after each step a point is matched again with the picture around it in its *anchor*, the frame in which
it was found or last renewed.

OpenCV counts pixel centres from 0; so does all in here, and what goes out has them at i+0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bars import BAR_SOFT, BarFinder
from ex4d.solve.tracks import Ints

Singles = NDArray[np.float32]
Grey = NDArray[np.uint8]

#: Points that are followed at a time, and the least distance between new ones as a share of an even spread.
POINTS, SPREAD = 700, 0.55
#: Corners weaker than this share of the strongest one are none; side of the square they are looked for in, px.
CORNER_QUALITY, CORNER_BLOCK = 0.004, 5
#: Side of the window that is matched, px, for work pictures whose longer side is less, or at least, so long.
SMALL_WINDOW, LARGE_WINDOW, LARGE_SIDE = 11, 13, 400
LEVELS = 4
#: A point that comes back farther away than this, px, was not followed.
BACK_LIMIT = 0.6
#: A match with the anchor farther away than this, px, is another one.
ANCHOR_LIMIT = 0.8
#: Frames until a point gets a new anchor: what it shows has changed its shape by then.
ANCHOR_FRAMES = 14
#: Where no more than this share of at least so many points can be followed, the picture is another one: 0.5 % at most
#: across the cuts of films; within a fast pan along a large figure it can be 18 %.
LOST_SHARE, LEAST_POINTS = 0.1, 24
#: So many unreadable frames are stepped over: a flash, a drop-out.
MOST_SKIPPED = 2
_ITERATIONS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.003)


@dataclass
class Points:
    """The points that are followed, as they were last seen.

    Attributes:
        name: (M,) int32.
        xy: (M, 2) float32 where they are, OpenCV's pixels.
        anchor: (M,) int32 frame of the anchor.
        anchor_xy: (M, 2) float32 where they are there.
    """

    name: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    xy: Singles = field(default_factory=lambda: np.empty((0, 2), np.float32))
    anchor: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    anchor_xy: Singles = field(default_factory=lambda: np.empty((0, 2), np.float32))

    def __len__(self) -> int:
        return len(self.name)

    def picked(self, kept: NDArray[np.bool_]) -> Points:
        """Only these, (M,) bool."""
        return Points(self.name[kept], self.xy[kept], self.anchor[kept], self.anchor_xy[kept])

    def joined(self, other: Points) -> Points:
        """These and those."""
        return Points(
            np.concatenate([self.name, other.name]),
            np.concatenate([self.xy, other.xy]),
            np.concatenate([self.anchor, other.anchor]),
            np.concatenate([self.anchor_xy, other.anchor_xy]),
        )


@dataclass(frozen=True)
class Seen:
    """What was followed into one frame.

    Attributes:
        index: of the frame.
        name: (M,) int32 names of the points.
        xy: (M, 2) float32 where they are, work pixels with centres at i+0.5.
        is_break: nothing could be followed into it: the points are all new.
        is_skipped: nothing was followed into it, but past it; it has no points.
    """

    index: int
    name: Ints
    xy: Singles
    is_break: bool = False
    is_skipped: bool = False


class Tracker:
    """Takes the frames in order.

    Args:
        size: (width, height) of the pictures.

    Attributes:
        points: that are followed.
        last: index of the frame that they were last seen in, -1 before the first.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.points = Points()
        self.last = -1
        self._next = 0
        self._bars = BarFinder(size)
        self._pictures: dict[int, Grey] = {}
        self._waiting: list[tuple[int, Grey]] = []
        side = SMALL_WINDOW if max(size) < LARGE_SIDE else LARGE_WINDOW
        self._window = (side, side)
        self._distance = SPREAD * np.sqrt(size[0] * size[1] / POINTS)

    @property
    def brightest(self) -> Grey:
        """See ``BarFinder``."""
        return self._bars.brightest

    def state(self) -> dict[str, NDArray[Any]]:
        """All that goes on from here needs besides the pictures of ``pictures_needed``: arrays by name."""
        p = self.points
        return {
            "name": p.name,
            "xy": p.xy,
            "anchor": p.anchor,
            "anchor_xy": p.anchor_xy,
            "counters": np.array([self.last, self._next, *(index for index, _ in self._waiting)]),
            "brightest": self._bars.brightest,
        }

    @staticmethod
    def pictures_needed(state: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
        """Indices of the frames whose pictures a tracker with that state still looks at."""
        last, _, *waiting = state["counters"].tolist()
        return tuple(sorted({*state["anchor"].tolist(), last, *waiting} - {-1}))

    @classmethod
    def restored(
        cls, size: tuple[int, int], state: Mapping[str, NDArray[Any]], pictures: Mapping[int, Grey]
    ) -> Tracker:
        """One that goes on from a state, with the pictures that it needs by their index."""
        made = cls(size)
        made.points = Points(state["name"], state["xy"], state["anchor"], state["anchor_xy"])
        made.last, made._next, *waiting = state["counters"].tolist()
        made._bars.brightest = state["brightest"]
        made._waiting = [(index, pictures[index]) for index in waiting]
        made._pictures = {i: picture for i, picture in pictures.items() if i not in waiting}
        return made

    def add(self, index: int, grey: Grey) -> Iterator[Seen]:
        """Follow the points into the next frame; gives what is certain now: nothing where it cannot be said yet, or
        several frames."""
        self._bars.add(grey)
        if self.last < 0:
            yield self._begin(index, grey)
            return
        found = self._follow(index, grey)
        if self._is_lost(found):
            self._waiting.append((index, grey))
            if len(self._waiting) > MOST_SKIPPED:
                yield from self._give_up()
            return
        for skipped, _ in self._waiting:
            yield Seen(skipped, np.empty(0, np.int32), np.empty((0, 2), np.float32), is_skipped=True)
        self._waiting = []
        yield self._take(index, grey, found)

    def finish(self) -> Iterator[Seen]:
        """The frames that are still undecided when there is no further one."""
        while self._waiting:
            yield from self._give_up()

    def _give_up(self) -> Iterator[Seen]:
        """The first waiting frame begins anew; the others follow it."""
        (index, grey), *rest = self._waiting
        self._waiting = []
        self.points = Points()
        yield self._begin(index, grey, is_break=True)
        for later, picture in rest:
            found = self._follow(later, picture)
            if self._is_lost(found) or self._waiting:
                self._waiting.append((later, picture))
            else:
                yield self._take(later, picture, found)

    def _begin(self, index: int, grey: Grey, *, is_break: bool = False) -> Seen:
        self._pictures = {index: grey}
        self.points = self._new_points(index, grey)
        self.last = index
        return Seen(index, self.points.name, self.points.xy + np.float32(0.5), is_break)

    def _is_lost(self, found: Points) -> bool:
        return len(self.points) >= LEAST_POINTS and len(found) < LOST_SHARE * len(self.points)

    def _take(self, index: int, grey: Grey, found: Points) -> Seen:
        """Make the points that were found the current ones, and find new ones in empty places."""
        self._pictures[index] = grey
        self.points = found.joined(self._new_points(index, grey, found.xy))
        self.last = index
        needed = {index, *self.points.anchor.tolist()}
        self._pictures = {key: value for key, value in self._pictures.items() if key in needed}
        order = np.argsort(self.points.name)
        return Seen(index, self.points.name[order], self.points.xy[order] + np.float32(0.5))

    def _match(
        self, first: Grey, second: Grey, xy: Singles, guess: Singles, levels: int
    ) -> tuple[Singles, NDArray[np.bool_]]:
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            first,
            second,
            xy,
            guess.copy(),
            winSize=self._window,
            maxLevel=levels,
            criteria=_ITERATIONS,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        return np.asarray(found, np.float32), status[:, 0].astype(bool)

    def _follow(self, index: int, grey: Grey) -> Points:
        """The points that are found in the next picture, with their places there and renewed anchors."""
        points = self.points
        if not len(points):
            return points
        before = self._pictures[self.last]
        found, ok = self._match(before, grey, points.xy, points.xy, LEVELS)
        back, ok_back = self._match(grey, before, found, points.xy, LEVELS)
        ok &= ok_back & (np.linalg.norm(back - points.xy, axis=1) < BACK_LIMIT)
        left, top, right, bottom = self._bars.room(self._window[0] // 2 + BAR_SOFT)
        ok &= ((found >= (left, top)) & (found <= (right - 1, bottom - 1))).all(axis=1)
        points, found = points.picked(ok), found[ok]
        held = np.zeros(len(points), bool)
        for anchor in np.unique(points.anchor):
            chosen = np.flatnonzero(points.anchor == anchor)
            if anchor == self.last:
                held[chosen] = True
                continue
            refined, good = self._match(self._pictures[int(anchor)], grey, points.anchor_xy[chosen], found[chosen], 0)
            good &= np.linalg.norm(refined - found[chosen], axis=1) < ANCHOR_LIMIT
            found[chosen[good]] = refined[good]
            held[chosen] = good
        held &= index - points.anchor < ANCHOR_FRAMES
        anchor_frame = np.where(held, points.anchor, index).astype(np.int32)
        anchor_xy = np.where(held[:, None], points.anchor_xy, found)
        return Points(points.name, found, anchor_frame, anchor_xy)

    def _new_points(self, index: int, grey: Grey, taken: Singles | None = None) -> Points:
        missing = POINTS - (0 if taken is None else len(taken))
        mask = self._bars.inside(self._window[0])
        if taken is not None:
            for x, y in np.rint(taken).astype(int):
                cv2.circle(mask, (int(x), int(y)), round(self._distance), 0, -1)
        if missing <= 0:
            return Points()
        corners: Any = cv2.goodFeaturesToTrack(
            grey, missing, CORNER_QUALITY, self._distance, mask=mask, blockSize=CORNER_BLOCK
        )
        if corners is None:
            return Points()
        xy = corners.reshape(-1, 2).astype(np.float32)
        names = np.arange(self._next, self._next + len(xy), dtype=np.int32)
        self._next += len(xy)
        return Points(names, xy, np.full(len(xy), index, np.int32), xy.copy())
