# SPDX-License-Identifier: Apache-2.0
"""Reflections: a mirror is measured at what it reflects, behind the surface that it is part of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: A measured surface this many times farther than the estimate is a reflection, whatever is round it.
MIRRORED = 3.0
#: The same of a hole in a nearer surface.
DEEPER = 1.5
#: Share of the picture that a hole has at least.
LEAST_AREA = 1e-3
#: What is round a hole: pixels within this share of the width, of which this share was measured.
RING, LEAST_RING = 0.02, 0.15
#: A hole goes on round it where this share of what was measured there has its disparity, within this ratio.
GOES_ON, ONE_SURFACE = 0.2, 1.1
#: By how many times more the measured depth jumps into a hole than the estimated one, and by how many times it does.
JUMP, NEARER = 1.4, 1.2


def reflections(measured: Float, estimate: Float) -> Bool:
    """Where a frame's measurements are reflections, (H, W).

    A window or a doorway is a hole too, but there the estimator sees some of the jump. So is what is seen between two
    things, but that goes on beside them.

    Args:
        measured: (H, W) disparity, NaN = not measured.
        estimate: (H, W) the estimator's disparity on the shot's line, not drawn to what was measured beside it.
    """
    with np.errstate(invalid="ignore"):
        certain, candidates = measured * MIRRORED < estimate, measured * DEEPER < estimate
    return certain | _holes(candidates, measured, estimate)


def _holes(candidates: Bool, measured: Float, estimate: Float) -> Bool:
    height, width = measured.shape
    known = np.isfinite(measured)
    closed = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    reach = max(3, round(RING * width))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    out = np.zeros(measured.shape, bool)
    for number in range(1, count):
        left, top, across, down, area = stats[number]
        if area < LEAST_AREA * height * width or min(left, top, width - left - across, height - top - down) < 2:
            continue
        hole = labels == number
        ring = (cv2.dilate(hole.astype(np.uint8), kernel) > 0) & ~hole
        round_it, inside = ring & known, hole & known
        if not inside.any() or round_it.sum() < LEAST_RING * ring.sum():
            continue
        beside, within = measured[round_it], np.median(measured[inside])
        if np.mean(np.maximum(beside, within) < ONE_SURFACE * np.minimum(beside, within)) > GOES_ON:
            continue
        jump = np.median(beside) / within
        guessed = np.median(estimate[round_it]) / np.median(estimate[inside])
        if jump > NEARER and jump > JUMP * guessed:
            out |= hole
    return out
