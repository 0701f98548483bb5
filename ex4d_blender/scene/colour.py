# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour spaces and views by what they are: their names differ between OCIO configurations."""

from __future__ import annotations

import re
from typing import Any

import bpy

from .data import enum_items

#: Words of names that have «sRGB» in them and mean something else: a rendering for a display, other primaries, linear
#: light, a curve alone.
_OTHERS = {"output", "aces", "agx", "filmic", "khronos", "linear", "lin", "log", "curve", "p3", "ap1", "ap0", "d60"}
#: Words of the names that are meant, the surest first.
_SIGNS = ("texture", "tx", "encoded", "scene", "display")
#: Views that show a picture of 8 bits as its codes are.
_PLAIN_VIEWS = ("Standard", "Un-tone-mapped", "sRGB Un-tone-mapped")


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


def srgb_among(names: list[str]) -> str | None:
    """The name of the space of ordinary 8-bit pictures (sRGB curve, Rec.709 primaries), None where there is none."""

    def rank(name: str) -> tuple[int, int]:
        words = _words(name)
        if words == ["srgb"]:
            return -1, 0
        return next((index for index, sign in enumerate(_SIGNS) if sign in words), len(_SIGNS)), len(words)

    found = [name for name in names if "srgb" in (words := _words(name)) and not _OTHERS & set(words)]
    return min(found, key=rank, default=None)


def picture_space() -> str | None:
    """The colour space of plates and takes of 8 bits in this Blender's colour management, None where it has none."""
    items = enum_items(bpy.types.ColorManagedInputColorspaceSettings, "name")
    return srgb_among([item.identifier for item in items])


def set_picture_space(settings: Any) -> None:
    """Read pictures of 8 bits as what they are; where no space is known for that, Blender's own choice stays.

    Args:
        settings: the ``colorspace_settings`` of an image or a strip.
    """
    name = picture_space()
    if name is not None:
        settings.name = name


def space_notes() -> list[str]:
    """One sentence where ``set_picture_space`` finds no space."""
    if picture_space() is not None:
        return []
    return [
        "This Blender's colour management has no sRGB texture space: the plate's colours come out wrong. "
        "Set the colour space of its image texture by hand."
    ]


def plain_view(settings: bpy.types.ColorManagedViewSettings) -> str:
    """The view transform that changes no picture of 8 bits; «Standard» where the configuration has none."""
    name_of = bpy.types.UILayout.enum_item_name
    return next((name for name in _PLAIN_VIEWS if name_of(settings, "view_transform", name)), _PLAIN_VIEWS[0])
