# SPDX-License-Identifier: GPL-3.0-or-later
"""What is selected and looked through when a shot is chosen."""

from __future__ import annotations

import bpy

from . import editors
from .shot import ShotObjects


def select_shot(layer: bpy.types.ViewLayer, shot: ShotObjects) -> None:
    """Select a shot's root, source camera and mesh, and nothing else; the root is active, so that the shot is the one
    that is worked on. An object that is being edited or painted is left first."""
    active = layer.objects.active
    if active is not None and active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for obj in layer.objects.selected:
        obj.select_set(False, view_layer=layer)
    for part in (shot.root, shot.source_camera, shot.mesh):
        # One in a collection that the layer leaves out can't be selected.
        if part is not None and layer.objects.get(part.name) == part:
            part.select_set(True, view_layer=layer)
    if layer.objects.get(shot.root.name) == shot.root:
        layer.objects.active = shot.root


def stands_in_a_camera(window: bpy.types.Window | None) -> bool:
    """Whether one of a window's 3D viewports shows what the scene's camera sees."""
    if window is None or window.screen is None:
        return False
    return any(editors.follows_scene_camera(area.spaces.active) for area in window.screen.areas)
