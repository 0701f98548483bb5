# SPDX-License-Identifier: GPL-3.0-or-later
"""The error dialog: read it, copy it, save it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import StringProperty

from .. import backend_link, error_dialog, paths
from ..core.texts import without_user, wrapped
from ..localisation import localised
from ..scene.data import manager_of
from .common import OperatorResult

DIALOG_WIDTH = 560
COLUMNS = 82


class EX4D_OT_show_error(bpy.types.Operator):
    bl_idname = "ex4d.show_error"
    bl_label = "EX-4D Error"
    bl_description = "Show the last error, to read, copy or save it"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if error_dialog.shown() is not None:
            return True
        cls.poll_message_set(localised("There was no error"))
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        lines = manager_of(context).ex4d.error_lines
        lines.clear()
        shown = error_dialog.shown()
        # The sentences stand above; what Copy adds besides is for those who are asked for help.
        for text in wrapped(without_user(shown.details), COLUMNS) if shown is not None and shown.details else ():
            lines.add().name = text
        manager: Any = manager_of(context)
        return manager.invoke_props_dialog(self, width=DIALOG_WIDTH, title=localised(self.bl_label))

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        return {"FINISHED"}

    def draw(self, context: bpy.types.Context) -> None:
        shown = error_dialog.shown()
        if shown is None:
            return
        layout: Any = self.layout
        manager = manager_of(context)
        head = layout.column(align=True)
        for index, text in enumerate(wrapped(localised(shown.error.message), COLUMNS)):
            head.label(text=text, icon="ERROR" if index == 0 else "BLANK1")
        for index, text in enumerate(wrapped(localised(shown.error.hint), COLUMNS)):
            head.label(text=text, icon="INFO" if index == 0 else "BLANK1")
        if len(manager.ex4d.error_lines):
            rows = min(max(len(manager.ex4d.error_lines), 3), 12)
            layout.template_list(
                "EX4D_UL_lines", "error", manager.ex4d, "error_lines", manager.ex4d, "active_error_line", rows=rows
            )
        row = layout.row()
        row.operator("ex4d.copy_error", icon="COPYDOWN")
        row.operator("ex4d.save_error", icon="FILE_TICK")
        row.operator("ex4d.open_log", icon="TEXT")
        # In place of the dialog's own buttons: there is nothing to cancel.
        layout.template_popup_confirm(EX4D_OT_close_error.bl_idname, text="OK", cancel_text="")


class EX4D_OT_close_error(bpy.types.Operator):
    bl_idname = "ex4d.close_error"
    bl_label = "OK"
    bl_description = "Close this message; its text stays in the list of jobs and in the logs"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        return {"FINISHED"}


class EX4D_OT_copy_error(bpy.types.Operator):
    bl_idname = "ex4d.copy_error"
    bl_label = "Copy"
    bl_description = "Copy the error, with versions and without your name, to the clipboard"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        manager_of(context).clipboard = error_dialog.error_text(backend_link.current().version())
        return {"FINISHED"}


class EX4D_OT_save_error(bpy.types.Operator):
    bl_idname = "ex4d.save_error"
    bl_label = "Save as Text"
    bl_description = "Save the error, with versions and without your name, to a text file"
    bl_options = {"INTERNAL"}

    if TYPE_CHECKING:
        filepath: str
        filter_glob: str
    else:
        filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
        filter_glob: StringProperty(default="*.txt", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        self.filepath = "ex4d-error.txt"
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        path = Path(bpy.path.ensure_ext(self.filepath, ".txt"))
        try:
            path.write_text(error_dialog.error_text(backend_link.current().version()) + "\n", encoding="utf-8")
        except OSError as error:
            self.report(
                {"ERROR"}, localised(f"{path} cannot be written: {error.strerror or error}. Choose another folder.")
            )
            return {"CANCELLED"}
        return {"FINISHED"}


class EX4D_OT_open_log(bpy.types.Operator):
    bl_idname = "ex4d.open_log"
    bl_label = "Logs"
    bl_description = "Open the folder with the backend's logs"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        folder = paths.runtime_folder()
        folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


CLASSES = (EX4D_OT_show_error, EX4D_OT_close_error, EX4D_OT_copy_error, EX4D_OT_save_error, EX4D_OT_open_log)
