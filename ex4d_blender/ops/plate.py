# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the plate."""

import json
import re
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ex4d.camera import json_bytes
from ex4d.protocol.errors import BadInputError

from ..scene import plates
from .common import told


def _choose(scene: bpy.types.Scene, choice: plates.PlateChoice, clip: bpy.types.MovieClip | None = None) -> None:
    state = scene.ex4d
    state.plate_path = str(choice.path)
    state.plate_frames = choice.frames or ""
    state.plate_fps = ""
    state.plate_scene_start = -1 if choice.scene_start is None else choice.scene_start
    state.plate_clip = clip
    state.plate_info = "\n".join(choice.notes)


def _image_info(path: Path) -> str:
    """Size, rate and length as Blender itself reads them; nothing is kept of it."""
    if "#" in path.name or path.is_dir():
        return _sequence_info(path)
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError:
        return ""
    try:
        rate = f", {clip.fps:.6g} fps" if clip.fps > 0 else ""
        return f"{clip.size[0]}x{clip.size[1]}{rate}, {clip.frame_duration} frames"
    finally:
        bpy.data.movieclips.remove(clip)


def _sequence_info(path: Path) -> str:
    """Size and number of the pictures that a pattern or a folder stands for."""
    folder, pattern = (path, re.compile(r".*\d\.\w+")) if path.is_dir() else (path.parent, _pattern(path.name))
    files = sorted(file for file in folder.iterdir() if pattern.fullmatch(file.name)) if folder.is_dir() else []
    if not files:
        return "No pictures are there."
    image = bpy.data.images.load(str(files[0]))
    try:
        return f"{image.size[0]}x{image.size[1]}, {len(files)} frames"
    finally:
        bpy.data.images.remove(image)


def _pattern(name: str) -> re.Pattern[str]:
    head, _, tail = name.partition("#")
    return re.compile(re.escape(head) + r"\d+" + re.escape(tail.lstrip("#")))


def _add_info(scene: bpy.types.Scene) -> None:
    info = _image_info(Path(bpy.path.abspath(scene.ex4d.plate_path)))
    scene.ex4d.plate_info = "\n".join(part for part in (info, scene.ex4d.plate_info) if part)


class EX4D_OT_load_plate(bpy.types.Operator):
    bl_idname = "ex4d.load_plate"
    bl_label = "Open Plate"
    bl_description = "Choose a movie, or one picture of an image sequence, to re-shoot"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @told
    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        if not self.filepath or (not path.exists() and "#" not in path.name):
            raise BadInputError(f"There is no plate {path}.", "Choose a movie, a picture of a sequence, or its folder.")
        image = path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff")
        choice = plates.PlateChoice(plates.sequence_pattern(path)[0] if image else path, None, None, None, ())
        _choose(context.scene, choice)
        _add_info(context.scene)
        return {"FINISHED"}


class EX4D_OT_plate_from_clip(bpy.types.Operator):
    bl_idname = "ex4d.plate_from_clip"
    bl_label = "Use Movie Clip"
    bl_description = "Take a movie clip as the plate, with its solved camera if it has one"
    bl_options = {"REGISTER", "UNDO"}

    clip: StringProperty(name="Clip", description="Name of the movie clip", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, _context):
        if len(bpy.data.movieclips):
            return True
        cls.poll_message_set("Open a clip in the Movie Clip Editor first")
        return False

    def invoke(self, context, _event):
        if len(bpy.data.movieclips) == 1 or context.scene.active_clip is not None:
            self.clip = (context.scene.active_clip or bpy.data.movieclips[0]).name
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, _context):
        self.layout.prop_search(self, "clip", bpy.data, "movieclips")

    @told
    def execute(self, context):
        clip = bpy.data.movieclips.get(self.clip)
        if clip is None:
            raise BadInputError(f"There is no movie clip «{self.clip}».", "Open it in the Movie Clip Editor.")
        _choose(context.scene, plates.plate_from_clip(clip, context.scene), clip)
        _add_info(context.scene)
        return {"FINISHED"}


class EX4D_OT_plate_from_strip(bpy.types.Operator):
    bl_idname = "ex4d.plate_from_strip"
    bl_label = "Use Selected Strip"
    bl_description = "Take the movie or image strip that is selected in the sequencer as the plate, cut as it is"
    bl_options = {"REGISTER", "UNDO"}

    @told
    def execute(self, context):
        _choose(context.scene, plates.selected_plate_strip(context))
        _add_info(context.scene)
        return {"FINISHED"}


class EX4D_OT_open_folder(bpy.types.Operator):
    bl_idname = "ex4d.open_folder"
    bl_label = "Open Folder"
    bl_description = "Show this folder in the file manager"
    bl_options = {"INTERNAL"}

    folder: StringProperty(options={"SKIP_SAVE"})

    @told
    def execute(self, _context):
        folder = Path(bpy.path.abspath(self.folder))
        if not folder.is_dir():
            raise BadInputError(f"The folder {folder} does not exist any more.", "Look for where it was moved.")
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


def solved_blobs(scene: bpy.types.Scene) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """The solved camera of the plate's clip and its points, as a job's blobs, with what should be known of them."""
    state = scene.ex4d
    if state.plate_clip is None or not state.use_solved_camera:
        return (), ()
    solved = plates.solved_camera(state.plate_clip, scene)
    if solved is None:
        return (), ()
    points = json.dumps({"points": plates.solved_points(state.plate_clip).tolist()}).encode()
    return (json_bytes(solved.trajectory), points), solved.notes


CLASSES = (
    EX4D_OT_load_plate,
    EX4D_OT_plate_from_clip,
    EX4D_OT_plate_from_strip,
    EX4D_OT_open_folder,
)
