# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot that has just come into a scene, shown in the windows that show the scene: who made it looks through it."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from . import choosing, editors, hooks, scan
from .data import mesh_data
from .shot import PROPERTY, ShotObjects

#: Custom property of a shot's root: the name of the startup cube that was hidden for it.
HIDDEN = "ex4d_hidden"
#: After so long a shot that has come is drawn.
DRAWN_SECONDS = 0.5
#: Blender's startup cube: name, and how far its corners are from its origin along each axis.
_CUBE, _HALF = "Cube", 1.0


def show_shot(windows: Iterable[bpy.types.Window], scene: bpy.types.Scene, shot: ShotObjects) -> None:
    """Choose a shot in these windows, and let the largest 3D viewport of each look through the scene's camera."""
    cube = startup_cube(scene, shot)
    if cube is not None:
        # The source camera stands in it.
        cube.hide_set(True)
        cube.hide_render = True
        shot.root[HIDDEN] = cube.name
    for window in windows:
        if window.scene != scene or window.view_layer is None:
            continue
        active = window.view_layer.objects.active
        if active is None or active.mode == "OBJECT":
            choosing.select_shot(window.view_layer, shot)
        views = [area for area in window.screen.areas if area.type == "VIEW_3D"] if window.screen is not None else []
        for area in sorted(views, key=lambda area: area.width * area.height)[-1:]:
            space = area.spaces.active
            if not isinstance(space, bpy.types.SpaceView3D):
                continue
            editors.look_through_scene_camera(space)
            if space.shading.type == "SOLID":
                editors.shade(space, shot.mesh, fast=True)
    look_for_pictures_soon(scene)


def look_for_pictures_soon(scene: bpy.types.Scene) -> None:
    """Change the scene's frame and back when it has been drawn: the picture of a sequence is drawn as missing when the
    sequence is new or its material has changed, and it is looked for again only when the frame is another."""
    uid = scene.session_uid

    def look() -> None:
        # The scene may be gone meanwhile, with its file.
        for found in bpy.data.scenes:
            if found.session_uid == uid:
                frame, subframe, camera = found.frame_current, found.frame_subframe, found.camera
                found.frame_set(frame + 1)
                found.frame_set(frame, subframe=subframe)
                # Markers may have switched it.
                found.camera = camera

    hooks.add_timer(look, after=DRAWN_SECONDS)


def startup_cube(scene: bpy.types.Scene, shot: ShotObjects) -> bpy.types.Object | None:
    """The cube of Blender's startup scene, where it stands untouched and the source camera stands in it."""
    cube, camera = scene.objects.get(_CUBE), shot.source_camera
    if cube is None or camera is None or cube.type != "MESH" or cube.get(PROPERTY) is not None:
        return None
    plain = (
        cube.parent is None
        and not scan.children(cube)
        and not len(cube.modifiers)
        and not len(cube.constraints)
        and cube.animation_data is None
        and len(mesh_data(cube).vertices) == 8
        and all(abs(abs(value) - _HALF) < 1e-6 for corner in cube.bound_box for value in corner)
        and cube.matrix_world.is_identity
        and cube.visible_get()
    )
    eye = camera.matrix_world.translation
    return cube if plain and max(map(abs, eye)) < _HALF else None
