# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the disk for what panels show, every few seconds: drawing must not."""

from __future__ import annotations

from . import backend_link, capabilities, installation, panel_updates
from .scene.data import windows
from .ui import cached

#: How often.
LOOK_SECONDS = 5.0

_looked = -LOOK_SECONDS
_lacks_backend = ""


def lacks_backend() -> str:
    """One sentence on why no backend can be started, "" where one can be, as last looked at."""
    return _lacks_backend


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
        if cached.refresh(window.scene):
            panel_updates.nudge()
    panel_updates.show("lacks_backend", _lacks_backend)


def forget() -> None:
    """Look again at the next tick."""
    global _looked, _lacks_backend
    _looked, _lacks_backend = -LOOK_SECONDS, ""
