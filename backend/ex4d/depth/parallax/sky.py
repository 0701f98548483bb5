# SPDX-License-Identifier: Apache-2.0
"""The sky: what shows no parallax, or nothing to measure it by, and reaches the upper edge of the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Disparities below this many of the planes' steps are as good as none.
FAR_STEPS = 0.6
#: Grey levels (0..255) by which a plain sky changes from pixel to pixel, at most.
PLAIN = 3.0
#: The estimate of a plain sky is farther than this share of the median measured disparity.
FAR_SHARE = 0.35
#: Share of the picture that a sky has at least.
LEAST_AREA = 2e-3


def sky(disparity: Float, measured: Bool, estimate: Float, grey: NDArray[np.uint8], step: float) -> Bool:
    """Where the sky is, (H, W).

    Args:
        disparity: (H, W), filled.
        measured: (H, W), where it was measured.
        estimate: (H, W) the estimator's, fitted to what was measured.
        grey: (H, W) uint8 picture.
        step: of disparity between two planes of the sweep.
    """
    far = disparity < FAR_STEPS * step
    texture = cv2.morphologyEx(cv2.GaussianBlur(grey, (3, 3), 0), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    nearby = float(np.median(disparity[measured])) if measured.any() else 0.0
    plain = ~measured & (texture <= PLAIN) & (estimate < FAR_SHARE * nearby)
    return reaches_top(far | plain)


def reaches_top(mask: Bool) -> Bool:
    """The connected parts of a mask (H, W) that reach the upper edge and are large enough; small holes are closed."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    large = (stats[:, cv2.CC_STAT_TOP] == 0) & (stats[:, cv2.CC_STAT_AREA] >= LEAST_AREA * mask.size)
    large[0] = False
    return np.asarray(large[labels]) if count > 1 else np.zeros(mask.shape, bool)
