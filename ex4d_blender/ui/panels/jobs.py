# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs."""

from typing import Any

import bpy

from ex4d.protocol.jobs import JobSnapshot

from ... import job_list, left_jobs
from ...localisation import localised
from ...scene.data import manager_of
from ..layout import draw_text


def draw_left(layout: Any) -> None:
    """Jobs whose file is closed: where their results will be, and the way there."""
    shown = left_jobs.shown()
    for left, snapshot in shown:
        draw_text(layout, left_jobs.sentence(left, snapshot), "INFO")
        draw_way_to(layout, left, snapshot)
    if shown:
        layout.operator("ex4d.forget_left_jobs", icon="CHECKMARK")


def draw_way_to(layout: Any, left: left_jobs.LeftJob, snapshot: JobSnapshot) -> None:
    """The button that leads to a job's result: its file, or the folder where that was never saved."""
    folder = left_jobs.folder(snapshot)
    if left.file:
        button = layout.operator("wm.open_mainfile", text=localised(f"Open {left.name}"), icon="FILE_BLEND")
        button.filepath, button.display_file_selector, button.load_ui = left.file, False, True
    elif folder:
        layout.operator("ex4d.open_folder", icon="FILE_FOLDER").folder = folder


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
    draw_left(layout)
    if not len(manager.jobs):
        draw_text(layout, "No jobs.")
        return
    layout.template_list("EX4D_UL_jobs", "", manager, "jobs", manager, "active_job", rows=3)
    if (chosen := _chosen(manager)) is not None:
        draw_text(layout, f"{localised(chosen.title)}: {localised(chosen.text)}")
    row = layout.row(align=True)
    row.operator("ex4d.cancel_all", icon="X")
    row.operator("ex4d.clear_jobs", icon="TRASH")


def _chosen(manager: Any) -> job_list.JobRow | None:
    """The job that is chosen in the list: the one that is being done, unless another was clicked."""
    index = manager.active_job
    job = manager.jobs[index].job if 0 <= index < len(manager.jobs) else ""
    return next((row for row in job_list.current().rows if row.job == job), None)
