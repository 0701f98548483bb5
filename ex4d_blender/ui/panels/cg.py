# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the plate: what the mesh is to the objects around it, and presets of view layers and nodes."""

from typing import Any

import bpy

from ...localisation import localised
from ...scene import mesh_switches as switches
from ...scene import projection
from ...scene import shot as shots
from ...scene.data import scene_of
from ..layout import draw_text


def draw_cg(layout: Any, context: bpy.types.Context) -> None:
    """CG in the Plate."""
    shot = shots.known(scene_of(context)).find()
    if shot is None or shot.mesh is None:
        draw_text(layout, "Reconstruct a plate first.", "INFO")
        return
    mesh = shot.mesh
    projected = projection.shown(mesh)
    if projected is not None:
        row = layout.row()
        row.label(text=localised(f"On the mesh: {projected}"), icon="MOD_UVPROJECT", translate=False)
        row.operator("ex4d.show_plate", text="Plate", icon="LOOP_BACK")
    column = layout.column(align=True)
    strength = switches.strength_socket(mesh)
    for switch, text, on in (
        ("CATCHER", "Shadow Catcher", switches.catches_shadows(mesh)),
        ("HOLDOUT", "Holdout", mesh.is_holdout),
        ("RELIGHT", "Relight", strength is not None),
    ):
        icon = "CHECKBOX_HLT" if on else "CHECKBOX_DEHLT"
        button = column.operator("ex4d.mesh_switch", text=text, icon=icon, depress=on)
        button.switch, button.on = switch, not on
    if strength is not None:
        layout.prop(strength, "default_value", text="Strength")
    column = layout.column(align=True)
    column.operator("ex4d.cg_preset", text="Set Up Shadow Pass", icon="RENDERLAYERS").preset = "SHADOWS"
    column.operator("ex4d.cg_preset", text="Comp", icon="NODE_COMPOSITING").preset = "COMP"
