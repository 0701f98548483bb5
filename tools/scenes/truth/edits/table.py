# SPDX-License-Identifier: GPL-3.0-or-later
"""The edits by the names that the command line has for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.scenes.truth.edits import framing, marks, timing
from tools.scenes.truth.edits.clip import Clip, read


@dataclass(frozen=True)
class Edit:
    """One kind of edit.

    Attributes:
        apply: called with the clip and the values.
        values: what its values are made with, by their names.
        required: how many of them have to be given.
    """

    apply: Callable[..., Clip]
    values: dict[str, Callable[[str], Any]]
    required: int

    @property
    def usage(self) -> str:
        """Its values by their names, as a help text has them."""
        return ",".join(name if k < self.required else f"[{name}]" for k, name in enumerate(self.values))


def _scene(text: str) -> Clip:
    return read(Path(text))


EDITS = {
    "frames": Edit(timing.part, {"FIRST": int, "LAST": int, "EVERY": int}, 2),
    "held": Edit(timing.held, {"TIMES": int}, 1),
    "pulldown": Edit(timing.pulldown, {}, 0),
    "cut": Edit(timing.cut, {"SCENE": _scene}, 1),
    "shutter": Edit(timing.shutter, {"EACH": int, "OPEN": int}, 2),
    "rolling": Edit(timing.rolling, {"EACH": int, "ROWS": int}, 2),
    "distort": Edit(framing.distorted, {"K1": float, "K2": float}, 1),
    "shake": Edit(framing.shaken, {"DEGREES": float, "SEED": int}, 1),
    "mirror": Edit(framing.mirrored, {}, 0),
    "crop": Edit(framing.cropped, {"LEFT": int, "TOP": int, "WIDTH": int, "HEIGHT": int}, 4),
    "letterbox": Edit(marks.letterboxed, {"ASPECT": float}, 1),
    "burn_in": Edit(marks.burnt_in, {}, 0),
    "grain": Edit(marks.grainy, {"STRENGTH": float, "SEED": int}, 1),
}


def parse(text: str) -> Callable[[Clip], Clip]:
    """The edit that ``NAME:VALUE,VALUE`` means.

    Raises:
        ValueError: there is none of that name, or its values are others.
        BadInputError: the scene that is cut to is none.
    """
    name, _, given = text.partition(":")
    if name not in EDITS:
        raise ValueError(f"there is no edit {name}; use one of {', '.join(EDITS)}")
    edit, texts = EDITS[name], given.split(",") if given else []
    if not edit.required <= len(texts) <= len(edit.values):
        raise ValueError(f"{name} takes {edit.usage or 'no values'}")
    values = [make(value) for make, value in zip(edit.values.values(), texts, strict=False)]
    return lambda clip: edit.apply(clip, *values)
