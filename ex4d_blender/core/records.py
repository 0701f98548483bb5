# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of what the extension writes into a .blend, and what earlier versions meant by it. No Blender in here."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from ex4d.protocol.errors import BadInputError

#: Version of the records written now: 0 has none written down (0f2baa4), 1 stores names as strings, the shot of a take
#: and whether it is the scene's camera.
VERSION = 1

#: What the profile menu of version 0 meant by its numbers: the places in the list that its backend sent.
PROFILES_0 = ("preview", "exact", "fast", "turbo", "draft")
#: Estimators that a backend of version 0 could offer; its menu had numbers made from their names.
ESTIMATORS_0 = (
    "depth_anything",
    "depth_anything_large",
    "depth_pro",
    "depthcrafter",
    "moge",
    "prior",
    "small",
    "video_depth_anything",
    "video_depth_anything_large",
)
#: Places in the menu of moves of version 0, which are the numbers that its files keep.
MOVES_0 = (
    "orbit",
    "zoom_in",
    "zoom_out",
    "dolly_in",
    "dolly_out",
    "truck",
    "crane",
    "pan",
    "tilt",
    "figure_eight",
    "hold",
    "30",
    "60",
    "90",
    "180",
)
#: How takes of the scene's camera were called when they were made.
SCENE_CAMERA_NAME = "Scene Camera"


def name_number(name: str) -> int:
    """The number that stands for a name in a menu: the same whatever else the menu has."""
    return 2 + zlib.crc32(name.encode()) % 2**24


def move_number(name: str) -> int:
    """The number that stands for a move in .blend files: its place of version 0, or one made from its name."""
    return MOVES_0.index(name) if name in MOVES_0 else name_number(name)


def profile_from_number(number: int) -> str:
    """The profile that a .blend of version 0 keeps as a number; a text that no profile has where that isn't known."""
    return PROFILES_0[number] if 0 <= number < len(PROFILES_0) else f"number {number}"


def estimator_from_number(number: int, known: Iterable[str]) -> str:
    """The source of depth that a .blend of version 0 keeps as a number; a text that none has where that isn't known.

    Args:
        number: as stored.
        known: names besides those of version 0.
    """
    names = {0: "auto", 1: "FILES", **{name_number(name): name for name in (*ESTIMATORS_0, *known)}}
    return names.get(number, f"number {number}")


def is_newer(version: object) -> bool:
    """Whether a record's version is one that this extension cannot read."""
    return not isinstance(version, int) or version > VERSION


def newer_error(what: str) -> BadInputError:
    """The error for a record of a newer version."""
    return BadInputError(
        f"{what} was made by a newer EX-4D and is left alone.", "Update the extension, then open the file again."
    )
