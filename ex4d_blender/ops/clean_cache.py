# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean Cache: the backend tells what can be made again, and lets it go when that was read."""

from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import CleanRequest
from ex4d.protocol.results import CleanResult
from ex4d.protocol.stage_names import stage_name

from .. import job_list
from ..core.texts import size as size_text
from ..localisation import localised
from ..scene import cache_use
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from .common import JobOperator, OperatorResult, WithShot, report_errors

#: What the backend has told of each shot's cache, by folder: what may go of it.
told: dict[str, CleanResult] = {}


def lines(result: CleanResult) -> list[str]:
    """What goes, a line for each kind of stage: «Rendering: 3 folders, 120 MB»."""
    kinds: dict[str, list[int]] = {}
    for stage in result.stages:
        kinds.setdefault(stage_name(stage.stage), []).append(stage.size)
    return [
        f"{name}: {len(sizes)} folders, {size_text(sum(sizes))}"
        if len(sizes) > 1
        else f"{name}: 1 folder, {size_text(sizes[0])}"
        for name, sizes in kinds.items()
    ]


def _submit(scene: bpy.types.Scene, *, remove: bool, block: bool) -> str:
    shots.check_scene(scene)
    shot = shots.chosen_shot(scene)
    shots.check_local(shot)
    return job_list.current().submit(
        scene,
        CleanRequest(shot.folder, remove, cache_use.used_of_cache(Path(shot.folder))),
        action="clean",
        title=f"Clean Cache of {shot.root.name}" if remove else f"Look at Cache of {shot.root.name}",
        block=block,
    )


class EX4D_OT_look_at_cache(WithShot, JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.look_at_cache"
    bl_label = "Clean Cache"
    bl_description = (
        "Ask what of the shot's folder can be made again; what it is and how large is told before anything goes"
    )
    bl_options = {"REGISTER"}

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return _submit(scene_of(context), remove=False, block=block)


class EX4D_OT_clean_cache(WithShot, JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.clean_cache"
    bl_label = "Clean Cache"
    bl_description = "Remove what of the shot's folder can be made again; takes, and what this file shows, stay"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        return manager_of(context).invoke_props_dialog(self, width=460)

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        column = layout.column(align=True)
        shot = shots.known(scene_of(context)).find()
        result = told.get(shot.folder) if shot is not None else None
        if result is None or not result.stages:
            column.label(text="There is nothing that can go.", icon="INFO")
            return
        total = size_text(sum(stage.size for stage in result.stages))
        name = Path(result.shot).name
        column.label(text=localised(f"{total} can be made again. These folders of {name}/cache go:"), icon="TRASH")
        for line in lines(result):
            column.label(text=localised(line), icon="DOT")
        column.label(text="Takes, the mesh, and what this file shows stay.", icon="INFO")
        column.label(text="Mask and colour strips of other files may show a rendering that goes.", icon="BLANK1")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shot = shots.chosen_shot(scene)
        known = told.get(shot.folder)
        if known is None:
            raise BadInputError("Nobody has looked at the cache yet.", "Press Clean Cache in the panel.")
        if not known.stages:
            return {"CANCELLED"}
        # From the dialog, after invoke, the result comes by itself; a script waits for it.
        return super().execute(context) if bpy.app.background else self._submit(context)

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return _submit(scene_of(context), remove=True, block=block)


CLASSES = (EX4D_OT_look_at_cache, EX4D_OT_clean_cache)
