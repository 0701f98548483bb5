# SPDX-License-Identifier: GPL-3.0-or-later
"""Models: which there are, getting one, better depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import StringProperty

from ex4d.protocol.errors import UsageError
from ex4d.protocol.models import ModelInfo

from .. import installation, job_list, model_downloads, timer
from ..core.model_texts import sentences_before
from ..core.texts import wrapped
from ..localisation import localised
from ..model_table import draw_models
from ..scene.data import manager_of, scene_of
from .common import JobOperator, OperatorResult, report_errors, run_reporting

DIALOG_WIDTH = 460
COLUMNS = 66
TABLE_WIDTH = 560
TABLE_COLUMNS = 78


def _has_backend(cls: Any) -> bool:
    problem = installation.missing()
    if problem:
        cls.poll_message_set(localised(problem.rstrip(".")))
    return not problem


class EX4D_OT_list_models(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.list_models"
    bl_label = "Look for Models"
    bl_description = "Ask the backend which models there are to download, and which are on this computer"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return _has_backend(cls)

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return model_downloads.ask(scene_of(context), block=block)


class EX4D_OT_get_model(bpy.types.Operator):
    bl_idname = "ex4d.get_model"
    bl_label = "Download Model"
    bl_description = (
        "Download this model, or the rest of it. What has come is kept when it is paused or Blender is closed; every "
        "file is compared with its checksum"
    )
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:
        model: str
    else:
        model: StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        """What this button does, or why it cannot."""
        info = model_downloads.find(properties.model)
        problem = model_downloads.why_not(info) if info is not None else ""
        return localised(f"{problem.rstrip('.')}. {cls.bl_description}" if problem else cls.bl_description)

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return _has_backend(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        return run_reporting(self, context, lambda: self._ask(context, event))

    def _ask(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        """Say what comes and under which licence; the button in the dialog begins."""
        info = self._info()
        model_downloads.check(info)
        if bpy.app.background:
            return self.execute(context)
        word = "Install and Download" if info.missing else "Resume" if info.state == "begun" else "Download"
        manager: Any = manager_of(context)
        return manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title=localised(f"Download {info.title}?"), confirm_text=localised(word)
        )

    def draw(self, _context: bpy.types.Context) -> None:
        info = model_downloads.find(self.model)
        if info is None:
            return
        layout: Any = self.layout
        column = layout.column(align=True)
        icons = {0: "CHECKMARK" if info.commercial == "yes" else "ERROR"}
        for number, sentence in enumerate(sentences_before(info)):
            for index, line in enumerate(wrapped(localised(sentence), COLUMNS)):
                column.label(text=line, icon=icons.get(number, "DOT") if index == 0 else "BLANK1")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        job = model_downloads.get(scene_of(context), self._info(), block=bpy.app.background)
        if job is not None and bpy.app.background:
            job_list.current().wait(job)
        timer.wake()
        return {"FINISHED"}

    def _info(self) -> ModelInfo:
        info = model_downloads.find(self.model)
        if info is None:
            raise UsageError(f"No model «{self.model}» is known.", "Press Look for Models in the preferences.")
        return info


class EX4D_OT_better_depth(bpy.types.Operator):
    bl_idname = "ex4d.better_depth"
    bl_label = "Get Better Depth"
    bl_description = (
        "Show the depth models that can be downloaded, with licence and size, those for commercial work first"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return _has_backend(cls)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        return run_reporting(self, context, lambda: self._show(context))

    def _show(self, context: bpy.types.Context) -> OperatorResult:
        if not model_downloads.known():
            model_downloads.open_when_known(scene_of(context), context.window)
            timer.wake()
            self.report({"INFO"}, localised("The backend is asked which models there are; the list opens by itself"))
            return {"FINISHED"}
        return manager_of(context).invoke_popup(self, width=TABLE_WIDTH)

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        return {"FINISHED"}

    def draw(self, _context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.label(text="Better Depth", icon="IMPORT")
        layout.separator(type="LINE")
        depth = [info for info in model_downloads.known() if info.kind == "depth"]
        draw_models(layout, depth, TABLE_COLUMNS)


CLASSES = (EX4D_OT_list_models, EX4D_OT_get_model, EX4D_OT_better_depth)
