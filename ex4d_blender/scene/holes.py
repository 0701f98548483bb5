# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plate never showed, as the scene's properties want it drawn."""

from __future__ import annotations

import bpy

from . import closing, material
from . import shot as shots
from .data import mesh_data, scene_state


def update_holes(scene: bpy.types.Scene) -> None:
    """Give the meshes of the scene's shots the hole style that its properties ask for; linked ones keep theirs."""
    state = scene_state(scene)
    for found in shots.find_shots(scene):
        for item in mesh_data(found.mesh).materials if found.mesh is not None else ():
            if item is not None and material.is_ours(item) and item.library is None:
                material.set_hole_style(item, transparent=state.holes_transparent, color=tuple(state.hole_color))
        if found.mesh is not None and found.mesh.library is None:
            closing.update_hole_style(found.mesh)
