# SPDX-License-Identifier: GPL-3.0-or-later
"""The running job in the status bar, in every workspace."""

from __future__ import annotations

import bpy

from .. import session


def _draw(self: bpy.types.Header, _context: bpy.types.Context) -> None:
    current = session.current()
    running = current.running()
    job = next((row for row in current.rows if running is not None and row.job == running.id), None)
    if job is None:
        return
    row = self.layout.row(align=True)
    row.ui_units_x = 16
    row.progress(factor=job.fraction, text=f"{job.title}: {job.text}", type="BAR")
    row.operator("ex4d.cancel_job", text="", icon="X").job = job.job


def register() -> None:
    """Draw into the status bar."""
    bpy.types.STATUSBAR_HT_header.append(_draw)


def unregister() -> None:
    """Stop drawing there."""
    bpy.types.STATUSBAR_HT_header.remove(_draw)
