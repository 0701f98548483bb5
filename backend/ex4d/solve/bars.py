# SPDX-License-Identifier: Apache-2.0
"""Black bars around the picture (letterbox, pillarbox): no point may be looked for along their edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

#: 8-bit grey up to which a row or column of a bar goes: codes of limited range and a coder's noise.
BLACK = 24
#: Pictures are made softer by so many pixels to each side, so that a single bright one is no picture.
BAR_SOFT = 2
#: A picture is not taken for bars where they would be more than this share of a side.
MOST_BAR = 0.4


class BarFinder:
    """Keeps the brightest grey that each row and column has had.

    Args:
        size: (width, height) of the pictures.

    Attributes:
        brightest: (height + width,) uint8, rows first.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self.brightest = np.zeros(size[1] + size[0], np.uint8)

    def add(self, grey: Grey) -> None:
        """One more picture."""
        soft = cv2.blur(grey, (2 * BAR_SOFT + 1, 2 * BAR_SOFT + 1))
        self.brightest = np.maximum(self.brightest, np.concatenate([soft.max(axis=1), soft.max(axis=0)]))

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is no bar, half-open, pixels; the whole picture where there are none."""
        height = self._size[1]
        top, bottom = _span(self.brightest[:height])
        left, right = _span(self.brightest[height:])
        return left, top, right, bottom

    def has_bars(self) -> bool:
        """Whether there are any."""
        return self.box() != (0, 0, *self._size)

    def room(self, margin: int) -> tuple[int, int, int, int]:
        """As ``box``, by so many pixels smaller on the sides that have a bar: a window around a point of it is free of
        bars."""
        width, height = self._size
        left, top, right, bottom = self.box()
        return (
            left + margin * (left > 0),
            top + margin * (top > 0),
            right - margin * (right < width),
            bottom - margin * (bottom < height),
        )

    def inside(self, margin: int) -> NDArray[np.uint8]:
        """(height, width) uint8 mask, 255 in the room."""
        width, height = self._size
        left, top, right, bottom = self.room(margin)
        mask = np.zeros((height, width), np.uint8)
        mask[top:bottom, left:right] = 255
        return mask


def _span(brightest: NDArray[np.uint8]) -> tuple[int, int]:
    """The lines [start, stop) between bars at both ends."""
    bright = np.flatnonzero(brightest > BLACK)
    if not len(bright):
        return 0, len(brightest)
    start, stop = int(bright[0]), int(bright[-1]) + 1
    if start > MOST_BAR * len(brightest) or len(brightest) - stop > MOST_BAR * len(brightest):
        return 0, len(brightest)
    return start, stop
