# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of what viewports draw on the mesh, and what its colours mean."""

from __future__ import annotations

from typing import Any

import bpy

from .. import wipe
from ..ops.heat_maps import ITEMS
from ..scene import closing, heat_maps
from .layout import draw_text

_RED, _YELLOW, _GREEN, _BLUE = (f"COLLECTION_COLOR_0{number}" for number in (1, 3, 4, 5))
#: Icon of a colour, and what it stands for, by the map's name.
LEGEND = {
    "COVERAGE": ((_GREEN, "Seen by the plate"), (_RED, "Hole, to be filled")),
    "DEPTH": ((_GREEN, "Measured"), (_RED, "Guessed")),
    "STRETCH": (
        (_BLUE, "Half as wide as in the plate"),
        (_GREEN, "As wide"),
        (_YELLOW, "Twice as wide"),
        (_RED, "Four times, or seen from behind"),
    ),
}


def origin_legend(filled_by: str) -> tuple[tuple[str, str], ...]:
    """Icons and texts of the map of origins; ``filled_by`` is "" where nothing is filled yet."""
    filled = f"Filled: {filled_by}" if filled_by else "Hole, to be filled"
    return ((_GREEN, "The plate's own frame"), (_YELLOW, "Another frame of the plate"), (_RED, filled))


def draw_heat_maps(layout: Any, scene: bpy.types.Scene, mesh: bpy.types.Object | None) -> None:
    """Buttons for the maps of a shot's mesh and of the chosen take's pixels, and the legend of what is shown."""
    if mesh is None or not closing.is_attached(mesh):
        return
    shown = heat_maps.shown_map(mesh)
    # Five names side by side would be cut at the sidebar's usual width.
    row = layout.grid_flow(row_major=True, columns=3, even_columns=True, align=True)
    for name, label, _, _ in ITEMS:
        row.operator("ex4d.show_heat_map", text=label, depress=name == (shown or "PLATE")).map = name
    origin = wipe.origin_of(scene)
    if origin is None:
        row.operator("ex4d.wipe", text="Origin").against = "ORIGIN"
    else:
        row.operator("ex4d.wipe_end", text="Origin", depress=True)
    legend = (*(LEGEND[shown] if shown is not None else ()), *(origin_legend(origin.filled_by or "") if origin else ()))
    column = layout.column(align=True)
    for icon, text in legend:
        draw_text(column, text, icon)
