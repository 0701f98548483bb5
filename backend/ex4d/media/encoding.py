# SPDX-License-Identifier: Apache-2.0
"""What the values of a picture stand for; nothing else guesses it from a dtype.

A plate's frame is two pictures. ``TruthEncoding`` describes its *truth*: what the file has, never clipped, never
converted. ``Encoding`` describes its *working* picture, which estimators, previews and generators see: the truth itself
where that is display-referred, else the truth through the working curve (``ex4d.colour``).
"""

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


@dataclass(frozen=True)
class TruthEncoding:
    """Values of a plate's truth.

    Attributes:
        kind: "display", whole code values of an ordinary display picture, which is the working picture as well;
            "linear", scene-linear floats in the plate's own primaries, of any size and sign, inf and NaN included;
            "codes", whole code values of a named curve: a camera's log, PQ, HLG, or a display curve beyond its range.
        pixel_type: of the arrays; floats for "linear" only.
        black, white: the values that stand for 0 and 1: not 0 and the highest one where there is room beyond.
    """

    kind: Literal["display", "linear", "codes"]
    pixel_type: Literal["uint8", "uint16", "float16", "float32"]
    black: int = 0
    white: int = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of arrays of values."""
        return np.dtype(self.pixel_type)

    @property
    def is_float(self) -> bool:
        """Whether values are floats."""
        return self.dtype.kind == "f"

    @property
    def is_display(self) -> bool:
        """Whether the truth is the working picture."""
        return self.kind == "display"

    def unit(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Values as float32, 0..1 for those within ``black`` and ``white``."""
        values = np.asarray(pixels, np.float32)
        return values if self.is_float else (values - np.float32(self.black)) / np.float32(self.white - self.black)

    def values(self, unit: NDArray[Any]) -> NDArray[Any]:
        """The inverse of ``unit``: floats in the pixel type, or the nearest code values, clipped to what that holds."""
        if self.is_float:
            return np.asarray(unit, self.dtype)
        scaled = np.asarray(unit, np.float64) * (self.white - self.black) + self.black
        return np.clip(np.rint(scaled), 0, np.iinfo(self.dtype).max).astype(self.dtype)


def truth_of(encoding: Encoding) -> TruthEncoding:
    """The truth of a plate whose truth is its working picture."""
    return TruthEncoding("display", "uint8" if encoding.bits == 8 else "uint16", 0, encoding.white)


#: Code values of movies that may lie beyond black and white: limited-range codes of 8 to 12 bits come back exactly.
HEADROOM_16 = TruthEncoding("codes", "uint16", 4096, 57344)
#: Scene-linear halves and floats.
LINEAR_HALF = TruthEncoding("linear", "float16")
LINEAR_FLOAT = TruthEncoding("linear", "float32")
