# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panels, in the order of the work; the sequencer has those that make sense there."""

from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from ...scene import sequencer
from ...scene import shot as shots
from ...scene.data import scene_of
from ..layout import draw_text
from .cg import draw_cg
from .generate import draw_generate
from .jobs import draw_jobs
from .plate import draw_plate
from .steps import draw_steps
from .strip import draw_strip
from .world import draw_world

CATEGORY = "EX-4D"


class _View3D:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY


class _Sequencer:
    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = CATEGORY


def _draw_in(draw: Any, layout: Any, context: bpy.types.Context) -> None:
    """Draw a panel's content; where the window's scene is one of results there is nothing to work on, only to see."""
    working = sequencer.scene_of_edit(scene_of(context))
    if working is None or draw in (draw_strip, draw_jobs):
        _draw_readable(draw, layout, context)
        return
    draw_text(layout, f"These are the results of «{working.name}».", "INFO")
    layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")


def _draw_readable(draw: Any, layout: Any, context: bpy.types.Context) -> None:
    """Draw a panel, or why its scene is left alone."""
    try:
        shots.known(scene_of(context)).check()
    except BadInputError as error:
        draw_text(layout, f"{error.message} {error.hint}", "ERROR")
        return
    draw(layout, context)


def _panel(name: str, label: str, draw: Any, place: type, *, closed: bool = False) -> type:
    """A panel class of one of the two editors."""
    editor = "view3d" if place is _View3D else "sequencer"
    return type(
        f"EX4D_PT_{editor}_{name}",
        (place, bpy.types.Panel),
        {
            "bl_label": label,
            "bl_options": {"DEFAULT_CLOSED"} if closed else set(),
            "draw": lambda self, context: _draw_in(draw, self.layout, context),
        },
    )


CLASSES = (
    # Without a header it would have no background: in the light theme dark words on a dark viewport.
    _panel("steps", "Shot", draw_steps, _View3D),
    _panel("world", "World", draw_world, _View3D, closed=True),
    _panel("cg", "CG in the Plate", draw_cg, _View3D, closed=True),
    _panel("jobs", "Jobs", draw_jobs, _View3D),
    _panel("plate", "Plate", draw_plate, _Sequencer),
    _panel("generate", "Generate", draw_generate, _Sequencer),
    _panel("strip", "Take", draw_strip, _Sequencer),
    _panel("jobs", "Jobs", draw_jobs, _Sequencer),
)
