# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plate to the animated mesh and the source camera."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ex4d.camera import json_bytes
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import DepthRequest, MeshRequest, PlateRequest, ReconstructRequest, SolvedCamera
from ex4d.protocol.values import PARALLAX, ColourMatrix, ColourRange, OverRange, SourceCameraKind
from ex4d.system.inputs import read_bytes

from .. import capabilities, colour_spaces, job_list
from ..core import frame_mapping
from ..localisation import localised
from ..menus import AUTOMATIC, FILES
from ..props import SOURCE_CAMERAS, EX4D_PG_scene, state_of
from ..scene import asked, colour_tables, editors, obstacles, plates, showing
from ..scene import camera as cameras
from ..scene import mesh as meshes
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from ..scene.files import MAX_FOLDER_BYTES
from ..scene.relocate import follow
from ..scene.shot_place import plate_name, plate_path, propose_folder, shot_folder
from .common import JobOperator, OperatorResult, WithShot, has_shot, report_errors
from .plate import PICTURES, solved_blobs

#: Of a lens file; calibrations hold all points that they were made of.
MAX_LENS_BYTES = 4 << 20
#: What is left for folders of takes and stages within a shot.
MAX_SHOT_BYTES = MAX_FOLDER_BYTES - 67


def reconstruct_request(
    scene: bpy.types.Scene, *, block: bool, blend: Path | None = None
) -> tuple[ReconstructRequest, tuple[str, ...]]:
    """What the scene's properties ask for, and what should be known of its solved camera.

    Args:
        scene: with the plate.
        block: wait for the backend to say whether it has the chosen estimator.
        blend: see ``shot_folder``.

    Raises:
        Ex4dError: the scene, its shot, or a choice cannot be worked with.
    """
    state = state_of(scene)
    shots.check_scene(scene)
    if not state.plate_path:
        raise BadInputError("No plate is chosen.", "Open one in the panel Plate.")
    folder = shot_folder(scene, blend=blend)
    if len(os.fsencode(folder)) > MAX_SHOT_BYTES:
        raise BadInputError(
            f"The shot's folder {folder} has a path too long for Blender to keep those of its pictures.",
            f"Choose a shot folder with a path of at most {MAX_SHOT_BYTES} bytes.",
        )
    former = shots.find_shot(scene, str(folder))
    if former is not None:
        shots.check_local(former)
    plate = _plate_request(scene)
    depth = _depth_request(scene, block=block)
    solved, notes, kind = _source_camera(scene, former)
    request = ReconstructRequest(
        shot=str(folder),
        plate=plate,
        depth=depth,
        mesh=MeshRequest(min_angle=state.min_angle, max_depth_ratio=state.max_depth_ratio, thickness=state.thickness),
        solved=solved,
        viewport_side=state.viewport_side,
        source_camera=kind,
    )
    return request, notes


def _source_camera(
    scene: bpy.types.Scene, former: shots.ShotObjects | None
) -> tuple[SolvedCamera | None, tuple[str, ...], SourceCameraKind | None]:
    """A camera that was solved elsewhere, what should be known of it, and how it moves, None = what the shot has.

    Args:
        former: the scene's shot of this plate.
    """
    state = state_of(scene)
    if state.depth_source == FILES:
        blobs, notes = solved_blobs(scene)
        return SolvedCamera(*blobs) if blobs else None, notes, None
    if state.source_camera == "OBJECT":
        sampled = _sampled_object(scene, chosen_object(state), former)
        return SolvedCamera(json_bytes(sampled.trajectory)), sampled.notes, "auto"
    if state.source_camera == "FILE":
        return None, (), None
    kind = cast(SourceCameraKind, state.source_camera) if state.source_camera != "DEFAULT" else None
    # A solved clip is checked against the plate, unless the shot's camera has never been looked at.
    asked = kind or ("auto" if former is None or former.record.get("source_camera") is not None else None)
    blobs, notes = solved_blobs(scene, partly=asked not in (None, "still"))
    if not blobs:
        return None, notes, kind
    return SolvedCamera(*blobs), notes, "auto" if asked not in (None, "still") else None


def chosen_object(state: EX4D_PG_scene) -> bpy.types.Object:
    """The camera object that is to be the source camera; raises BadInputError where none is chosen."""
    if state.source_object is None:
        raise BadInputError("No source camera is chosen.", "Choose its object, or another Source Camera.")
    return state.source_object


