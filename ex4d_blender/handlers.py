# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when files are opened."""

from __future__ import annotations

import json
import logging

import bpy
from bpy.app.handlers import persistent

from . import session
from .session import Waiting

log = logging.getLogger(__name__)


@persistent
def _load_post(*_: object) -> None:
    """A file is open: its scenes may wait for jobs that were asked for before it was closed."""
    current = session.current()
    for scene in bpy.data.scenes:
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
def _exit_pre(*_: object) -> None:
    session.current().client.disconnect()


_HANDLERS = (("load_post", _load_post), ("exit_pre", _exit_pre))


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
