# SPDX-License-Identifier: GPL-3.0-or-later
"""Take cameras: adding them, moving them, and what is sampled from them for a job."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ex4d.camera import json_bytes
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import TakeLens

from .. import props
from ..core import records, shot_folders, shot_rules
from ..core.move_amounts import AMOUNTS, property_name
from ..localisation import localised
from ..props import state_of
from ..scene import background, editors, takes
from ..scene import camera as cameras
from ..scene import mesh as meshes
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from ..take_versions import find_versions
from .common import JobOperator, OperatorResult, WithShot, has_shot, report_errors


def move_text(state: "props.EX4D_PG_scene", shot: shots.ShotObjects) -> str:
    """The move that the panel describes for a shot, as ``ex4d.camera.parse_preset`` reads it."""
    in_seconds = state.stabilise_by == "seconds"
    path = shot_rules.path_text(
        state.move_path,
        amount=None if in_seconds else state.stabilise_amount,
        seconds=state.stabilise_seconds if in_seconds else None,
        level=state.stabilise_level,
        frame=None if state.lock_first else shot.number_at(state.lock_frame),
    )
    amount = AMOUNTS.get(state.move)
    move = shot_rules.move_text(
        state.move,
        amount=amount.from_property(getattr(state, property_name(state.move))) if amount is not None else None,
        ease=None if state.move_ease == "DEFAULT" else state.move_ease,
    )
    return shot_rules.on_path(path, move)


def take_lens(state: "props.EX4D_PG_scene") -> TakeLens:
    """What takes are drawn through, as requests have it."""
    return cast(TakeLens, state.take_lens)


def new_take(
    scene: bpy.types.Scene,
    shot: shots.ShotObjects,
    camera: bpy.types.Object | None,
    name: str,
    *,
    use_scene_camera: bool = False,
) -> "props.EX4D_PG_take":
    """A new take of a shot, chosen in the list.

    Args:
        camera: its own.
        use_scene_camera: it follows the scene's camera, as markers switch it.
    """
    state = state_of(scene)
    state.version = records.VERSION
    take = state.takes.add()
    take.uid, take.shot, take.name = props.new_uid(), shot.root, name
    take.camera = camera
    take.use_scene_camera = use_scene_camera
    if camera is not None:
        shots.mark_removed(camera, False)
    state.active_take = len(state.takes) - 1
    return take


def require_shot(scene: bpy.types.Scene) -> shots.ShotObjects:
    """The shot that is worked on, the active object's or the first; raises BadInputError."""
    shots.check_scene(scene)
    return shots.chosen_shot(scene)


def require_take(scene: bpy.types.Scene) -> "props.EX4D_PG_take":
    """The chosen take; raises BadInputError."""
    take = props.active_take(scene)
    if take is None:
        raise BadInputError("No take is chosen.", "Add a take camera first.")
    return take


def sample_take(
    scene: bpy.types.Scene, shot: shots.ShotObjects, take: "props.EX4D_PG_take", frames: list[int]
) -> tuple[bytes, tuple[str, ...]]:
    """The take's camera at these scene frames as a job's blob, and what should be known of it.

    Raises:
        BadInputError: the camera is missing, or of no use; the picture is larger than takes can be.
    """
    props.check_camera(scene, take)
    shot_rules.check_take_size(*cameras.render_size(scene))
    numbers = [shot.number_at(frame) for frame in frames]
    camera = None if take.use_scene_camera else take.camera
    sampled = cameras.sample_camera(scene, frames, root=shot.root, camera=camera, frame_numbers=numbers)
    return json_bytes(sampled.trajectory), (*sampled.notes, *size_notes(scene, shot), *newer_notes(shot))


def size_notes(scene: bpy.types.Scene, shot: shots.ShotObjects) -> tuple[str, ...]:
    """What should be known of the size and the frames that a take will have, whole sentences."""
    notes, plate = [], shot.record["plate"]
    size, own = cameras.render_size(scene), (int(plate["width"]), int(plate["height"]))
    if size != own:
        notes.append(
            f"The take has the scene's size, {size[0]}x{size[1]}; the plate has {own[0]}x{own[1]}. Match Scene sets it."
        )
    if scene.use_preview_range and state_of(scene).frame_range == "ALL":
        notes.append(
            f"The preview range {scene.frame_preview_start}-{scene.frame_preview_end} does not limit a take; "
            "Range does."
        )
    return tuple(notes)


def newer_notes(shot: shots.ShotObjects) -> tuple[str, ...]:
    """What should be known of a shot whose folder was reconstructed from another file, scene or command line."""
    played = meshes.cache_path(shot.mesh) if shot.mesh is not None else None
    if played is not None and not Path(os.path.realpath(played)).is_relative_to(os.path.realpath(shot.folder)):
        return (
            f"«{shot.root.name}» is shown from {played.parent}, but its takes are made in {shot.folder}, which is "
            "another copy of the shot. Relink Mesh takes the one that is shown.",
        )
    here, now = Path(shot.record["source"]).parent.name, shot_folders.current_mesh(Path(shot.folder))
    if now is None or not here.startswith("mesh-") or here == now:
        return ()
    return (
        f"{shot.folder} was reconstructed anew since «{shot.root.name}» was put into this scene: the take is rendered "
        "from the newer mesh. Reconstruct shows it here.",
    )


