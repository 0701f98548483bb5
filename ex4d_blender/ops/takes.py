# SPDX-License-Identifier: GPL-3.0-or-later
"""Take cameras: adding them, moving them, looking through them."""

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ex4d.camera import json_bytes, parse_preset
from ex4d.protocol.errors import BadInputError

from .. import props, session
from ..scene import background, takes
from ..scene import camera as cameras
from ..scene import shot as shots
from .common import JobOperator, has_shot, told


def move_text(state: "props.EX4D_PG_scene") -> str:
    """The move that the panel describes, as ``ex4d.camera.parse_preset`` reads it."""
    move = state.move
    if move.isdigit():
        return move
    if not state.move_default_amount and move != "hold":
        move += f":{state.move_amount:g}"
    if state.move_ease != "DEFAULT":
        move += f",ease={state.move_ease}"
    return move


def new_take(scene: bpy.types.Scene, camera: bpy.types.Object | None, name: str) -> "props.EX4D_PG_take":
    """A new take, chosen in the list."""
    state = scene.ex4d
    take = state.takes.add()
    take.uid, take.camera, take.name = props.new_uid(), camera, name
    state.active_take = len(state.takes) - 1
    return take


def require_shot(scene: bpy.types.Scene) -> shots.ShotObjects:
    """The scene's shot; raises BadInputError."""
    found = shots.find_shot(scene)
    if found is None:
        raise BadInputError("The scene has no shot.", "Open a plate and reconstruct it first.")
    return found


def require_take(scene: bpy.types.Scene) -> "props.EX4D_PG_take":
    """The chosen take; raises BadInputError."""
    take = props.active_take(scene)
    if take is None:
        raise BadInputError("No take is chosen.", "Add a take camera first.")
    return take


def sample_take(
    scene: bpy.types.Scene, shot: shots.ShotObjects, take: "props.EX4D_PG_take", frames: list[int]
) -> tuple[bytes, tuple[str, ...]]:
    """The take's camera at these scene frames as a job's blob, and what should be known of it."""
    numbers = [shot.number_at(frame) for frame in frames]
    sampled = cameras.sample_camera(scene, frames, root=shot.root, camera=take.camera, frame_numbers=numbers)
    return json_bytes(sampled.trajectory), sampled.notes


class TakeJobOperator(JobOperator):
    """An operator that asks the backend for something of the chosen take."""

    @classmethod
    def poll(cls, context):
        if props.active_take(context.scene) is None:
            cls.poll_message_set("Add a take camera first")
            return False
        return has_shot(cls, context)

    def sample(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, take: "props.EX4D_PG_take", frames: list[int]
    ) -> bytes:
        """The take's camera at these scene frames as a job's blob; tells what should be known of it."""
        blob, notes = sample_take(scene, shot, take, frames)
        self.report_notes(notes)
        return blob


