# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each move goes: the unit that an artist gives it in, its default and its ends. No Blender in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ex4d.camera import PRESETS

Unit = Literal["degrees", "factor", "share"]

_UNITS: dict[str, Unit] = {
    "orbit": "degrees",
    "zoom_in": "factor",
    "zoom_out": "factor",
    "dolly_in": "share",
    "dolly_out": "share",
    "truck": "share",
    "crane": "share",
    "pan": "degrees",
    "tilt": "degrees",
    "figure_eight": "degrees",
}
#: The number of a property for one of a move's own amount: angles are radians in Blender, shares are shown as per cent.
_SCALES: dict[Unit, float] = {"degrees": math.pi / 180, "factor": 1.0, "share": 100.0}


@dataclass(frozen=True)
class MoveAmount:
    """What a move's amount is.

    Attributes:
        unit: degrees, a factor on the focal length, or a share of the pivot's distance.
        default: as the move comes, in that unit.
        limits: both ends, in that unit.
    """

    unit: Unit
    default: float
    limits: tuple[float, float]

    def to_property(self, amount: float) -> float:
        """The value of a property for an amount: radians, the factor, or per cent."""
        return amount * _SCALES[self.unit]

    def from_property(self, value: float) -> float | None:
        """The amount that a property of 32 bits stands for; None for the default."""
        amount = float(f"{value / _SCALES[self.unit]:.6g}")
        return None if amount == self.default else amount


#: Of each move that has an amount.
AMOUNTS: dict[str, MoveAmount] = {
    name: MoveAmount(unit, PRESETS[name].default, PRESETS[name].limit) for name, unit in _UNITS.items()
}


def property_name(move: str) -> str:
    """What the scene's property for a move's amount is called."""
    return f"amount_{move}"
