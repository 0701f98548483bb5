# SPDX-License-Identifier: Apache-2.0
"""Transforms between the truth and the working picture of a plate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.plate_colour import PlateColour

_KNEE = 0.7
_KNEE_LINEAR = ((_KNEE + 0.055) / 1.055) ** 2.4
_TOP = 64.0


@dataclass(frozen=True)
class PlateTransform:
    """See the module."""

    colour: PlateColour

    def working(self, unit: NDArray[Any]) -> NDArray[np.uint16]:
        """Working codes."""
        x = np.clip(np.nan_to_num(np.asarray(unit, np.float32), nan=0, posinf=_TOP, neginf=0), 0, _TOP)
        low = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
        high = _KNEE + (1 - _KNEE) * np.log(np.maximum(x, _KNEE_LINEAR) / _KNEE_LINEAR) / math.log(_TOP / _KNEE_LINEAR)
        return np.rint(np.where(x > _KNEE_LINEAR, high, low) * 65535).astype(np.uint16)

    def from_working(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """The inverse, of float codes."""
        x = np.clip(np.asarray(codes, np.float32) / 65535, 0, 1)
        low = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        high = _KNEE_LINEAR * np.exp((x - _KNEE) / (1 - _KNEE) * math.log(_TOP / _KNEE_LINEAR))
        return np.asarray(np.where(x > _KNEE, high, low), np.float32)

    def linear(self, unit: NDArray[Any]) -> NDArray[np.float32]:
        """Scene-linear values."""
        return np.asarray(unit, np.float32)

    def unit_from_linear(self, linear: NDArray[Any]) -> NDArray[np.float32]:
        """The inverse of ``linear``."""
        return np.asarray(linear, np.float32)

    def linear_pixel_type(self, bits: int) -> Literal["float16", "float32"]:
        """Pixel type that holds codes of so many bits."""
        return "float16" if bits <= 10 else "float32"


def transform_of(colour: PlateColour) -> PlateTransform:
    """The transforms of a colour space."""
    return PlateTransform(colour)
