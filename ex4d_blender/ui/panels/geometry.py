# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth, the source camera and the mesh: what is asked for, and what came of it."""

from typing import Any

import bpy

from ... import disk_watch, menus, model_downloads
from ...core.assumptions import geometry_notes
from ...core.found_camera import asked_of, asks_for_lens, said_of, shots_between
from ...core.shot_rules import source_camera_of
from ...core.texts import size as size_text
from ...localisation import localised
from ...ops.reconstruct import expected_memory
from ...props import state_of
from ...props.steps import begins_shot, is_of_plate
from ...scene import obstacles, showing
from ...scene import shot as shots
from ...scene.data import scene_of
from ...scene.shot.look import lacks_closing
from ..heat_map_legend import draw_heat_maps
from ..layout import draw_progress, draw_text, draw_tick, form_of, needs_backend, section

#: Shots of a plate that cuts which have a button each.
SHOWN_SHOTS = 12


def _draw_depth(layout: Any, state: Any) -> None:
    """Where depth comes from."""
    form = form_of(layout.column())
    form.prop(state, "depth_menu")
    if state.depth_source == menus.FILES:
        form.prop(state, "depth_path")
        form.prop(state, "depth_kind")
        form.prop(state, "depth_scale")
        form.prop(state, "depth_camera")
        return
    form.prop(state, "source_camera")
    if state.source_camera == "FILE":
        form.prop(state, "depth_camera")
    if state.source_camera == "OBJECT":
        form.prop(state, "source_object")
    if state.source_camera not in ("still", "turns"):
        form.prop(state, "mattes_path")
    used = menus.estimator_used(state.depth_source)
    is_coarse = used is not None and used.name == menus.BUILT_IN
    if used is not None:
        draw_text(layout, f"{used.label}. {used.licence}", "ERROR" if is_coarse else "INFO")
    elif state.depth_source != menus.AUTOMATIC:
        draw_text(layout, f"The backend has not offered «{state.depth_source}».", "ERROR")
    if is_coarse or used is None:
        layout.operator("ex4d.better_depth", text="Get Better Depth…", icon="IMPORT")
        # Known before it is pressed, where a backend runs.
        model_downloads.want()


def _draw_fov(form: Any, state: Any) -> None:
    """How the plate's field of view is given, where it is."""
    if not state.use_fov:
        return
    form.prop(state, "fov_by")
    if state.fov_by == "angle":
        form.prop(state, "fov")
    else:
        form.prop(state, "focal_mm")
        form.prop(state, "sensor_mm")


def draw_reconstruct(layout: Any, context: bpy.types.Context) -> None:
    """Reconstruct; where it is done, first what came of it."""
    state, scene = state_of(scene_of(context)), scene_of(context)
    needs_backend(layout)
    shot = shots.known(scene).find()
    done = shot is not None and is_of_plate(state, shot)
    if begins_shot(state):
        # What stands here below is another shot's.
        shot = None
    if not done:
        _draw_settings(layout, state, shot)
    if shot is not None:
        _draw_shot(layout, context, shot)
    if done and (again := section(layout, "ex4d_reconstruct", "Reconstruct Again")) is not None:
        _draw_settings(again, state, shot)
    draw_progress(layout, "reconstruct")


def _draw_settings(layout: Any, state: Any, shot: shots.ShotObjects | None) -> None:
    """What a reconstruction is asked for with, and its button."""
    _draw_depth(layout, state)
    form = form_of(layout.column())
    form.prop(state, "use_fov")
    _draw_fov(form, state)
    row = layout.row()
    row.scale_y = 1.4
    row.operator("ex4d.reconstruct", icon="MOD_REMESH")
    form = form_of(layout.column())
    form.prop(state, "viewport_side")
    if shot is not None:
        plate = shot.record["plate"]
        memory = expected_memory((plate["width"], plate["height"]), state.viewport_side, len(plate["numbers"]))
        draw_text(layout, f"{size_text(memory.ram)} of memory, {size_text(memory.disk)} on disk")
    form = form_of(layout.column())
    form.prop(state, "shot_folder")
    if state.proposed_folder and not state.shot_folder:
        draw_text(layout, f"Goes to {state.proposed_folder}", "FILE_FOLDER")
    draw_tick(layout, state, "match_without_asking")
    form = form_of(layout.column())
    form.prop(state, "min_angle")
    form.prop(state, "max_depth_ratio")
    form.prop(state, "thickness")


