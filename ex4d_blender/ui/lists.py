# SPDX-License-Identifier: GPL-3.0-or-later
"""List rows, and the menu of shots."""

from __future__ import annotations

from typing import Any

import bpy

from .. import job_list, out_of_date
from ..core.coverage_record import mean_share
from ..core.texts import moment
from ..localisation import localised
from ..scene import shot as shots
from ..scene.data import scene_of

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

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int | None,
        _active_data: Any,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        layout.label(text=item.name, translate=False)


class EX4D_UL_takes(bpy.types.UIList):
    """Takes."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int | None,
        _active_data: Any,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        row = layout.row(align=True)
        state = shots.camera_state(scene_of(context), item)
        row.prop(item, "name", text="", emboss=False, icon=_CAMERA_ICONS[state])
        # Beside a long name these stay whole.
        told = row.row(align=True)
        told.alignment = "RIGHT"
        if len(item.versions):
            told.label(text=item.versions[-1].name)
        if (share := mean_share(item.coverage)) is not None:
            told.label(text=f"({share:.0%})" if out_of_date.stale(item).coverage else f"{share:.0%}")


class EX4D_UL_versions(bpy.types.UIList):
    """Versions of a take."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int | None,
        _active_data: Any,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        split = layout.split(factor=0.2)
        split.label(text=item.name)
        split = split.split(factor=0.75)
        # The year is said below the list.
        split.label(text=moment(item.created)[5:] or item.profile)
        split.label(text=f"{100 - item.generated_mean:.0f}%")


class EX4D_UL_jobs(bpy.types.UIList):
    """Jobs."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int | None,
        _active_data: Any,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        job = next((row for row in job_list.current().rows if row.job == item.job), None)
        if job is None:
            return
        # A sidebar has room for the name and how far it is; the chosen job's stage and times stand below the list.
        row = layout.row(align=True)
        if job.state in ("running", "cancelling"):
            row.progress(factor=job.fraction, text=f"{job.fraction:.0%} {localised(job.title)}", type="BAR")
        else:
            row.label(text=localised(job.title), icon=_ICONS.get(job.state, "BLANK1"))
        if job.took:
            told = row.row()
            told.alignment = "RIGHT"
            told.label(text=localised(job.took))
        if job.state in ("queued", "running"):
            row.operator("ex4d.cancel_job", text="", icon="X", emboss=False).job = job.job
        if job.state == "failed":
            row.operator("ex4d.job_error", text="", icon="QUESTION", emboss=False).job = job.job
        if job.state in ("failed", "cancelled"):
            row.operator("ex4d.retry_job", text="", icon="FILE_REFRESH", emboss=False).job = job.job


class EX4D_MT_shots(bpy.types.Menu):
    """The scene's shots."""

    bl_label = "Shots"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        for shot in shots.known(scene_of(context)).shots:
            layout.operator("ex4d.choose_shot", text=shot.root.name, translate=False).root = shot.root.name


CLASSES = (EX4D_UL_lines, EX4D_UL_takes, EX4D_UL_versions, EX4D_UL_jobs, EX4D_MT_shots)
