# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the disk for what panels show, every few seconds: drawing must not."""

from __future__ import annotations

import bpy

from . import backend_link, capabilities, installation, panel_updates
from .scene import sequencer
from .scene import shot as shots
from .scene.data import windows

#: How often.
LOOK_SECONDS = 5.0

_looked = -LOOK_SECONDS
_lacks_backend = ""
#: Shots (scene's ``session_uid``, root's name) whose mesh lacks files.
_without_files: set[tuple[int, str]] = set()


def lacks_backend() -> str:
    """One sentence on why no backend can be started, "" where one can be, as last looked at."""
    return _lacks_backend


def lacks_files(scene: bpy.types.Scene, shot: shots.ShotObjects) -> bool:
    """Whether the shot's mesh lacked files when last looked at."""
    return _key(shot.root, scene) in _without_files


def _key(root: bpy.types.Object, scene: bpy.types.Scene) -> tuple[int, str]:
    return scene.session_uid, root.name


def _look_at_files(scene: bpy.types.Scene) -> bool:
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


def look(now: float) -> None:
    """Look, if the last time is ``LOOK_SECONDS`` ago; called by the timer.

    Args:
        now: seconds of ``time.monotonic``.
    """
    global _looked, _lacks_backend  # noqa: PLW0603  one disk
    if now - _looked < LOOK_SECONDS:
        return
    _looked = now
    _lacks_backend = "" if backend_link.current().is_connected() else installation.missing()
    capabilities.refresh()
    for window in windows():
        if window.scene is not None and _look_at_files(window.scene):
            panel_updates.nudge()
    panel_updates.show("lacks_backend", _lacks_backend)


def forget() -> None:
    """Look again at the next tick."""
    global _looked, _lacks_backend
    _looked, _lacks_backend = -LOOK_SECONDS, ""
    _without_files.clear()
