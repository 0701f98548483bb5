# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that people see: in a dialog, or on the terminal where there is no window."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import bpy

from ex4d import __version__
from ex4d.protocol.errors import Ex4dError

from .core.texts import error_report
from .scene.data import operators, windows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShownError:
    """The error that the dialog shows.

    Attributes:
        error: what happened.
        details: a traceback or a log's end, for the copied text.
    """

    error: Ex4dError
    details: str = ""


_shown: ShownError | None = None


def shown() -> ShownError | None:
    """The last error, None where there was none."""
    return _shown


def clear() -> None:
    """Forget the last error."""
    global _shown  # noqa: PLW0603  one dialog
    _shown = None


def show_error(
    error: Ex4dError,
    details: str = "",
    *,
    window: bpy.types.Window | None = None,
    scene: bpy.types.Scene | None = None,
) -> None:
    """Show an error where it is read.

    Args:
        error: what happened.
        details: see ``ShownError``.
        window: where the button was pressed; None: one that shows the scene, else the first.
        scene: the one that the error is about.
    """
    global _shown  # noqa: PLW0603  one dialog
    _shown = ShownError(error, details)
    log.error("%s %s", error.message, error.hint)
    if bpy.app.background:
        print(f"error: {error.message}\n       {error.hint}", file=sys.stderr)
        return
    chosen = dialog_window(windows(), window, scene)
    if chosen is not None:
        with bpy.context.temp_override(window=chosen):
            operators.ex4d.show_error("INVOKE_DEFAULT")


def dialog_window(
    windows: Sequence[bpy.types.Window], pressed: bpy.types.Window | None, scene: bpy.types.Scene | None
) -> bpy.types.Window | None:
    """The window for a dialog: where the button was pressed, else one that shows the scene, else the first."""
    showing = [window for window in windows if scene is not None and window.scene == scene]
    if pressed is not None and pressed in windows:
        return pressed
    return next(iter([*showing, *windows]), None)


def error_text(backend: str) -> str:
    """The shown error with all that a helper needs; "" where there was none.

    Args:
        backend: its version, "" where none is connected.
    """
    if _shown is None:
        return ""
    return error_report(
        _shown.error,
        blender=bpy.app.version_string,
        extension=__version__,
        backend=backend,
        details=_shown.details,
    )
