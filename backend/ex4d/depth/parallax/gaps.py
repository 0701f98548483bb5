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
    disparity: Float, measured: Bool, estimate: Float, picture: NDArray[np.uint8], *, together: bool = True
) -> Float:
    """Disparities (H, W) without gaps.

    Args:
        disparity: (H, W) float32.
        measured: (H, W), where it counts.
        estimate: (H, W) the estimator's, fitted to what was measured.
        picture: (H, W, 3) uint8.
        together: whether pixels of like colour decide together, so that no row leaves a streak; a guess does without.
    """
    if measured.all():
        return disparity
    if not measured.any():
        return estimate
    gap = np.flatnonzero(~measured)
    width = disparity.shape[1]
    # Flat, and channel by channel: so numpy picks pixels several times faster.
    known, w = measured.reshape(-1), disparity.reshape(-1)
    channels = [np.ascontiguousarray(picture[..., channel], np.int16).reshape(-1) for channel in range(3)]
    own = [channel.take(gap) for channel in channels]
    costs, values, spans = [], [], []
    slopes = [_slopes(disparity, measured, axis) for axis in (0, 1)]
    for walk in (_Walk(axis, backwards, measured.shape) for axis in (0, 1) for backwards in (False, True)):
        place = _first_measured(measured, walk.axis, backwards=walk.backwards).reshape(-1).take(gap)
        from_here = np.abs(place - walk.place(gap))
        first = gap + np.where(place >= 0, place - walk.place(gap), 0) * walk.stride
        spans.append(np.where(place >= 0, from_here / width, np.inf))
        unlike = np.full(len(gap), np.inf, np.float32)
        for back in _behind(known, w, first, walk):
            apart = [np.abs(channel.take(back) - mine) for channel, mine in zip(channels, own, strict=True)]
            np.minimum(unlike, (apart[0] + apart[1] + apart[2]).astype(np.float32), out=unlike)
        unlike /= np.float32(3 * UNLIKE_COLOUR)
        unlike += (from_here / (FAR_AWAY * width)).astype(np.float32)
        costs.append(np.where(place >= 0, unlike, np.float32(np.inf)))
        nearest = w.take(first)
        beyond = nearest - walk.away * slopes[walk.axis].take(first) * np.minimum(from_here, FURTHEST * width)
        values.append(np.clip(beyond, nearest / MOST_BENT, nearest * MOST_BENT))
    cost, value = np.array(costs), np.array(values)
    if together:
        cost = as_neighbours(cost, gap, picture)
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
