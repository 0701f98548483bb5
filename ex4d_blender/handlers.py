# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when files are opened and saved, steps undone, and Blender has evaluated what has changed."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import (
    arrivals,
    backend_link,
    changes,
    folder_sizes,
    job_list,
    left_jobs,
    live_preview,
    migrations,
    saved,
    take_versions,
    wipe,
)
from .ops import move_shot, picking
from .scene import hooks
from .scene.shot_place import note_beside, propose_folder
from .ui import cached


@persistent
def _load_pre(path: str = "", *_: object) -> None:
    saved.about_to_read(path)
    picking.forget()
    wipe.end()
    left_jobs.note()


@persistent
def _load_post(*_: object) -> None:
    """A file is open: its scenes may wait for jobs that were asked for before it was closed."""
    saved.remember_read()
    arrivals.forget()
    folder_sizes.forget()
    live_preview.forget()
    migrations.migrate()
    for scene in bpy.data.scenes:
        propose_folder(scene)
    move_shot.find_stray_shots()
    take_versions.find_lost_versions()
    left_jobs.come_back()
    job_list.current().take_up_pending()
    cached.look_anew()


def _note_beside() -> None:
    for scene in bpy.data.scenes:
        if scene.library is None:
            note_beside(scene)


@persistent
def _save_pre(*_: object) -> None:
    migrations.stamp()
    _note_beside()
    job_list.current().settle_pending()


@persistent
def _save_post(*_: object) -> None:
    """The file has a name now, or another one: new shots go beside it."""
    saved.remember()
    _note_beside()
    for scene in bpy.data.scenes:
        propose_folder(scene)


@persistent
def _undo_post(*_: object) -> None:
    # A step back may lead to before the file was brought to the current version.
    migrations.migrate()
    # Versions are files, which no step takes back.
    take_versions.find_lost_versions()
    live_preview.drop_lost()
    cached.look_anew()
    changes.stir()


@persistent
def _depsgraph_update_post(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Comes before anything is drawn that has changed; not when the frame changes."""
    cached.notice(scene, depsgraph)
    if any(depsgraph.id_type_updated(kind) for kind in ("ACTION", "OBJECT", "CAMERA", "SCENE")):
        changes.stir()


@persistent
def _frame_change_post(scene: bpy.types.Scene, *_: object) -> None:
    wipe.frame_changed(scene)


@persistent
def _exit_pre(*_: object) -> None:
    backend_link.current().client.disconnect()


_HANDLERS = (
    ("load_pre", _load_pre),
    ("load_post", _load_post),
    ("save_pre", _save_pre),
    ("save_post", _save_post),
    ("depsgraph_update_post", _depsgraph_update_post),
    ("frame_change_post", _frame_change_post),
    ("undo_post", _undo_post),
    ("redo_post", _undo_post),
    ("exit_pre", _exit_pre),
)


def register() -> None:
    """Add the handlers; Blender before 5.1 has no ``exit_pre``, there unregistration closes the socket."""
    for name, handler in _HANDLERS:
        hooks.add_handler(name, handler)


def unregister() -> None:
    """Remove them."""
    for name, handler in _HANDLERS:
        hooks.remove_handler(name, handler)
