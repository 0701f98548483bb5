# SPDX-License-Identifier: GPL-3.0-or-later
"""The take of the list that a strip shows."""

from __future__ import annotations

import bpy

from . import props
from .scene import sequencer
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
