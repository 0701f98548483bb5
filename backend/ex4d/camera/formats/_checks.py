# SPDX-License-Identifier: Apache-2.0
"""Checks that the trajectory readers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]


def bad_file(path: Path, what: str, hint: str) -> BadInputError:
    """The error for a file: ``what`` goes on after its name."""
    return BadInputError(f"{path.name} {what}.", hint)


def matrix(path: Path, value: object, shape: tuple[int, ...], name: str) -> Array:
    """``value`` as a float64 array of that shape, or BadInputError that names it."""
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        out = np.empty(0)
    if out.shape != shape:
        raise bad_file(
            path,
            f"has a {name} that is not a {'x'.join(map(str, shape))} matrix of numbers",
            "Export it again.",
        )
    return out