class TakeJobOperator(JobOperator):
    """An operator that asks the backend for something of the chosen take."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if props.active_take(scene_of(context)) is None:
            operator: Any = cls
            operator.poll_message_set(localised("Add a take camera first"))
            return False
        return has_shot(cls, context)

    def sample(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, take: "props.EX4D_PG_take", frames: list[int]
    ) -> bytes:
        """The take's camera at these scene frames as a job's blob; tells what should be known of it."""
        blob, notes = sample_take(scene, shot, take, frames)
        self.report_notes(notes)
        return blob


class EX4D_OT_add_take_camera(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.add_take_camera"
    bl_label = "Add Take Camera"
    bl_description = "Add a camera that starts as the source camera, with a move as ordinary keyframes"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        move: str
    else:
        move: StringProperty(
            name="Move",
            description="Such as orbit:30 or lock:1012+orbit:30; empty for the one in the panel, none for no move",
            options={"SKIP_SAVE"},
        )

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shot = require_shot(scene)
        move = self.move or move_text(state_of(scene), shot)
        camera = takes.add_moving_camera(
            scene, shot, None if move == "none" else move, follow=state_of(scene).move_follow
        )
        new_take(scene, shot, camera, camera.name)
        scene.camera = camera
        _select_move(context, camera)
        return {"FINISHED"}


def _select_move(context: bpy.types.Context, camera: bpy.types.Object) -> None:
    """Select what a camera's new keys are on, and show these in the window's editors of time."""
    if context.view_layer is not None:
        takes.select_move(context.view_layer, camera)
        editors.frame_time_editors(context.window)


class EX4D_OT_add_take(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.add_take"
    bl_label = "Take from Camera"
    bl_description = "Make a take of the active camera object, or of the scene's camera as markers switch it"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        use_scene_camera: bool
    else:
        use_scene_camera: BoolProperty(
            name="Scene Camera with Markers", description="Follow the scene's active camera through its markers"
        )

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        camera = None if self.use_scene_camera else context.active_object
        if camera is not None and camera.type != "CAMERA":
            raise BadInputError(f"«{camera.name}» is not a camera.", "Select the camera that the take is to have.")
        if camera is None and not self.use_scene_camera:
            raise BadInputError("No camera is selected.", "Select the camera that the take is to have.")
        shot = (shots.shot_of(camera) if camera is not None else None) or require_shot(scene_of(context))
        shots.check_scene(scene_of(context))
        take = new_take(
            scene_of(context),
            shot,
            camera,
            camera.name if camera else records.SCENE_CAMERA_NAME,
            use_scene_camera=self.use_scene_camera,
        )
        if found := find_versions(scene_of(context), shot, take):
            self.report({"INFO"}, localised(f"{found} versions of «{take.name}» were found in {shot.folder}."))
        return {"FINISHED"}


class EX4D_OT_remove_take(bpy.types.Operator):
    bl_idname = "ex4d.remove_take"
    bl_label = "Remove Take"
    bl_description = "Take the take off the list; its camera, files and strips stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return props.active_take(scene_of(context)) is not None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        take = require_take(scene_of(context))
        count = len({version.folder for version in take.versions})
        if not count:
            return self.execute(context)
        goes = f"Its list of {count} versions goes; camera, rig, strips and files stay."
        # A camera of the artist's own, or the scene's, does not tell that it had a take.
        is_own = take.camera is not None and shots.role(take.camera) == "take"
        back = "Find Removed Takes brings it back." if is_own else "Find Versions brings it to a take of the same name."
        return manager_of(context).invoke_confirm(self, event, message=f"{localised(goes)} {localised(back)}")

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        state = state_of(scene_of(context))
        take = require_take(scene_of(context))
        camera = take.camera
        if camera is not None:
            shots.mark_removed(camera, True, name=take.name)
        state.takes.remove(state.active_take)
        state.active_take = max(0, state.active_take - 1)
        return {"FINISHED"}


class EX4D_OT_find_versions(bpy.types.Operator):
    bl_idname = "ex4d.find_versions"
    bl_label = "Find Versions"
    bl_description = "Look in the shot's folder for versions of this take that are not in the list"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return props.active_take(scene_of(context)) is not None

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        take = require_take(scene)
        shot = shots.take_shot(scene, take)
        count = find_versions(scene, shot, take)
        self.report({"INFO"}, localised(f"{count} more versions of «{take.name}» are in {shot.folder}."))
        return {"FINISHED"}


class EX4D_OT_find_takes(bpy.types.Operator):
    bl_idname = "ex4d.find_takes"
    bl_label = "Find Takes"
    bl_description = "Take cameras of takes that are in no list into it, such as appended ones, with their versions"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if shots.unlisted(scene_of(context)) or shots.removed(scene_of(context)):
            return True
        cls.poll_message_set(localised("All cameras of takes are in the list"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        # What was removed on purpose comes back when there is nothing else to find.
        cameras, versions = shots.unlisted(scene) or shots.removed(scene), 0
        for camera in cameras:
            shot = shots.shot_of(camera)
            if shot is None:
                continue
            take = new_take(scene, shot, camera, _name_of_found(scene, camera))
            versions += find_versions(scene, shot, take)
        self.report({"INFO"}, localised(f"{len(cameras)} takes with {versions} versions were found."))
        return {"FINISHED"}


def _name_of_found(scene: bpy.types.Scene, camera: bpy.types.Object) -> str:
    """What the take of a camera was called: the camera's name, without the number that it got when it was appended to
    a file which had one of that name."""
    name = shots.removed_name(camera) or re.sub(r"\.\d{3}$", "", camera.name)
    return camera.name if any(take.name == name for take in state_of(scene).takes) else name


def _has_own_camera(cls: Any, context: bpy.types.Context) -> bool:
    """A poll: the chosen take has a camera that can be given keys."""
    take = props.active_take(scene_of(context))
    if take is not None and shots.camera_state(scene_of(context), take) == "own":
        return has_shot(cls, context)
    cls.poll_message_set(localised("Choose a take with a camera of its own"))
    return False


def _forget_preview(take: "props.EX4D_PG_take", camera: bpy.types.Object) -> None:
    """Take away the picture and the coverage of a former move: they would lie over the new one."""
    take.coverage = take.fingerprint = ""
    background.hide_preview(camera)


def _own_camera(take: "props.EX4D_PG_take") -> bpy.types.Object:
    """The take's own camera; raises BadInputError."""
    if take.camera is None:
        raise BadInputError(f"The take «{take.name}» has no camera of its own.", "Choose one for it.")
    return take.camera


