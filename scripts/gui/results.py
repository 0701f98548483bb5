# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of a take, compared over the camera and seen in the sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from gui.driver import DriveError, Wait, after, request, shot, window
from gui.measure import Heartbeat
from gui.scene import extension, only_step, strips
from gui.screen import call, open_sidebar, region

#: What the screen may be off from a picture that it shows at another size, codes of 8 bits on the mean.
MOST_OFF = 8.0


def wipe(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """Two versions of a take, compared over the camera: the line is dragged with the mouse, a key flips."""
    former, scene = window().scene, bpy.data.scenes.new("Wiping")
    window().scene = scene
    yield from two_versions(out, view, scene)
    scene.frame_set(scene.frame_end - 1)
    view.spaces.active.shading.type = "SOLID"
    call(bpy.ops.ex4d.wipe, area=view, against="VERSION")
    shown, interface = extension("wipe").current(), bpy.context.preferences.view
    for scale in (1.0, 2.0):
        interface.ui_scale = scale
        yield after(2.0)
        yield from shot(out, f"24-wipe-{scale:.0f}")
        check_wipe(out / f"24-wipe-{scale:.0f}.png", view, shown)
        seen = wipe_frame(view)
        middle = window().height - round((seen.bottom + seen.top) / 2) + 3
        places = [round(seen.left + share * seen.width) for share in (shown.share, 0.25 if scale == 1 else 0.4)]
        yield request(out, f"drag {places[0]} {middle} {places[1]} {middle}")
        yield after(1.0)
        yield request(out, "key w")
        yield after(1.0)
        yield from shot(out, f"25-wipe-dragged-{scale:.0f}")
        if abs(seen.left + shown.share * seen.width - places[1]) > 2:
            raise DriveError(f"The line was dragged to {places[1]}, and is at {seen.left + shown.share * seen.width}.")
        if [side.label for side in shown.sides] != (["v001", "v002"] if scale == 1 else ["v002", "v001"]):
            raise DriveError("The key has not changed the sides.")
        check_wipe(out / f"25-wipe-dragged-{scale:.0f}.png", view, shown)
    interface.ui_scale = 1.0
    beat = Heartbeat()
    scene.frame_set(scene.frame_end)
    yield lambda: all(item is not None and item.frame == scene.frame_end for item in shown.pictures)
    beat.stop("the wipe shows another frame")
    call(bpy.ops.ex4d.wipe, area=view, against="PLATE")
    yield after(2.0)
    yield from shot(out, "26-wipe-plate")
    check_wipe(out / "26-wipe-plate.png", view, extension("wipe").current())
    call(bpy.ops.ex4d.wipe_end, area=view)
    yield from see_origin(out, view, "26-wipe-origin")
    yield from see_meta_strips(out, view)
    window().scene = former


def two_versions(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The sample plate to a take of two versions, by two moves; of the last frames alone."""
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
    scene.ex4d.frame_range, scene.ex4d.with_mask, scene.ex4d.with_color = "FRAMES", True, True
    # At its end a move has gone farthest.
    scene.ex4d.frame_start, scene.ex4d.frame_end = scene.frame_end - 2, scene.frame_end
    for index, move in enumerate(("orbit:10", "orbit:-30")):
        call(bpy.ops.ex4d.apply_preset, area=view, move=move)
        call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
        yield lambda count=index + 1: len(scene.ex4d.takes[0].versions) == count


def see_origin(out: Path, view: bpy.types.Area, name: str) -> Iterator[Wait]:
    """Where the chosen take's pixels come from, with the buttons of the maps and the legend."""
    scene = window().scene
    only_step(scene, "geometry")
    call(bpy.ops.ex4d.wipe, area=view, against="ORIGIN")
    yield after(2.0)
    yield from shot(out, name)
    call(bpy.ops.ex4d.wipe_end, area=view)


def see_meta_strips(out: Path, view: bpy.types.Area) -> Iterator[Wait]:
    """The two versions in the sequencer, and what its panel tells of the selected one."""
    call(bpy.ops.ex4d.show_result, area=view)
    edit = window().workspace.sequencer_scene
    if edit.frame_current != window().scene.frame_current:
        raise DriveError("The results are not shown at the frame that was worked at.")
    metas = [strip for strip in edit.sequence_editor.strips if strip.type == "META"]
    if [len(meta.strips) for meta in metas] != [3, 3] or len(edit.sequence_editor.strips) != 2:
        raise DriveError("The two versions with mask and colour are not a meta strip each.")
    for strip in strips():
        strip.select = strip == metas[0]
    edit.sequence_editor.active_strip = metas[0]
    yield from open_sidebar(out, view)
    yield after(2.0)
    yield from shot(out, "27-strip")
    call(bpy.ops.ex4d.show_result, area=view)


def wipe_frame(view: bpy.types.Area) -> Any:
    """The camera's frame on the screen, y up."""
    seen = region(view, "WINDOW")
    scene = window().scene
    frame = extension("ui.wipe").camera_frame(seen, view.spaces.active.region_3d, scene, scene.camera)
    return type(frame)(frame.left + seen.x, frame.bottom + seen.y, frame.right + seen.x, frame.top + seen.y)


def check_wipe(screenshot: Path, view: bpy.types.Area, shown: Any) -> None:
    """The screen shows the pictures' own values on both sides of the line.

    Raises:
        DriveError: it does not.
    """
    image = bpy.data.images.load(str(screenshot))
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    screen, frame = pixels.reshape(height, width, -1)[..., :3], wipe_frame(view)
    for picture, shares in zip(shown.pictures, ((0.02, shown.share - 0.06), (shown.share + 0.04, 0.6)), strict=True):
        # Off the line and its grip, the texts, the sidebar and what else lies over the picture.
        across, up = np.meshgrid(np.linspace(*shares, 60), np.linspace(0.3, 0.7, 60))
        x, y = (frame.left + across * frame.width).astype(int), (frame.bottom + up * frame.height).astype(int)
        rows, columns = picture.pixels.shape[:2]
        own, other = (
            255
            * float(np.abs(screen[y, x] - values[(up * rows).astype(int), (across * columns).astype(int), :3]).mean())
            for values in (picture.pixels, *(item.pixels for item in shown.pictures if item is not picture))
        )
        print(f"wipe, {picture.path.parent.parent.name}: off by {own:.1f}/255, from the other {other:.1f}", flush=True)
        if own > MOST_OFF or other < 2 * own:
            raise DriveError(
                f"The screen is off by {own:.1f}/255 from {picture.path}, and by {other:.1f} from the other."
            )
