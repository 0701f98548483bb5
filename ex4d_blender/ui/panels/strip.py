# SPDX-License-Identifier: GPL-3.0-or-later
"""The take that the selected strip shows."""

from typing import Any

import bpy

from ...ops.sequencer import is_shown
from ...scene import sequencer
from ..layout import draw_text


def draw_strip(layout: Any, context: bpy.types.Context) -> None:
    """Take of Strip."""
    strip = sequencer.selected_strip(context)
    known = sequencer.take_of_strip(strip) if strip is not None else None
    if context.window is not None and is_shown(context.window):
        layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")
    if known is None:
        draw_text(layout, "Select the strip of a take to redo it.", "INFO")
        return
    layout.label(text=f"{known['take']} ({known['role']})", icon="SEQUENCE")
    layout.operator("ex4d.redo_take", icon="FILE_REFRESH")
    layout.operator("ex4d.open_folder", icon="FILE_FOLDER").folder = known["folder"]
