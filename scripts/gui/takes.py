# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and their previews, chosen and followed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, request, shot, small_shot, window
from gui.measure import Heartbeat, undrawn
from gui.mouse import press_first_row
from gui.results import see_origin
from gui.scene import dw_mesh, extension
from gui.screen import call


def takes_by_mouse(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A take is chosen with the mouse, and that is undone; its keys move, and its preview follows; its versions."""
    former, scene = window().scene, bpy.data.scenes.new("Takes")
    window().scene = scene
    name = scene.name
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    yield after(2.0)
    view.spaces.active.region_3d.view_perspective = "PERSP"
    for move in ("orbit:20", "zoom_in:1.5"):
        call(bpy.ops.ex4d.add_take_camera, area=view, move=move)
        # Each a step of its own to undo.
        bpy.ops.ed.undo_push(message="Take")
        yield after(0.5)

    view.spaces.active.region_3d.view_perspective = "PERSP"
    yield after(0.5)

    def chosen() -> tuple[int, str, str]:
        # After an undo the scene is another object.
        now = bpy.data.scenes[name]
        return now.ex4d.active_take, now.camera.name, view.spaces.active.region_3d.view_perspective

    before = chosen()
    yield from press_first_row(out, view, "active_take")
    print(f"before the click {before}, after it {chosen()}", flush=True)
    if chosen() != (0, bpy.data.scenes[name].ex4d.takes[0].camera.name, "CAMERA"):
        raise DriveError("The click on the take does not look through it.")
    yield from shot(out, "23-take-clicked")
    yield request(out, f"rest {view.x + view.width // 3} {window().height - view.y - view.height // 2}")
    yield request(out, "key ctrl+z")
    yield after(2.0)
    print(f"undone {chosen()}", flush=True)
    if chosen()[:2] != before[:2]:
        raise DriveError("The click on the take cannot be undone.")
    yield request(out, "key ctrl+shift+z")
    yield after(2.0)
    scene = bpy.data.scenes[name]
    if chosen()[0] != 0:
        raise DriveError("The click cannot be done again.")
    yield from preview_follows(out, view, scene)
    # Versions of few frames, where the move has gone farthest.
    scene.ex4d.frame_range = "FRAMES"
    scene.ex4d.frame_start, scene.ex4d.frame_end = scene.frame_end - 2, scene.frame_end
    for _ in range(2):
        versions = len(scene.ex4d.takes[0].versions)
        call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
        yield lambda count=versions: len(scene.ex4d.takes[0].versions) > count
        move_key(scene.ex4d.takes[0].camera, 0.2)
        yield after(1.0)
    scene.ex4d.open_generate = True
    yield from small_shot(out, "26-versions")
    yield from see_origin(out, view, "27-take-origin")
    window().scene = former


def preview_follows(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The first take's preview is out of date when a key has moved, and then follows by itself."""
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    live = extension("out_of_date")
    yield lambda: bool(scene.ex4d.takes[0].fingerprint)
    yield after(2.0)
    if live.stale(scene.ex4d.takes[0]).picture:
        raise DriveError("A preview that has just come is out of date.")
    move_key(scene.ex4d.takes[0].camera, 0.4)
    yield lambda: live.stale(scene.ex4d.takes[0]).picture
    yield from shot(out, "24-preview-out-of-date")
    jobs = extension("job_list").current().link.client.jobs
    count, beat = sum(job.kind == "preview" for job in jobs.values()), Heartbeat()
    scene.ex4d.live_preview = True
    yield lambda: not live.stale(scene.ex4d.takes[0]).picture
    for value in (0.5, 0.6, 0.7):
        move_key(scene.ex4d.takes[0].camera, value)
        yield after(0.1)
    yield lambda: live.stale(scene.ex4d.takes[0]).picture
    began = time.monotonic()
    yield lambda: not live.stale(scene.ex4d.takes[0]).picture
    print(f"the preview followed its keys in {time.monotonic() - began:.1f} s", flush=True)
    beat.stop("previews are rendered by themselves")
    yield after(3.0)
    made = sum(job.kind == "preview" for job in jobs.values()) - count
    print(f"{made} previews for two rests of the keys", flush=True)
    if made != 2:
        raise DriveError(f"{made} previews were rendered for two rests of the keys.")
    yield from shot(out, "25-preview-live")
    scene.ex4d.live_preview = False
    # A viewport gets smoother in several drawings, and then is not drawn while nothing moves: else this waits in vain.
    yield undrawn(3.0)


def move_key(camera: bpy.types.Object, value: float) -> None:
    """Give the last key of an orbit, which is on the camera's pivot, another angle, as the Graph Editor does."""
    pivot = camera.parent
    fcurves = sys.modules[extension("live_preview").__package__ + ".scene.fcurves"].fcurves(pivot)
    curve = next(curve for curve in fcurves if len(curve.keyframe_points) > 1)
    curve.keyframe_points[-1].co.y = value
    curve.update()
    pivot.animation_data.action.update_tag()
    pivot.update_tag(refresh={"OBJECT", "TIME"})
