# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour spaces and views by what they are: their names differ between OCIO configurations."""

from __future__ import annotations

import re
from typing import Any

import bpy

from ex4d.protocol.results import ColourInfo

from .colour_tables import blender_space, space_names

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
    return srgb_among(list(space_names()))


def set_picture_space(settings: Any, colour: ColourInfo | None = None, suffix: str = ".png") -> str | None:
    """Read pictures as what they are; where this Blender has no space for that, its own choice stays.

    Args:
        settings: the ``colorspace_settings`` of an image, a clip or a strip.
        colour: of the plate; None = ordinary display pictures.
        suffix: of the files: EXR files are scene-linear, others hold the plate's own codes.

    Returns:
        A sentence where Blender's choice stays although the plate's space is known.
    """
    if colour is None or not (wanted := colour.linear_space if suffix.lower() == ".exr" else colour.space):
        name = picture_space()
    else:
        name = blender_space(colour, suffix)
        if name is None:
            return (
                f"This Blender's colour management has no space «{wanted}»: the pictures are shown as "
                f"«{settings.name}». Choose a space by hand, or an OpenColorIO configuration that has it."
            )
    if name is not None:
        settings.name = name
    return None


def is_display(colour: ColourInfo | None) -> bool:
    """Whether pictures are shown as their codes are: not those of scene-linear, log and HDR plates."""
    return colour is None or colour.kind == "display"


def copy_view(source: bpy.types.Scene, target: bpy.types.Scene) -> None:
    """Give a scene another one's display and view transform."""
    owners: tuple[Any, Any] = source, target
    display, view = ("display_device",), ("view_transform", "look", "exposure", "gamma")
    for group, names in (("display_settings", display), ("view_settings", view)):
        former, new = (getattr(owner, group) for owner in owners)
        for name in names:
            setattr(new, name, getattr(former, name))


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
