# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels in German, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, shot
from gui.scene import dw_mesh, extension, only_step
from gui.screen import call


def german(out: Path, view: bpy.types.Area, _moving_plate: Path) -> Iterator[Wait]:
    """The panels in German: in the dark theme, then in the light one at twice the size."""
    preferences, scene = bpy.context.preferences, bpy.context.scene
    preferences.view.language = next(name for name in ("de", "de_DE") if name in bpy.app.translations.locales)
    scene.ex4d.plate_path = str(next(out.glob("plate.*")))
    if extension("localisation").localised("Generate Take 01") != "Take 01 generieren":
        raise DriveError("The add-on does not speak German.")
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    call(bpy.ops.ex4d.add_take_camera, area=view, move="orbit:30")
    yield after(3.0)
    for name in ("plate", "geometry", "takes", "generate"):
        only_step(scene, name)
        yield from shot(out, f"30-german-{name}")
    bpy.ops.script.execute_preset(filepath=light_theme(), menu_idname="USERPREF_MT_interface_theme_presets")
    preferences.view.ui_scale = 2.0
    yield after(2.0)
    for name in ("plate", "geometry", "takes", "generate"):
        only_step(scene, name)
        yield from shot(out, f"31-german-light-{name}")


def light_theme() -> str:
    """The file of Blender's own light theme."""
    folder = Path(bpy.utils.preset_paths("interface_theme")[0])
    return str(next(path for path in folder.iterdir() if path.stem.lower() == "blender_light"))
