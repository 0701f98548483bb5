# SPDX-License-Identifier: Apache-2.0
"""What moves by itself before a camera that only turns.

Frames are laid over each other by their rotations alone. Two things tell that something moves: its optical flow is not
that of the rotation; and before and after it the same place looks as it does not while it is there, which tells what is
too fast or too large for any flow. Both are certain of some pixels only. What is as certain to stand still is told by
other frames that show it, and of all else each pixel goes to the one or the other by the picture's outlines (Meyer's
watershed from both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.parallax import movers
from ex4d.depth.parallax.agreement import without_islands
from ex4d.depth.parallax.flows import Flows
from ex4d.depth.parallax.views import Passage
from ex4d.depth.parallax.working import WorkingFrames
from ex4d.media.frames import FrameSource

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Count = NDArray[np.int16]
Picture = NDArray[np.uint8]

#: Longer side of the pictures that are compared.
LONGEST = 256
#: Frames that one is compared with before it and after it, the farther the sparser, and the share of it that they show.
WITNESSES, LEAST_SHOWN = 6, 0.25
#: Grey levels (0..255, of the channel that differs most) up to which two frames show the same, and beyond which they
#: do not; what a pixel of misfit explains does not count.
ALIKE, UNLIKE = 12, 26
#: Exposure may have changed by so much between frames; of more, something else is seen.
MOST_GAIN = 1.25
#: Pairs of frames, one before and one after, that show the same where this one does not; and as many flows that are not
#: the rotation's.
LEAST_PAIRS, LEAST_FLOWS = 2, 2
#: Frames before and after that the flow is taken to.
FLOW_FRAMES = (1, 2, 4)
#: What stands still is shown by so many frames, and not by this share of them at most.
LEAST_ALIKE, MOST_UNLIKE = 2, 0.1
#: Grey levels by which a surface changes in a small window, below which it looks the same wherever it is.
LEAST_TEXTURE = 1.0
#: Of the picture: a part that moves for certain, a part that stands still for certain, and a hole that is closed.
LEAST_MOVING, LEAST_STILL, MOST_HOLE = 6e-4, 4e-3, 0.02
#: Side of the smallest part that stands still for certain, as a share of the width.
STILL_SIDE = 0.027
_MOVES, _RESTS = 1, 2


@dataclass(frozen=True)
class TurningMovers:
    """``Movers`` of a camera that only turns.

    Attributes:
        key: see ``Movers``.
    """

    key: str = "by rotation, 1"

    def look_for(self, frames: FrameSource, camera: Trajectory, scratch: Path) -> Callable[[int], Bool]:
        """See ``Movers``."""
        working = WorkingFrames.of(frames, camera, LONGEST, scratch / "turning")
        working.load(lambda: None)
        shot = _Shot(working)

        def of_frame(index: int) -> Bool:
            moves = shot.moving(index)
            nothing = np.ones(moves.shape, np.float32)
            return np.asarray(working.to_plate(index, nothing, moves.astype(np.uint8))[1] > 0)

        return of_frame


@dataclass(frozen=True)
class _Seen:
    """A picture, soft, and what a pixel of misfit may make of it, (h, w, 3) uint8 each."""

    soft: Picture
    least: Picture
    most: Picture

    @classmethod
    def of(cls, soft: Picture) -> _Seen:
        square = np.ones((3, 3), np.uint8)
        return cls(soft, np.asarray(cv2.erode(soft, square), np.uint8), np.asarray(cv2.dilate(soft, square), np.uint8))

    def difference(self, other: _Seen) -> Picture:
        """Grey levels (h, w) by which the channel that differs most differs."""
        here = np.maximum(cv2.subtract(self.soft, other.most), cv2.subtract(other.least, self.soft))
        there = np.maximum(cv2.subtract(other.soft, self.most), cv2.subtract(self.least, other.soft))
        return np.asarray(np.minimum(here, there).max(axis=-1), np.uint8)


@dataclass(frozen=True)
class _Witness:
    """Another frame, turned to lie over one.

    Attributes:
        seen: its picture.
        alike, unlike: (h, w), where it shows the same and where it does not; neither beyond its picture.
    """

    seen: _Seen
    alike: Bool
    unlike: Bool


class _Shot:
    def __init__(self, frames: WorkingFrames) -> None:
        self._frames = frames
        self._flows = Flows(frames.grey_8bit)

    def moving(self, index: int) -> Bool:
        """(h, w) of what moves in a frame."""
        picture = self._frames.pictures[index]
        before, after = ([self._witness(index, other) for other in side] for side in self._witnesses(index))
        back_again, between = _sandwiched(before, after), _seen_again(before) + _seen_again(after)
        flows, at_rest = self._flow(index)
        moves = (back_again >= LEAST_PAIRS) & (back_again > LEAST_PAIRS * between)
        moves = _opened(moves, 3) | _opened(flows >= LEAST_FLOWS, 5)
        everyone = [*before, *after]
        alike, unlike = _sum(w.alike for w in everyone), _sum(w.unlike for w in everyone)
        agreed = ((between > 0) & (between >= back_again)) | ((alike >= LEAST_ALIKE) & (unlike <= MOST_UNLIKE * alike))
        textured = movers.texture(self._frames.grey_8bit(index)) > LEAST_TEXTURE
        return _apart(moves, (agreed & textured) | (at_rest & (unlike <= alike)), picture)

    def _witnesses(self, index: int) -> tuple[list[int], list[int]]:
        """Frames before and after one that show enough of it."""
        cameras = self._frames.cameras
        width, height = self._frames.size
        grid = np.stack(np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5), [1.0]), axis=-1)
        sides = []
        for others in (range(index - 1, -1, -1), range(index + 1, len(cameras))):
            showing = []
            for other in others:
                at = grid.reshape(-1, 3) @ Passage.between(cameras, index, other).A.T
                with np.errstate(divide="ignore", invalid="ignore"):
                    x, y = at[:, 0] / at[:, 2], at[:, 1] / at[:, 2]
                shown = (at[:, 2] > 0) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
                if shown.mean() >= LEAST_SHOWN:
                    showing.append(other)
            places = np.unique(np.geomspace(1, max(len(showing), 1), WITNESSES).round().astype(int)) - 1
            sides.append([showing[place] for place in places if place < len(showing)])
        return sides[0], sides[1]

    def _witness(self, index: int, other: int) -> _Witness:
        A = Passage.between(self._frames.cameras, other, index).A
        own, theirs = _soft(self._frames.pictures[index]), _soft(self._frames.pictures[other])
        over = np.asarray(cv2.warpPerspective(theirs, A, self._frames.size), np.uint8)
        whole = cv2.warpPerspective(np.full(theirs.shape[:2], 255, np.uint8), A, self._frames.size) == 255
        inside = cv2.erode(whole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        seen = _Seen.of(_with_exposure(over, own, inside))
        apart = _Seen.of(own).difference(seen)
        return _Witness(seen, inside & (apart < ALIKE), inside & (apart > UNLIKE))

    def _flow(self, index: int) -> tuple[Count, Bool]:
        """How many flows (h, w) are not the rotation's, and where one shows the pixel at its place of rest."""
        grey = self._frames.grey_8bit(index)
        far = np.zeros(grey.shape, np.float32)
        count, rests = np.zeros(grey.shape, np.int16), np.zeros(grey.shape, bool)
        for distance in FLOW_FRAMES:
            for other in (index - distance, index + distance):
                if 0 <= other < len(self._frames.cameras):
                    flow, leads_back = self._flows.between(index, other)
                    passage = Passage.between(self._frames.cameras, index, other)
                    look = movers.Look(self._frames.grey_8bit(other), passage, flow, leads_back)
                    residual, at_rest = movers.motion(grey, [[look]], far, 0.0)
                    count += residual > 0
                    rests |= at_rest
        return count, rests


