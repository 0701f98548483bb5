# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the plate."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import IntProperty, StringProperty

from ex4d.camera import json_bytes
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import check_input
from ex4d.system.sequence_names import is_pattern

from ..core import frame_mapping
from ..localisation import localised
from ..props import state_of
from ..props.steps import is_of_plate
from ..scene import asked, choosing, plates
from ..scene import shot as shots
from ..scene.camera import scene_fps
from ..scene.data import manager_of, scene_of
from ..scene.sequencer import sequencer_scene, working_scene
from ..scene.shot_place import same_plate_shot
from .common import OperatorResult, report_errors

#: Blender shows one file of a sequence, a plate is all of them.
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".dpx", ".webp", ".bmp", ".tga", ".jp2")


def _choose(
    scene: bpy.types.Scene,
    choice: plates.PlateChoice,
    clip: bpy.types.MovieClip | None = None,
    *,
    played_in: bpy.types.Scene | None = None,
) -> None:
    """Take the choice; nothing is changed when an error is raised.

    Args:
        clip: the clip that is the plate, if one is.
        played_in: the scene that plays it, where one does: pictures have no rate but that scene's.

    Raises:
        BadInputError: the plate shows no picture.
    """
    info, notes = media_info(choice.path), list(choice.notes)
    start = choice.scene_start
    if start is not None and start < 0:
        notes.append(f"The plate would start at scene frame {start}; Blender's scenes start at 0, so it does not.")
        start = None
    state = state_of(scene)
    _turn_to_shot(scene, choice.path)
    state.plate_path = str(choice.path)
    state.plate_frames = choice.frames or ""
    state.plate_fps = str(scene_fps(played_in)) if played_in is not None and choice.fps is None else ""
    state.plate_scene_start = -1 if start is None else start
    state.plate_clip = clip
    if clip is None and state.plate_lens == "CLIP":
        state.plate_lens = "NONE"
    elif clip is not None and plates.is_distorted(clip) and state.plate_lens == "NONE":
        state.plate_lens = "CLIP"
        notes.append("The plate's lens is that of the clip's camera; Lens changes that.")
    if clip is not None and (problem := _left_out(scene, around=state.source_camera != "still")):
        notes.append(problem)
    state.plate_info = "\n".join([info, *notes])


def _turn_to_shot(scene: bpy.types.Scene, plate: Path) -> None:
    """Work on the scene's shot of a plate that is about to be chosen, where there is one; else let one begin."""
    state, chosen = state_of(scene), shots.find_shot(scene)
    if chosen is None:
        return
    known = same_plate_shot(scene, plate)
    if known is None:
        if is_of_plate(state, chosen):
            asked.begin_shot(state)
    elif known.root != chosen.root:
        for layer in scene.view_layers:
            choosing.select_shot(layer, known)
        asked.bring_back(state, known)


def media_info(path: Path) -> str:
    """Size, rate and length as Blender itself reads them; nothing is kept of it.

    Raises:
        BadInputError: it shows no picture.
    """
    # «shot #2.mp4» is a file like any other.
    if frame_mapping.is_pattern(path) or path.is_dir():
        return _sequence_info(path)
    # Blender would wait for a pipe's other end.
    check_input(path)
    if path.suffix.lower() in PICTURES:
        width, height = _picture_size(path)
        return f"{width}x{height}, 1 frame"
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError as error:
        raise _no_media(path) from error
    try:
        # What is no movie has the size of an empty clip, and no frames.
        if clip.frame_duration < 1 or clip.source != "MOVIE":
            raise _no_media(path)
        rate = f", {clip.fps:.6g} fps" if clip.fps > 0 else ""
        return f"{clip.size[0]}x{clip.size[1]}{rate}, {clip.frame_duration} frames"
    finally:
        bpy.data.movieclips.remove(clip)


def may_be_movie(path: Path) -> bool:
    """Whether a plate is no picture, pattern or folder by its name; nothing is looked for on disk."""
    return path.suffix != "" and path.suffix.lower() not in PICTURES and not is_pattern(path.name)


def _no_media(path: Path) -> BadInputError:
    return BadInputError(
        f"{path.name} is neither a movie nor a picture that Blender can read.",
        "Choose a movie, a picture of a sequence, or its folder.",
    )


