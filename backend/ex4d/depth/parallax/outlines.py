# SPDX-License-Identifier: Apache-2.0
"""Outlines to the pixel.

A window that straddles an outline takes the near surface's depth, so that near things come out fat, by half a window.
There each pixel chooses between the two surfaces that meet by itself: by its own colour in the neighbours, averaged
over pixels beside it that look like it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.agreement import beside_jumps
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Surfaces within this many pixels are offered, if their disparities differ by more than this ratio and so many of the
#: planes' steps.
REACH, JUMP, LEAST_STEPS = 3, 1.06, 1.5
#: Differences of colour (0..255, mean of channels) beyond which a neighbour says no more.
MOST_DIFFERENCE = 40.0
#: Side of the window of like pixels, and the difference of colour at which one counts a third.
LIKE_WINDOW, LIKE_COLOUR = 5, 12.0
#: One surface must look better than the other by this much, and differ by no more than this, to be believed.
MARGIN, MOST_BELIEVED = 1.0, 14.0
_MEAN = np.array([[1, 1, 1, 0]], np.float32) / 3


def _difference(colour: Float, neighbours: Sequence[tuple[Float, Passage, bool]], disparity: Float) -> Float:
    """Mean difference of colour (H, W) to what the neighbours show there, that of the better side in time."""
    best = np.full(disparity.shape, MOST_DIFFERENCE, np.float32)
    for later in (False, True):
        side = [(picture, passage) for picture, passage, is_later in neighbours if is_later is later]
        total, count = np.zeros(disparity.shape, np.float32), np.full(disparity.shape, 1e-6, np.float32)
        for picture, passage in side:
            x, y, ratio = passage.positions(disparity)
            seen = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(-1e4,) * 4)
            difference = _apart(np.asarray(seen, np.float32), colour)
            inside = (seen[..., 0] >= 0) & (ratio > 0)
            total += np.where(inside, np.minimum(difference, MOST_DIFFERENCE), 0)
            count += inside
        if side:
            best = np.minimum(best, np.where(count > 0.5, total / count, MOST_DIFFERENCE))
    return best


def _over_like_pixels(maps: Sequence[Float], colour: Float) -> list[Float]:
    """Means (H, W) of maps over each pixel's window, weighted by likeness of colour."""
    reach = LIKE_WINDOW // 2
    height, width = colour.shape[:2]

    def padded(values: Float) -> Float:
        return np.asarray(cv2.copyMakeBorder(values, reach, reach, reach, reach, cv2.BORDER_REFLECT_101), np.float32)

    around, values = padded(colour), [padded(each) for each in maps]
    totals, weights = [np.zeros((height, width), np.float32) for _ in maps], np.zeros((height, width), np.float32)
    for dy in range(LIKE_WINDOW):
        for dx in range(LIKE_WINDOW):
            there = np.s_[dy : dy + height, dx : dx + width]
            weight = np.asarray(cv2.exp(_apart(around[there], colour) * np.float32(-1 / LIKE_COLOUR)), np.float32)
            weights += weight
            for total, each in zip(totals, values, strict=True):
                np.add(total, weight * each[there], out=total)
    return [total / weights for total in totals]


def _apart(a: Float, b: Float) -> Float:
    """Differences (H, W) of colours (H, W, 4), means of the first three channels."""
    return np.asarray(cv2.transform(cv2.absdiff(a, b), _MEAN), np.float32)


def sharpened(
    disparity: Float, colour: Float, neighbours: Sequence[tuple[Float, Passage, bool]], step: float
) -> tuple[Float, Bool]:
    """Disparities (H, W) whose outlines lie where the picture's do, and where nothing tells which surface it is.

    Args:
        disparity: (H, W) float32.
        colour: (H, W, 4) float32 in 0..255; the fourth channel is not looked at.
        neighbours: such pictures, the passage to each, and whether it is later.
        step: of disparity between two planes.
    """
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    near, far = (np.asarray(end(disparity, kernel), np.float32) for end in (cv2.dilate, cv2.erode))
    where = beside_jumps(disparity, JUMP, LEAST_STEPS * step, REACH)
    if not where.any():
        return disparity, where
    as_far, as_near = _over_like_pixels([_difference(colour, neighbours, w) for w in (far, near)], colour)
    is_near = as_far - as_near > MARGIN
    unclear = where & ((np.abs(as_far - as_near) <= MARGIN) | (np.minimum(as_far, as_near) > MOST_BELIEVED))
    # Values of the own surface, where the own one was chosen: ``near`` and ``far`` are its ends over a window.
    was_near = disparity > np.sqrt(np.maximum(near, 1e-12) * np.maximum(far, 1e-12))
    chosen = np.where(is_near == was_near, disparity, np.where(is_near, near, far))
    return np.where(where, chosen, disparity).astype(np.float32), unclear
