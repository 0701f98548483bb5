# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels show, kept up to date by Blender's handlers and the timer, so that drawing looks for nothing.

Drawing happens whenever the mouse moves. It reads what lies here, in ``shot.known`` and in the session: it opens no
file and asks for none, parses nothing, and goes through no objects.
"""

from __future__ import annotations

import bpy

from ..ops.sequencer import stray_strips
from ..scene import sequencer
from ..scene import shot as shots
from ..scene.data import windows
from ..scene.shot import index
from . import coverage

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
        for shot in shots.known(working).shots
        if shot.mesh is not None and shots.missing_files(shot.mesh)
    }
    former = {key for key in _without_files if key[0] == working.session_uid}
    _without_files.difference_update(former)
    _without_files.update(found)
    return found != former


def prepare(scene: bpy.types.Scene) -> None:
    """Look at what is shown of a scene: its shots, what its takes have seen, strips in the way, what can be chosen."""
    working = sequencer.scene_of_edit(scene) or scene
    shots.known(working)
    stray_strips(working)
    state = getattr(working, "ex4d", None)
    for take in state.takes if state is not None else ():
        coverage.parse(take.coverage)


def notice(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Take in what Blender has just evaluated, before it is drawn."""
    if any(depsgraph.id_type_updated(kind) for kind in ("OBJECT", "SCENE", "COLLECTION")):
        index.notice(scene, (update.id for update in depsgraph.updates))
    if depsgraph.id_type_updated("SCENE"):
        prepare(scene)


def look_anew() -> None:
    """Another file is open, or a step was undone: no object is the one that it was."""
    index.forget()
    for window in windows():
        if window.scene is not None:
            prepare(window.scene)


def forget() -> None:
    """Keep nothing of the open file."""
    index.forget()
    _without_files.clear()