def _sequence_info(path: Path) -> str:
    """Size and number of the pictures that a pattern or a folder stands for."""
    folder = path if path.is_dir() else path.parent
    names = [file.name for file in folder.iterdir() if file.suffix.lower() in PICTURES] if folder.is_dir() else []
    numbered = [name for name in names if frame_mapping.split_number(name) is not None]
    found = numbered if path.is_dir() else frame_mapping.pattern_members(path.name, names).values()
    files = [folder / name for name in sorted(found)]
    if not files:
        raise BadInputError(f"There are no pictures {path}.", "Choose one picture of the sequence, or its folder.")
    check_input(files[0])
    width, height = _picture_size(files[0])
    return f"{width}x{height}, {len(files)} frames" if len(files) > 1 else f"{width}x{height}, 1 frame"


def _picture_size(path: Path) -> tuple[int, int]:
    image = bpy.data.images.load(str(path))
    try:
        # Blender reads the file only now; pictures with layers tell no size before.
        size = (int(image.size[0]), int(image.size[1]))
        if 0 in size and image.type != "MULTILAYER":
            raise _no_media(path)
        return size
    finally:
        bpy.data.images.remove(image)


def _chosen_frames(scene: bpy.types.Scene) -> tuple[int, int] | None:
    """First and last of the plate's frames as the panel has them; None: all, or what the backend will refuse."""
    return frame_mapping.closed_range(state_of(scene).plate_frames)


def lacks_solved_frames(scene: bpy.types.Scene) -> bool:
    """Whether the plate's clip is solved for fewer frames than are chosen; counts only, for panels."""
    clip, frames = state_of(scene).plate_clip, _chosen_frames(scene)
    if clip is None:
        return False
    wanted = int(clip.frame_duration) if frames is None else frames[1] - frames[0] + 1
    return 0 < len(plates.solved_frames(clip)) < wanted


def _left_out(scene: bpy.types.Scene, *, around: bool) -> str:
    """See ``plates.incomplete_solution``."""
    state = state_of(scene)
    if state.plate_clip is None:
        return ""
    return plates.incomplete_solution(
        state.plate_clip, frames=_chosen_frames(scene), first_number=state.plate_first_frame, around=around
    )


class EX4D_OT_load_plate(bpy.types.Operator):
    bl_idname = "ex4d.load_plate"
    bl_label = "Open Plate"
    bl_description = "Choose a movie, or one picture of an image sequence, to re-shoot"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        filepath: str
        filter_movie: bool
        filter_image: bool
        filter_folder: bool
    else:
        filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
        filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
        filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
        filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        # A folder only: without one the file browser proposes the .blend's own name.
        former = bpy.path.abspath(state_of(working_scene(context)).plate_path) or bpy.data.filepath
        self.filepath = str(Path(former).parent if former else Path.home()) + os.sep
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        path = Path(bpy.path.abspath(self.filepath))
        if not self.filepath or not (path.exists() or frame_mapping.is_pattern(path)):
            raise BadInputError(f"There is no plate {path}.", "Choose a movie, a picture of a sequence, or its folder.")
        picture = path.is_file() and path.suffix.lower() in PICTURES
        choice = plates.PlateChoice(frame_mapping.sequence_pattern(path)[0] if picture else path, None, None, None, ())
        _choose(working_scene(context), choice)
        return {"FINISHED"}


