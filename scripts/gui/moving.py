# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates whose camera moves: one that is solved, one that cuts, one that is long; and the world they stand in."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from gui.driver import DriveError, Wait, after, request, shot, small_shot, window
from gui.measure import Heartbeat
from gui.scene import extension, is_keyed
from gui.screen import call, look_at, look_through_camera, on_plate, on_screen

#: Frames, pixels along each side, and solved points of the long plate.
LONG, LONG_SIDE, LONG_POINTS = 250, 512, 3000
#: Seconds of the main thread's processor time for which Blender may stand still over one thing that is done with it.
MOST_STILL = 0.4


def moving(out: Path, view: bpy.types.Area, plate: Path) -> Iterator[Wait]:
    """A plate whose camera moves, in a scene of its own: what the panel says, tracks, points, a locked take."""
    former, scene = window().scene, bpy.data.scenes.new("Moving")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    scene.ex4d.match_without_asking = scene.ex4d.show_tracks = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    beat = Heartbeat()
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    beat.stop("a moving plate is reconstructed and comes")
    clouds = [item for item in scene.objects if item.type == "MESH" and not item.data.polygons]
    if len(clouds) != 1 or len(clouds[0].data.vertices) < 20:
        raise DriveError("The points of the moving plate's solve are not there.")
    if not is_keyed(scene.camera):
        raise DriveError("The source camera of the moving plate stands still.")
    yield from look_through_camera(view)
    yield from shot(out, "10-moving")
    yield from small_shot(out, "10-moving-small")
    scene.ex4d.move, scene.ex4d.move_path = "orbit", "lock"
    call(bpy.ops.ex4d.add_take_camera, area=view)
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(3.0)
    yield from shot(out, "11-moving-take")
    call(bpy.ops.ex4d.hide_preview, area=view)
    next(item for item in scene.objects if item.type == "MESH" and item.data.polygons).hide_set(True)
    view.spaces.active.shading.type = "SOLID"
    view.spaces.active.region_3d.view_perspective = "PERSP"
    # Points cannot be selected, so the shot's cameras are what the viewport is set by.
    look_at(scene.camera, view)
    yield after(2.0)
    yield from shot(out, "12-moving-points")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    window().scene = former


def cuts(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A plate that cuts, in a scene of its own, and its shots in theirs."""
    former, scene = window().scene, bpy.data.scenes.new("Cutting")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next((out / "cutting").iterdir())))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    yield from small_shot(out, "13-cuts")
    before = set(bpy.data.scenes)
    call(bpy.ops.ex4d.separate_shots, "INVOKE_DEFAULT", area=view)
    made = sorted(set(bpy.data.scenes) - before, key=lambda item: item.name)
    if len(made) != 2 or any(item.objects for item in made):
        raise DriveError("The shots of the plate that cuts have no scenes that wait for them.")
    yield lambda: all(any(item.type == "MESH" for item in own.objects) for own in made)
    window().scene = made[1]
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(2.0)
    yield from small_shot(out, "14-separated")
    window().scene = former


def long_plate(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """The result of a long moving plate comes, as it does from a backend, while the artist works."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "blender"))
    from viewport_factory import add_solve, long_shot

    from ex4d.protocol.jobs import JobSnapshot
    from ex4d.protocol.results import parse_result

    former, scene = window().scene, bpy.data.scenes.new("Long")
    window().scene = scene
    view.spaces.active.shading.type = "SOLID"
    scene.ex4d.match_without_asking = scene.ex4d.show_tracks = True
    result = parse_result("reconstruct", add_solve(long_shot(out / "long", LONG_SIDE, LONG), points=LONG_POINTS))
    jobs, job = extension("job_list").current(), "20260101-000000-00000000"
    yield after(2.0)
    stops: dict[str, float] = {}
    handler = jobs.handlers["reconstruct"]

    def timed(*arguments: Any) -> None:
        began = time.thread_time()
        handler(*arguments)
        stops["its result is put into the scene"] = time.thread_time() - began

    jobs.handlers["reconstruct"] = timed
    beat = Heartbeat()
    jobs.expect(scene, job, "reconstruct", {"match_scene": True, "name": "long"})
    jobs.link.client.jobs[job] = JobSnapshot(job, "reconstruct", state="done", result=result)
    extension("timer").wake()
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    jobs.handlers["reconstruct"] = handler
    yield after(1.0)
    # With what Blender draws by processor here.
    beat.stop("a long plate's result comes and is drawn")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(2.0)
    for path in ("source", "stabilise", "lock"):
        scene.ex4d.move_path = path
        began = time.thread_time()
        call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
        stops[f"a take gets its keys, path {path}"] = time.thread_time() - began
        yield after(0.5)
    scene.camera = next(item for item in scene.objects if item.name.endswith("Source Camera"))
    beat = Heartbeat()
    for frame in range(scene.frame_start, scene.frame_start + 20):
        scene.frame_set(frame)
        yield after(0.2)
    beat.stop("its frames are drawn with tracks")
    yield from shot(out, "15-long-plate")
    for what, seconds in stops.items():
        print(f"{what}: {seconds:.2f} s of processor time", flush=True)
        if seconds > MOST_STILL:
            raise DriveError(f"Blender stands still for {seconds:.2f} s of processor time while {what}.")
    window().scene = former


def world(out: Path, view: bpy.types.Area, plate: Path) -> Iterator[Wait]:
    """A floor and a length, picked with the mouse on a moving plate, in a scene of its own."""
    former, scene = window().scene, bpy.data.scenes.new("World")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    scene.ex4d.match_without_asking = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    yield after(3.0)
    root = scene.camera.parent
    places = [(0.3, 0.9), (0.7, 0.9), (0.75, 0.93)]
    for operator, count, options in (("align_floor", 3, {}), ("align_length", 2, {"length": 2.0})):
        beat = Heartbeat()
        call(getattr(bpy.ops.ex4d, operator), "INVOKE_DEFAULT", area=view, **options)
        for across, down in places[:count]:
            yield after(1.0)
            yield request(out, "click {} {}".format(*on_plate(view, across, down)))
        yield after(1.5)
        beat.stop(f"{count} points are picked for {operator}")
        yield from shot(out, f"12-{operator}")
        if not root.get("ex4d_aligned"):
            raise DriveError(f"{operator} has placed nothing.")
    for end, place in zip(((0, 0, 0), (2, 0, 0)), places[:2], strict=True):
        found, (x, y) = on_screen(view, Vector(end)), on_plate(view, *place)
        if max(abs(found[0] - x), abs(found[1] - y)) > 2:
            raise DriveError("The picked points do not lie in the origin and 2 m along X.")
    window().scene = former
