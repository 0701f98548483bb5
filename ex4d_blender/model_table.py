# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that can be downloaded, as a table: in the preferences and where better depth is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy

from ex4d.protocol.models import ModelInfo

from . import model_downloads
from .core.model_texts import needs_text, parts, state_text
from .core.texts import wrapped
from .localisation import localised

#: Of the table's width: what it is, the rest is its state and its button.
_SPLIT = 0.55


def draw_models(layout: Any, infos: Iterable[ModelInfo], columns: int) -> None:
    """Rows under headings: those for commercial work first, each with its size, its licence, the memory it needs and a
    button.

    Args:
        layout: of Blender.
        infos: what is shown.
        columns: characters of a line.
    """
    for text, found in parts(infos):
        box = layout.box()
        box.label(text=text, icon="CHECKMARK" if found[0].commercial == "yes" else "ERROR")
        column = box.column()
        for info in found:
            _draw_model(column, info, columns)
    if not bpy.app.online_access:
        row = layout.row()
        row.label(text="Blender may not go online: allow it in Preferences, System, Network.", icon="INTERNET_OFFLINE")


def _draw_model(layout: Any, info: ModelInfo, columns: int) -> None:
    split = layout.split(factor=_SPLIT)
    split.label(text=info.title, icon="RADIOBUT_ON" if info.state == "here" else "RADIOBUT_OFF")
    _draw_state(split.row(align=True), info)
    about = layout.column(align=True)
    about.active = False
    label = localised(info.label)
    sentences = [f"{label[:1].upper()}{label[1:]}. Licence: {info.licence}.", needs_text(info)]
    for line in (line for text in sentences for line in wrapped(localised(text), columns)):
        about.label(text=line, icon="BLANK1")
    job = model_downloads.job_of(info)
    if job is not None and job.state == "failed" and info.state != "here":
        about.label(text="The last try has failed: the list of jobs tells why.", icon="ERROR")


def _draw_state(row: Any, info: ModelInfo) -> None:
    """Its size or progress, and what can be done."""
    job = model_downloads.job_of(info)
    if model_downloads.waits_for_packages(info):
        row.label(text="its packages are being installed", icon="TIME")
        row.operator("ex4d.cancel_install", text="Pause", icon="PAUSE")
    elif job is not None and job.state in model_downloads.UNFINISHED:
        row.progress(factor=job.fraction, text=localised(job.text), type="BAR")
        row.operator("ex4d.cancel_job", text="Pause", icon="PAUSE").job = job.job
    elif info.state == "here":
        row.label(text=localised(state_text(info)), icon="CHECKMARK")
    else:
        row.label(text=localised(state_text(info)))
        text, icon = ("Resume", "PLAY") if info.state == "begun" else ("Get", "IMPORT")
        row.operator("ex4d.get_model", text=text, icon=icon).model = info.name
