# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's way from a plate to a finished take, and what follows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, shot, window
from gui.measure import MOST_DRAWS, few_draws
from gui.parts import ALONE, PARTS
from gui.scene import MOVE, dw_mesh, is_keyed, strips
from gui.screen import call, largest, look_at, look_through_camera, open_sidebar

STEPS = ("window", "plate", "reconstruct", "take", "generate")


def story(  # noqa: PLR0912, PLR0915  steps in one place
    out: Path, plate: Path, moving_plate: Path, until: str, only: tuple[str, ...]
) -> Iterator[Wait]:
    """The artist's way; each step is named in ``STEPS``. Or alone some of the ``PARTS`` that come after it."""
    scene = bpy.context.scene
    began = time.monotonic()
    yield after(2.0)
    view = largest("VIEW_3D")
    yield from open_sidebar(out, view)
    yield from shot(out, "1-window")
    for name in only:
        yield from timed(name, PARTS[name](out, view, moving_plate))
    if until == "window" or only:
        return

    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    yield from shot(out, "2-plate")
    if until == "plate":
        return

    # The question whether to set the scene up would wait for a click.
    scene.ex4d.match_without_asking = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield after(1.0)
    yield from shot(out, "3-reconstructing")
    if dw_mesh() is not None:
        raise DriveError("The reconstruction was over before its progress could be seen; use a longer plate.")
    yield lambda: dw_mesh() is not None
    # The source camera stands at the origin, in the startup scene's cube.
    call(bpy.ops.ex4d.hide_in_the_way, area=view)
    if scene.objects["Cube"].visible_get() or scene.camera.name == "Camera":
        raise DriveError("The startup cube still hides the mesh, or the camera is not the source camera.")
    yield from look_through_camera(view)
    yield from shot(out, "4-reconstructed")
    if until == "reconstruct":
        return

    cameras = {item.name for item in scene.objects if item.type == "CAMERA"}
    call(bpy.ops.ex4d.add_take_camera, area=view, move=MOVE)
    new = [item for item in scene.objects if item.type == "CAMERA" and item.name not in cameras]
    if not new or not is_keyed(new[0]):
        raise DriveError("There is no take camera with keyframes.")
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(3.0)
    yield from shot(out, "5-take")
    call(bpy.ops.ex4d.hide_preview, area=view)
    view.spaces.active.region_3d.view_perspective = "PERSP"
    look_at(dw_mesh(), view)
    yield after(3.0)
    yield from shot(out, "6-mesh-from-aside")
    view.spaces.active.region_3d.view_perspective = "CAMERA"
    if until == "take":
        return

    # Quick to draw, and soon as smooth as it gets: what is drawn after that is drawn for the job.
    view.spaces.active.shading.type = "SOLID"
    scene.ex4d.with_mask = scene.ex4d.with_color = True
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield after(1.0)
    yield from shot(out, "7-generating")
    if strips():
        raise DriveError("The take was finished before its progress could be seen; use a longer plate.")
    yield after(4.0)
    yield from few_draws(MOST_DRAWS, "a take was generated", lambda: bool(strips()))
    if scene.sequence_editor is not None and len(scene.sequence_editor.strips):
        raise DriveError("The strips are in the scene that is to be rendered.")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    # Where the move has gone farthest.
    window().workspace.sequencer_scene.frame_set(scene.frame_end)
    yield from open_sidebar(out, view)
    yield from shot(out, "8-strips")
    if view.type != "SEQUENCE_EDITOR":
        raise DriveError("Show Result shows no sequencer.")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    if view.type != "VIEW_3D" or bpy.context.scene != scene:
        raise DriveError("Show Result does not lead back to the scene.")
    for strip in strips():
        if strip.frame_final_duration < 2:
            raise DriveError(f"Strip {strip.name} has {strip.frame_final_duration} frame; its files are not found.")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "gui.blend"))

    print(f"the steps: {time.monotonic() - began:.0f} s", flush=True)
    for name, part in PARTS.items():
        if name not in ALONE:
            yield from timed(name, part(out, view, moving_plate))


def timed(name: str, part: Iterator[Wait]) -> Iterator[Wait]:
    """The part; prints how long it took."""
    began = time.monotonic()
    yield from part
    print(f"part {name}: {time.monotonic() - began:.0f} s", flush=True)
