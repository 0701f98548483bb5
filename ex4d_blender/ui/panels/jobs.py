# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs."""

from typing import Any

import bpy

from ... import job_list
from ...scene.data import manager_of
from ..layout import draw_text


def draw_jobs(layout: Any, context: bpy.types.Context) -> None:
    """Jobs."""
    manager = manager_of(context).ex4d
    cut_off = job_list.current().cut_off
    for title in cut_off.values():
        draw_text(
            layout, f"«{title}» was not finished when Blender closed. Start it again; its stages are kept.", "ERROR"
        )
    if cut_off:
        layout.operator("ex4d.forget_cut_off", icon="CHECKMARK")
    if not len(manager.jobs):
        draw_text(layout, "No jobs.")
        return
    layout.template_list("EX4D_UL_jobs", "", manager, "jobs", manager, "active_job", rows=3)
    row = layout.row(align=True)
    row.operator("ex4d.cancel_all", icon="X")
    row.operator("ex4d.clear_jobs", icon="TRASH")
