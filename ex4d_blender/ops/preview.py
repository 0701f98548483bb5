# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews of takes: asked for, shown, taken away."""

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import PreviewRequest, TrajectoryCamera

from .. import job_list, props
from ..props import state_of
from ..scene import background, takes
from ..scene import shot as shots
from ..scene.data import scene_of
from .common import OperatorResult
from .take_cameras import TakeJobOperator, require_take, sample_take


class EX4D_OT_preview_take(TakeJobOperator, bpy.types.Operator):
    bl_idname = "ex4d.preview_take"
    bl_label = "Preview"
    bl_description = (
        "Render the take quickly at a quarter of its size, show it through its camera, and count what is seen"
    )
    bl_options = {"REGISTER"}

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        scene = scene_of(context)
        shots.check_scene(scene)
        take = require_take(scene)
        jobs = job_list.current()
        for job, waiting in jobs.waiting.items():
            known = jobs.link.client.jobs.get(job)
            # A preview that is not finished yet is of no more use.
            if waiting.action == "preview" and waiting.data.get("take") == take.uid and known and not known.is_final:
                jobs.link.client.cancel(job)
        job, notes = request_preview(scene, take, block=block)
        self.report_notes(notes)
        return job


def request_preview(
    scene: bpy.types.Scene, take: "props.EX4D_PG_take", *, block: bool, live: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Ask for the preview of a take; returns the job's id, and what should be known of the take.

    Args:
        live: nobody has asked for it: it is no step that can be undone.

    Raises:
        Ex4dError: the take cannot be sampled, or there is no backend.
    """
    shots.check_scene(scene)
    shot = shots.take_shot(scene, take)
    trajectory, notes = sample_take(scene, shot, take, list(shot.frames))
    request = PreviewRequest(
        shot.folder,
        TrajectoryCamera(trajectory),
        raster=state_of(scene).rasterizer,
        # It lies over the viewport, which draws everything as a pinhole sees it.
        lens="none",
        take=take.uid,
    )
    data = {"take": take.uid, "offset": shot.timing.offset, "fingerprint": fingerprint(scene, take), "live": live}
    jobs = job_list.current()
    return jobs.submit(scene, request, action="preview", data=data, title=f"Preview {take.name}", block=block), notes


def fingerprint(scene: bpy.types.Scene, take: "props.EX4D_PG_take") -> str:
    """That of a take's move, which tells whether it is still the one that was rendered; "" where it has no camera or
    no shot."""
    if shots.camera_state(scene, take) == "missing":
        return ""
    try:
        shot = shots.known(scene).of_take(take)
    except BadInputError:
        return ""
    cameras = props.switched_cameras(scene) if take.use_scene_camera else props.preview_cameras(scene, take)
    return takes.take_fingerprint(scene, shot.root, cameras)


class EX4D_OT_hide_preview(bpy.types.Operator):
    bl_idname = "ex4d.hide_preview"
    bl_label = "Hide Preview"
    bl_description = "Take the preview away from the take's camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = props.active_take(scene_of(context))
        return take is not None and has_preview(scene_of(context), take)

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        for camera in props.preview_cameras(scene_of(context), require_take(scene_of(context))):
            background.hide_preview(camera)
        return {"FINISHED"}


def has_preview(scene: bpy.types.Scene, take: "props.EX4D_PG_take") -> bool:
    """Whether a preview lies over a camera of the take."""
    return any(background.has_preview(camera) for camera in props.preview_cameras(scene, take))


CLASSES = (EX4D_OT_preview_take, EX4D_OT_hide_preview)
