# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when files are opened."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import session


@persistent
def _load_post(*_: object) -> None:
    """A file is open: its scenes may wait for jobs that were asked for before it was closed."""
    session.current().take_up_pending()


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
