# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels show, looked at when it has changed, so that drawing looks for nothing.

Drawing happens whenever the mouse moves. It reads what ``shot.known``, ``disk_watch``, ``capabilities`` and the list of
jobs know: it opens no file and asks for none, parses nothing, and goes through no objects.
"""

from __future__ import annotations

import bpy

from ..core import coverage_record
from ..ops.sequencer import count_stray_strips
from ..scene import sequencer, version_strips
from ..scene import shot as shots
from ..scene.data import windows
from ..scene.shot import index


def prepare(scene: bpy.types.Scene) -> None:
    """Look at what is shown of a scene: its shots, what its takes have seen, strips in the way."""
    working = sequencer.scene_of_edit(scene) or scene
    shots.known(working)
    count_stray_strips(working)
    state = getattr(working, "ex4d", None)
    for take in state.takes if state is not None else ():
        coverage_record.parse(take.coverage)


def notice(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Take in what Blender has just evaluated, before it is drawn."""
    if any(depsgraph.id_type_updated(kind) for kind in ("OBJECT", "SCENE", "COLLECTION")):
        index.notice(scene, (update.id for update in depsgraph.updates))
    if depsgraph.id_type_updated("SCENE"):
        prepare(scene)


def look_anew() -> None:
    """Another file is open, or a step was undone: no object is the one that it was."""
    index.forget()
    version_strips.forget()
    for window in windows():
        if window.scene is not None:
            prepare(window.scene)


def forget() -> None:
    """Keep nothing of the open file."""
    index.forget()
    version_strips.forget()
