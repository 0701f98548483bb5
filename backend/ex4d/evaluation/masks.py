# SPDX-License-Identifier: Apache-2.0
"""How well a mask of holes agrees with the true disocclusion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

Bool = NDArray[np.bool_]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


@dataclass
class MaskCounts:
    """Pixels of holes over many frames.

    Attributes:
        both: holes in prediction and truth.
        only_predicted: surface that was thrown away.
        only_true: holes that pass for surface.
        neither: surface in both.
    """

    both: int = 0
    only_predicted: int = 0
    only_true: int = 0
    neither: int = 0

    def add(self, predicted: Bool, truth: Bool) -> None:
        """Add a frame of (H, W) bool, True = hole; raises BadInputError where sizes differ."""
        if predicted.shape != truth.shape:
            raise BadInputError(
                f"A mask of {predicted.shape} meets one of {truth.shape}.", "Compare masks of one size."
            )
        self.both += int((predicted & truth).sum())
        self.only_predicted += int((predicted & ~truth).sum())
        self.only_true += int((~predicted & truth).sum())
        self.neither += int((~predicted & ~truth).sum())

    @property
    def precision(self) -> float:
        """Share of the predicted holes that are holes."""
        return _share(self.both, self.both + self.only_predicted)

    @property
    def recall(self) -> float:
        """Share of the holes that were predicted."""
        return _share(self.both, self.both + self.only_true)

    @property
    def iou(self) -> float:
        """Intersection over union of the holes."""
        return _share(self.both, self.both + self.only_predicted + self.only_true)

    @property
    def kept_iou(self) -> float:
        """Intersection over union of what is kept."""
        return _share(self.neither, self.neither + self.only_predicted + self.only_true)
