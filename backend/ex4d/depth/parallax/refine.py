# SPDX-License-Identifier: Apache-2.0
"""Disparity to a fraction of a plane's step: Gauss-Newton on what all neighbours see, with a smoothness that planes of
any slant fulfil and that ends at creases.

Disparity is linear over the picture of a plane, so the mean of two opposite pixels is that of the one between them.
Pairs that lie on two surfaces are left out. At a crease both lie on the pixel's surface, but their mean does not: a
pair says the less the farther its mean is off (a Cauchy weight), and the less alike the three look (as in a bilateral
filter). Windows are normalised as in ``sweep``.
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
#: Distances of the opposite pixels, a smoothing step of a round each.
DISTANCES = (3, 1)
#: Weight of smoothness against pixels of unit contrast per plane's step.
SMOOTHNESS = 0.1
#: Side of the window over which pixels say together how far their surface is off.
TOGETHER = 7
#: Opposite pixels whose disparities differ from the pixel's by more than so many steps a pixel of distance lie on other
#: surfaces, and so does one between two whose mean does.
MOST_SLOPE, MOST_BEND = 1.5, 0.75
#: Steps that a mean is off at which a pair says half, and the difference of grey levels (0..1, means of 3x3 pixels) at
#: which it says a third.
BEND, LIKE_GREY = 0.5, 0.04
#: What smoothness weighs at least, in pairs.
LEAST_PAIRS = 0.25
#: A round moves a pixel by this many steps at most.
MOST_STEPS = 0.5
#: Directions, (row, column), in which opposite pixels lie.
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def _normalised(values: Float, size: tuple[int, int]) -> tuple[Float, Float]:
    mean = np.asarray(cv2.blur(values, size), np.float32)
    variance = np.asarray(cv2.sqrBoxFilter(values, cv2.CV_32F, size), np.float32) - mean * mean
    scale = np.asarray(1 / np.sqrt(np.maximum(variance, 0) + np.float32(NOISE)), np.float32)
    return np.asarray((values - mean) * scale, np.float32), scale


def _beside(values: Float, distance: int, border: int) -> list[tuple[Float, Float]]:
    """The opposite pixels (H, W) of each direction; ``border`` is OpenCV's, a constant one is far from all values."""
    padded = cv2.copyMakeBorder(values, distance, distance, distance, distance, border, value=1e9)
    height, width = values.shape

    def at(dy: int, dx: int) -> Float:
        return np.asarray(padded[distance * (1 + dy) :, distance * (1 + dx) :][:height, :width], np.float32)

    return [(at(dy, dx), at(-dy, -dx)) for dy, dx in DIRECTIONS]


def _likeness(grey: Float, distance: int) -> list[Float]:
    """How alike (H, W), 0..1, a pixel and both opposite ones of each direction look."""
    plain = np.asarray(cv2.blur(grey, (3, 3)), np.float32)
    pairs = _beside(plain, distance, cv2.BORDER_REPLICATE)
    unlike = (np.maximum(cv2.absdiff(a, plain), cv2.absdiff(b, plain)) for a, b in pairs)
    return [np.asarray(cv2.exp(each * np.float32(-1 / LIKE_GREY)), np.float32) for each in unlike]


def _opposite_means(w: Float, distance: int, like: Sequence[Float]) -> tuple[Float, Float]:
    """Weighted sum over the pairs on the pixel's surface of their mean's difference to it, and the sum of the weights.

    Args:
        w: (H, W) disparities in planes' steps.
        distance: of the opposite pixels.
        like: of ``_likeness``.
    """
    total, weights = np.zeros_like(w), np.zeros_like(w)
    for (first, second), alike in zip(_beside(w, distance, cv2.BORDER_CONSTANT), like, strict=True):
        a, b = first - w, second - w
        off = (a + b) * np.float32(0.5)
        same = (np.maximum(np.abs(a), np.abs(b)) < MOST_SLOPE * distance) & (np.abs(off) < MOST_BEND * distance)
        off[~same] = 0
        weight = alike / (1 + np.square(off * np.float32(1 / BEND)))
        weight[~same] = 0
        total += weight * off
        weights += weight
    return total, weights


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
    like = [_likeness(grey, distance) for distance in DISTANCES]
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
        weighted = np.where(inside, alike, 0) * slope
        return weighted * (own - other), weighted * slope

    for _ in range(ROUNDS):
        numerator, denominator = np.zeros_like(w), np.zeros_like(w)
        for top, bottom in pool.map(normal_equation, range(len(neighbours))):
            numerator += top
            denominator += bottom
        numerator, denominator = (
            np.asarray(cv2.blur(total, (TOGETHER, TOGETHER)) / len(neighbours), np.float32)
            for total in (numerator, denominator)
        )
        # In steps; the data's optimum does not move while the surface is smoothed.
        start, move = w / np.float32(step), np.zeros_like(w)
        for distance, alike in zip(DISTANCES, like, strict=True):
            total, weights = _opposite_means(start + move, distance, alike)
            wanted = numerator - denominator * move + SMOOTHNESS * total
            move += wanted / (denominator + SMOOTHNESS * np.maximum(weights, LEAST_PAIRS))
            np.clip(move, -MOST_STEPS, MOST_STEPS, out=move)
        w = (w + move * np.float32(step)).astype(np.float32)
    return w
