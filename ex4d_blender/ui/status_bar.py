# SPDX-License-Identifier: GPL-3.0-or-later
"""The running job, or the take that has come, in every workspace's status bar; the way back in the sequencer."""

from __future__ import annotations

from typing import Any

import bpy

from ex4d.protocol.jobs import DONE

from .. import arrivals, job_list, left_jobs
from ..localisation import localised
from ..ops.sequencer import is_shown
from ..scene import hooks, sequencer
from .panels.jobs import draw_way_to


def _draw(self: Any, context: bpy.types.Context) -> None:
    window = context.window
    if window is not None and window.scene is not None and sequencer.scene_of_edit(window.scene) is not None:
        # In whatever workspace: this is what renders, and nothing can be worked on here.
        self.layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")
    jobs = job_list.current()
    running = jobs.running()
    job = next((row for row in jobs.rows if running is not None and row.job == running.id), None)
    if job is None:
        _draw_arrival(self.layout, context)
        _draw_left(self.layout)
        return
    row = self.layout.row(align=True)
    row.ui_units_x = 16
    row.progress(factor=job.fraction, text=f"{localised(job.title)}: {localised(job.text)}", type="BAR")
    row.operator("ex4d.cancel_job", text="", icon="X").job = job.job
    if (left := left_jobs.find(job.job)) is not None:
        self.layout.label(text=localised(left.name), icon="FILE_BLEND")


def _draw_left(layout: Any) -> None:
    """What has become of the job that ended last of those whose file is closed."""
    left, snapshot = next(((left, job) for left, job in reversed(left_jobs.shown()) if job.state == DONE), (None, None))
    if left is None or snapshot is None:
        return
    row = layout.row(align=True)
    row.label(text=localised(f"«{snapshot.title}» is done: {left.name}"), icon="CHECKMARK")
    draw_way_to(row, left, snapshot)
    row.operator("ex4d.forget_left_jobs", text="", icon="X")


def _draw_arrival(layout: Any, context: bpy.types.Context) -> None:
    arrival, window = arrivals.last(), context.window
    if arrival is None or window is None or sequencer.working_scene_of(window).session_uid != arrival.scene:
        return
    row = layout.row(align=True)
    said = f"{arrival.name} is done" if arrival.is_new else f"{arrival.name} is up to date"
    row.label(text=localised(said), icon="CHECKMARK")
    if not is_shown(window):
        row.operator("ex4d.show_result", text="Show Result", icon="SEQUENCE")


def _draw_way_back(self: Any, context: bpy.types.Context) -> None:
    # The sidebar may be closed, or have another tab in front.
    if context.window is not None and is_shown(context.window):
        self.layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")


def register() -> None:
    """Draw there."""
    hooks.add_to_layout("STATUSBAR_HT_header", _draw)
    hooks.add_to_layout("SEQUENCER_HT_header", _draw_way_back)


def unregister() -> None:
    """Stop drawing there."""
    hooks.remove_from_layout("STATUSBAR_HT_header", _draw)
    hooks.remove_from_layout("SEQUENCER_HT_header", _draw_way_back)
