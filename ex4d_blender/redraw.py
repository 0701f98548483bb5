# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing panels and the status bar again: those alone, when something has changed, and not too often."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

import bpy

#: Four times a second is smooth enough for a progress bar, and spares a heavy scene.
INTERVAL_SECONDS = 0.25
#: The regions that hold the extension's panels, by editor.
_REGIONS = {"VIEW_3D": "UI", "SEQUENCE_EDITOR": "UI", "PREFERENCES": "WINDOW"}


class Redraw:
    """Draws when what is shown has become another, at most every ``INTERVAL_SECONDS``."""

    def __init__(self, draw: Callable[[], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``draw`` tags what is to be drawn, default ``tag_panels``."""
        self._draw = draw or tag_panels
        self._clock = clock
        self._last = -INTERVAL_SECONDS
        self._shown: Hashable = None
        self._drawn: Hashable = None

    def show(self, state: Hashable) -> None:
        """What panels show now; draws if that is due."""
        self._shown = state
        self.flush()

    @property
    def is_due(self) -> bool:
        """Whether something has changed that is not drawn yet."""
        return self._shown != self._drawn

    def flush(self) -> None:
        """Draw what has changed, if the last drawing is long enough ago; called by the timer."""
        now = self._clock()
        if self.is_due and now - self._last >= INTERVAL_SECONDS:
            self._drawn, self._last = self._shown, now
            self._draw()


def tag_viewports() -> None:
    """Let the 3D viewports be drawn again, for what is drawn over them."""
    if bpy.app.background:
        return
    manager = bpy.context.window_manager
    for window in list(manager.windows) if manager is not None else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def tag_panels() -> None:
    """Let the extension's panels and the status bars be drawn again, not the viewports."""
    if bpy.app.background:
        # Nothing is drawn there, and Blender crashes over the status bar's text.
        return
    manager = bpy.context.window_manager
    for window in list(manager.windows) if manager is not None else ():
        for area in window.screen.areas:
            wanted = _REGIONS.get(area.type)
            for region in area.regions:
                if region.type == wanted:
                    region.tag_redraw()
        # The status bar is no area of the screen; giving its text back to Blender draws it again. Blender looks for
        # the window in the context, which a timer has not while a file is being loaded, and crashes without.
        with bpy.context.temp_override(window=window):
            if bpy.context.window is not None:
                window.workspace.status_text_set(None)