def _sampled_object(
    scene: bpy.types.Scene, camera: bpy.types.Object, former: shots.ShotObjects | None
) -> cameras.SampledCamera:
    """The chosen camera object in the plate's frames."""
    state = state_of(scene)
    start = state.plate_scene_start if state.plate_scene_start >= 0 else None
    if start is None and former is not None:
        start = former.first_frame
    return plates.object_camera(
        scene,
        camera,
        plate_path(scene),
        frames=frame_mapping.closed_range(state.plate_frames),
        first_number=state.plate_first_frame,
        first_frame=start,
        root=former.root if former is not None else None,
    )


def _plate_request(scene: bpy.types.Scene) -> PlateRequest:
    state = state_of(scene)
    over_range = cast(OverRange, state.plate_over_range) if state.plate_over_range != "AUTO" else None
    return PlateRequest(
        str(plate_path(scene)),
        state.plate_frames or None,
        state.plate_fps or None,
        state.plate_first_frame,
        handles=state.plate_handles,
        colour_space=colour_tables.plate_space(state.plate_colour_space.strip()) or PlateRequest.colour_space,
        ocio=colour_tables.environment_config(),
        layer=state.plate_layer.strip() or None,
        over_range=over_range,
        pixel_aspect=_pixel_aspect(state),
        lens=_lens(state),
        colour_matrix=cast(ColourMatrix, state.plate_colour_matrix),
        colour_range=cast(ColourRange, state.plate_colour_range),
    )


def _pixel_aspect(state: EX4D_PG_scene) -> str | None:
    """As the panel has it; else that of the clip whose lens is the plate's: its focal length counts on it."""
    if state.plate_pixel_aspect.strip():
        return state.plate_pixel_aspect.strip()
    if state.plate_lens == "CLIP" and state.plate_clip is not None:
        aspect = plates.clip_aspect(state.plate_clip)
        return str(aspect) if aspect != 1 else None
    return None


def _lens(state: EX4D_PG_scene) -> str | None:
    """What the backend is told of the plate's lens; raises BadInputError where there is none of the chosen kind."""
    if state.plate_lens == "FILE":
        if not state.plate_lens_file:
            raise BadInputError("No lens file is chosen.", "Choose it, or set Lens to None, in the panel Plate.")
        path = Path(bpy.path.abspath(state.plate_lens_file)).absolute()
        try:
            return read_bytes(path, MAX_LENS_BYTES).decode()
        except UnicodeDecodeError:
            raise BadInputError(f"{path} is no lens file.", "Choose a JSON, YAML or XML file.") from None
    if state.plate_lens == "CLIP":
        if state.plate_clip is None:
            raise BadInputError(
                "The plate is no Movie Clip, so that it has no clip's lens.",
                "Take the clip as the plate, or set Lens to None or File, in the panel Plate.",
            )
        if state.use_fov:
            raise BadInputError(
                "Two focal lengths are given: the Movie Clip's and a field of view.",
                "Untick Known Lens, or set the clip's focal length and Lens to None.",
            )
        return plates.clip_lens(state.plate_clip).text()
    return None


def _depth_request(scene: bpy.types.Scene, *, block: bool) -> DepthRequest:
    state = state_of(scene)
    in_mm = state.use_fov and state.fov_by == "mm"
    fov = math.degrees(state.fov) if state.use_fov and not in_mm else None
    focal, sensor = (_millimetres(state.focal_mm), _millimetres(state.sensor_mm)) if in_mm else (None, None)
    if state.depth_source == FILES:
        if not state.depth_path:
            raise BadInputError("No depth files are chosen.", "Choose them, or set Depth to Automatic.")
        return DepthRequest(
            source=str(Path(bpy.path.abspath(state.depth_path)).absolute()),
            kind=cast(Literal["depth", "disparity"], state.depth_kind) if state.depth_kind != "AUTO" else None,
            # 1 is what files of plain numbers have anyway; 16-bit PNG need theirs.
            scale=state.depth_scale,
            camera=str(Path(bpy.path.abspath(state.depth_camera)).absolute()) if state.depth_camera else None,
            fov=fov,
            focal_mm=focal,
            sensor_mm=sensor,
        )
    source = state.depth_source
    if source not in (AUTOMATIC, PARALLAX):
        source = capabilities.resolve_estimator(source, block=block).name
    camera = None
    if state.source_camera == "FILE":
        if not state.depth_camera:
            raise BadInputError("No camera file is chosen.", "Choose it, or another Source Camera.")
        camera = str(Path(bpy.path.abspath(state.depth_camera)).absolute())
    return DepthRequest(source=source, camera=camera, fov=fov, focal_mm=focal, sensor_mm=sensor, mattes=_mattes(state))


