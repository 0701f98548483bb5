# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing results: the scene whose sequencer shows them, and back to the work."""

from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from .. import arrivals, props
from ..core.kept_colour import COLOR, keep_colour
from ..localisation import localised
from ..scene import hooks, sequencer
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.files import MAX_FOLDER_BYTES, absolute_path, stored_path
from ..scene.results_scene import results_scene
from .common import OperatorResult, report_errors


def _areas(window: bpy.types.Window, kind: str) -> list[bpy.types.Area]:
    return [area for area in window.screen.areas if area.type == kind] if window.screen is not None else []


def _edit_of_active_take(scene: bpy.types.Scene) -> bpy.types.Scene:
    """The scene with the chosen take's strips, else the first that shows results of the working scene."""
    take = props.active_take(scene)
    # By their folders: takes of several shots may be called the same.
    folders = {version.folder for version in take.versions} if take is not None else set()
    edits = sequencer.edit_scenes(scene)
    having = [edit for edit in edits if folders & _folders_of(edit)]
    return [*having, *edits][0]


def _folders_of(edit: bpy.types.Scene) -> set[str]:
    """Folders of the takes that a scene of results shows."""
    known = (sequencer.take_of_strip(strip) for strip in sequencer.all_strips(edit))
    return {found["folder"] for found in known if found is not None}


def is_shown(window: bpy.types.Window) -> bool:
    """Whether the window shows results: by its scene, before Blender 5, or by a sequencer of ours in its place."""
    if window.scene is not None and sequencer.scene_of_edit(window.scene) is not None:
        return True
    shown = getattr(window.workspace, "sequencer_scene", None)
    # Beside a 3D viewport nothing need be put back.
    hidden_work = bool(_areas(window, "SEQUENCE_EDITOR")) and not _areas(window, "VIEW_3D")
    return shown is not None and sequencer.scene_of_edit(shown) is not None and hidden_work


def _frame_all(window: Any, area: bpy.types.Area) -> None:
    """See all strips, as soon as the editor has been drawn; nothing where it is gone by then."""

    def look() -> None:
        if area in window.screen.areas[:] and area.type == "SEQUENCE_EDITOR":
            region = next(item for item in area.regions if item.type == "WINDOW")
            with bpy.context.temp_override(window=window, area=area, region=region):
                bpy.ops.sequencer.view_all()

    if not bpy.app.background:
        hooks.add_timer(look, after=0.3)


