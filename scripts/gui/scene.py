# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension has put into the scene, as an artist would look for it."""

from __future__ import annotations

import sys
from typing import Any

import bpy

from gui.driver import window

#: Of a take camera where any move will do.
MOVE = "orbit:30"


def extension(name: str) -> Any:
    """A module of the extension as Blender runs it."""
    addon = next(addon.module for addon in bpy.context.preferences.addons if addon.module.endswith("ex4d_blender"))
    return sys.modules[f"{addon}.{name}"]


def dw_mesh() -> bpy.types.Object | None:
    """The mesh that a reconstruction leaves: it plays from a Mesh Cache."""
    for item in bpy.context.scene.objects:
        if item.type == "MESH" and any(modifier.type == "MESH_CACHE" for modifier in item.modifiers):
            return item
    return None


def pictures() -> set[bpy.types.Image]:
    """The image sequences on the meshes of the window's scene that Solid mode draws: each material's active picture."""
    materials = {slot.material for item in window().scene.objects for slot in item.material_slots if slot.material}
    nodes = [material.node_tree.nodes.active for material in materials]
    images = {node.image for node in nodes if node is not None and node.type == "TEX_IMAGE"}
    return {image for image in images if image is not None and image.source == "SEQUENCE"}


def strips() -> list[bpy.types.Strip]:
    """All strips of the scene whose sequencer shows the results."""
    scene = window().workspace.sequencer_scene
    return list(scene.sequence_editor.strips_all) if scene is not None and scene.sequence_editor is not None else []


def is_keyed(camera: bpy.types.Object) -> bool:
    """Whether a camera or something that it hangs on has keyframes."""
    current: bpy.types.Object | None = camera
    while current is not None:
        if current.animation_data is not None and current.animation_data.action is not None:
            return True
        current = current.parent
    return False


def only_step(scene: bpy.types.Scene, name: str) -> None:
    """Fold the panel's steps but one; "" folds all."""
    for step in ("plate", "geometry", "takes", "generate"):
        setattr(scene.ex4d, f"open_{step}", step == name)


def open_panel(name: str) -> type[bpy.types.Panel]:
    """Put an open copy of a closed panel, "world", at the sidebar's end: no script can open that one. Returns it."""
    panels = extension("ui.panels").CLASSES
    panel = next(cls for cls in panels if cls.__name__ == f"EX4D_PT_view3d_{name}")
    parts = {"bl_label": panel.bl_label, "draw": panel.draw}
    copy = type(f"{panel.__name__}_open", panel.__bases__, parts)
    bpy.utils.register_class(copy)
    return copy