class EX4D_OT_plate_from_clip(bpy.types.Operator):
    bl_idname = "ex4d.plate_from_clip"
    bl_label = "Use Movie Clip"
    bl_description = "Take a movie clip as the plate, with its solved camera if it has one"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        clip: str
    else:
        clip: StringProperty(name="Clip", description="Name of the movie clip", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if len(bpy.data.movieclips):
            return True
        cls.poll_message_set(localised("Open a clip in the Movie Clip Editor first"))
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        if len(bpy.data.movieclips) == 1 or scene_of(context).active_clip is not None:
            self.clip = (scene_of(context).active_clip or bpy.data.movieclips[0]).name
            return self.execute(context)
        return manager_of(context).invoke_props_dialog(self)

    def draw(self, _context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.prop_search(self, "clip", bpy.data, "movieclips")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        clip = bpy.data.movieclips.get(self.clip)
        if clip is None:
            raise BadInputError(f"There is no movie clip «{self.clip}».", "Open it in the Movie Clip Editor.")
        scene = working_scene(context)
        first = state_of(scene).plate_first_frame
        _choose(scene, plates.plate_from_clip(clip, scene, first_number=first), clip, played_in=scene)
        return {"FINISHED"}


class EX4D_OT_plate_from_strip(bpy.types.Operator):
    bl_idname = "ex4d.plate_from_strip"
    bl_label = "Use Selected Strip"
    bl_description = "Take the movie or image strip that is selected in the sequencer as the plate, cut as it is"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = working_scene(context)
        choice = plates.selected_plate_strip(context, first_number=state_of(scene).plate_first_frame)
        _choose(scene, choice, played_in=sequencer_scene(context))
        return {"FINISHED"}


class EX4D_OT_use_solved_frames(bpy.types.Operator):
    bl_idname = "ex4d.use_solved_frames"
    bl_label = "Use Solved Frames Only"
    bl_description = "Take only those frames of the clip that its camera is solved for, the longest run of them"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        clip = state_of(working_scene(context)).plate_clip
        if clip is not None and plates.is_solved(clip):
            return True
        cls.poll_message_set(localised("The plate is no clip with a solved camera"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = working_scene(context)
        clip, first = state_of(scene).plate_clip, state_of(scene).plate_first_frame
        if clip is None:
            raise BadInputError("The plate is no clip.", "Take a movie clip with a solved camera as the plate.")
        choice = plates.plate_from_clip(clip, scene, first_number=first)
        run = frame_mapping.longest_run(plates.solved_numbers(clip, first_number=first))
        if run is None:
            raise BadInputError(f"The camera of «{clip.name}» is solved for no frame.", "Solve it first.")
        shown = plates.shown_numbers(clip, first_number=first)
        # The solution may begin before the clip's offset.
        begin, end = max(run[0], shown[0]), min(run[1], shown[-1])
        if begin > end:
            raise BadInputError(f"«{clip.name}» shows none of its solved frames.", "Set its Frame Offset to less.")
        start = None if choice.scene_start is None else choice.scene_start + begin - shown[0]
        _choose(scene, replace(choice, frames=f"{begin}-{end}", scene_start=start), clip, played_in=scene)
        return {"FINISHED"}


class EX4D_OT_use_shot_frames(bpy.types.Operator):
    bl_idname = "ex4d.use_shot_frames"
    bl_label = "Use This Shot"
    bl_description = "Take only these frames of a plate that cuts; Reconstruct then makes a shot of them"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        first: int
        last: int
    else:
        first: IntProperty(name="First", description="The plate's own number", options={"SKIP_SAVE"})
        last: IntProperty(name="Last", description="The plate's own number", options={"SKIP_SAVE"})

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = working_scene(context)
        state, shot = state_of(scene), shots.chosen_shot(scene)
        if not shot.numbers[0] <= self.first <= self.last <= shot.numbers[-1]:
            raise BadInputError(
                f"Frames {self.first}-{self.last} are not the plate's.", "Choose some of those that it has."
            )
        state.plate_frames, state.plate_handles = f"{self.first}-{self.last}", 0
        # They stay where they were in the scene.
        state.plate_scene_start = max(shot.frame_of(self.first), -1)
        return {"FINISHED"}


class EX4D_OT_open_folder(bpy.types.Operator):
    bl_idname = "ex4d.open_folder"
    bl_label = "Open Folder"
    bl_description = "Show this folder in the file manager"
    bl_options = {"INTERNAL"}

    if TYPE_CHECKING:
        folder: str
    else:
        folder: StringProperty(options={"SKIP_SAVE"})

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        folder = Path(bpy.path.abspath(self.folder))
        if not folder.is_dir():
            raise BadInputError(f"The folder {folder} does not exist any more.", "Look for where it was moved.")
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


def solved_blobs(scene: bpy.types.Scene, *, partly: bool = False) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """The solved camera of the plate's clip and its points, as a job's blobs, with what should be known of them.

    Args:
        partly: the camera of those frames that are solved will do.
    """
    state = state_of(scene)
    clip, frames, first = state.plate_clip, _chosen_frames(scene), state.plate_first_frame
    if clip is None or not state.use_solved_camera:
        return (), ()
    solved = plates.solved_camera(clip, scene, frames=frames, first_number=first, partly=partly)
    if solved is None:
        left_out = _left_out(scene, around=False)
        return (), (left_out,) if left_out else ()
    found = plates.solved_points(clip, frames=frames, first_number=first)
    points = json.dumps({"points": found.tolist()}).encode()
    notes = solved.notes
    if lacking := _left_out(scene, around=True):
        notes += (lacking,)
    if state.plate_lens == "NONE" and plates.is_distorted(clip):
        notes += ("The clip's lens distortion is ignored: set Lens to Movie Clip, or undistort the plate.",)
    return (json_bytes(solved.trajectory), points), notes


CLASSES = (
    EX4D_OT_load_plate,
    EX4D_OT_plate_from_clip,
    EX4D_OT_plate_from_strip,
    EX4D_OT_use_solved_frames,
    EX4D_OT_use_shot_frames,
    EX4D_OT_open_folder,
)
