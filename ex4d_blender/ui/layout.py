# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels share: wrapped texts, forms, sections that fold, the progress of a job."""

from typing import Any

from .. import disk_watch, job_list
from ..core.texts import wrapped
from ..localisation import localised
from . import thumbnails

#: A sidebar is narrow, and an icon takes some of it.
COLUMNS, ICON_COLUMNS = 38, 5


def draw_text(layout: Any, text: str, icon: str = "NONE") -> None:
    """Several lines where one does not fit."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    columns = COLUMNS if icon == "NONE" else COLUMNS - ICON_COLUMNS
    for index, line in enumerate(wrapped(localised(text), columns)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE")


def form_of(layout: Any) -> Any:
    """The layout as a form: names on the left, values on the right."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def draw_tick(layout: Any, owner: Any, name: str) -> None:
    """A property that is ticked, in a row of its own: on a form's right side there is no room for a long name."""
    row = layout.row()
    row.use_property_split = False
    row.prop(owner, name)


def section(layout: Any, name: str, title: str) -> Any:
    """A part of a panel that is closed at first; None while it is."""
    header, body = layout.panel(name, default_closed=True) if hasattr(layout, "panel") else (layout, layout)
    header.label(text=title)
    return form_of(body.column()) if body is not None else None


def needs_backend(layout: Any) -> None:
    """Say what is missing where no backend can be started."""
    if problem := disk_watch.lacks_backend():
        box = layout.box()
        draw_text(box, f"{problem} The backend computes depth, mesh and takes.", "INFO")
        box.operator(
            "preferences.addon_show", text="Open Preferences", icon="PREFERENCES"
        ).module = __package__.rpartition(".")[0]


def draw_progress(layout: Any, kind: str) -> None:
    """How far the running jobs of a kind are, with the last picture of each."""
    for item in job_list.current().rows:
        if item.kind == kind and item.state in ("running", "cancelling"):
            row = layout.row(align=True)
            row.progress(factor=item.fraction, text=localised(item.bar), type="BAR")
            row.operator("ex4d.cancel_job", text="", icon="X").job = item.job
            draw_text(layout, item.doing)
            icon = thumbnails.icon(item.thumbnail)
            if icon:
                layout.template_icon(icon_value=icon, scale=8.0)
