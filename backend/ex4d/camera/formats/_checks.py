# SPDX-License-Identifier: Apache-2.0
"""Checks that the trajectory readers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]

#: Pixels along a side: more than any picture here can have.
MAX_SIDE = 65536


def bad_file(path: Path, what: str, hint: str) -> BadInputError:
    """The error for a file: ``what`` goes on after its name."""
    return BadInputError(f"{path.name} {what}.", hint)


def matrix(path: Path, value: object, shape: tuple[int, ...], name: str) -> Array:
    """``value`` as a float64 array of that shape, or BadInputError that names it."""
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        out = np.empty(0)
    if out.shape != shape:
        raise bad_file(
            path,
            f"has a {name} that is not a {'x'.join(map(str, shape))} matrix of numbers",
            "Export it again.",
        )
    return out


def whole_number(value: object) -> int:
    """A whole number as JSON has it, 3 or 3.0; raises ValueError, TypeError or OverflowError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    if int(value) != value:
        raise ValueError("no whole number")
    return int(value)


def picture_size(path: Path, width: object, height: object) -> tuple[int, int]:
    """(width, height) in pixels from a file's numbers, or BadInputError."""
    try:
        size = whole_number(width), whole_number(height)
    except (TypeError, ValueError, OverflowError):
        size = (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise bad_file(
            path,
            "does not give one image size for all frames",
            f"Give width and height in whole pixels, from 1 to {MAX_SIDE}.",
        )
    return size
