# SPDX-License-Identifier: Apache-2.0
"""How a camera move is spread over its frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Each maps time 0..1 to progress 0..1, both arrays of one shape.
EASINGS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda s: s,
    "in": lambda s: s * s,
    "out": lambda s: s * (2 - s),
    # Smoothstep: speed starts and ends at zero.
    "in_out": lambda s: s * s * (3 - 2 * s),
}


def progress(count: int, easing: str) -> Array:
    """Progress 0..1 of each of ``count`` frames, (count,); a single frame is at 0."""
    return EASINGS[easing](np.linspace(0.0, 1.0, count) if count > 1 else np.zeros(1))
