# SPDX-License-Identifier: GPL-3.0-or-later
"""The point that a shot's new moves turn about: picked on its mesh, or given by the 3D cursor."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector

from ..localisation import localised
from ..scene import alignment as placing
from ..scene import picked_points
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.units import length_text
from .common import OperatorResult, WithShot, report_errors
from .picking import PointPicker


def _keep(scene: bpy.types.Scene, shot: shots.ShotObjects, point: np.ndarray) -> str:
    """Make a point (3,) of the shot world its pivot; returns how far away it is."""
    shots.check_local(shot)
    timing = shot.timing
    frame = min(max(scene.frame_current, timing.frames[0]), timing.frames[-1])
    picked_points.set_pivot(shot.root, point, shot.number_at(frame))
    placed = placing.placed(shot.root)
    away = float(np.linalg.norm(point - placing.camera_place(scene, shot))) * placed.scale
    return f"Moves turn about a point {length_text(scene, away)} from the source camera."


class EX4D_OT_pick_pivot(PointPicker, bpy.types.Operator):
    bl_idname = "ex4d.pick_pivot"
    bl_label = "Pick Pivot"
    bl_description = "Pick the point on the mesh that new moves of this shot turn about; Apply Move gives it to a take"
    bl_options = {"REGISTER", "UNDO"}

    asks = ("what moves are to turn about",)

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        self.report({"INFO"}, localised(_keep(scene, shots.chosen_shot(scene), self.chosen()[0])))
        return {"FINISHED"}


class EX4D_OT_pivot_from_cursor(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.pivot_from_cursor"
    bl_label = "Pivot to 3D Cursor"
    bl_description = "Let new moves of this shot turn about the 3D cursor"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        to_shot = np.linalg.inv(np.array(shot.root.matrix_world, np.float64))
        cursor = np.array(scene.cursor.location[:])
        self.report({"INFO"}, localised(_keep(scene, shot, to_shot[:3, :3] @ cursor + to_shot[:3, 3])))
        return {"FINISHED"}


class EX4D_OT_cursor_to_pivot(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.cursor_to_pivot"
    bl_label = "3D Cursor to Pivot"
    bl_description = "Put the 3D cursor on the point that new moves of this shot turn about at this frame"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shot = shots.chosen_shot(scene)
        scene.cursor.location = Vector(placing.placed(shot.root)(placing.pivot_place(scene, shot)).tolist())
        return {"FINISHED"}


class EX4D_OT_reset_pivot(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.reset_pivot"
    bl_label = "Reset Pivot"
    bl_description = "Let new moves of this shot turn about the point that was measured on the plate"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        shots.check_local(shot)
        picked_points.set_pivot(shot.root, None)
        return {"FINISHED"}


CLASSES = (EX4D_OT_pick_pivot, EX4D_OT_pivot_from_cursor, EX4D_OT_cursor_to_pivot, EX4D_OT_reset_pivot)
