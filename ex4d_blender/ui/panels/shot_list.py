# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of shots, on top of all steps."""

from typing import Any

import bpy

from ...scene import shot as shots
from ...scene.data import scene_of

#: So many shots have a row each; with more of them they are in a menu.
ROWS = 5


def draw_shots(layout: Any, context: bpy.types.Context) -> None:
    """Shots."""
    known = shots.known(scene_of(context))
    chosen = known.find()
    if chosen is None:
        return
    if len(known.shots) > ROWS:
        layout.menu("EX4D_MT_shots", text=chosen.root.name, icon="EMPTY_ARROWS")
    elif len(known.shots) > 1:
        column = layout.column(align=True)
        for shot in known.shots:
            is_chosen = shot.root == chosen.root
            row = column.operator(
                "ex4d.choose_shot",
                text=shot.root.name,
                icon="RADIOBUT_ON" if is_chosen else "RADIOBUT_OFF",
                depress=is_chosen,
            )
            row.root = shot.root.name
    row = layout.row(align=True)
    row.label(text=f"Shot: {chosen.root.name}", icon="EMPTY_ARROWS")
    row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER").folder = chosen.folder
