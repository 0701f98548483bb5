# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate: what is filmed, and what its files do not say of it."""

from pathlib import Path
from typing import Any

import bpy

from ...core.assumptions import plate_notes
from ...ops.plate import lacks_solved_frames, may_be_movie
from ...props import state_of
from ...props.steps import begins_shot, is_of_plate
from ...scene import plates
from ...scene import shot as shots
from ...scene.data import scene_of
from ..layout import draw_text, form_of, section


def draw_plate(layout: Any, context: bpy.types.Context) -> None:
    """Plate."""
    state = state_of(scene_of(context))
    column = layout.column(align=True)
    column.operator("ex4d.load_plate", icon="FILE_MOVIE")
    row = column.row(align=True)
    row.operator("ex4d.plate_from_clip", text="Movie Clip", icon="TRACKER")
    row.operator("ex4d.plate_from_strip", text="Strip", icon="SEQUENCE")
    if not state.plate_path:
        return
    layout.label(text=Path(state.plate_path).name, icon="FILE_MOVIE")
    if state.plate_info:
        draw_text(layout, state.plate_info)
    shot = shots.known(scene_of(context)).find()
    if shot is not None and not is_of_plate(state, shot):
        made_from = Path(shot.record["plate"]["path"]).name
        if begins_shot(state):
            draw_text(layout, f"Reconstruct makes a new shot of it. {shot.root.name} stays as it is.", "INFO")
        else:
            draw_text(layout, f"The mesh is made from {made_from}. Reconstruct takes this plate.", "ERROR")
        layout.operator("ex4d.choose_shot", text="Back to Its Plate", icon="LOOP_BACK").root = shot.root.name
        shot = None
    if shot is not None:
        _draw_assumed(layout, state, shot)
    form = section(layout, "ex4d_plate_settings", "Settings") if shot is not None else form_of(layout.column())
    if form is None:
        return
    form.prop(state, "plate_frames")
    form.prop(state, "plate_fps")
    form.prop(state, "plate_first_frame")
    form.prop(state, "plate_colour_space")
    if may_be_movie(Path(state.plate_path)):
        form.prop(state, "plate_colour_matrix")
        form.prop(state, "plate_colour_range")
    form.prop(state, "plate_handles")
    _draw_film(layout, state)
    form = form_of(layout.column())
    if state.plate_clip is not None and plates.is_solved(state.plate_clip):
        form.prop(state, "use_solved_camera")
        if state.use_solved_camera and lacks_solved_frames(scene_of(context)):
            layout.operator("ex4d.use_solved_frames", icon="TRACKER")


def _draw_assumed(layout: Any, state: Any, shot: shots.ShotObjects) -> None:
    """What was assumed of the plate's files, or asked for, each with what changes it in the next reconstruction."""
    for text, name in plate_notes(shot.record):
        draw_text(layout, text, "QUESTION")
        form_of(layout.column()).prop(state, name)
    if colour := shot.record["plate"].get("colour"):
        # The backend names its option; here that is the property below.
        said_by = "as chosen" if colour["said_by"].startswith("--") else colour["said_by"]
        draw_text(layout, f"Colour: {colour['space'] or colour['linear_space']} ({said_by})", "COLOR")
        if colour["said_by"] == "assumed":
            form_of(layout.column()).prop(state, "plate_colour_space")


def _draw_film(layout: Any, state: Any) -> None:
    """What is to be said of a plate where its files do not say it."""
    form = section(layout, "ex4d_film", "Film")
    if form is None:
        return
    form.prop(state, "plate_layer")
    form.prop(state, "plate_pixel_aspect")
    if may_be_movie(Path(state.plate_path)):
        form.prop(state, "plate_over_range")
    form.prop(state, "plate_lens")
    if state.plate_lens == "FILE":
        form.prop(state, "plate_lens_file")
    if state.plate_lens == "CLIP" and state.plate_clip is None:
        draw_text(form, "The plate is no Movie Clip.", "ERROR")
