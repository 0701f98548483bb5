# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in the sequencer, and the scene that the artist renders beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, request, shot, window
from gui.results import two_versions
from gui.screen import call, open_sidebar, region, windows

#: X's code of the key F12: by its name the outside would find it on a level of the keyboard that needs Alt.
F12 = "96"


def editing(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """Two versions of a take in the sequencer, and F12 over the viewport before and after they were looked at."""
    scene = window().scene
    bpy.data.objects.remove(scene.objects["Cube"])
    scene.render.engine = "BLENDER_WORKBENCH"
    yield from two_versions(out, view, scene)
    yield from render_key(out, view, F12, scene)
    call(bpy.ops.ex4d.show_result, area=view)
    edit = window().workspace.sequencer_scene
    yield from open_sidebar(out, view)
    yield after(2.0)
    yield from shot(out, "50-results")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    yield from render_key(out, view, F12, scene)
    yield from render_key(out, view, f"alt+{F12}", edit)


def render_key(out: Path, view: bpy.types.Area, key: str, expected: bpy.types.Scene) -> Iterator[Wait]:
    """Press a key with the mouse over the viewport.

    Raises:
        DriveError: another scene than the expected one is rendered, or none.
    """
    rendered: list[str] = []

    def note(found: bpy.types.Scene, *_: object) -> None:
        rendered.append(found.name)

    bpy.app.handlers.render_pre.append(note)
    shown = region(view, "WINDOW")
    yield request(out, f"click {shown.x + 200} {window().height - shown.y - 60}")
    yield after(1.0)
    yield request(out, f"key {key}")
    yield lambda: bool(rendered) and not bpy.app.is_job_running("RENDER")
    bpy.app.handlers.render_pre.remove(note)
    print(f"key {key}: {rendered} was rendered", flush=True)
    if rendered != [expected.name]:
        raise DriveError(f"The key {key} renders {rendered}, not {expected.name}.")
    yield after(1.0)
    for other in windows()[1:]:
        # Of the picture.
        with bpy.context.temp_override(window=other):
            bpy.ops.wm.window_close()
    yield after(1.0)