def _draw_shot(layout: Any, context: bpy.types.Context, shot: shots.ShotObjects) -> None:
    """What there is to do with the shot, and to know of it: first what must be done, then what was assumed."""
    state, scene = state_of(scene_of(context)), scene_of(context)
    hiding = [obj.name for obj in obstacles.remembered(scene, shot.root)]
    if hiding:
        box = layout.box()
        draw_text(
            box, f"Between the camera and the mesh: {', '.join(hiding[:3])}{' …' if len(hiding) > 3 else ''}", "ERROR"
        )
        box.operator("ex4d.hide_in_the_way", icon="HIDE_ON")
    if disk_watch.lacks_files(scene, shot):
        box = layout.box()
        draw_text(box, "The mesh's files are not where they were.", "ERROR")
        box.operator("ex4d.relink", icon="FILE_FOLDER")
    _draw_camera(layout, state, shot.record)
    _draw_missing(layout, state, shot.record)
    if context.space_data is not None and context.space_data.type == "VIEW_3D":
        row = layout.row(align=True)
        row.operator("ex4d.view_shot", text="Look Through", icon="VIEW_CAMERA").shading = "FAST"
        row.operator("ex4d.view_shot", text="As Rendered").shading = "RENDERED"
    draw_heat_maps(layout, scene, shot.mesh)
    if lacks_closing(shot):
        layout.operator("ex4d.close_slits", icon="MOD_REMESH")
    if shots.scene_differences(scene, shot.record, first_frame=shot.first_frame):
        layout.operator("ex4d.match_scene", icon="SCENE_DATA")
    if (details := section(layout, "ex4d_details", "Notes and Details")) is not None:
        _draw_details(details, state, shot)


def _draw_details(layout: Any, state: Any, shot: shots.ShotObjects) -> None:
    """What should be known of it, and how its holes look."""
    for text in geometry_notes(shot.record):
        draw_text(layout, text, "QUESTION")
    form = form_of(layout.column())
    form.prop(state, "holes_transparent")
    if not state.holes_transparent:
        form.prop(state, "hole_color")
    draw_text(layout, f"Depth: {shot.record['depth']['label']}", "INFO")
    if hidden := shot.root.get(showing.HIDDEN):
        draw_text(layout, f"The startup scene's {hidden} is hidden: the camera stands in it.", "HIDE_ON")
    if timecode := shot.record["plate"].get("timecode"):
        draw_text(layout, f"Timecode: {timecode}", "TIME")
    if shot.first_frame != shot.numbers[0]:
        frames, numbers = shot.frames, shot.numbers
        draw_text(layout, f"Scene frames {frames[0]}-{frames[-1]} show the plate's {numbers[0]}-{numbers[-1]}.", "TIME")


def _draw_camera(layout: Any, state: Any, record: dict[str, Any]) -> None:
    """What was found of the source camera; what could not be known is asked for right there."""
    if state.depth_source == menus.FILES:
        return
    box, found = layout.box(), source_camera_of(record)
    if found is None:
        solved = record["depth"].get("source_poses_known", True)
        draw_text(box, "Source camera: as given." if solved else "Source camera: taken to stand still.", "CAMERA_DATA")
        box.operator_menu_enum("ex4d.solve_camera", "source_camera", text="Solve Camera", icon="TRACKER")
        return
    said = said_of(found, record["depth"].get("measured"))
    draw_text(box, f"Camera: {said[0]}", "CAMERA_DATA")
    for text in said[1:]:
        draw_text(box, text, "BLANK1")
    for text in asked_of(found):
        draw_text(box, text, "QUESTION")
    if found.cuts:
        for first, last in shots_between(record["plate"]["numbers"], found.cuts)[:SHOWN_SHOTS]:
            button = box.operator("ex4d.use_shot_frames", text=localised(f"Frames {first}-{last}"), icon="TIME")
            button.first, button.last = first, last
        box.operator("ex4d.separate_shots", icon="SCENE_DATA")
    if asks_for_lens(found):
        box.prop(state, "use_fov", text="Give the Field of View")
        _draw_fov(form_of(box.column()), state)
    row = box.row(align=True)
    row.operator_menu_enum("ex4d.solve_camera", "source_camera", text="Solve Again", icon="TRACKER")
    if record.get("solve"):
        row.prop(state, "show_tracks", toggle=True, icon="TRACKING")


def _draw_missing(layout: Any, state: Any, record: dict[str, Any]) -> None:
    """What was assumed where nobody has looked for the camera, and what mends it."""
    depth = record["depth"]
    if record.get("source_camera") is not None:
        return
    for text in geometry_notes(record):
        if "assumed" in text:
            draw_text(layout, text, "QUESTION")
    if not depth.get("intrinsics_known", True) and not state.use_fov:
        layout.prop(state, "use_fov", text="Give the Field of View", icon="CAMERA_DATA")
    if not depth.get("source_poses_known", True) and state.depth_source != menus.FILES:
        layout.operator("ex4d.plate_from_clip", text="Use a Solved Movie Clip", icon="TRACKER")
