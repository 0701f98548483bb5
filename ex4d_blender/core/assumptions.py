# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shot's reconstruction has assumed, by the step in which it can be changed. No Blender in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .found_camera import asked_of
from .shot_rules import source_camera_of
from .texts import without_options

#: Words of sentences on what was assumed of the plate's files, or was asked for in place of what they say, and the
#: scene's property that says otherwise.
_OF_THE_PLATE = {
    "frame rate": "plate_fps",
    "pixel aspect": "plate_pixel_aspect",
    "colour matrix": "plate_colour_matrix",
    "colour range": "plate_colour_range",
    "primaries": "plate_colour_space",
}
_SAID = ("assumed", "was asked for")
#: Assumed of most small movies and nearly always right: it keeps no step open.
_SELDOM_WRONG = ("plate_colour_matrix",)


def plate_notes(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was assumed of the plate's files, or asked for in place of what they say: sentences, each with the property
    that changes it."""
    found = ((note, _plate_property(note)) for note in _notes(record))
    return [(note, name) for note, name in found if name is not None]


def geometry_notes(record: Mapping[str, Any]) -> list[str]:
    """All other sentences of a record that should be read."""
    return [note for note in _notes(record) if _plate_property(note) is None]


def plate_needs_look(record: Mapping[str, Any]) -> bool:
    """Whether something was assumed of the plate's files that may well be wrong."""
    return any("assumed" in note and name not in _SELDOM_WRONG for note, name in plate_notes(record))


def geometry_needs_look(record: Mapping[str, Any]) -> bool:
    """Whether lens or source camera were assumed, or the plate cuts."""
    found = source_camera_of(record)
    if found is not None:
        return found.assumed or bool(asked_of(found))
    depth = record["depth"]
    return not (depth.get("intrinsics_known", True) and depth.get("source_poses_known", True))


def _notes(record: Mapping[str, Any]) -> list[str]:
    texts = (without_options(note) for note in record.get("notes", ()))
    return [text for text in texts if text]


def _plate_property(note: str) -> str | None:
    """The property that changes what a sentence says of the plate's files; None: it is about something else."""
    if not any(word in note for word in _SAID):
        return None
    return next((name for words, name in _OF_THE_PLATE.items() if words in note), None)
