# SPDX-License-Identifier: Apache-2.0
"""Depth where nothing was measured: that of one surface beside the gap, never of something between two.

Looking left, right, up and down from a pixel, the first measured pixels are what it may belong to. It takes the one
that it resembles, the farther one of equals, because what hides behind a near thing is what other frames do not show.
That surface goes on as it slopes, which for a plane is exact: disparity is linear over its picture. In a wide gap where
nothing resembles the pixel the estimate knows more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.guided import as_neighbours

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

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
#: A surface goes on with the slope that it has over its last pixels, for so large a share of the width and while its
#: disparity changes by no more than this factor.
FURTHEST, MOST_BENT = 0.15, 1.4


def _first_measured(measured: Bool, axis: int, *, backwards: bool) -> NDArray[np.intp]:
    """Along an axis, the place of the last measured pixel before each; −1 = none."""
    count = measured.shape[axis]
    place = np.arange(count)[:, None] if axis == 0 else np.arange(count)[None]
    flipped = np.flip(measured, axis) if backwards else measured
    last = np.maximum.accumulate(np.where(flipped, place, -1), axis=axis)
    if not backwards:
        return last
    return np.flip(np.where(last >= 0, count - 1 - last, -1), axis)


def _behind(
    measured: Bool, disparity: Float, first: tuple[NDArray[np.intp], ...], axis: int, *, step: int
) -> list[tuple[NDArray[np.intp], ...]]:
    """Pixels of the surfaces whose first pixels these are, one list a step; where the surface ends, its first one."""
    out: list[tuple[NDArray[np.intp], ...]] = []
    for distance in COLOUR_STEPS:
        moved = np.clip(first[axis] + step * distance, 0, measured.shape[axis] - 1)
        at = (moved, first[1]) if axis == 0 else (first[0], moved)
        value, other = disparity[first], disparity[at]
        same = measured[at] & (np.maximum(value, other) <= SAME_SURFACE * np.minimum(value, other))
        out.append((np.where(same, at[0], first[0]), np.where(same, at[1], first[1])))
    return out


def filled(disparity: Float, measured: Bool, estimate: Float, picture: NDArray[np.uint8]) -> Float:
    """Disparities (H, W) without gaps.

    Args:
        disparity: (H, W) float32.
        measured: (H, W), where it counts.
        estimate: (H, W) the estimator's, fitted to what was measured.
        picture: (H, W, 3) uint8.
    """
    if measured.all():
        return disparity
    rows, columns = np.nonzero(~measured)
    if not measured.any():
        return estimate
    colour = picture.astype(np.float32)
    own = colour[rows, columns]
    width = disparity.shape[1]
    costs, values, spans = [], [], []
    for axis in (0, 1):
        for backwards in (False, True):
            place = _first_measured(measured, axis, backwards=backwards)[rows, columns]
            spans.append(np.where(place >= 0, np.abs(place - (rows, columns)[axis]) / width, np.inf))
            at = (place, columns) if axis == 0 else (rows, place)
            there = tuple(np.maximum(index, 0) for index in at)
            distance = np.abs(there[axis] - (rows, columns)[axis]) / width
            behind = _behind(measured, disparity, there, axis, step=1 if backwards else -1)
            unlike = np.min([np.abs(colour[at] - own).mean(axis=-1) for at in behind], axis=0) / UNLIKE_COLOUR
            unlike += distance / FAR_AWAY
            costs.append(np.where(place >= 0, unlike, np.inf))
            pixels = np.minimum(np.abs(there[axis] - (rows, columns)[axis]), FURTHEST * width)
            first, back = disparity[there], disparity[behind[-1]]
            steps = np.maximum(np.abs(behind[-1][axis] - there[axis]), 1)
            values.append(np.clip(first + (first - back) / steps * pixels, first / MOST_BENT, first * MOST_BENT))
    cost, value = as_neighbours(np.array(costs), np.flatnonzero(~measured), picture), np.array(values)
    best = cost.min(axis=0)
    lost = (best >= UNLIKE) & (np.min(spans, axis=0) > WIDE_GAP)
    chosen = np.where(cost <= best + EQUAL, value, np.inf).min(axis=0)
    # What else lies on that surface counts with it, or rows and columns would show.
    weight = np.exp(-np.where(np.isfinite(cost), cost - np.where(np.isfinite(best), best, 0), np.inf))
    weight *= np.maximum(value, chosen) <= SAME_SURFACE * np.minimum(value, chosen)
    with np.errstate(invalid="ignore", divide="ignore"):
        chosen = np.where(lost, estimate[rows, columns], (weight * value).sum(axis=0) / weight.sum(axis=0))
    out = disparity.copy()
    out[rows, columns] = chosen
    return out
