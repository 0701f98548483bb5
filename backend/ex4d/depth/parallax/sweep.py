# SPDX-License-Identifier: Apache-2.0
"""Plane sweep: how unlike a frame and its neighbours look on planes of constant depth.

Source: Collins, A Space-Sweep Approach to True Multi-Image Matching, CVPR 1996; the costs are normalised
cross-correlation of small windows, which takes changes of light. Earlier and later frames are averaged apart and the
better side counts, since what is hidden in one is mostly seen in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.semi_global import MOST_COST
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]

#: Side of the window, pixels.
WINDOW = 5
#: Variance, of grey levels from 0 to 1, below which a window shows nothing but noise.
NOISE = 5e-6
#: Cost of what no neighbour sees.
UNSEEN = MOST_COST // 2
#: Added to grey levels, so that 0 is what lies outside of a picture.
OFFSET = 0.5


@dataclass(frozen=True)
class Neighbour:
    """Another frame to compare with.

    Attributes:
        grey: (H, W) float32 in 0..1.
        passage: from the frame to it.
        is_later: on which side in time.
    """

    grey: Float
    passage: Passage
    is_later: bool


class _Window:
    """Means over windows of a frame and what a correlation needs of it."""

    def __init__(self, grey: Float) -> None:
        self.values = grey - np.float32(grey.mean())
        self.mean = cv2.blur(self.values, (WINDOW, WINDOW))
        variance = cv2.blur(self.values * self.values, (WINDOW, WINDOW)) - self.mean * self.mean
        self.scale = (1 / np.sqrt(np.maximum(variance, 0) + np.float32(NOISE))).astype(np.float32)

    def correlation(self, other: Float, scratch: Float) -> Float:
        """Normalised cross-correlation (H, W) with another picture that is laid upon it."""
        size = (WINDOW, WINDOW)
        mean = np.asarray(cv2.blur(other, size), np.float32)
        variance = np.asarray(cv2.sqrBoxFilter(other, cv2.CV_32F, size), np.float32)
        np.multiply(mean, mean, out=scratch)
        variance -= scratch
        np.maximum(variance, 0, out=variance)
        variance += np.float32(NOISE)
        np.sqrt(variance, out=variance)
        np.multiply(self.values, other, out=scratch)
        product = np.asarray(cv2.blur(scratch, size), np.float32)
        mean *= self.mean
        product -= mean
        product *= self.scale
        product /= variance
        return product


def sweep(
    grey: Float, neighbours: Sequence[Neighbour], disparities: NDArray[np.float64], pool: Executor, parts: int
) -> Bytes:
    """Costs (H, D, W) uint8 of a frame's pixels on planes of those disparities (D,): 0 = alike, ``MOST_COST`` = not at
    all alike.

    Args:
        grey: (H, W) float32 in 0..1.
        neighbours: at least one.
        pool: runs ``parts`` shares of the planes.
    """
    height, width = grey.shape
    costs = np.empty((height, len(disparities), width), np.uint8)
    window = _Window(grey)
    sides = [[n for n in neighbours if n.is_later is later] for later in (False, True)]
    sides = [side for side in sides if side]
    shifted = {id(n): n.grey + np.float32(OFFSET) for n in neighbours}

    def run(planes: range) -> None:
        scratch = np.empty_like(grey)
        for index in planes:
            best = np.full(grey.shape, 2, np.float32)
            for side in sides:
                total, count = np.zeros_like(grey), np.zeros(grey.shape, np.float32)
                for neighbour in side:
                    warped = cv2.warpPerspective(
                        shifted[id(neighbour)],
                        neighbour.passage.homography(float(disparities[index])),
                        (width, height),
                        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    )
                    seen = np.asarray(warped, np.float32)
                    inside = (seen > OFFSET - 1e-3).astype(np.float32)
                    like = window.correlation(seen, scratch)
                    like *= inside
                    total += like
                    count += inside
                np.maximum(count, 1e-3, out=scratch)
                total /= scratch
                # 1 − correlation, and neither good nor bad where nothing was seen.
                np.subtract(1, total, out=total)
                total[count == 0] = 2
                np.minimum(best, total, out=best)
            unseen = best > 1.999
            np.clip(best, 0, 2, out=best)
            best *= MOST_COST / 2
            best[unseen] = UNSEEN
            costs[:, index] = best

    list(pool.map(run, [range(part, len(disparities), parts) for part in range(parts)]))
    return costs
