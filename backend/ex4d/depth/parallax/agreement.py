# SPDX-License-Identifier: Apache-2.0
"""What other frames say of a frame's surfaces.

A measurement is believed where frames that were measured by themselves see the same surface. Those that do are
averaged, which takes out what the noise of one frame adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Disparities agree within this share, or within this many of the planes' steps.
SAME_SHARE, SAME_STEPS = 0.03, 0.75


@dataclass(frozen=True)
class OtherMap:
    """Disparities of another frame.

    Attributes:
        disparity: (H, W) float32; NaN = nothing to say.
        passage: from the frame to it.
    """

    disparity: Float
    passage: Passage


def seen_from(disparity: Float, other: OtherMap) -> Float:
    """What another frame says of the pixels' disparities (H, W): those of the surfaces that it sees where this map puts
    the pixels; NaN outside of its picture."""
    x, y, ratio = other.passage.positions(disparity)
    there = cv2.remap(
        other.disparity, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
    )
    return np.where(ratio > 0, there * ratio, np.float32(np.nan)).astype(np.float32)


def agreed(
    disparity: Float, others: Sequence[OtherMap], step: float, share: float = SAME_SHARE
) -> tuple[Float, NDArray[np.uint8]]:
    """The mean of a map and of those that agree with it, and how many those are.

    Args:
        disparity: (H, W) float32.
        others: frames that are asked.
        step: of disparity between two planes.
        share: of the disparity, by which they may differ.
    """
    total, count = disparity.copy(), np.ones(disparity.shape, np.uint8)
    limit = np.maximum(share * disparity, np.float32(SAME_STEPS * step))
    for other in others:
        said = seen_from(disparity, other)
        with np.errstate(invalid="ignore"):
            same = np.abs(said - disparity) <= limit
        total += np.where(same, said, 0)
        count += same
    return total / count, count - np.uint8(1)


def beside_jumps(disparity: Float, ratio: float, reach: int) -> Bool:
    """Pixels (H, W) within ``reach`` of a step of the disparity by more than ``ratio``."""
    kernel = np.ones((3, 3), np.uint8)
    floor = np.float32(1e-12)
    jumps = cv2.dilate(disparity, kernel) > ratio * np.maximum(cv2.erode(disparity, kernel), floor)
    if reach > 1:
        size = 2 * reach - 1
        jumps = cv2.dilate(jumps.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    return np.asarray(jumps)


def without_islands(mask: Bool, least: int) -> Bool:
    """The mask without connected parts of fewer pixels than ``least``."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return np.asarray(large[labels]) if count > 1 else mask
