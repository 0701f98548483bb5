# SPDX-License-Identifier: Apache-2.0
"""Depth where nothing was measured: that of one surface beside the gap, never of something between two.

Looking left, right, up and down from a pixel, the first measured pixels are what it may belong to. It takes the one
that it resembles, the farther one of equals, because what hides behind a near thing is what other frames do not show.
Across a small gap that surface goes on as it is; across a wide one it takes the shape that the estimator gives it; and
where nothing resembles the pixel, the estimate stands alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Difference of colour (0..255, mean of channels) and distance (share of the width) that count as one.
UNLIKE_COLOUR, FAR_AWAY = 14.0, 0.06
#: Candidates within this much of the best are equals.
EQUAL = 0.5
#: Beyond this nothing resembles the pixel.
UNLIKE = 4.0
#: Share of the width up to which a surface goes on as it is, and beyond which it has the estimate's shape.
SMALL_GAP, WIDE_GAP = 0.015, 0.06


def _first_measured(measured: Bool, axis: int, *, backwards: bool) -> NDArray[np.intp]:
    """Along an axis, the place of the last measured pixel before each; −1 = none."""
    count = measured.shape[axis]
    place = np.arange(count)[:, None] if axis == 0 else np.arange(count)[None]
    flipped = np.flip(measured, axis) if backwards else measured
    last = np.maximum.accumulate(np.where(flipped, place, -1), axis=axis)
    if not backwards:
        return last
    return np.flip(np.where(last >= 0, count - 1 - last, -1), axis)


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
    colour = cv2.blur(picture, (3, 3)).astype(np.float32)
    own = picture[rows, columns].astype(np.float32)
    width = disparity.shape[1]
    costs, values = [], []
    for axis in (0, 1):
        for backwards in (False, True):
            place = _first_measured(measured, axis, backwards=backwards)[rows, columns]
            at = (place, columns) if axis == 0 else (rows, place)
            there = tuple(np.maximum(index, 0) for index in at)
            distance = np.abs(there[axis] - (rows, columns)[axis]) / width
            unlike = np.abs(colour[there] - own).mean(axis=-1) / UNLIKE_COLOUR + distance / FAR_AWAY
            costs.append(np.where(place >= 0, unlike, np.inf))
            share = np.clip((distance - SMALL_GAP) / (WIDE_GAP - SMALL_GAP), 0, 1)
            values.append(disparity[there] * (estimate[rows, columns] / estimate[there]) ** share)
    cost, value = np.array(costs), np.array(values)
    best = cost.min(axis=0)
    chosen = np.where(cost <= best + EQUAL, value, np.inf).min(axis=0)
    out = disparity.copy()
    out[rows, columns] = np.where(best < UNLIKE, chosen, estimate[rows, columns])
    return out
