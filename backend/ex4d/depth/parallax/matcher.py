# SPDX-License-Identifier: Apache-2.0
"""What compares a frame with its neighbours, on whichever device; see ``matching``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.sweep import Neighbour

Array = NDArray[np.float64]
Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Match:
    """What was found for a frame.

    Attributes:
        disparity: (H, W) float32, 0 or more.
        cost: (H, W) uint8, of the chosen planes, at most ``semi_global.MOST_COST``.
    """

    disparity: Float
    cost: Bytes


class Matcher(Protocol):
    """Compares a frame with its neighbours."""

    def match(self, grey: Float, neighbours: Sequence[Neighbour], planes: Array) -> Match:
        """The surface that each pixel shows.

        Args:
            grey: (H, W) float32 in 0..1.
            neighbours: at least one.
            planes: (D,) disparities, ascending, even; at least 3.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
