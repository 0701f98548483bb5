# SPDX-License-Identifier: Apache-2.0
"""Flicker: how much the error changes from frame to frame. A steady error costs nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import Picture, check_shapes, unit

Bool = NDArray[np.bool_]


class Flicker:
    """Mean absolute change of (result − truth) between neighbouring frames, in 8-bit code values."""

    def __init__(self) -> None:
        self._former: tuple[NDArray[np.float32], Bool] | None = None
        self._sum, self._count = 0.0, 0

    def add(self, result: Picture, truth: Picture, where: Bool) -> None:
        """Add the next frame: pictures (H, W, 3), and the pixels (H, W) that count; both frames must have them.

        Raises:
            BadInputError: sizes differ.
        """
        check_shapes(result, truth, where)
        error = 255 * (unit(result) - unit(truth))
        if self._former is not None:
            former, former_where = self._former
            both = where & former_where
            self._sum += float(np.abs(error[both] - former[both]).sum(dtype=np.float64))
            self._count += 3 * int(both.sum())
        self._former = error, where

    @property
    def value(self) -> float:
        """Code values; NaN where nothing was compared."""
        return self._sum / self._count if self._count else math.nan