class EX4D_OT_add_take_camera(bpy.types.Operator):
    bl_idname = "ex4d.add_take_camera"
    bl_label = "Add Take Camera"
    bl_description = "Add a camera that starts as the source camera, with a move as ordinary keyframes"
    bl_options = {"REGISTER", "UNDO"}

    move: StringProperty(
        name="Move",
        description="Such as orbit:30; empty for the one in the panel, none for no move",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        return has_shot(cls, context)

    @told
    def execute(self, context):
        scene = context.scene
        shot = require_shot(scene)
        move = self.move or move_text(scene.ex4d)
        if move != "none":
            parse_preset(move)
        camera = takes.add_take_camera(scene, shot)
        if move != "none":
            takes.apply_preset(scene, camera, move, record=shot.record, follow=scene.ex4d.move_follow)
        new_take(scene, camera, camera.name)
        scene.camera = camera
        return {"FINISHED"}


class EX4D_OT_add_take(bpy.types.Operator):
    bl_idname = "ex4d.add_take"
    bl_label = "Take from Camera"
    bl_description = "Make a take of the active camera object, or of the scene's camera as markers switch it"
    bl_options = {"REGISTER", "UNDO"}

    use_scene_camera: BoolProperty(
        name="Scene Camera with Markers", description="Follow the scene's active camera through its markers"
    )

    @classmethod
    def poll(cls, context):
        return has_shot(cls, context)

    @told
    def execute(self, context):
        camera = None if self.use_scene_camera else context.active_object
        if camera is not None and camera.type != "CAMERA":
            raise BadInputError(f"«{camera.name}» is not a camera.", "Select the camera that the take is to have.")
        if camera is None and not self.use_scene_camera:
            raise BadInputError("No camera is selected.", "Select the camera that the take is to have.")
        new_take(context.scene, camera, camera.name if camera else "Scene Camera")
        return {"FINISHED"}


class EX4D_OT_remove_take(bpy.types.Operator):
    bl_idname = "ex4d.remove_take"
    bl_label = "Remove Take"
    bl_description = "Take the take off the list; its camera, files and strips stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        return props.active_take(context.scene) is not None

    def execute(self, context):
        state = context.scene.ex4d
        state.takes.remove(state.active_take)
        state.active_take = max(0, state.active_take - 1)
        return {"FINISHED"}


class EX4D_OT_apply_preset(bpy.types.Operator):
    bl_idname = "ex4d.apply_preset"
    bl_label = "Apply Move"
    bl_description = "Give the take's camera this move; the keys of its former move are replaced"
    bl_options = {"REGISTER", "UNDO"}

    move: StringProperty(
        name="Move", description="Such as orbit:30; empty for the one in the panel", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context):
        take = props.active_take(context.scene)
        if take is not None and take.camera is not None:
            return has_shot(cls, context)
        cls.poll_message_set("Choose a take with a camera of its own")
        return False

    @told
    def execute(self, context):
        scene = context.scene
        shot, take = require_shot(scene), require_take(scene)
        move = self.move or move_text(scene.ex4d)
        takes.apply_preset(scene, take.camera, move, record=shot.record, follow=scene.ex4d.move_follow)
        return {"FINISHED"}


class EX4D_OT_add_handheld(bpy.types.Operator):
    bl_idname = "ex4d.add_handheld"
    bl_label = "Hand-Held"
    bl_description = "Let the take's camera sway like one held by hand, by noise on its curves that stays editable"
    bl_options = {"REGISTER", "UNDO"}

    strength: FloatProperty(name="Strength", default=-1.0, options={"SKIP_SAVE"}, description="Below 0: the panel's")
    seed: IntProperty(name="Seed", default=-1, options={"SKIP_SAVE"}, description="Below 0: the panel's")

    @classmethod
    def poll(cls, context):
        return EX4D_OT_apply_preset.poll.__func__(cls, context)

    @told
    def execute(self, context):
        state, take = context.scene.ex4d, require_take(context.scene)
        strength = self.strength if self.strength >= 0 else state.handheld_strength
        if strength == 0:
            takes.remove_handheld(take.camera)
        else:
            takes.add_handheld(take.camera, strength, self.seed if self.seed >= 0 else state.handheld_seed)
        return {"FINISHED"}


class EX4D_OT_preview_take(TakeJobOperator, bpy.types.Operator):
    bl_idname = "ex4d.preview_take"
    bl_label = "Preview"
    bl_description = (
        "Render the take quickly at a quarter of its size, show it through its camera, and count what is seen"
    )
    bl_options = {"REGISTER"}

    def begin(self, context, *, block):
        scene = context.scene
        shot, take = require_shot(scene), require_take(scene)
        current = session.current()
        for job, waiting in current.waiting.items():
            known = current.client.jobs.get(job)
            # A preview that is not finished yet is of no more use.
            if waiting.action == "preview" and waiting.data.get("take") == take.uid and known and not known.is_final:
                current.client.cancel(job)
        blob = self.sample(scene, shot, take, list(shot.frames))
        return current.submit(
            scene,
            "render",
            {"shot": shot.folder, "preview": True, "raster": scene.ex4d.rasterizer, "take": take.uid},
            blobs=(blob,),
            action="preview",
            data={"take": take.uid, "offset": shot.first_frame - shot.numbers[0]},
            title=f"Preview {take.name}",
            block=block,
        )


class EX4D_OT_hide_preview(bpy.types.Operator):
    bl_idname = "ex4d.hide_preview"
    bl_label = "Hide Preview"
    bl_description = "Take the preview away from the take's camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        take = props.active_take(context.scene)
        return take is not None and take.camera is not None and background.has_preview(take.camera)

    def execute(self, context):
        background.hide_preview(props.active_take(context.scene).camera)
        return {"FINISHED"}


CLASSES = (
    EX4D_OT_add_take_camera,
    EX4D_OT_add_take,
    EX4D_OT_remove_take,
    EX4D_OT_apply_preset,
    EX4D_OT_add_handheld,
    EX4D_OT_preview_take,
    EX4D_OT_hide_preview,
)
