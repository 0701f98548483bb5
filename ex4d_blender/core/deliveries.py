# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivered takes as they lie in a shot's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from, parse_json
from ex4d.system.inputs import read_bytes

TAKE_FILE = "take.json"
#: Some hundred bytes a frame.
MAX_BYTES = 64 << 20
#: Blender's timeline ends there.
LAST_FRAME = 1048574


def read_take(folder: Path) -> dict[str, Any]:
    """A delivered take's record, as the result of its job was.

    Raises:
        BadInputError: there is none.
    """
    try:
        record = parse_json(read_bytes(folder / TAKE_FILE, MAX_BYTES))
        numbers = [frame["frame"] for frame in record["frames"]]
        coverage = [1.0 - frame["generated"] for frame in record["frames"]]
        fill = record["fill"]
        _check_values(record, numbers)
        return {
            "take": folder.name,
            "folder": str(folder),
            "numbers": numbers,
            "coverage": coverage,
            "result": str(folder / "result"),
            "mask": str(folder / "mask"),
            "profile": fill["name"],
            "label": fill["label"],
            "seed": fill["seed"],
            "prompt": fill.get("prompt"),
            "title": record.get("title", ""),
            "generated_mean": record["generated_mean"],
            "trajectory": str(folder / record["trajectory"]),
            **({"fps": str(fraction_from(record["fps"]))} if "fps" in record else {}),
        }
    except (BadInputError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadInputError(f"{folder} holds no finished take.", "Choose a folder such as takes/v001.") from error


def _check_values(record: dict[str, Any], numbers: list[Any]) -> None:
    """Raise ValueError where a value is of another kind than what Blender's properties and strips take."""
    fill = record["fill"]
    names = (fill["name"], fill["label"], fill.get("prompt") or "", record.get("title", ""), record["trajectory"])
    usable = (
        all(isinstance(name, str) for name in names)
        and len(numbers) > 0
        and all(isinstance(number, int) and abs(number) <= LAST_FRAME for number in numbers)
        and (fill["seed"] is None or isinstance(fill["seed"], int))
        and isinstance(record["generated_mean"], int | float)
        and fraction_from(record.get("fps", 1)) > 0
    )
    if not usable:
        raise ValueError("a value of another kind than a take has")