class EX4D_OT_apply_preset(bpy.types.Operator):
    bl_idname = "ex4d.apply_preset"
    bl_label = "Apply Move"
    bl_description = "Give the take's camera this move; the keys of its former move are replaced"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        move: str
    else:
        move: StringProperty(
            name="Move",
            description="Such as orbit:30 or lock:1012+orbit:30; empty for the one in the panel",
            options={"SKIP_SAVE"},
        )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_own_camera(cls, context)

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        take = require_take(scene)
        shot = shots.take_shot(scene, take)
        move = self.move or move_text(state_of(scene), shot)
        camera = _own_camera(take)
        parent = camera.parent
        # The rig of a former move goes with it; an Empty of the artist's own stays.
        former = parent.name if parent is not None and shots.role(parent) is None else None
        takes.apply_preset(scene, camera, move, record=shot.record, follow=state_of(scene).move_follow, shot=shot)
        _forget_preview(take, camera)
        _select_move(context, camera)
        if former is not None:
            self.report(
                {"INFO"}, localised(f"«{camera.name}» is no child of «{former}» any more: the move is its own.")
            )
        if also := ", ".join(takes.acting_besides(camera)):
            self.report({"INFO"}, localised(f"«{camera.name}» has {also}, which act besides the move."))
        return {"FINISHED"}


class EX4D_OT_add_handheld(bpy.types.Operator):
    bl_idname = "ex4d.add_handheld"
    bl_label = "Hand-Held"
    bl_description = "Let the take's camera sway like one held by hand, by noise on its curves that stays editable"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        strength: float
        seed: int
    else:
        strength: FloatProperty(
            name="Strength", default=-1.0, options={"SKIP_SAVE"}, description="Below 0: the panel's"
        )
        seed: IntProperty(name="Seed", default=-1, options={"SKIP_SAVE"}, description="Below 0: the panel's")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_own_camera(cls, context)

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        state, take = state_of(scene_of(context)), require_take(scene_of(context))
        shots.check_scene(scene_of(context))
        shot = shots.take_shot(scene_of(context), take)
        strength = self.strength if self.strength >= 0 else state.handheld_strength
        if strength == 0:
            takes.remove_handheld(_own_camera(take))
        else:
            seed = self.seed if self.seed >= 0 else state.handheld_seed
            takes.add_handheld(_own_camera(take), strength, seed, shot=shot)
        _forget_preview(take, _own_camera(take))
        return {"FINISHED"}


CLASSES = (
    EX4D_OT_add_take_camera,
    EX4D_OT_add_take,
    EX4D_OT_remove_take,
    EX4D_OT_find_versions,
    EX4D_OT_find_takes,
    EX4D_OT_apply_preset,
    EX4D_OT_add_handheld,
)
