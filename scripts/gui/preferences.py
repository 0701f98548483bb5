# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences, models got from them, and the dialog of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import Wait, after, request, shot, small_shot, window
from gui.mouse import Clicks
from gui.scene import extension, only_step
from gui.screen import call, open_sidebar


def models(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """A model got by its button from a hub on this machine: asked, paused, gone on with, there; then better depth."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "model"))
    from local_hub import serving

    repository = out / "hub" / "depth-anything" / "Video-Depth-Anything-Small"
    repository.mkdir(parents=True)
    (repository / "video_depth_anything_vits.pth").write_bytes(bytes(30_000_000))
    bpy.context.preferences.system.use_online_access = True
    with serving(out / "hub") as (hub, address):
        os.environ |= {"HF_ENDPOINT": address, "HF_HOME": str(out / "cache"), "EX4D_MODELS": str(out / "models")}
        hub.slow = {"video_depth_anything_vits.pth": 0.02}
        yield from show_preferences(view)
        downloads, jobs = extension("model_downloads"), extension("job_list")
        yield lambda: bool(downloads.known())
        yield from small_shot(out, "18-models")

        def state() -> str:
            return str(downloads.find("video_depth_anything").state)

        def press() -> Iterator[Wait]:
            call(bpy.ops.ex4d.get_model, "INVOKE_DEFAULT", area=view, model="video_depth_anything")
            yield after(1.0)

        yield from press()
        yield from shot(out, "19-model-asked")
        yield request(out, "key Return")
        yield lambda: any(
            row.kind == "download" and "MB of" in row.text and row.fraction > 0.3 for row in jobs.current().rows
        )
        yield from small_shot(out, "20-model-comes")
        bpy.ops.ex4d.cancel_job(job=next(row.job for row in jobs.current().rows if row.kind == "download"))
        yield lambda: state() == "begun"
        yield from small_shot(out, "21-model-paused")
        hub.slow = {}
        yield from press()
        yield from shot(out, "22-model-asked-again")
        yield request(out, "key Return")
        yield lambda: state() == "here"
        yield from small_shot(out, "23-model-here")
        names = {found.name for found in extension("capabilities").estimators()}
        if "video_depth_anything" not in names:
            print(f"offered: {sorted(names)}", flush=True)
        view.ui_type = "VIEW_3D"
        yield from open_sidebar(out, view)
        yield from shot(out, "24-jobs")
        call(bpy.ops.ex4d.better_depth, "INVOKE_DEFAULT", area=view)
        yield after(1.0)
        yield from shot(out, "25-better-depth")


def wrong_button_and_preferences(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """What the preferences say, and the dialog of an error."""
    from ex4d.protocol.errors import TransientError  # of the extension

    # A button that has nothing to work on: the status bar says so.
    only_step(window().scene, "plate")
    yield after(1.0)
    yield from Clicks(out).press("ex4d.plate_from_strip", view, "UI")
    yield after(1.0)
    yield request(out, "shot 15-wrong-click")
    yield from show_preferences(view)
    yield from small_shot(out, "16-preferences-whole")
    # What the button said goes meanwhile.
    yield after(3.0)
    yield from shot(out, "16-preferences")
    problem = TransientError("The disk that holds the shot is full.", "Free some space.")
    extension("error_dialog").show_error(problem, "what was printed last\n" * 5)
    yield from shot(out, "17-error")


def show_preferences(view: bpy.types.Area) -> Iterator[Wait]:
    """Turn an area into the preferences, with the extension's own part open and diagnosed."""
    names = [addon.module for addon in bpy.context.preferences.addons]
    module = next(name for name in names if name.endswith("ex4d_blender"))
    call(bpy.ops.ex4d.diagnose, "INVOKE_DEFAULT", area=view)
    view.ui_type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "EX-4D"
    with bpy.context.temp_override(window=window(), area=view):
        bpy.ops.preferences.addon_expand(module=module)
    link = sys.modules[f"{module}.backend_link"]
    yield lambda: link.current().doctor is not None
