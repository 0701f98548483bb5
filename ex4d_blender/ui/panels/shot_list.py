# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of shots, on top of all steps."""

from pathlib import Path
from typing import Any

import bpy

from ... import folder_sizes
from ...core.texts import size as size_text
from ...localisation import localised
from ...ops.move_shot import is_in_old_place, stray_shots
from ...props import state_of
from ...props.steps import begins_shot
from ...scene import shot as shots
from ...scene.data import scene_of
from ...scene.shot_place import is_left_behind
from ..layout import draw_text

#: So many shots have a row each; with more of them they are in a menu.
ROWS = 5


def _draw_move(layout: Any, shot: shots.ShotObjects) -> None:
    """Offer to take a shot along where the .blend has moved."""
    if not is_left_behind(shot):
        return
    box = layout.box()
    draw_text(box, f"The .blend has moved, its shot is still in {Path(shot.folder).parent}.", "QUESTION")
    row = box.row(align=True)
    row.operator("ex4d.move_shot", icon="FILE_FOLDER")
    row.operator("ex4d.leave_shot")


def _draw_stray_shots(layout: Any) -> None:
    """Offer to take other files' shots out of the extension's folder."""
    if stray_shots:
        box = layout.box()
        draw_text(
            box, f"{len(stray_shots)} shots of other files lie in the extension's folder and go with it.", "ERROR"
        )
        box.operator("ex4d.copy_stray_shots", icon="FILE_FOLDER")


def _draw_place(layout: Any, shot: shots.ShotObjects) -> None:
    """Offer to take a shot out of the extension's folder."""
    if is_in_old_place(shot.folder):
        box = layout.box()
        draw_text(box, "This shot lies in the extension's folder, which goes when the extension is removed.", "ERROR")
        box.operator("ex4d.move_shot", icon="FILE_FOLDER")


def draw_shots(layout: Any, context: bpy.types.Context) -> None:
    """Shots."""
    _draw_stray_shots(layout)
    known = shots.known(scene_of(context))
    chosen = known.find()
    if chosen is None:
        return
    # One that begins has no row yet, and none of the others is worked on.
    begins = begins_shot(state_of(scene_of(context)))
    if len(known.shots) > ROWS:
        name = localised("Choose Shot") if begins else chosen.root.name
        layout.menu("EX4D_MT_shots", text=name, translate=False, icon="EMPTY_ARROWS")
    elif len(known.shots) > 1 or begins:
        column = layout.column(align=True)
        for shot in known.shots:
            is_chosen = shot.root == chosen.root and not begins
            row = column.operator(
                "ex4d.choose_shot",
                text=shot.root.name,
                translate=False,
                icon="RADIOBUT_ON" if is_chosen else "RADIOBUT_OFF",
                depress=is_chosen,
            )
            row.root = shot.root.name
    if begins:
        return
    row = layout.row(align=True)
    row.label(text=localised(f"Shot: {chosen.root.name}"), icon="EMPTY_ARROWS")
    if (size := folder_sizes.size(chosen.folder)) is not None:
        # As wide as it is: the name gets what is left.
        end = row.row()
        end.alignment = "RIGHT"
        end.label(text=size_text(size))
    row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER").folder = chosen.folder
    row.operator("ex4d.look_at_cache", text="", icon="TRASH")
    _draw_place(layout, chosen)
    _draw_move(layout, chosen)
