# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of a take, compared over the camera and seen in the sequencer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from gui.driver import DriveError, Wait, after, request, shot, window
from gui.measure import Heartbeat
from gui.pixels import read_pixels
from gui.scene import extension, only_step, strips
from gui.screen import call, open_sidebar, region

#: What the screen may be off from a picture that it shows at another size, codes of 8 bits on the mean.
MOST_OFF = 8.0
#: Frames of the versions that are wiped: from the first to the middle to the last the sample's train moves on.
WIPED = 13


def wipe(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """Two versions of a take, compared over the camera: the line is dragged with the mouse, a key flips."""
    former, scene = window().scene, bpy.data.scenes.new("Wiping")
    window().scene = scene
    yield from two_versions(out, view, scene, frames=WIPED)
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
    call(bpy.ops.ex4d.wipe, area=view, against="PLATE")
    yield from wipe_over_frames(out, view, scene)
    call(bpy.ops.ex4d.wipe_end, area=view)
    yield from see_origin(out, view, "26-wipe-origin")
    yield from see_meta_strips(out, view)
    window().scene = former


def wipe_over_frames(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The wipe against the plate shows the first, the middle and the last frame's own pictures as one goes to them."""
    shown = extension("wipe").current()
    numbers = sorted(shown.sides[0].files)
    frames = (numbers[0], numbers[len(numbers) // 2], numbers[-1])
    for frame in frames:
        beat = Heartbeat()
        scene.frame_set(frame)
        yield lambda frame=frame: all(item is not None and item.frame == frame for item in shown.pictures)
        beat.stop(f"the wipe shows frame {frame}")
        yield from shot(out, f"26-wipe-plate-{frame}")
        check_frame(out / f"26-wipe-plate-{frame}.png", view, shown, frame, [item for item in frames if item != frame])


def two_versions(out: Path, view: bpy.types.Area, scene: bpy.types.Scene, frames: int = 3) -> Iterator[Wait]:
    """The sample plate to a take of two versions, by two moves; of the last ``frames`` alone."""
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: any(item.type == "MESH" for item in scene.objects)
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:10")
    scene.ex4d.frame_range, scene.ex4d.with_mask, scene.ex4d.with_color = "FRAMES", True, True
    # At its end a move has gone farthest.
    scene.ex4d.frame_start, scene.ex4d.frame_end = scene.frame_end - frames + 1, scene.frame_end
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


class SeenSide:
    """What the screen shows on one side of the wipe's line, at places spread over it."""

    def __init__(self, screenshot: Path, view: bpy.types.Area, shares: tuple[float, float]) -> None:
        """Look at a screenshot, between two shares of the picture's width."""
        screen, frame = read_pixels(screenshot), wipe_frame(view)
        self.across, self.up = np.meshgrid(np.linspace(*shares, 60), np.linspace(0.3, 0.7, 60))
        x, y = frame.left + self.across * frame.width, frame.bottom + self.up * frame.height
        self.values = screen[y.astype(int), x.astype(int)]

    def off(self, pixels: np.ndarray) -> float:
        """How far it is from a picture's own values, codes of 8 bits on the mean."""
        rows, columns = pixels.shape[:2]
        own = pixels[(self.up * rows).astype(int), (self.across * columns).astype(int), :3]
        return 255 * float(np.abs(self.values - own).mean())

    def check(self, what: str, pixels: np.ndarray, others: list[np.ndarray]) -> None:
        """Hold it to the picture that it should show.

        Raises:
            DriveError: it shows something else, or what could as well be one of the others.
        """
        own, other = self.off(pixels), min(self.off(item) for item in others)
        print(f"wipe, {what}: off by {own:.1f}/255, from what it must not show {other:.1f}", flush=True)
        if own > MOST_OFF or other < 2 * own:
            raise DriveError(
                f"The screen is off by {own:.1f}/255 from {what}, and by {other:.1f} from what it must not show."
            )


def seen_sides(screenshot: Path, view: bpy.types.Area, shown: Any) -> tuple[SeenSide, SeenSide]:
    """Left and right of the line, off it and its grip, the texts, the sidebar and what else lies over the picture."""
    left, right = (0.02, shown.share - 0.06), (shown.share + 0.04, 0.6)
    return SeenSide(screenshot, view, left), SeenSide(screenshot, view, right)


def check_wipe(screenshot: Path, view: bpy.types.Area, shown: Any) -> None:
    """The screen shows the pictures' own values on both sides of the line, not those of the other side.

    Raises:
        DriveError: it does not.
    """
    first, second = shown.pictures
    for seen, own, other in zip(seen_sides(screenshot, view, shown), (first, second), (second, first), strict=True):
        seen.check(own.path.parent.parent.name, own.pixels, [other.pixels])


def check_frame(screenshot: Path, view: bpy.types.Area, shown: Any, frame: int, others: list[int]) -> None:
    """The screen shows the files of a frame, which end in its number, on both sides of the line, not other frames'.

    Raises:
        DriveError: it does not.
    """
    for seen, side in zip(seen_sides(screenshot, view, shown), shown.sides, strict=True):
        path = side.files[frame]
        if re.search(r"\d+$", path.stem)[0].lstrip("0") != str(frame):
            raise DriveError(f"{path} is taken for frame {frame}.")
        seen.check(
            f"{side.label}, frame {frame}", read_pixels(path), [read_pixels(side.files[item]) for item in others]
        )