def _mattes(state: EX4D_PG_scene) -> str | None:
    """Where the pictures of what moves by itself are; a picture stands for its sequence, as of a plate."""
    if not state.mattes_path:
        return None
    path = Path(bpy.path.abspath(state.mattes_path)).absolute()
    if path.is_file() and path.suffix.lower() in PICTURES:
        path = frame_mapping.sequence_pattern(path)[0]
    return str(path)


def _millimetres(value: float) -> float:
    """As it was typed: Blender keeps 32 bits of a number."""
    return float(f"{value:.7g}")


def expected_memory(size: tuple[int, int], side: int, frames: int) -> "meshes.ViewportMemory":
    """What the viewport mesh of a plate (width, height) will take."""
    scale = min(1.0, side / max(size))
    grid = max(2, round(size[0] * scale)), max(2, round(size[1] * scale))
    return meshes.viewport_memory(grid, frames)


def submit_reconstruction(
    scene: bpy.types.Scene, *, match_scene: bool, block: bool, name: str | None = None, blend: Path | None = None
) -> tuple[str, tuple[str, ...]]:
    """Ask for the reconstruction of a scene's plate; returns the job's id, and what should be known of its solved
    camera.

    Args:
        scene: with the plate, which gets the result.
        match_scene: set the scene up for the plate then.
        block: wait for the backend to take the job.
        name: of the shot's objects; None: the plate's.
        blend: see ``shot_folder``.

    Raises:
        Ex4dError: as ``reconstruct_request``, or there is no backend.
    """
    # A name of Blender's own spaces is translated by what the backend knows of them.
    colour_spaces.ask(scene, block=block)
    request, notes = reconstruct_request(scene, block=block, blend=blend)
    state = state_of(scene)
    name = name or plate_name(state.plate_path)
    data = {
        "name": name,
        "scene_start": state.plate_scene_start if state.plate_scene_start >= 0 else None,
        "notes": list(notes),
        "match_scene": match_scene,
        "asked": asked.asked(state),
    }
    job = job_list.current().submit(
        scene, request, action="reconstruct", data=data, title=f"Reconstruct {name}", block=block
    )
    return job, notes


