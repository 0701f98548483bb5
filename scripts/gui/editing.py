# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in the sequencer, and the scene that the artist renders beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, request, shot, small_shot, window
from gui.measure import Heartbeat
from gui.results import two_versions
from gui.scene import dw_mesh, extension, only_step
from gui.screen import call, largest, look_at, open_sidebar, region, windows

#: X's code of the key F12: by its name the outside would find it on a level of the keyboard that needs Alt.
F12 = "96"


def editing(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """Two versions of a take in the sequencer, F12 over the viewport before and after they were looked at, and a file
    that is left while a take is made."""
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
    yield from compare(out, view, edit)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)
    yield from render_key(out, view, F12, scene)
    yield from render_key(out, view, f"alt+{F12}", edit)
    view.spaces.active.region_3d.view_perspective = "PERSP"
    look_at(dw_mesh(), view)
    only_step(scene, "takes")
    yield after(2.0)
    yield from shot(out, "52-from-aside")
    only_step(scene, "")
    yield from leave(out, view)


def compare(out: Path, view: bpy.types.Area, edit: bpy.types.Scene) -> Iterator[Wait]:
    """The selected take, its plate, and the version before, in turn."""
    metas = [strip for strip in edit.sequence_editor.strips if strip.type == "META"]
    for strip in edit.sequence_editor.strips_all:
        strip.select = strip == metas[-1]
    edit.sequence_editor.active_strip = metas[-1]
    for against in ("PLATE", "VERSION"):
        call(bpy.ops.ex4d.compare_strips, area=view, against=against)
        yield after(1.0)
        yield from small_shot(out, f"50-results-{against.lower()}")
    plates = [strip for strip in edit.sequence_editor.strips if strip.type == "IMAGE"]
    if [(strip.channel, strip.mute) for strip in plates] != [(1, True)]:
        raise DriveError("The plate does not lie below the takes, or is not muted beside a version.")
    if [strip.mute for strip in metas] != [False, True]:
        raise DriveError("The version before is not seen alone.")


def leave(out: Path, view: bpy.types.Area) -> Iterator[Wait]:
    """Another file is opened while a take is made; then the first one again."""
    blend = str(out / "left.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    call(bpy.ops.ex4d.apply_preset, area=view, move="orbit:20")
    bpy.ops.wm.save_mainfile()
    # It is asked for after the file was saved.
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield after(0.5)
    bpy.ops.wm.read_homefile()
    yield after(1.0)
    yield from open_sidebar(out, largest("VIEW_3D"))
    yield from shot(out, "53-left")
    left = extension("left_jobs")
    yield lambda: any(snapshot.is_final for _, snapshot in left.shown())
    yield after(1.0)
    yield from shot(out, "54-left-and-done")
    bpy.ops.wm.open_mainfile(filepath=blend)
    yield lambda: len(bpy.context.scene.ex4d.takes[0].versions) == 3
    yield after(1.0)
    yield from shot(out, "55-came-back")
    yield from better_depth(out, largest("VIEW_3D"))


def better_depth(out: Path, view: bpy.types.Area) -> Iterator[Wait]:
    """The list of depth models, asked for while a take is made: it opens with the backend's answer."""
    call(bpy.ops.ex4d.apply_preset, area=view, move="orbit:-10")
    bpy.context.scene.ex4d.frame_range = "ALL"
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    jobs, models = extension("job_list").current(), extension("model_downloads")
    yield lambda: jobs.running() is not None
    models.forget()
    call(bpy.ops.ex4d.better_depth, "INVOKE_DEFAULT", area=view)
    beat = Heartbeat()
    yield lambda: bool(models.known())
    beat.stop("the list of models comes")
    if jobs.running() is None:
        raise DriveError("The take was finished before the list of models came; use a longer plate.")
    yield after(1.0)
    yield from shot(out, "56-better-depth")
    yield request(out, "key Escape")


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
