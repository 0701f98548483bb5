# SPDX-License-Identifier: GPL-3.0-or-later
"""Holes and slits of shots that an earlier version has placed."""

from __future__ import annotations

import bpy

from ..localisation import localised
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.shot.look import close_slits, lacks_closing
from .common import OperatorResult, has_shot, report_errors


class EX4D_OT_close_slits(bpy.types.Operator):
    bl_idname = "ex4d.close_slits"
    bl_label = "Close Slits"
    bl_description = (
        "Show the whole plate through the source camera, and holes in Solid mode."
        " Renders through the source camera change"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not has_shot(cls, context):
            return False
        shot = shots.known(scene_of(context)).find()
        if shot is None or not lacks_closing(shot):
            cls.poll_message_set(localised("The shot's mesh has no slits."))
            return False
        return True

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        close_slits(shots.chosen_shot(scene_of(context)))
        return {"FINISHED"}


CLASSES = (EX4D_OT_close_slits,)
