# SPDX-License-Identifier: GPL-3.0-or-later
"""The take of the list that a strip shows."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from . import props
from .scene import plate_strip, sequencer
from .scene.data import scene_state


def version_of(
    scene: bpy.types.Scene, folder: str
) -> tuple[props.EX4D_PG_take, props.EX4D_PG_version] | tuple[None, None]:
    """The take and its version that lie in a folder."""
    for take in scene_state(scene).takes:
        for version in take.versions:
            if version.folder == folder:
                return take, version
    return None, None


def offered_take(context: bpy.types.Context) -> props.EX4D_PG_take | None:
    """The take that an editor's *Generate* is about: in a sequencer the selected strip's, where it shows one that is in
    the list; else the one that is chosen there."""
    scene = sequencer.working_scene(context)
    if context.space_data is not None and context.space_data.type == "SEQUENCE_EDITOR":
        strip = sequencer.selected_strip(context)
        known = sequencer.take_of_strip(strip) if strip is not None else None
        take, _ = version_of(scene, known["folder"]) if known is not None else (None, None)
        if take is not None:
            return take
    return props.active_take(scene)


@dataclass(frozen=True)
class Compared:
    """What A/B is about in a sequencer.

    Attributes:
        edit: the scene whose sequencer it is.
        working: the scene that is worked in.
        take, version: of the selected strip.
        other: the version before it that has a strip there, of the first the one after it; None where there is none.
        shows_plate: whether the plate is seen.
        shows_other: whether the other version is seen, and not the selected one.
    """

    edit: bpy.types.Scene
    working: bpy.types.Scene
    take: props.EX4D_PG_take
    version: props.EX4D_PG_version
    other: props.EX4D_PG_version | None
    shows_plate: bool
    shows_other: bool

    @property
    def seen(self) -> str:
        """What it is called that is seen."""
        if self.shows_plate:
            return "Plate"
        return self.other.name if self.shows_other and self.other is not None else self.version.name


def compared(context: bpy.types.Context) -> Compared | None:
    """What A/B is about: the selected strip's take; None where none of the list is selected."""
    strip = sequencer.selected_strip(context)
    known = sequencer.take_of_strip(strip) if strip is not None else None
    working = sequencer.working_scene(context)
    take, version = version_of(working, known["folder"]) if known is not None else (None, None)
    if strip is None or take is None or version is None:
        return None
    edit = strip.id_data
    results = {
        found["folder"]: sequencer.meta_of_result(item) or item
        for item in sequencer.all_strips(edit)
        if (found := sequencer.take_of_strip(item)) is not None and found["role"] == "result"
    }
    placed = [item for item in take.versions if item.folder in results]
    index = next((at for at, item in enumerate(placed) if item.folder == version.folder), 0)
    others = placed[index - 1 : index] or placed[index + 1 : index + 2]
    other = others[0] if others else None
    own = results.get(version.folder)
    is_hidden = own is not None and own.mute
    return Compared(
        edit,
        working,
        take,
        version,
        other,
        plate_strip.is_shown(edit),
        other is not None and is_hidden and not results[other.folder].mute,
    )
