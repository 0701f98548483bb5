# SPDX-License-Identifier: Apache-2.0
"""Depth where nothing was measured: that of one surface beside the gap, never of something between two.

Looking left, right, up and down from a pixel, the first measured pixels are what it may belong to. It takes the one
that it resembles, the farther one of equals, because what hides behind a near thing is what other frames do not show.
That surface goes on as it slopes, which for a plane is exact: disparity is linear over its picture. In a wide gap where
nothing resembles the pixel the estimate knows more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax import agreement
from ex4d.depth.parallax.like_colours import as_neighbours

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
#: Of all pixels of a picture, row after row; and indices among them.
Flat = NDArray[np.bool_]
FlatFloat = NDArray[np.float32]
Places = NDArray[np.intp]

#: Difference of colour (0..255, mean of channels) and distance (share of the width) that count as one.
UNLIKE_COLOUR, FAR_AWAY = 14.0, 0.06
#: Candidates within this much of the best are equals, and disparities within this ratio are of one surface.
EQUAL, SAME_SURFACE = 0.3, 1.1
#: Beyond this nothing resembles the pixel, and in a wide gap the estimate knows more.
UNLIKE = 4.0
#: A surface's colours are those of its pixels so far behind the first one.
COLOUR_STEPS = (0, 1, 2, 4, 8)
#: The first so many of these lie at the rim. Of a near surface they may have been taken from what lies behind it, since
#: a window that straddles an outline takes the near depth: they do not count where they are by so much (sum of
#: channels) more like the farthest surface beside the gap than like the rest of their own. What is nearer than that by
#: this factor ends before a sky or far houses, of which no window mixes anything in.
RIM_STEPS, MORE_LIKE, MUCH_NEARER = 3, 15.0, 4.0
#: Share of the width beyond which a gap is wide.
WIDE_GAP = 0.06
#: A surface goes on with the slope that it has at its end, for so large a share of the width and while its disparity
#: changes by no more than this factor.
FURTHEST, MOST_BENT = 0.15, 2.0
#: The slope is the mean over a window of so large shares of the width, along the way and across it, of differences
#: between pixels that lie this share apart.
SLOPE_ALONG, SLOPE_ACROSS, SLOPE_APART = 0.05, 0.08, 0.016


@dataclass(frozen=True)
class _Walk:
    """A way through a picture, from a pixel to where something was measured.

    Attributes:
        axis: along which.
        backwards: whether it goes towards larger places.
        shape: (height, width) of the picture.
    """

    axis: int
    backwards: bool
    shape: tuple[int, int]

    @property
    def count(self) -> int:
        """Places along the axis."""
        return self.shape[self.axis]

    @property
    def stride(self) -> int:
        """From one place to the next, in the flat picture."""
        return self.shape[1] if self.axis == 0 else 1

    @property
    def away(self) -> int:
        """Which way it goes."""
        return 1 if self.backwards else -1

    def place(self, pixels: Places) -> Places:
        """Places along the axis of pixels of the flat picture."""
        return pixels // self.shape[1] if self.axis == 0 else pixels % self.shape[1]


def _first_measured(measured: Bool, axis: int, *, backwards: bool) -> NDArray[np.intp]:
    """Along an axis, the place of the last measured pixel before each; −1 = none."""
    count = measured.shape[axis]
    place = np.arange(count)[:, None] if axis == 0 else np.arange(count)[None]
    flipped = np.flip(measured, axis) if backwards else measured
    last = np.maximum.accumulate(np.where(flipped, place, -1), axis=axis)
    if not backwards:
        return last
    return np.flip(np.where(last >= 0, count - 1 - last, -1), axis)


def _behind(measured: Flat, disparity: FlatFloat, first: Places, walk: _Walk) -> Iterator[Places]:
    """Pixels of the surfaces whose first pixels these are, one array a step; where the surface ends, its first one."""
    place, value = walk.place(first), disparity.take(first)
    for distance in COLOUR_STEPS:
        moved = np.clip(place + walk.away * distance, 0, walk.count - 1)
        at = first + (moved - place) * walk.stride
        other = disparity.take(at)
        same = measured.take(at) & (np.maximum(value, other) <= SAME_SURFACE * np.minimum(value, other))
        yield np.where(same, at, first)


@dataclass(frozen=True)
class _Way:
    """From each pixel of a gap (N,) along a walk.

    Attributes:
        arrives: whether there is something measured.
        length: pixels.
        first: the first measured pixel.
        surface: of ``COLOUR_STEPS`` pixels of its surface.
    """

    arrives: Flat
    length: Places
    first: Places
    surface: list[Places]


def _way(known: Flat, disparity: FlatFloat, gap: Places, walk: _Walk, measured: Bool) -> _Way:
    place = _first_measured(measured, walk.axis, backwards=walk.backwards).reshape(-1).take(gap)
    first = gap + np.where(place >= 0, place - walk.place(gap), 0) * walk.stride
    surface = list(_behind(known, disparity, first, walk))
    return _Way(place >= 0, np.abs(place - walk.place(gap)), first, surface)


@dataclass(frozen=True)
class _Colours:
    """The channels of a picture, flat."""

    channels: list[NDArray[np.int16]]

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> _Colours:
        return cls([np.ascontiguousarray(picture[..., channel], np.int16).reshape(-1) for channel in range(3)])

    def apart(self, a: Places, b: Places) -> FlatFloat:
        """Differences (N,), sums of the channels, between pixels."""
        return np.asarray(sum(np.abs(c.take(a) - c.take(b)) for c in self.channels), np.float32)

    def of_surface(self, gap: Places, way: _Way, mixed: Places, behind: list[Places]) -> FlatFloat:
        """Differences (N,) of a gap's pixels to the surface at a way's end, its most alike pixel counts.

        Args:
            mixed: indices of the ways at whose ends the rim may show what is farther.
            behind: pixels of that surface.
        """
        unlike = np.full(len(gap), np.inf, np.float32)
        inner = [pixels.take(mixed) for pixels in way.surface[RIM_STEPS:]]
        farther = [pixels.take(mixed) for pixels in behind]
        for step, pixels in enumerate(way.surface):
            apart = self.apart(pixels, gap)
            if step < RIM_STEPS and len(mixed):
                rim = pixels.take(mixed)
                to_own = np.minimum.reduce([self.apart(rim, other) for other in inner])
                to_farther = np.minimum.reduce([self.apart(rim, other) for other in farther])
                apart[mixed[to_farther + MORE_LIKE < to_own]] = np.inf
            np.minimum(unlike, apart, out=unlike)
        return unlike


def _slopes(disparity: Float, measured: Bool, axis: int) -> FlatFloat:
    """By how much the surface around each pixel changes to the next pixel along an axis, flat; 0 = it is not known."""
    w, known = (disparity, measured) if axis == 1 else (disparity.T, measured.T)
    width = disparity.shape[1]
    apart = max(1, min(round(SLOPE_APART * width), w.shape[1] - 1))
    before, after = w[:, :-apart], w[:, apart:]
    same = known[:, :-apart] & known[:, apart:]
    same &= np.maximum(before, after) <= SAME_SURFACE * np.minimum(before, after)
    change, count = np.zeros((2, *w.shape), np.float32)
    between = np.s_[:, apart // 2 : apart // 2 + before.shape[1]]
    change[between], count[between] = np.where(same, (after - before) / apart, 0), same
    window = tuple(2 * round(share * width / 2) + 1 for share in (SLOPE_ALONG, SLOPE_ACROSS))
    total, pairs = (cv2.boxFilter(values, cv2.CV_32F, window, normalize=False) for values in (change, count))
    slopes = total / np.maximum(pairs, 1)
    return np.ascontiguousarray(slopes if axis == 1 else slopes.T, np.float32).reshape(-1)


def filled(
    disparity: Float,
    measured: Bool,
    estimate: Float,
    picture: NDArray[np.uint8],
    *,
    together: bool = True,
    hidden: Bool | None = None,
) -> Float:
    """Disparities (H, W) without gaps.

    Args:
        disparity: (H, W) float32.
        measured: (H, W), where it counts.
        estimate: (H, W) the estimator's, fitted to what was measured.
        picture: (H, W, 3) uint8.
        together: whether pixels of like colour decide together, so that no row leaves a streak, and rims are looked
            at; a guess of what stands still, which others are asked about, does without.
        hidden: (H, W), where something else stands before what is looked for: its colours say nothing, and the farthest
            surface beside it is taken. None = nowhere.
    """
    if measured.all():
        return disparity
    if not measured.any():
        return estimate
    gap = np.flatnonzero(~measured)
    width = disparity.shape[1]
    # Flat, and channel by channel: so numpy picks pixels several times faster.
    known, w = measured.reshape(-1), disparity.reshape(-1)
    colours = _Colours.of(picture)
    walks = [_Walk(axis, backwards, measured.shape) for axis in (0, 1) for backwards in (False, True)]
    ways = [_way(known, w, gap, walk, measured) for walk in walks]
    ends = np.array([np.where(way.arrives, w.take(way.first), np.inf) for way in ways])
    farthest, which = ends.min(axis=0), ends.argmin(axis=0)
    behind = [np.choose(which, [way.surface[step] for way in ways]) for step in range(len(COLOUR_STEPS))]
    costs, values, spans = [], [], []
    slopes = [_slopes(disparity, measured, axis) for axis in (0, 1)]
    for walk, way in zip(walks, ways, strict=True):
        spans.append(np.where(way.arrives, way.length / width, np.inf))
        nearest = w.take(way.first)
        mixed = together & (nearest > SAME_SURFACE * farthest) & (nearest < MUCH_NEARER * farthest)
        unlike = colours.of_surface(gap, way, np.flatnonzero(mixed), behind) / np.float32(3 * UNLIKE_COLOUR)
        unlike += (way.length / (FAR_AWAY * width)).astype(np.float32)
        costs.append(np.where(way.arrives, unlike, np.float32(np.inf)))
        slope = slopes[walk.axis].take(way.first)
        beyond = nearest - walk.away * slope * np.minimum(way.length, FURTHEST * width)
        values.append(np.clip(beyond, nearest / MOST_BENT, nearest * MOST_BENT))
    cost, value = np.array(costs), np.array(values)
    if together:
        cost = as_neighbours(cost, gap, picture)
    if hidden is not None:
        cost = np.where(hidden.reshape(-1)[gap] & np.isfinite(cost), np.float32(0), cost)
    best = cost.min(axis=0)
    lost = (best >= UNLIKE) & (np.min(spans, axis=0) > WIDE_GAP)
    chosen = np.where(cost <= best + EQUAL, value, np.inf).min(axis=0)
    # What else lies on that surface counts with it, or rows and columns would show.
    weight = np.exp(-np.where(np.isfinite(cost), cost - np.where(np.isfinite(best), best, 0), np.inf))
    weight *= np.maximum(value, chosen) <= SAME_SURFACE * np.minimum(value, chosen)
    with np.errstate(invalid="ignore", divide="ignore"):
        chosen = np.where(lost, estimate.reshape(-1).take(gap), (weight * value).sum(axis=0) / weight.sum(axis=0))
    out = w.copy()
    out[gap] = chosen
    return out.reshape(disparity.shape)


def strangeness(disparity: Float, measured: Bool, picture: NDArray[np.uint8]) -> Float:
    """Grey levels (H, W), means of channels, by which the pixels of gaps differ from all surfaces that were measured
    beside them; 0 outside of gaps.

    Args:
        disparity: (H, W) float32.
        measured: (H, W), where it counts.
        picture: (H, W, 3) uint8.
    """
    out = np.zeros(measured.size, np.float32)
    gap = np.flatnonzero(~measured)
    if len(gap) and measured.any():
        known, w, colours = measured.reshape(-1), disparity.reshape(-1), _Colours.of(picture)
        walks = [_Walk(axis, backwards, measured.shape) for axis in (0, 1) for backwards in (False, True)]
        unlike = np.full(len(gap), np.inf, np.float32)
        for way in (_way(known, w, gap, walk, measured) for walk in walks):
            # At its rim a near surface may have been taken from the thing itself.
            for pixels in way.surface[RIM_STEPS:]:
                np.minimum(unlike, np.where(way.arrives, colours.apart(pixels, gap), np.inf), out=unlike)
        out[gap] = unlike / np.float32(3)
    return out.reshape(measured.shape)


def without_specks(disparity: Float, guessed: Bool, step: float, least: int) -> Float:
    """Disparities (H, W) where small guessed parts amid another surface have gone over to what is beside them.

    Pixels of a gap choose their surface one by one, so that a few may choose the near one amid many that do not: in a
    take they hang in the air.

    Args:
        disparity: (H, W), 0 = infinitely far away.
        guessed: (H, W) what may change.
        step: of disparity between two planes.
        least: pixels of a part that is large enough to stay.
    """
    specks = guessed & ~np.isfinite(agreement.without_specks(disparity, step, least))
    if not specks.any():
        return disparity
    _, nearest = cv2.distanceTransformWithLabels(
        specks.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(nearest.max()) + 1, np.float32)
    values[nearest[~specks]] = disparity[~specks]
    return np.where(specks, values[nearest], disparity).astype(np.float32)
