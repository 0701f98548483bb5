# SPDX-License-Identifier: Apache-2.0
"""What the values of a picture stand for. Another kind of picture is another ``Encoding`` here; nothing else guesses it
from a dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Encoding:
    """Whole code values of a display-referred picture, from 0 = black.

    Attributes:
        name: in words.
        bits: of a code value.
    """

    name: str
    bits: Literal[8, 16]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of arrays of code values."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def white(self) -> int:
        """The largest code value."""
        return (1 << self.bits) - 1

    def codes(self, values: NDArray[Any]) -> NDArray[Any]:
        """The nearest code values of float ones on their scale; what lies outside is clipped."""
        return np.clip(values + 0.5, 0, self.white).astype(self.dtype)

    def unit(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Code values as float32 in 0..1."""
        return np.asarray(pixels, np.float32) / np.float32(self.white)

    def to_8bit(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """For analysis and previews: the upper eight bits."""
        return np.asarray(pixels, np.uint8) if self.bits == 8 else (pixels >> 8).astype(np.uint8)


DISPLAY_8 = Encoding("8-bit display-referred", 8)
DISPLAY_16 = Encoding("16-bit display-referred", 16)


def display_encoding(dtype: DTypeLike) -> Encoding:
    """Of display-referred code values that come as an array alone; raises ValueError for other dtypes."""
    for encoding in (DISPLAY_8, DISPLAY_16):
        if np.dtype(dtype) == encoding.dtype:
            return encoding
    raise ValueError(f"{np.dtype(dtype)} holds no display-referred code values")
