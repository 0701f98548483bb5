# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editors of a window show: a take's camera in the viewport, its keys in the editors of time."""

from __future__ import annotations

from typing import Any

import bpy

from . import material
from .data import mesh_data, operators

#: Editors of time, by the module of the operator that frames their keys.
_TIME_EDITORS = {"DOPESHEET_EDITOR": "action", "GRAPH_EDITOR": "graph"}


def frame_time_editors(window: bpy.types.Window | None) -> None:
    """Let a window's timelines, dope sheets and graph editors show all the keys that they list."""
    if bpy.app.background or window is None or window.screen is None:
        # Nothing is drawn there, and regions have no size.
        return
    for area in window.screen.areas:
        module = _TIME_EDITORS.get(area.type)
        region = next((item for item in area.regions if item.type == "WINDOW"), None)
        if module is None or region is None:
            continue
        with bpy.context.temp_override(window=window, area=area, region=region):
            framing = getattr(operators, module).view_all
            if framing.poll():
                framing()


def viewed_camera(space: Any, view: Any, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The camera whose picture a 3D viewport shows: the scene's, or the viewport's own; None where it shows none's.

    Args:
        space: the viewport's.
        view: the ``RegionView3D`` that is meant: a viewport may have four.
        scene: of the window.
    """
    if view is None or view.view_perspective != "CAMERA":
        return None
    found: bpy.types.Object | None = space.camera if space.use_local_camera else scene.camera
    return found


def follows_scene_camera(space: Any) -> bool:
    """Whether an editor (its space) is a 3D viewport that shows what the scene's camera sees, whichever that is."""
    return (
        space is not None
        and space.type == "VIEW_3D"
        and not space.use_local_camera
        and space.region_3d is not None
        and space.region_3d.view_perspective == "CAMERA"
    )


def look_through_scene_camera(space: Any) -> None:
    """Let a 3D viewport (its space; another editor's is left alone) show what the scene's camera sees, unless the
    artist has given it a camera of its own."""
    if space is not None and space.type == "VIEW_3D" and not space.use_local_camera:
        space.region_3d.view_perspective = "CAMERA"


def look_through(space: Any, camera: bpy.types.Object | None) -> None:
    """Let a 3D viewport (its space) show what the scene's camera, ``camera``, sees; one with a camera of its own shows
    that camera too, and stays apart from the scene's."""
    if space.use_local_camera and camera is not None:
        space.camera = camera
    space.region_3d.view_perspective = "CAMERA"


def shade(space: Any, mesh_obj: bpy.types.Object | None, *, fast: bool) -> None:
    """Let a 3D viewport (its space) show the pictures of a shot's mesh.

    Args:
        mesh_obj: None where there is none.
        fast: in Solid mode, which shows the pictures alone; else in Material Preview.
    """
    if not fast:
        space.shading.type = "MATERIAL"
        return
    space.shading.type, space.shading.light, space.shading.color_type = "SOLID", "FLAT", "TEXTURE"
    # Lines around holes and along closed slits would be no part of the plate.
    space.shading.show_object_outline = False
    for item in mesh_data(mesh_obj).materials if mesh_obj is not None else ():
        # Those of earlier files have no active picture; linked ones are as their file has them.
        if item is not None and item.library is None and material.is_ours(item):
            material.show_in_solid(item)
