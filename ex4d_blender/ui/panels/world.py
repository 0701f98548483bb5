# SPDX-License-Identifier: GPL-3.0-or-later
"""World: where the shot stands in the scene, in the scene's units, and the point that moves turn about."""

from typing import Any

import bpy
from mathutils import Vector

from ...localisation import localised
from ...props import state_of
from ...scene import alignment, at_home, picked_points
from ...scene import shot as shots
from ...scene.data import scene_of
from ...scene.units import length_text
from ..layout import draw_text, form_of


def draw_world(layout: Any, context: bpy.types.Context) -> None:
    """World."""
    state, scene = state_of(scene_of(context)), scene_of(context)
    known = shots.known(scene)
    shot = known.find()
    if shot is None:
        draw_text(layout, "Reconstruct a plate first.", "INFO")
        return
    if len(known.shots) > 1:
        draw_text(layout, f"Of the shot {shot.root.name}", "EMPTY_ARROWS")
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("ex4d.align_floor", icon="EYEDROPPER")
    row.operator("ex4d.align_origin", icon="EYEDROPPER")
    row.operator_menu_enum("ex4d.align_axis", "direction", text="Axis", icon="EYEDROPPER")
    form = form_of(layout.column())
    row = form.row(align=True)
    row.prop(state, "known_length")
    row.operator("ex4d.align_length", text="", icon="EYEDROPPER").length = state.known_length
    row = form.row(align=True)
    row.prop(state, "camera_height")
    row.operator("ex4d.align_height", text="Apply").height = state.camera_height
    _draw_standing(layout, scene, shot)
    _draw_pivot(layout, scene, shot)
    _draw_other(layout, shot)


def _draw_standing(layout: Any, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
    """Where it stands now, to be compared with what is known of the place."""
    height = alignment.camera_height(scene, shot)
    if height is not None:
        draw_text(layout, f"Camera: {length_text(scene, height)} above Z = 0", "CAMERA_DATA")
    if shot.root.get(at_home.ALIGNED):
        layout.operator("ex4d.reset_world", icon="LOOP_BACK")


def _draw_pivot(layout: Any, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
    """The point that new moves turn about."""
    found, root = picked_points.pivot(shot.root), shot.root
    if found is None:
        text = f"measured, {length_text(scene, float(shot.record['pivot']) * root.matrix_world.median_scale)}"
    elif shot.source_camera is not None:
        away = (root.matrix_world @ Vector(found[0].tolist()) - shot.source_camera.matrix_world.translation).length
        text = f"picked, {length_text(scene, away)}"
    else:
        text = "picked"
    row = layout.row(align=True)
    row.label(text=localised(f"Pivot: {text}"), icon="PIVOT_CURSOR")
    if found is not None:
        row.operator("ex4d.reset_pivot", text="", icon="X")
    row = layout.row(align=True)
    row.operator("ex4d.pick_pivot", text="Pick", icon="EYEDROPPER")
    row.operator("ex4d.pivot_from_cursor", text="Cursor", icon="CURSOR")
    row.operator("ex4d.cursor_to_pivot", text="Go There", icon="RESTRICT_SELECT_OFF")


def _draw_other(layout: Any, shot: shots.ShotObjects) -> None:
    """Another shot of the same place, in whose world this one can stand."""
    layout.label(text="Same World As")
    column = layout.column(align=True)
    count = len(picked_points.landmarks(shot.root))
    column.operator("ex4d.pick_landmarks", text="Pick Landmarks Again" if count else "Landmarks", icon="EYEDROPPER")
    row = column.row(align=True)
    row.operator_menu_enum("ex4d.same_world", "other", text="By Root").by = "STAND"
    named = row.row(align=True)
    named.enabled = count > 0
    named.operator_menu_enum("ex4d.same_world", "other", text="By Landmarks").by = "LANDMARKS"
