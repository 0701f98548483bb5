# SPDX-License-Identifier: GPL-3.0-or-later
"""The running job in the status bar, in every workspace."""

from __future__ import annotations

import bpy

from .. import session


def _draw(self: bpy.types.Header, context: bpy.types.Context) -> None:
    job = session.current().running()
    if job is None:
        return
    item = next((item for item in context.window_manager.ex4d.jobs if item.job == job.id), None)
    if item is None:
        return
    row = self.layout.row(align=True)
    row.ui_units_x = 16
    row.progress(factor=item.fraction, text=f"{item.title}: {item.text}", type="BAR")
    row.operator("ex4d.cancel_job", text="", icon="X").job = job.id


def register() -> None:
    """Draw into the status bar."""
    bpy.types.STATUSBAR_HT_header.append(_draw)


def unregister() -> None:
    """Stop drawing there."""
    bpy.types.STATUSBAR_HT_header.remove(_draw)