def _sandwiched(before: Sequence[_Witness], after: Sequence[_Witness]) -> Count:
    """Pairs (h, w) of a frame before and one after that show the same, and not what is seen between them."""
    count: Count = np.zeros((1, 1), np.int16)
    for first in before:
        for last in after:
            count = count + (first.unlike & last.unlike & (first.seen.difference(last.seen) < ALIKE))
    return count


def _seen_again(witnesses: Sequence[_Witness]) -> Count:
    """How many frames (h, w) show a pixel again after something else was there.

    Args:
        witnesses: of one side, the nearest first.
    """
    count: Count = np.zeros((1, 1), np.int16)
    gone: Bool = np.zeros((1, 1), bool)
    for witness in witnesses:
        count = count + (gone & witness.alike)
        gone = gone | witness.unlike
    return count


def _apart(moves: Bool, rests: Bool, picture: Picture) -> Bool:
    """What moves, (h, w), where some pixels are known to move and some to rest."""
    height, width = moves.shape
    area = height * width
    moves = without_islands(moves, round(LEAST_MOVING * area))
    if not moves.any():
        return moves
    side = max(3, round(STILL_SIDE * width)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    still = cv2.morphologyEx((rests & ~moves).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    still = cv2.morphologyEx(np.where(moves, np.uint8(0), still), cv2.MORPH_OPEN, disc)
    rests = without_islands(still > 0, round(LEAST_STILL * area))
    # At outlines a blur and a pixel of misfit let what moves look like what stands beside it.
    rests = cv2.erode(rests.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    markers = np.where(moves, _MOVES, np.where(rests, _RESTS, 0)).astype(np.int32)
    moving = cv2.watershed(np.ascontiguousarray(picture), markers) == _MOVES
    moving = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    return _without_holes(moving, round(MOST_HOLE * area))


def _opened(mask: Bool, side: int) -> Bool:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0


def _without_holes(mask: Bool, most: int) -> Bool:
    """The mask with its holes of fewer pixels than ``most``."""
    height, width = mask.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    left, top, across, down, area = stats.T
    hole = (left > 0) & (top > 0) & (left + across < width) & (top + down < height) & (area < most)
    hole[labels[mask]] = False
    return mask | np.asarray(hole[labels])


def _sum(masks: Iterable[Bool]) -> Count:
    """How many of the masks (h, w)."""
    count: Count = np.zeros((1, 1), np.int16)
    for mask in masks:
        count = count + mask
    return count


def _soft(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8)


def _with_exposure(picture: Picture, own: Picture, inside: Bool) -> Picture:
    """A picture (h, w, 3) as bright as another: by the median of what is about as bright."""
    out = picture.astype(np.float32)
    for channel in range(3):
        ratio = (own[..., channel][inside] + np.float32(1)) / (picture[..., channel][inside] + np.float32(1))
        near = ratio[(ratio < MOST_GAIN) & (ratio > 1 / MOST_GAIN)]
        if len(near):
            out[..., channel] *= np.median(near)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
