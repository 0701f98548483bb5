# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the mesh, drawn on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty

from ..localisation import localised
from ..scene import closing, heat_maps, showing
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.shot.finding import check_local
from .common import OperatorResult, has_shot, report_errors

ITEMS = [
    ("PLATE", "Plate", "Show the plate's pictures on the mesh", 0),
    ("COVERAGE", "Coverage", "Show on the mesh what the plate has seen, and what has to be filled", 1),
    ("DEPTH", "Depth", "Show on the mesh where depth was measured, and where it was guessed", 2),
    ("STRETCH", "Stretch", "Show on the mesh how many times as wide the scene's camera sees the plate's pixels", 3),
]


class EX4D_OT_show_heat_map(bpy.types.Operator):
    bl_idname = "ex4d.show_heat_map"
    bl_label = "Show on Mesh"
    bl_description = "What viewports draw on the mesh; renders and takes stay as they are"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        map: str
    else:
        map: EnumProperty(name="Map", items=ITEMS, default="COVERAGE", description="What is drawn on the mesh")

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        chosen = getattr(properties, "map", "PLATE")
        return localised(next(item[2] for item in ITEMS if item[0] == chosen))

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not has_shot(cls, context):
            return False
        shot = shots.known(scene_of(context)).find()
        if shot is None or shot.mesh is None or not closing.is_attached(shot.mesh):
            cls.poll_message_set(localised("The shot's mesh was placed by an earlier version. Use Close Slits first."))
            return False
        return True

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        check_local(shot)
        if shot.mesh is None:
            return {"CANCELLED"}
        if self.map == "PLATE":
            heat_maps.hide(shot.mesh)
        else:
            heat_maps.show(shot.mesh, self.map, Path(shot.record["viewport"]))
        showing.look_for_pictures_soon(scene_of(context))
        return {"FINISHED"}


CLASSES = (EX4D_OT_show_heat_map,)