class EX4D_OT_show_result(bpy.types.Operator):
    bl_idname = "ex4d.show_result"
    bl_label = "Show Result"
    bl_description = (
        "Show the finished takes in a sequencer, in place of the 3D viewport where there is none; and back to the scene"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if sequencer.edit_scenes(sequencer.working_scene(context)):
            return True
        cls.poll_message_set(localised("Generate a take first"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        window: Any = context.window
        working = sequencer.working_scene(context)
        if is_shown(window):
            self._back(context, window, working)
        else:
            self._show(context, window, working)
            arrivals.forget()
        return {"FINISHED"}

    @staticmethod
    def _show(context: bpy.types.Context, window: Any, working: bpy.types.Scene) -> None:
        edit = _edit_of_active_take(working)
        if edit.sequence_editor is not None:
            sequencer.see_something(edit, working.frame_current)
        if hasattr(window.workspace, "sequencer_scene"):
            window.workspace.sequencer_scene = edit
        else:
            window.scene = edit
        if not _areas(window, "SEQUENCE_EDITOR"):
            here = context.area if context.area is not None and context.area.type == "VIEW_3D" else None
            area = here or max(window.screen.areas, key=lambda item: item.width * item.height)
            area.type = "SEQUENCE_EDITOR"
            space: Any = area.spaces.active
            space.view_type = "SEQUENCER_PREVIEW"
            space.show_region_ui = True
            _frame_all(window, area)

    @staticmethod
    def _back(context: bpy.types.Context, window: Any, working: bpy.types.Scene) -> None:
        if window.scene != working:
            window.scene = working
        sequencers = _areas(window, "SEQUENCE_EDITOR")
        if sequencers and not _areas(window, "VIEW_3D"):
            here = context.area if context.area in sequencers else sequencers[0]
            here.type = "VIEW_3D"


class EX4D_OT_move_strips(bpy.types.Operator):
    bl_idname = "ex4d.move_strips"
    bl_label = "Move Strips to Their Own Scene"
    bl_description = "Move the strips of takes out of this scene, so that rendering shows its objects again"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if stray_strips(scene_of(context)):
            return True
        cls.poll_message_set(localised("There are no strips of takes in this scene"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        first = min(sequencer.strips_in_the_way(scene), key=lambda strip: int(strip.frame_final_start))
        known = sequencer.take_of_strip(first)
        assert known is not None
        shot = shots.find_shot(scene)
        offset = shot.timing.offset if shot is not None else 0
        numbers = range(int(first.frame_start) - offset, int(first.frame_start) - offset + len(first.elements))
        edit = results_scene(scene, Path(known["folder"]).parent.parent, numbers, offset=offset)
        moved, stay = sequencer.move_strips(scene, edit)
        if stay and not moved:
            raise BadInputError(
                f"{stay} strips were not moved: effects, modifiers or keys of yours hang on them.",
                f"Move them by hand to the scene «{edit.name}», or mute them.",
            )
        if stay:
            self.report(
                {"WARNING"}, localised(f"{stay} strips stay: effects, modifiers or keys of yours hang on them.")
            )
        if context.window is not None:
            sequencer.show_edit(context.window, edit)
        return {"FINISHED"}


class EX4D_OT_keep_colour(bpy.types.Operator):
    bl_idname = "ex4d.keep_colour"
    bl_label = "Keep Pictures in Their Takes"
    bl_description = (
        "Put the masks and colour that strips show from the cache into their takes' folders, and show them from there"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if sequencer.outside_their_take(_results_of(context)):
            return True
        cls.poll_message_set(localised("No strip shows pictures from the cache"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        strips = sequencer.outside_their_take(_results_of(context))
        lost = sum(not _keep(strip) for strip in strips)
        if lost == len(strips):
            raise BadInputError(f"The pictures of {lost} strips cannot be kept.", "Make their takes again.")
        if lost:
            self.report({"WARNING"}, localised(f"The pictures of {lost} of {len(strips)} strips cannot be kept."))
        return {"FINISHED"}


def _results_of(context: bpy.types.Context) -> list[bpy.types.Scene]:
    working = sequencer.working_scene(context)
    return [working, *sequencer.edit_scenes(working)]


def _keep(strip: sequencer.Strip) -> bool:
    """Show a strip's pictures from its take's folder; returns whether they are there."""
    known = sequencer.take_of_strip(strip)
    assert known is not None
    own = Path(known["folder"]) / known["role"]
    if known["role"] == COLOR:
        try:
            own = keep_colour(absolute_path(strip.directory), Path(known["folder"]))
        except OSError:
            return False
    if not all((own / element.filename).is_file() for element in strip.elements):
        return False
    strip.directory = stored_path(own, limit=MAX_FOLDER_BYTES).rstrip("/\\") + "/"
    return True


#: By the scene's ``session_uid``: how many strips it had when they were counted, and how many of takes.
_counted: dict[int, tuple[int, int]] = {}


def count_stray_strips(scene: bpy.types.Scene) -> int:
    """Count the strips of takes in a working scene; called where the scene may have changed."""
    if scene.sequence_editor is None:
        return 0
    stray = len(sequencer.strips_in_the_way(scene))
    _counted[scene.session_uid] = (len(sequencer.strips_of(scene.sequence_editor)), stray)
    return stray


def stray_strips(scene: bpy.types.Scene) -> int:
    """How many strips of takes are in a working scene, as last counted: panels ask whenever drawn."""
    if scene.sequence_editor is None:
        return 0
    known = _counted.get(scene.session_uid)
    if known is None or known[0] != len(sequencer.strips_of(scene.sequence_editor)):
        return count_stray_strips(scene)
    return known[1]


CLASSES = (EX4D_OT_show_result, EX4D_OT_move_strips, EX4D_OT_keep_colour)
