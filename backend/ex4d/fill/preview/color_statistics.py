# SPDX-License-Identifier: Apache-2.0
"""What belongs in the holes, told from colours alone.

A take starts at the source camera, so its first frame is the whole plate. What later frames do not show any more is
mostly what stands in their holes: colours that have become rare since the first frame flow in, those of a subject that
is still in sight do not.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Bins of the histograms along each of red, green and blue.
BINS = 12
#: Share of the first frame that must be known for it to count as the whole plate.
WHOLE = 0.98
#: Share of a frame's pixels below which a colour's count is chance.
CHANCE = 0.005
#: How sharply the choice falls.
EXPONENT = 2
#: Weight that colours keep which are not missing at all.
FLOOR = 1e-4


class MissingColors:
    """Compares frames with the first one of their take.

    Args:
        first: (H, W, 3) float32 code values.
        known: (H, W) bool.
        white: the largest code value.
    """

    def __init__(self, first: Float, known: Bool, white: float) -> None:
        self._scale = BINS / (white + 1)
        self._whole = bool(known.mean() >= WHOLE)
        self._plate = self._histogram(self._bins(first), known)

    def weight(self, color: Float, known: Bool) -> Float:
        """How much each known pixel's colour is missed, (H, W) float32 in 0..1; 1 where nothing can be told."""
        if not self._whole or known.all() or not known.any():
            return np.ones(known.shape, dtype=np.float32)
        bins = self._bins(color)
        seen = self._histogram(bins, known)
        missed = np.maximum(self._plate - seen, 0) / (seen + CHANCE)
        score = missed.take(bins)
        most = max(float(np.percentile(score[known], 98)), 1e-6)
        return np.maximum(np.minimum(score / most, 1) ** EXPONENT, FLOOR).astype(np.float32)

    def _bins(self, color: Float) -> NDArray[np.intp]:
        """Indices (H, W) of the flat histogram's bins."""
        red, green, blue = cv2.split(np.clip(color * self._scale, 0, BINS - 1).astype(np.uint8))
        index = np.multiply(red, BINS * BINS, dtype=np.intp)
        index += np.multiply(green, BINS, dtype=np.intp)
        index += blue
        return index

    @staticmethod
    def _histogram(bins: NDArray[np.intp], known: Bool) -> NDArray[np.float64]:
        """(BINS, BINS, BINS) shares of all pixels, smoothed so that a bin's border matters little."""
        counts = np.bincount(bins[known], minlength=BINS**3).reshape((BINS,) * 3) / known.size
        for axis in range(3):
            padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)])
            low, mid, high = (np.take(padded, range(i, i + BINS), axis=axis) for i in range(3))
            counts = 0.25 * low + 0.5 * mid + 0.25 * high
        return np.asarray(counts, dtype=np.float64)
