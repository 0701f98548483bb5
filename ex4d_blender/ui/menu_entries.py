# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in Blender's own menus, where people look for them; the menu search (F3) finds what stands in menus."""

from __future__ import annotations

from typing import Any

import bpy

from ..scene import hooks
from ..scene import shot as shots
from ..scene.data import scene_of


class EX4D_MT_shot(bpy.types.Menu):
    """What is done with a plate and its shots, one after the other."""

    bl_label = "EX-4D"

    def draw(self, _context: bpy.types.Context) -> None:
        layout: Any = self.layout
        # As buttons do: the work goes on while the backend is at it.
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("ex4d.load_plate", icon="FILE_MOVIE")
        layout.operator("ex4d.reconstruct", icon="MOD_REMESH")
        layout.operator("ex4d.view_shot", icon="VIEW_CAMERA")
        layout.separator()
        layout.operator("ex4d.add_take_camera", icon="OUTLINER_OB_CAMERA")
        layout.operator("ex4d.preview_take", icon="HIDE_OFF")
        layout.operator("ex4d.generate", icon="RENDER_ANIMATION")
        layout.operator("ex4d.show_result", icon="SEQUENCE")
        layout.separator()
        layout.operator("ex4d.move_shot", icon="FILE_FOLDER")
        layout.operator("ex4d.look_at_cache", icon="TRASH")


def _in_import(self: Any, _context: bpy.types.Context) -> None:
    self.layout.operator("ex4d.load_plate", text="EX-4D Plate (Movie, Pictures)")


def _in_add_camera(self: Any, context: bpy.types.Context) -> None:
    if shots.known(scene_of(context)).shots:
        self.layout.operator("ex4d.add_take_camera", text="EX-4D Take Camera", icon="OUTLINER_OB_CAMERA")


def _in_clip(self: Any, context: bpy.types.Context) -> None:
    space: Any = context.space_data
    clip = getattr(space, "clip", None)
    if clip is None:
        return
    layout: Any = self.layout
    layout.separator()
    column = layout.column()
    # This clip, and no question which.
    column.operator_context = "EXEC_DEFAULT"
    column.operator("ex4d.plate_from_clip", text="Use as EX-4D Plate").clip = clip.name


def _in_object(self: Any, _context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.menu("EX4D_MT_shot")


#: Blender's menu, and what draws in it.
_ENTRIES = (
    ("TOPBAR_MT_file_import", _in_import),
    ("VIEW3D_MT_camera_add", _in_add_camera),
    ("CLIP_MT_clip", _in_clip),
    ("VIEW3D_MT_object", _in_object),
)


def register() -> None:
    """Draw there."""
    for name, draw in _ENTRIES:
        hooks.add_to_layout(name, draw)


def unregister() -> None:
    """Stop drawing there."""
    for name, draw in _ENTRIES:
        hooks.remove_from_layout(name, draw)


CLASSES = (EX4D_MT_shot,)
