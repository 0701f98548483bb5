# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of what viewports draw on the mesh, and what its colours mean."""

from __future__ import annotations

from typing import Any

import bpy

from ..ops.heat_maps import ITEMS
from ..scene import closing, heat_maps

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


def draw_heat_maps(layout: Any, mesh: bpy.types.Object | None) -> None:
    """Buttons for the maps of a shot's mesh, and the legend of the one that it shows."""
    if mesh is None or not closing.is_attached(mesh):
        return
    shown = heat_maps.shown_map(mesh)
    row = layout.row(align=True)
    for name, label, _, _ in ITEMS:
        row.operator("ex4d.show_heat_map", text=label, depress=name == (shown or "PLATE")).map = name
    if shown is not None:
        column = layout.column(align=True)
        for icon, text in LEGEND[shown]:
            column.label(text=text, icon=icon)
