# SPDX-License-Identifier: GPL-3.0-or-later
"""List rows."""

import bpy

from .. import job_list
from ..scene import shot as shots

_ICONS = {
    "queued": "TIME",
    "running": "RENDER_ANIMATION",
    "cancelling": "CANCEL",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "X",
}

_CAMERA_ICONS = {"own": "OUTLINER_DATA_CAMERA", "scene": "MARKER", "missing": "ERROR"}


class EX4D_UL_lines(bpy.types.UIList):
    """Lines of a text."""

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index=0, _flag=0):
        layout.label(text=item.name)


class EX4D_UL_takes(bpy.types.UIList):
    """Takes."""

    def draw_item(self, context, layout, _data, item, _icon, _active_data, _active_property, _index=0, _flag=0):
        row = layout.row(align=True)
        state = shots.camera_state(context.scene, item)
        row.prop(item, "name", text="", emboss=False, icon=_CAMERA_ICONS[state])
        if len(item.versions):
            row.label(text=item.versions[-1].name)


class EX4D_UL_jobs(bpy.types.UIList):
    """Jobs."""

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index=0, _flag=0):
        job = next((row for row in job_list.current().rows if row.job == item.job), None)
        if job is None:
            return
        row = layout.row(align=True)
        if job.state in ("running", "cancelling"):
            row.progress(factor=job.fraction, text=f"{job.title}: {job.text}", type="BAR")
        else:
            row.label(text=f"{job.title}: {job.text}", icon=_ICONS.get(job.state, "BLANK1"))
        if job.state in ("queued", "running"):
            row.operator("ex4d.cancel_job", text="", icon="X", emboss=False).job = job.job
        if job.state == "failed":
            row.operator("ex4d.job_error", text="", icon="QUESTION", emboss=False).job = job.job
        if job.state in ("failed", "cancelled"):
            row.operator("ex4d.retry_job", text="", icon="FILE_REFRESH", emboss=False).job = job.job


CLASSES = (EX4D_UL_lines, EX4D_UL_takes, EX4D_UL_jobs)
