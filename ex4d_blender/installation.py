# SPDX-License-Identifier: GPL-3.0-or-later
"""The one installation that may be under way, polled by the session's timer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError, ResourceError

from . import session
from .core.environment import PYTHON_VARIABLE
from .core.environment_state import environment_state
from .core.install_plan import InstallPlan, bundled_wheel
from .core.installer import Installer, InstallState

_installer: Installer | None = None
_state: InstallState | None = None
_seen = 0.0

#: Lines of the log that the preferences show.
SHOWN_LINES = 200


def is_running() -> bool:
    """Whether an installation is under way."""
    return _installer is not None and (_state is None or not _state.done)


def state() -> InstallState | None:
    """Where the last installation is."""
    return _state


def log_path() -> Path | None:
    """Its log."""
    return _installer.log_path if _installer else None


def make_plan() -> InstallPlan:
    """What the preferences ask for.

    Raises:
        BadInputError: it cannot be done that way.
        ResourceError: the network is needed, and Blender may not use it.
    """
    preferences = session.addon_preferences()
    folder = session.environment_folder()
    source = bundled_wheel(Path(__file__).parent)
    if preferences is None or folder is None:
        raise BadInputError("No folder for the backend is chosen.", "Choose one in the preferences.")
    if source is None:
        raise BadInputError("The extension lacks the backend's wheel.", "Install the extension again from its zip.")
    wheels = Path(bpy.path.abspath(preferences.wheels_folder)) if preferences.wheels_folder else None
    if wheels is None and not bpy.app.online_access:
        raise ResourceError(
            "Blender may not go online, and the backend's packages come from the Python package index.",
            "Allow it in Preferences, System, Network, or choose a folder of wheels.",
        )
    base = Path(bpy.path.abspath(preferences.base_python)) if preferences.base_python else Path(sys.executable)
    blender = Path(bpy.app.binary_path).parent if bpy.app.binary_path else None
    extra = "gpu" if preferences.extra == "GPU" else ""
    return InstallPlan(
        folder=folder, base_python=base, source=source, extra=extra, wheels=wheels, blender_folder=blender
    )


def start(plan: InstallPlan) -> None:
    """Begin; the timer follows. A backend that runs from the same folder is stopped first."""
    global _installer, _state
    session.current().stop_backend()
    _installer, _state = Installer(plan), None
    _installer.start()
    session.wake()


def wait() -> InstallState:
    """Block until it is done; raises its error."""
    global _state  # noqa: PLW0603
    assert _installer is not None
    _state = _installer.wait(lambda _: None)
    if _state.error is not None:
        raise _state.error
    return _state


def cancel() -> None:
    """Stop it; pressing Install again goes on."""
    if _installer is not None:
        _installer.cancel()


def pump() -> None:
    """Follow the installation and show its log."""
    global _state  # noqa: PLW0603
    if not is_running() or _installer is None:
        return
    _state = _installer.poll()
    manager = bpy.context.window_manager
    lines = manager.ex4d.install_lines
    tail = _installer.tail(SHOWN_LINES)
    lines.clear()
    for text in tail:
        lines.add().name = text
    manager.ex4d.active_install_line = max(0, len(tail) - 1)
    if _state.done and _state.error is not None:
        session.current().report(_state.error, "\n".join(tail[-20:]))
    session.redraw()


def installed() -> str:
    """One sentence on what is installed where."""
    if os.environ.get(PYTHON_VARIABLE):
        return f"{PYTHON_VARIABLE} names the backend's Python: {os.environ[PYTHON_VARIABLE]}"
    folder = session.environment_folder()
    if folder is None:
        return "No folder for the backend is chosen."
    found = environment_state(folder)
    if found.installed and found.complete:
        return f"Backend {found.version} is installed{' with its GPU packages' if found.extra == 'gpu' else ''}."
    return found.problem or "No backend is installed."
