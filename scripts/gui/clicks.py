# SPDX-License-Identifier: GPL-3.0-or-later
"""From the startup scene to the result by the mouse alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, request, shot, window
from gui.mouse import Clicks
from gui.scene import dw_mesh, strips
from gui.screen import largest, open_sidebar, region, windows

#: From the startup scene to the result, the file browser's included.
MOST_CLICKS = 7
#: Pixels from the top of a file browser's list to its first file.
FIRST_FILE = 40


def open_plate_by_mouse(out: Path, view: bpy.types.Area, hand: Clicks) -> Iterator[Wait]:
    """Open Plate, the file, and the file browser's button; the file lies in the home, where the browser opens."""
    scene, plate = bpy.context.scene, next(out.glob("plate.*"))
    shutil.copy(plate, Path.home() / plate.name)
    # Without a window manager a window of its own may lie half outside of a small screen.
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    yield from hand.press("ex4d.load_plate", view, "UI")
    yield lambda: any(area.type == "FILE_BROWSER" for item in windows() for area in item.screen.areas)
    browser = next(item for item in windows() if any(area.type == "FILE_BROWSER" for area in item.screen.areas))
    files = next(area for area in browser.screen.areas if area.type == "FILE_BROWSER")
    yield after(2.0)
    place = region(files, "WINDOW")
    x, y = browser.x + place.x + 60, window().height - browser.y - place.y - place.height
    yield hand.at(x, y + FIRST_FILE, "the file")
    yield after(1.0)
    yield request(out, "shot 25-file")
    if files.spaces.active.params.filename != plate.name:
        raise DriveError(f"The click has not chosen the file, but «{files.spaces.active.params.filename}».")
    yield from hand.press("file.execute", files, "EXECUTE", browser)
    yield lambda: bool(scene.ex4d.plate_path) and not any(area.type == "FILE_BROWSER" for area in window().screen.areas)
    yield after(1.0)


def clicks(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """From Blender's startup scene with its cube to the result, by the mouse alone, the tab being open."""
    if "Cube" not in bpy.context.scene.objects or not bpy.context.scene.objects["Cube"].visible_get():
        bpy.ops.wm.read_homefile()
        yield after(2.0)
        view = largest("VIEW_3D")
        yield from open_sidebar(out, view)
    scene = bpy.context.scene
    hand = Clicks(out)
    yield from open_plate_by_mouse(out, view, hand)
    view = largest("VIEW_3D")
    yield from shot(out, "26-plate-folded")
    yield from hand.press("ex4d.reconstruct", view, "UI")
    yield lambda: dw_mesh() is not None
    yield after(2.0)
    yield from shot(out, "27-ends-looking-through")
    if "Cube" not in scene.objects or scene.objects["Cube"].visible_get():
        raise DriveError("The startup cube is gone, or still hides the mesh.")
    if view.spaces.active.region_3d.view_perspective != "CAMERA" or not scene.camera.name.endswith("Source Camera"):
        raise DriveError("The viewport does not look through the source camera.")
    yield from hand.press("ex4d.add_take_camera", view, "UI")
    yield lambda: len(scene.ex4d.takes) == 1
    yield after(1.0)
    yield from shot(out, "28-take-added")
    yield from hand.press("ex4d.generate", view, "UI")
    yield lambda: bool(strips())
    yield after(1.0)
    # The status bar, where it lies at the end of the screen, is no area of it; what comes of the click tells.
    yield hand.at(window().width - 50, window().height - 12, "Show Result in the status bar")
    yield lambda: view.type == "SEQUENCE_EDITOR"
    yield after(2.0)
    yield from shot(out, "29-result")
    size = f"{window().width}x{window().height}"
    print(f"{hand.count} clicks from the startup scene to the result, without scrolling, at {size}", flush=True)
    if hand.count > MOST_CLICKS:
        raise DriveError(f"{hand.count} clicks lead to the result; at most {MOST_CLICKS} may.")
