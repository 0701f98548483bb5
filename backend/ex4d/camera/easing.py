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


#: Speed of each at its begin and its end.
_SLOPES = {"linear": (1.0, 1.0), "in": (0.0, 2.0), "out": (2.0, 0.0), "in_out": (0.0, 0.0)}


def progress(count: int, easing: str, handles: tuple[int, int] = (0, 0)) -> Array:
    """Progress of each of ``count`` frames, (count,): 0..1 over those that are no handles; a single one is at 0.

    In handles the move goes on at the speed that it has at its begin and end, which may be none.

    Args:
        count: all frames.
        easing: a key of ``EASINGS``.
        handles: how many of them, at the beginning and at the end, are handles.
    """
    before, after = handles
    inner = count - before - after
    if inner < 2:
        return np.zeros(count)
    shares = EASINGS[easing](np.linspace(0.0, 1.0, inner))
    start, end = _SLOPES[easing]
    step = 1 / (inner - 1)
    early, late = np.arange(-before, 0) * step * start, 1 + np.arange(1, after + 1) * step * end
    return np.concatenate([early, shares, late])
