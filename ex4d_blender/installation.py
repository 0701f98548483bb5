# SPDX-License-Identifier: GPL-3.0-or-later
"""The one installation that may be under way, polled by the timer, and what panels show of what there is."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError, CancelledError, Ex4dError, ResourceError

from . import backend_link, error_dialog, panel_updates, paths, timer
from .core.environment import PYTHON_VARIABLE
from .core.environment_state import environment_state
from .core.install_plan import EXTRAS, InstallPlan, bundled_wheel
from .core.installer import Installer, InstallState

_installer: Installer | None = None
_state: InstallState | None = None

#: Sets of packages by what the preferences call them.
EXTRAS_BY_CHOICE = {"CPU": "", "GPU": "gpu", "MOGE": "moge"}
_WITH = {"": "", "gpu": " with its GPU packages", "moge": " with its GPU packages and MoGe's"}

#: Lines of the log that the preferences show.
SHOWN_LINES = 200
#: How often the disk is looked at for what panels show, and how often a running installation is: Blender draws all of
#: itself again when the shown lines change.
LOOK_SECONDS, POLL_SECONDS = 2.0, 0.25


@dataclass(frozen=True)
class Found:
    """What panels show of the backend's installation.

    Attributes:
        missing: one sentence on why none can be started; "" where one can be, or runs.
        installed: one sentence on what is installed where.
        foreign: whether the backend's Python is of somebody else's making, which the installer leaves alone.
    """

    missing: str
    installed: str
    foreign: bool = False


_found: Found | None = None
_looked = _polled = 0.0


def is_running() -> bool:
    """Whether an installation is under way."""
    return _installer is not None and (_state is None or not _state.done)


def state() -> InstallState | None:
    """Where the last installation is."""
    return _state


def log_path() -> Path | None:
    """Its log."""
    return _installer.log_path if _installer else None


def make_plan(*, extra: str | None = None) -> InstallPlan:
    """What the preferences ask for; with ``extra`` at least that set of packages, which they ask for from now on.

    Raises:
        BadInputError: it cannot be done that way.
        ResourceError: the network is needed, and Blender may not use it.
    """
    preferences = paths.addon_preferences()
    folder = paths.environment_folder()
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
    wanted = EXTRAS_BY_CHOICE[preferences.extra]
    if extra is not None and EXTRAS.index(extra) > EXTRAS.index(wanted):
        preferences.extra = next(choice for choice, found in EXTRAS_BY_CHOICE.items() if found == extra)
    return InstallPlan(
        folder=folder,
        base_python=base,
        source=source,
        extra=EXTRAS_BY_CHOICE[preferences.extra],
        wheels=wheels,
        blender_folder=paths.blender_folder(),
    )


def start(plan: InstallPlan) -> None:
    """Begin; the timer follows. A backend that runs from the same folder is stopped first."""
    global _installer, _state, _polled
    backend_link.current().stop()
    _installer, _state, _polled = Installer(plan), None, -POLL_SECONDS
    _installer.start()
    timer.wake()


def wait() -> InstallState:
    """Block until it is done; raises its error."""
    global _state  # noqa: PLW0603
    assert _installer is not None
    _state = _installer.wait(lambda _: None)
    look()
    if _state.error is not None:
        raise _state.error
    return _state


def cancel() -> None:
    """Stop it; pressing Install again goes on."""
    if _installer is not None:
        _installer.cancel()


def pump() -> None:
    """Follow the installation and show its log."""
    global _state, _polled  # noqa: PLW0603
    now = time.monotonic()
    if not is_running() or _installer is None:
        before = _found
        if now - _looked >= LOOK_SECONDS and look() != before:
            panel_updates.nudge()
        return
    if now - _polled < POLL_SECONDS:
        return
    _polled = now
    former, _state = _state, _installer.poll()
    manager: Any = bpy.context.window_manager
    lines = manager.ex4d.install_lines
    tail = _installer.tail(SHOWN_LINES)
    if former == _state and [line.name for line in lines] == tail:
        return
    lines.clear()
    for text in tail:
        lines.add().name = text
    manager.ex4d.active_install_line = max(0, len(tail) - 1)
    if _state.done:
        look()
    if _state.done and _state.error is not None and not isinstance(_state.error, CancelledError):
        # Who has stopped it knows, and the status bar has said so.
        error_dialog.show_error(_state.error, "\n".join(tail[-20:]))
    panel_updates.nudge()


def look() -> Found:
    """Look at the disk for what panels show."""
    global _found, _looked  # noqa: PLW0603
    _looked = time.monotonic()
    try:
        backend = backend_link.current().backend_process()
        missing = "" if backend.python is not None or backend.find() is not None else backend.problem
        _found = Found(missing, _installed(), backend.python is not None and _is_foreign())
    except Ex4dError as error:
        _found = Found(error.message, error.message)
    return _found


def found() -> Found:
    """What was seen last: panels ask while they are drawn. Without a window there is no timer that looks."""
    return look() if _found is None or bpy.app.background else _found


def missing() -> str:
    """One sentence on why no backend can be started; "" where one can be, or runs."""
    return "The backend is being installed." if is_running() else found().missing


def _is_foreign() -> bool:
    folder = paths.environment_folder()
    return bool(os.environ.get(PYTHON_VARIABLE)) or folder is None or not environment_state(folder).installed


def _installed() -> str:
    if os.environ.get(PYTHON_VARIABLE):
        return f"{PYTHON_VARIABLE} names the backend's Python: {os.environ[PYTHON_VARIABLE]}"
    folder = paths.environment_folder()
    if folder is None:
        return "No folder for the backend is chosen."
    state = environment_state(folder)
    if state.installed and state.complete:
        return f"Backend {state.version} is installed{_WITH[state.extra]}."
    return state.problem or "No backend is installed."
