# SPDX-License-Identifier: Apache-2.0
"""Seams: edges at the border between source pixels and fill that the truth does not have."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import Picture, check_shapes, unit

Bool = NDArray[np.bool_]

#: Pixels on each side of the border.
SEAM_PX = 2


def seam_band(mask: NDArray[np.uint8], width_px: int = SEAM_PX) -> Bool:
    """(H, W) bool: pixels at most ``width_px`` from where the mask (H, W), 0 = hole, changes."""
    hole = (mask == 0).astype(np.uint8)
    side = 2 * width_px + 1
    kernel = np.ones((side, side), np.uint8)
    return np.asarray((cv2.dilate(hole, kernel) > 0) & (cv2.erode(hole, kernel, borderValue=1) == 0))


def _gradient(picture: Picture) -> NDArray[np.float32]:
    grey = np.asarray(cv2.cvtColor(unit(picture), cv2.COLOR_RGB2GRAY))
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(grey, cv2.CV_32F, 0, 1) / 8
    return np.asarray(np.hypot(across, down), np.float32)


def seam_error(result: Picture, truth: Picture, mask: NDArray[np.uint8]) -> float:
    """Mean excess of the result's gradient over the truth's in the band, in 8-bit code values a pixel.

    Only excess counts: a fill that is softer than the truth shows no seam. NaN where the mask has no border.

    Raises:
        BadInputError: sizes differ.
    """
    band = seam_band(mask)
    check_shapes(result, truth, band)
    if not band.any():
        return math.nan
    return float(255 * np.maximum(_gradient(result) - _gradient(truth), 0)[band].mean(dtype=np.float64))
