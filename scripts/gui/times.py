# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls and drawings take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, shot, whole_shot, window
from gui.measure import MOST_DRAWS, few_draws, panels_cost, undrawn
from gui.scene import MOVE, dw_mesh, strips
from gui.screen import call


def times(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A plate from file to take, for the table of calls; and how often is drawn what need not be."""
    scene = window().scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(next(out.glob("plate.*"))))
    scene.ex4d.match_without_asking = True
    yield after(1.0)
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    yield after(3.0)
    call(bpy.ops.ex4d.view_shot, area=view)
    shading = view.spaces.active.shading
    if (shading.type, shading.color_type, shading.light) != ("SOLID", "TEXTURE", "FLAT"):
        raise DriveError(
            f"Look Through shows {shading.type}, {shading.color_type}, {shading.light}, not the fast view."
        )
    yield after(3.0)
    yield from whole_shot(out, "30-fast-view")
    call(bpy.ops.ex4d.add_take_camera, area=view, move=MOVE)
    yield after(2.0)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(2.0)
    scene.ex4d.move = "crane"
    # It takes the preview of the former move away.
    call(bpy.ops.ex4d.apply_preset, area=view)
    yield after(2.0)
    scene.ex4d.with_mask = scene.ex4d.with_color = True
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield after(2.0)
    yield undrawn(1.0)
    yield from few_draws(MOST_DRAWS, "a take was generated", lambda: bool(strips()))
    yield after(2.0)
    yield undrawn(1.0)
    yield from few_draws(0, "nothing was done for 5 s", after(5.0))
    yield from panels_cost(view)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    for frame in range(scene.frame_start, scene.frame_start + 5):
        scene.frame_set(frame)
        yield after(0.3)
    bpy.ops.ed.undo_push(message="Undone")
    bpy.ops.ed.undo()
    yield after(1.0)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "times.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(out / "times.blend"))
    yield after(3.0)
    yield from shot(out, "31-reopened")
