# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished take on the mesh, projected from its own camera; and the plate again."""

from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import ProjectionRequest

from .. import job_list, props
from ..localisation import localised
from ..props import state_of
from ..scene import mesh_switches, projection
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.mesh import described_viewport
from .common import JobOperator, OperatorResult, report_errors
from .take_cameras import require_take


class EX4D_OT_project_take(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.project_take"
    bl_label = "Project on Mesh"
    bl_description = (
        "Show the chosen version on the mesh in place of the plate, projected from its own camera: for Blender to look "
        "at it, and render it, from elsewhere. What the version has not seen of the mesh is a hole"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = props.active_take(scene_of(context))
        if take is not None and props.active_version(take) is not None:
            return True
        cls.poll_message_set(localised("The take has no finished version yet"))
        return False

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        scene = scene_of(context)
        shots.check_scene(scene)
        take = require_take(scene)
        version = props.active_version(take)
        if version is None:
            raise BadInputError(f"The take «{take.name}» has no finished version.", "Generate it first.")
        shot = shots.take_shot(scene, take)
        shots.check_local(shot)
        if shot.mesh is None:
            raise BadInputError(f"The mesh of «{shot.root.name}» was deleted.", "Reconstruct the shot again.")
        mesh_switches.plate_material(shot.mesh)
        viewport = described_viewport(Path(shot.record["viewport"]))
        folder = str(Path(bpy.path.abspath(version.folder)))
        request = ProjectionRequest(shot.folder, folder, max(viewport.grid), state_of(scene).rasterizer)
        data = {"shot": shot.folder, "folder": folder, "title": take.name}
        title = f"Project {take.name} {version.name}"
        return job_list.current().submit(scene, request, action="projection", data=data, title=title, block=block)


class EX4D_OT_show_plate(bpy.types.Operator):
    bl_idname = "ex4d.show_plate"
    bl_label = "Show Plate on Mesh"
    bl_description = "Show the plate on the mesh again, in place of the take that is projected on it"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        shot = shots.known(scene_of(context)).find()
        if shot is not None and projection.shown(shot.mesh) is not None:
            return True
        cls.poll_message_set(localised("The mesh shows the plate"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        shots.check_local(shot)
        assert shot.mesh is not None
        surface = mesh_switches.plate_material(shot.mesh)
        viewport = described_viewport(Path(shot.record["viewport"]))
        projection.hide(shot.mesh, surface, viewport, title=surface.name, first_frame=shot.first_frame)
        return {"FINISHED"}


CLASSES = (EX4D_OT_project_take, EX4D_OT_show_plate)
