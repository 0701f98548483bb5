# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene of its own for each shot of a plate that cuts."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.shot_folders import same_path
from . import scan
from . import shot as shots
from .data import scene_state

#: What a scene knows of its own work, and of its own frames.
_NOT_TAKEN = ("rna_type", "name", "takes", "active_take", "pending", "plate_shot", "proposed_folder", "plate_handles")
#: Menus show other properties.
_MENU = "_menu"
#: Of a scene's rendering: a plate without a rate of its own has the scene's.
_RENDER = ("resolution_x", "resolution_y", "pixel_aspect_x", "pixel_aspect_y", "fps", "fps_base")


def scene_of_frames(
    scene: bpy.types.Scene, shot: shots.ShotObjects, folder: str, name: str, frames: tuple[int, int]
) -> bpy.types.Scene:
    """The scene in which a part of a shot's plate is reconstructed: the one that was made for its folder before, with
    what was chosen there, else a new one, set up as ``scene`` is. A camera object that is the source camera is in both:
    the part takes its frames. Nothing is reconstructed yet.

    Args:
        scene: the shot's.
        folder: of the part's own shot.
        name: of the new scene.
        frames: the plate's numbers of the first and the last.
    """
    own = next((other for other in bpy.data.scenes if other != scene and _is_of(other, folder)), None)
    if own is None:
        own = bpy.data.scenes.new(name)
        copy_settings(scene, own)
    state = scene_state(own)
    state.plate_path = str(shot.record["plate"]["path"])
    state.plate_frames, state.shot_folder = f"{frames[0]}-{frames[1]}", folder
    # They stay where they were in time.
    state.plate_scene_start = max(shot.frame_of(frames[0]), -1)
    camera = state.source_object
    # A camera object is evaluated in the scenes that have it; what it hangs on comes along by itself.
    if state.source_camera == "OBJECT" and camera is not None and not scan.is_in_scene(camera, own):
        own.collection.objects.link(camera)
    return own


def _is_of(scene: bpy.types.Scene, folder: str) -> bool:
    return scene.library is None and same_path(bpy.path.abspath(scene_state(scene).shot_folder), folder)


def copy_settings(source: bpy.types.Scene, target: bpy.types.Scene) -> None:
    """Give a scene what another one says of its plate and how that is worked with; takes and jobs are left out."""
    for name in _RENDER:
        setattr(target.render, name, getattr(source.render, name))
    state, other = scene_state(source), scene_state(target)
    properties: Any = state.bl_rna.properties
    for item in properties:
        name = item.identifier
        if name not in _NOT_TAKEN and not name.endswith(_MENU) and not item.is_readonly:
            setattr(other, name, getattr(state, name))
