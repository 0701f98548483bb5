# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivering takes and getting them back into the sequencer."""

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ex4d.camera import json_bytes, read_trajectory
from ex4d.protocol.errors import BadInputError

from .. import capabilities, job_list, props
from ..core.deliveries import read_take
from ..scene import sequencer
from ..scene import shot as shots
from ..scene.results_scene import results_scene
from .common import JobOperator, told
from .takes import TakeJobOperator, new_take, require_take


def wanted_frames(scene: bpy.types.Scene, shot: shots.ShotObjects) -> tuple[list[int], str | None]:
    """Scene frames to generate, and the plate's range where that is not all.

    Raises:
        BadInputError: the chosen frames are not the plate's.
    """
    state = scene.ex4d
    if not state.use_frames:
        return list(shot.frames), None
    return shot.timing.chosen_frames(state.frame_start, state.frame_end)


class EX4D_OT_generate(TakeJobOperator, bpy.types.Operator):
    bl_idname = "ex4d.generate"
    bl_label = "Generate"
    bl_description = "Render the take, fill what the plate never showed, and put the result into the sequencer"
    bl_options = {"REGISTER"}

    def begin(self, context, *, block):
        scene = context.scene
        shots.check_scene(scene)
        take = require_take(scene)
        shot = shots.take_shot(scene, take)
        frames, chosen = wanted_frames(scene, shot)
        props.check_camera(scene, take)
        state = scene.ex4d
        profile = capabilities.resolve_profile(state.profile, block=block)
        blob = self.sample(scene, shot, take, frames)
        return submit_take(
            context,
            shot,
            take,
            blob,
            frames=chosen,
            profile=profile.name,
            seed=state.seed if profile.takes_seed else None,
            prompt=state.prompt if profile.takes_prompt and state.prompt else None,
            block=block,
        )


def submit_take(context, shot, take, blob, *, frames, profile, seed, prompt, block, raster=None) -> str:
    """Ask for a take; returns the job's id. ``raster``: a rasterizer instead of the scene's."""
    scene = sequencer.working_scene(context)
    state = scene.ex4d
    params = {
        "shot": shot.folder,
        "frames": frames,
        "raster": raster or state.rasterizer,
        "profile": profile,
        "seed": seed,
        "prompt": prompt,
        "title": take.name,
    }
    data = {
        "take": take.uid,
        "title": take.name,
        "offset": shot.first_frame - shot.numbers[0],
        "with_mask": state.with_mask,
        "with_color": state.with_color,
        "seed": seed,
        "prompt": prompt,
        "frames": frames,
    }
    return job_list.current().submit(
        scene,
        "generate",
        params,
        blobs=(blob,),
        action="generate",
        data=data,
        title=f"Generate {take.name}",
        block=block,
    )


class EX4D_OT_redo_take(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.redo_take"
    bl_label = "Redo with This Take's Settings"
    bl_description = "Generate the selected strip's take again, with the camera and settings it was made with"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        strip = sequencer.selected_strip(context)
        if strip is not None and sequencer.take_of_strip(strip) is not None:
            return True
        cls.poll_message_set("Select the strip of a take in the sequencer")
        return False

    def begin(self, context, *, block):
        known = sequencer.take_of_strip(sequencer.selected_strip(context))
        record = read_take(Path(known["folder"]))
        scene = sequencer.working_scene(context)
        folder = Path(known["folder"]).parent.parent
        shots.check_scene(scene)
        take = next(
            (item for item in scene.ex4d.takes if any(v.folder == known["folder"] for v in item.versions)), None
        )
        shot = shots.find_shot(scene, str(folder)) or (shots.take_shot(scene, take) if take is not None else None)
        if shot is None:
            raise BadInputError(
                f"The shot of this take, {folder}, is not in the scene.", "Reconstruct its plate here, then redo it."
            )
        profile = capabilities.resolve_profile(record["profile"], block=block)
        if take is None:
            # The camera that it was made with is known to no list: its trajectory is.
            take = new_take(scene, shot, None, record["title"] or record["take"])
        trajectory = read_trajectory(Path(record["trajectory"]))
        numbers = record["numbers"]
        whole = len(numbers) == len(shot.numbers)
        return submit_take(
            context,
            shot,
            take,
            json_bytes(trajectory),
            frames=None if whole else f"{numbers[0]}-{numbers[-1]}",
            profile=profile.name,
            seed=record["seed"] if profile.takes_seed else None,
            prompt=record["prompt"] if profile.takes_prompt else None,
            block=block,
        )


class EX4D_OT_import_take(bpy.types.Operator):
    bl_idname = "ex4d.import_take"
    bl_label = "Import Take"
    bl_description = "Put a take that was delivered earlier, such as takes/v001, into the sequencer"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})

    def invoke(self, context, _event):
        shot = shots.find_shot(context.scene)
        if shot is not None:
            self.directory = str(Path(shot.folder) / "takes") + "/"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @told
    def execute(self, context):
        record = read_take(Path(bpy.path.abspath(self.directory)))
        scene = sequencer.working_scene(context)
        # The frames of another shot would put it elsewhere.
        shot = shots.find_shot(scene, str(Path(record["folder"]).parent.parent)) or next(
            (found for found in shots.find_shots(scene) if set(record["numbers"]) <= set(found.numbers)), None
        )
        offset = shot.first_frame - shot.numbers[0] if shot else 0
        edit = results_scene(scene, record, offset)
        sequencer.place_take(
            edit,
            record,
            with_mask=scene.ex4d.with_mask,
            with_color=False,
            name=f"{record['title'] or 'Take'} {record['take']}",
            frame_offset=offset,
        )
        if context.window is not None:
            sequencer.show_edit(context.window, edit)
        return {"FINISHED"}


CLASSES = (EX4D_OT_generate, EX4D_OT_redo_take, EX4D_OT_import_take)
