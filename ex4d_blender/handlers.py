# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when files are opened."""

from __future__ import annotations

import json
import logging

import bpy
from bpy.app.handlers import persistent

from . import migrations, saved, session
from .core import records
from .ops import move_shot, reconstruct
from .session import Waiting

log = logging.getLogger(__name__)


@persistent
def _load_post(*_: object) -> None:
    """A file is open: its scenes may wait for jobs that were asked for before it was closed."""
    saved.remember()
    migrations.migrate()
    for scene in bpy.data.scenes:
        reconstruct.propose_folder(scene)
    move_shot.find_stray_shots()
    current = session.current()
    for scene in bpy.data.scenes:
        if records.is_newer(scene.ex4d.version):
            continue
        for entry in scene.ex4d.pending:
            try:
                data = json.loads(entry.data or "{}")
            except ValueError:
                data = {}
            current.waiting[entry.job] = Waiting(scene.session_uid, entry.action, data)
            # Its end may have come while another file was open: it is dealt with now.
            current.finished.discard(entry.job)
            if entry.job not in current.client.jobs or current.client.jobs[entry.job].is_final:
                current.client.resume(entry.job)
        if len(scene.ex4d.pending) and current.backend_process().find() is not None:
            try:
                current.connect(block=False)
            except Exception:
                log.exception("EX-4D: the backend cannot be asked for this file's jobs")
    current.mirror()


@persistent
def _save_pre(*_: object) -> None:
    migrations.stamp()


@persistent
def _save_post(*_: object) -> None:
    """The file has a name now, or another one: new shots go beside it."""
    saved.remember()
    for scene in bpy.data.scenes:
        reconstruct.propose_folder(scene)


@persistent
def _undo_post(*_: object) -> None:
    # A step back may lead to before the file was brought to the current version.
    migrations.migrate()


@persistent
def _exit_pre(*_: object) -> None:
    session.current().client.disconnect()


_HANDLERS = (
    ("load_post", _load_post),
    ("save_pre", _save_pre),
    ("save_post", _save_post),
    ("undo_post", _undo_post),
    ("redo_post", _undo_post),
    ("exit_pre", _exit_pre),
)


def register() -> None:
    """Add the handlers; Blender before 5.1 has no ``exit_pre``, there unregistration closes the socket."""
    for name, handler in _HANDLERS:
        found = getattr(bpy.app.handlers, name, None)
        if found is not None and handler not in found:
            found.append(handler)


def unregister() -> None:
    """Remove them."""
    for name, handler in _HANDLERS:
        found = getattr(bpy.app.handlers, name, None)
        if found is not None and handler in found:
            found.remove(handler)