class Reconstructs(JobOperator):
    """An operator that reconstructs the scene's plate as the panel says."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if state_of(scene_of(context)).plate_path:
            return True
        operator: Any = cls
        operator.poll_message_set(localised("Open a plate first"))
        return False

    def submit(self, scene: bpy.types.Scene, *, match_scene: bool, block: bool) -> str:
        """Ask for the reconstruction; returns the job's id.

        Args:
            match_scene: set the scene up for the plate, where nobody can be asked.
            block: wait for the backend.
        """
        # With a window the scene is changed only after asking, unless told otherwise.
        matches = match_scene if block else state_of(scene).match_without_asking
        job, notes = submit_reconstruction(scene, match_scene=matches, block=block)
        self.report_notes(notes)
        return job


class EX4D_OT_reconstruct(Reconstructs, bpy.types.Operator):
    bl_idname = "ex4d.reconstruct"
    bl_label = "Reconstruct"
    bl_description = "Get the plate's depth, build its mesh and put both with the source camera into the scene"
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:
        match_scene: bool
    else:
        match_scene: BoolProperty(
            name="Match Scene to Plate",
            default=True,
            options={"SKIP_SAVE"},
            description="Set resolution, frame rate, range and view transform to those of the plate",
        )

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        return self.submit(scene_of(context), match_scene=self.match_scene, block=block)


class EX4D_OT_solve_camera(Reconstructs, bpy.types.Operator):
    bl_idname = "ex4d.solve_camera"
    bl_label = "Solve Camera"
    bl_description = (
        "Solve the plate's camera in this way and reconstruct the shot with it. Its place in the scene and all takes "
        "stay, and so do the keys of their cameras: Apply Move lays one on the new path"
    )
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:
        source_camera: str
    else:
        source_camera: EnumProperty(
            name="Source Camera", items=SOURCE_CAMERAS, default="auto", description="How the plate's camera moved"
        )

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        scene = scene_of(context)
        state = state_of(scene)
        if state.depth_source == FILES:
            raise BadInputError(
                "The depth files come with their camera, so it is not solved.", "Set Depth to Automatic first."
            )
        state.source_camera = self.source_camera
        return self.submit(scene, match_scene=False, block=block)


class EX4D_OT_view_shot(bpy.types.Operator):
    bl_idname = "ex4d.view_shot"
    bl_label = "Look Through Camera"
    bl_description = "Show the plate on the mesh, seen through the scene's camera"
    # The scene may get another camera.
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        shading: str
    else:
        shading: EnumProperty(
            name="Shading",
            items=[
                ("FAST", "Fast", "Solid mode: the pictures alone, with the holes"),
                ("RENDERED", "As Rendered", "Material Preview, with what light there is; slow in heavy scenes"),
            ],
            default="FAST",
            options={"SKIP_SAVE"},
            description="How the mesh is drawn",
        )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.space_data is not None and context.space_data.type == "VIEW_3D":
            return has_shot(cls, context)
        return False

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shot = shots.chosen_shot(scene)
        seen = shots.shot_of(scene.camera) if scene.camera is not None else None
        if shot.source_camera is not None and (seen is None or seen.root != shot.root):
            scene.camera = shot.source_camera
        hiding = obstacles.remember(scene, shot) if scene.camera == shot.source_camera else []
        if hiding:
            names = ", ".join(obj.name for obj in hiding)
            self.report(
                {"WARNING"}, localised(f"Between the camera and the mesh: {names}. Hide What Stands in the Way helps.")
            )
        view: Any = context.space_data
        editors.shade(view, shot.mesh, fast=self.shading == "FAST")
        # Shading changes the material, so after it.
        showing.look_for_pictures_soon(scene)
        editors.look_through(view, scene.camera)
        return {"FINISHED"}


class EX4D_OT_hide_in_the_way(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.hide_in_the_way"
    bl_label = "Hide What Stands in the Way"
    bl_description = "Hide the objects that stand between the source camera and the mesh, in viewports and renders"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shot = shots.chosen_shot(scene)
        for obj in obstacles.remember(scene, shot):
            obj.hide_set(True)
            obj.hide_render = True
        obstacles.remember(scene, shot)
        return {"FINISHED"}


class EX4D_OT_match_scene(bpy.types.Operator):
    bl_idname = "ex4d.match_scene"
    bl_label = "Match Scene to Plate"
    bl_description = "Set the scene's resolution, frame rate, range and view transform to those of the plate"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if shots.known(scene_of(context)).shots:
            return True
        cls.poll_message_set(localised("Reconstruct a plate first"))
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        found = shots.chosen_shot(scene_of(context))
        if not shots.scene_differences(scene_of(context), found.record, first_frame=found.first_frame):
            self.report({"INFO"}, localised("The scene matches the plate already."))
            return {"FINISHED"}
        return manager_of(context).invoke_props_dialog(self, width=460)

    def draw(self, context: bpy.types.Context) -> None:
        found = shots.known(scene_of(context)).find()
        layout: Any = self.layout
        column = layout.column(align=True)
        column.label(text="The scene is not set up for this plate. Change it?", icon="SCENE_DATA")
        if found is not None:
            for text in shots.scene_differences(scene_of(context), found.record, first_frame=found.first_frame):
                column.label(text=localised(text), icon="DOT")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        found = shots.chosen_shot(scene_of(context))
        for note in shots.match_scene(scene_of(context), found.record, first_frame=found.first_frame):
            self.report({"WARNING"}, localised(note))
        return {"FINISHED"}


class EX4D_OT_relink(bpy.types.Operator):
    bl_idname = "ex4d.relink"
    bl_label = "Relink Mesh"
    bl_description = "Choose where the shot's viewport folder is now: the mesh's files are not where they were"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        directory: str
    else:
        directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        found = shots.known(scene_of(context)).find()
        if found is not None and found.mesh is not None:
            return True
        cls.poll_message_set(localised("The scene has no mesh of a shot"))
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        folder = Path(bpy.path.abspath(self.directory))
        # The shot's folder will do as well, if it holds one viewport folder only.
        if not (folder / "viewport.json").is_file():
            inside = sorted(folder.glob("cache/viewport-*/viewport.json")) + sorted(
                folder.glob("viewport-*/viewport.json")
            )
            folder = inside[0].parent if len(inside) == 1 else folder
        shot = shots.chosen_shot(scene_of(context))
        if shot.mesh is None:
            raise BadInputError(f"The shot «{shot.root.name}» has no mesh.", "Reconstruct it.")
        old = Path(shot.folder)
        shots.relink(shot.mesh, folder)
        if Path(new := shot.root[shots.PROPERTY]["shot"]) != old:
            # Pictures, strips and takes that have come along are found too; those that stayed behind stay.
            follow(old, Path(new), missing_only=True)
        propose_folder(scene_of(context))
        return {"FINISHED"}


CLASSES = (
    EX4D_OT_reconstruct,
    EX4D_OT_solve_camera,
    EX4D_OT_view_shot,
    EX4D_OT_hide_in_the_way,
    EX4D_OT_match_scene,
    EX4D_OT_relink,
)
