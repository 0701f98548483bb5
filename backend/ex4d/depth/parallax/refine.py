# SPDX-License-Identifier: Apache-2.0
"""Disparity to a fraction of a plane's step: Gauss-Newton on what all neighbours see, with a smoothness that planes of
any slant fulfil.

Disparity is linear over the picture of a plane, so the mean of two opposite pixels is that of the one between them;
pairs that lie on two surfaces are left out. Windows are normalised as in ``sweep``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.sweep import NOISE, WINDOW, Neighbour

Float = NDArray[np.float32]

ROUNDS = 2
#: Smoothing steps a round, and the distances of the opposite pixels, in turn.
SMOOTHING, DISTANCES = 2, (1, 3, 2)
#: Weight of smoothness against pixels of unit contrast per plane's step.
SMOOTHNESS = 0.2
#: Opposite pixels within this many steps of the pixel's disparity lie on its surface.
SAME_STEPS = 0.75
#: A round moves a pixel by this many steps at most.
MOST_STEPS = 0.5


def _normalised(values: Float, size: tuple[int, int]) -> tuple[Float, Float]:
    mean = np.asarray(cv2.blur(values, size), np.float32)
    variance = np.asarray(cv2.sqrBoxFilter(values, cv2.CV_32F, size), np.float32) - mean * mean
    scale = np.asarray(1 / np.sqrt(np.maximum(variance, 0) + np.float32(NOISE)), np.float32)
    return np.asarray((values - mean) * scale, np.float32), scale


def _opposite_means(w: Float, distance: int, same: float) -> tuple[Float, Float]:
    """Sum over the pairs on the pixel's surface of their mean's difference to it, and how many pairs there are."""
    padded = cv2.copyMakeBorder(w, distance, distance, distance, distance, cv2.BORDER_CONSTANT, value=1e9)
    height, width = w.shape
    total, count = np.zeros_like(w), np.zeros_like(w)

    def at(dy: int, dx: int) -> Float:
        return np.asarray(padded[distance + dy :, distance + dx :][:height, :width], np.float32)

    for dy, dx in ((0, distance), (distance, 0), (distance, distance), (distance, -distance)):
        a, b = at(dy, dx) - w, at(-dy, -dx) - w
        ok = (np.abs(a) < same * distance) & (np.abs(b) < same * distance)
        total += np.where(ok, (a + b) / 2, 0)
        count += ok
    return total, count


def refine(grey: Float, neighbours: Sequence[Neighbour], w: Float, step: float, pool: Executor) -> Float:
    """Disparities (H, W) float32, finer.

    Args:
        grey: (H, W) float32 in 0..1.
        neighbours: as for ``sweep``.
        w: (H, W) disparities.
        step: of disparity between two planes.
    """
    size = (WINDOW, WINDOW)
    own, _ = _normalised(grey, size)
    w = np.ascontiguousarray(w, dtype=np.float32)
    slopes = [(cv2.Sobel(n.grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(n.grey, cv2.CV_32F, 0, 1) / 8) for n in neighbours]
    packed = [np.dstack([n.grey + 1, *slope, slope[0]]) for n, slope in zip(neighbours, slopes, strict=True)]

    def normal_equation(index: int) -> tuple[Float, Float]:
        passage = neighbours[index].passage
        x, y, ratio = passage.positions(w)
        seen = cv2.remap(packed[index], x, y, cv2.INTER_LINEAR)
        values, gx, gy = (np.ascontiguousarray(seen[..., k], np.float32) for k in range(3))
        inside = (values > 0.99) & (ratio > 0.05)
        other, scale = _normalised(values, size)
        b = passage.b.astype(np.float32)
        slope = (gx * (b[0] - x * b[2]) + gy * (b[1] - y * b[2])) / np.maximum(ratio, 0.05) * scale * np.float32(step)
        alike = np.clip(cv2.blur(own * other, size), 0, 1)
        weight = np.where(inside, alike**3, 0)
        weighted = weight * slope
        return weighted * (own - other), weighted * slope

    for _ in range(ROUNDS):
        numerator, denominator = np.zeros_like(w), np.zeros_like(w)
        for top, bottom in pool.map(normal_equation, range(len(neighbours))):
            numerator += top
            denominator += bottom
        numerator = np.asarray(cv2.blur(numerator, size) / len(neighbours), np.float32)
        denominator = np.asarray(cv2.blur(denominator, size) / len(neighbours), np.float32)
        # In steps; the data's optimum does not move while the surface is smoothed.
        move = np.zeros_like(w)
        for smoothing in range(SMOOTHING):
            total, count = _opposite_means(w + move * step, DISTANCES[smoothing % len(DISTANCES)], SAME_STEPS * step)
            total /= step
            wanted = numerator - denominator * move
            move += (wanted + SMOOTHNESS * total) / (denominator + SMOOTHNESS * np.maximum(count, 0.25))
            np.clip(move, -MOST_STEPS, MOST_STEPS, out=move)
        w = (w + move * np.float32(step)).astype(np.float32)
    return w
