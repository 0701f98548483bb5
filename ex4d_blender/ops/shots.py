# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's shots: choosing the one that is worked on."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import StringProperty

from ex4d.protocol.errors import BadInputError

from ..props import state_of
from ..scene import asked, choosing, editors
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.shot_place import propose_folder
from .common import OperatorResult, WithShot, report_errors


class EX4D_OT_choose_shot(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.choose_shot"
    bl_label = "Choose Shot"
    bl_description = (
        "Work on this shot: its root, camera and mesh are selected, its plate and settings are those of the panel, and "
        "camera views look through its source camera"
    )
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        root: str
    else:
        root: StringProperty(name="Shot", description="Name of the shot's Empty", options={"SKIP_SAVE"})

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.look_through(scene).of_root(scene.objects.get(self.root))
        if shot is None:
            raise BadInputError(f"There is no shot «{self.root}» in the scene.", "Choose one of the list.")
        if context.view_layer is not None:
            choosing.select_shot(context.view_layer, shot)
        if shot.source_camera is not None and choosing.stands_in_a_camera(context.window):
            scene.camera = shot.source_camera
        if scene.frame_current not in shot.frames:
            # Outside its frames a shot shows no picture.
            scene.frame_set(shot.first_frame)
        asked.bring_back(state_of(scene), shot)
        propose_folder(scene)
        editors.frame_time_editors(context.window)
        return {"FINISHED"}


CLASSES = (EX4D_OT_choose_shot,)
