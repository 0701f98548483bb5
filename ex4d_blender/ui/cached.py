# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels show of the disk, looked at by the timer: drawing must not wait for a network folder."""

from __future__ import annotations

import bpy

from ..scene import sequencer
from ..scene import shot as shots

#: Shots (scene's ``session_uid``, root's name) whose mesh lacks files.
_without_files: set[tuple[int, str]] = set()


def _key(root: bpy.types.Object, scene: bpy.types.Scene) -> tuple[int, str]:
    return scene.session_uid, root.name


def lacks_files(scene: bpy.types.Scene, shot: shots.ShotObjects) -> bool:
    """Whether the shot's mesh lacked files when last looked at."""
    return _key(shot.root, scene) in _without_files


def refresh(scene: bpy.types.Scene) -> bool:
    """Look at the files of a scene's shots; returns whether anything has changed."""
    working = sequencer.scene_of_edit(scene) or scene
    found = {
        _key(shot.root, working)
        for shot in shots.find_shots(working)
        if shot.mesh is not None and shots.missing_files(shot.mesh)
    }
    former = {key for key in _without_files if key[0] == working.session_uid}
    _without_files.difference_update(former)
    _without_files.update(found)
    return found != former
