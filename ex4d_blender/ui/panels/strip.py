# SPDX-License-Identifier: GPL-3.0-or-later
"""The take that the selected strip shows."""

from typing import Any

import bpy

from ...core.strip_facts import FACTS, local_moment
from ...localisation import localised
from ...ops.sequencer import EX4D_OT_keep_colour, is_shown
from ...scene import sequencer
from ...scene.data import scene_of
from ...strip_takes import compared, version_of
from ..layout import draw_text, form_of

_ROLES = {"result": "Result", "mask": "Mask", "color": "Colour without Fill"}


def draw_strip(layout: Any, context: bpy.types.Context) -> None:
    """The take of the selected strip: its name, version, move, profile, seed and date."""
    strip = sequencer.selected_strip(context)
    known = sequencer.take_of_strip(strip) if strip is not None else None
    if context.window is not None and is_shown(context.window):
        layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")
        _draw_what_is_rendered(layout, context)
    if strip is None or known is None:
        draw_text(layout, "Select the strip of a take to redo it.", "INFO")
        return
    told = sequencer.facts_of_strip(strip)
    take, version = version_of(sequencer.working_scene(context), known["folder"])
    if take is not None and version is not None:
        # Names change, and strips of earlier files tell nothing.
        told["title"] = take.name
        told["profile"] = told["profile"] or version.profile
        told["seed"] = told["seed"] or ("" if version.seed < 0 else str(version.seed))
    layout.label(text=f"{told['title'] or 'Take'} {known['take']}", translate=False, icon="SEQUENCE")
    form = form_of(layout.column(align=True))
    _draw_fact(form, "Shows", _ROLES.get(known["role"], known["role"]))
    for name, title in FACTS.items():
        _draw_fact(form, title, local_moment(told[name]) if name == "created" else told[name])
    _draw_compared(layout, context)
    if EX4D_OT_keep_colour.poll(context):
        draw_text(layout, "Strips show pictures from the cache, which may be cleaned.", "ERROR")
        layout.operator("ex4d.keep_colour", icon="FILE_FOLDER")
    layout.operator("ex4d.redo_take", icon="FILE_REFRESH")
    layout.operator("ex4d.open_folder", icon="FILE_FOLDER").folder = known["folder"]


def _draw_compared(layout: Any, context: bpy.types.Context) -> None:
    """A/B: what is seen in the selected take's place."""
    found = compared(context)
    if found is None:
        return
    row = layout.row(align=True)
    row.operator(
        "ex4d.compare_strips", text="A/B Plate", icon="MOD_MIRROR", depress=found.shows_plate
    ).against = "PLATE"
    other = row.row(align=True)
    other.enabled = found.other is not None
    other.operator("ex4d.compare_strips", text="A/B Last Version", depress=found.shows_other).against = "VERSION"
    layout.label(text=localised(f"Seen: {found.seen}"), icon="HIDE_OFF")


def _draw_what_is_rendered(layout: Any, context: bpy.types.Context) -> None:
    """Which scene F12 renders: the window's, which before Blender 5 is that of the results."""
    scene = scene_of(context)
    working = sequencer.scene_of_edit(scene)
    if working is not None:
        draw_text(layout, f"Render Image renders these results now, not «{working.name}».", "INFO")
    else:
        draw_text(layout, f"Render Image renders «{scene.name}»; Render Sequencer Image renders these results.", "INFO")


def _draw_fact(form: Any, title: str, value: str) -> None:
    if value:
        row = form.split(factor=0.4)
        row.label(text=title)
        row.label(text=localised(value))
