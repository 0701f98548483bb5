# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking shots out of the extension's folder, where earlier versions kept them, or to any other place."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import StringProperty

from ex4d.protocol.errors import BadInputError, TransientError

from .. import backend_link, wipe
from ..core import shot_folders
from ..localisation import localised
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from ..scene.relocate import relocate
from ..scene.shot_place import leave_behind, propose_folder
from .common import OperatorResult, WithShot, report_errors


@cache
def old_place() -> Path | None:
    """The folder of the extension that earlier versions kept shots in: it goes when the extension is removed."""
    try:
        return Path(bpy.utils.extension_path_user(__package__.rpartition(".")[0], path="shots"))
    except ValueError:
        return None


def is_in_old_place(folder: str) -> bool:
    """Whether a shot's folder goes with the extension."""
    place = old_place()
    return place is not None and Path(folder).is_relative_to(place)


#: Shots in the old place that no scene of the open file has, as last looked at: drawing must not look at the disk.
stray_shots: list[Path] = []


def find_stray_shots() -> None:
    """Look for shots of other files that lie in the extension's folder."""
    place, ours = old_place(), {Path(shot.folder) for scene in bpy.data.scenes for shot in shots.find_shots(scene)}
    found = sorted(place.glob(f"*/{shot_folders.SHOT_FILE}")) if place is not None else []
    stray_shots[:] = [file.parent for file in found if file.parent not in ours]


class EX4D_OT_copy_stray_shots(bpy.types.Operator):
    bl_idname = "ex4d.copy_stray_shots"
    bl_label = "Copy Other Files' Shots"
    bl_description = "Copy the shots of other .blend files out of the extension's folder; open those files and relink"
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:
        directory: str
    else:
        directory: StringProperty(
            name="To", subtype="DIR_PATH", options={"SKIP_SAVE"}, description="Folder that the shots are copied into"
        )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(stray_shots)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        self.directory = str(shot_folders.documents_folder() / shot_folders.SHOTS_FOLDER)
        return manager_of(context).invoke_props_dialog(self, width=520)

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        if not self.directory:
            raise BadInputError("No folder is chosen.", "Name the folder that the shots are copied into.")
        base, copied = Path(bpy.path.abspath(self.directory)).absolute(), 0
        for source in list(stray_shots):
            target = shot_folders.copy_target(source, base)
            if target is not None:
                shot_folders.copy_shot(source, target)
                copied += 1
        self.report(
            {"INFO"},
            localised(
                f"{copied} shots are copied to {base}. Relink Mesh finds them in their files; then {old_place()} may "
                "be deleted."
            ),
        )
        return {"FINISHED"}


class EX4D_OT_move_shot(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.move_shot"
    bl_label = "Move Shot"
    bl_description = "Copy the shot's folder to another place, compare every file, and let this .blend use the copy"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        directory: str
    else:
        directory: StringProperty(
            name="To",
            subtype="DIR_PATH",
            options={"SKIP_SAVE"},
            description="The shot's new folder; it must not exist yet",
        )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        plate = Path(shot.record["plate"].get("path") or shot.folder)
        blend = Path(bpy.data.filepath) if bpy.data.filepath else None
        base = shot_folders.base_folder(blend, plate, shot_folders.documents_folder())
        self.directory = str(shot_folders.copy_target(Path(shot.folder), base) or base)
        return manager_of(context).invoke_props_dialog(self, width=520)

    def draw(self, context: bpy.types.Context) -> None:
        shot = shots.known(scene_of(context)).find()
        layout: Any = self.layout
        column = layout.column()
        if shot is not None:
            column.label(text=localised(f"«{shot.root.name}» lies in {shot.folder}"))
        column.prop(self, "directory")
        column.label(text="It is copied and compared; then this .blend uses the copy. Save it afterwards.")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        shots.check_local(shot)
        if not self.directory:
            raise BadInputError("No folder is chosen.", "Name the shot's new folder.")
        if backend_link.current().client.unfinished:
            raise TransientError("Jobs are running.", "Move the shot when they are done, or cancel them.")
        old, new = Path(shot.folder), Path(bpy.path.abspath(self.directory)).absolute()
        manager = manager_of(context)
        manager.progress_begin(0, 1)
        try:
            shot_folders.copy_shot(old, new, lambda done, of: manager.progress_update(done / of))
        finally:
            manager.progress_end()
        relocate(shot, new)
        # It reads its pictures where they were when it began.
        wipe.end()
        propose_folder(scene)
        self.report({"INFO"}, localised(f"The shot is in {new}. Save the .blend; then {old} may be deleted."))
        return {"FINISHED"}


class EX4D_OT_leave_shot(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.leave_shot"
    bl_label = "Leave It There"
    bl_description = "The shot's folder stays where it is, as where another .blend works with it too"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        shots.check_local(shot)
        leave_behind(shot)
        return {"FINISHED"}


CLASSES = (EX4D_OT_move_shot, EX4D_OT_leave_shot, EX4D_OT_copy_stray_shots)
