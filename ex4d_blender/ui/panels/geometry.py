# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth, the source camera and the mesh: what is asked for, and what came of it."""

from typing import Any

import bpy

from ... import disk_watch, menus
from ...core.found_camera import asked_of, asks_for_lens, said_of, shots_between
from ...core.shot_rules import source_camera_of
from ...core.texts import size as size_text
from ...core.texts import without_options
from ...ops.move_shot import is_in_old_place, stray_shots
from ...ops.reconstruct import expected_memory
from ...props import state_of
from ...scene import obstacles
from ...scene import shot as shots
from ...scene.data import scene_of
from ...scene.shot.look import lacks_closing
from ..heat_map_legend import draw_heat_maps
from ..layout import draw_progress, draw_text, form_of, needs_backend, section

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
    if used := menus.estimator_used(state.depth_source):
        draw_text(layout, f"{used.label}. {used.licence}", "INFO")
    elif state.depth_source != menus.AUTOMATIC:
        draw_text(layout, f"The backend has not offered «{state.depth_source}».", "ERROR")


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
    """Reconstruct."""
    state, scene = state_of(scene_of(context)), scene_of(context)
    needs_backend(layout)
    _draw_stray_shots(layout)
    _draw_depth(layout, state)
    form = form_of(layout.column())
    form.prop(state, "use_fov")
    _draw_fov(form, state)
    form.prop(state, "viewport_side")
    shot = shots.known(scene).find()
    if shot is not None:
        plate = shot.record["plate"]
        memory = expected_memory((plate["width"], plate["height"]), state.viewport_side, len(plate["numbers"]))
        draw_text(layout, f"{size_text(memory.ram)} of memory, {size_text(memory.disk)} on disk")
    form.prop(state, "shot_folder")
    if state.proposed_folder and not state.shot_folder:
        draw_text(layout, f"Goes to {state.proposed_folder}", "FILE_FOLDER")
    form.prop(state, "match_without_asking")
    if (form := section(layout, "ex4d_mesh", "Mesh")) is not None:
        form.prop(state, "min_angle")
        form.prop(state, "max_depth_ratio")
        form.prop(state, "thickness")
    row = layout.row()
    row.scale_y = 1.4
    row.operator("ex4d.reconstruct", icon="MOD_REMESH")
    draw_progress(layout, "reconstruct")
    if shot is None:
        return
    if context.space_data is not None and context.space_data.type == "VIEW_3D":
        row = layout.row(align=True)
        row.operator("ex4d.view_shot", text="Look Through", icon="VIEW_CAMERA").shading = "RENDERED"
        row.operator("ex4d.view_shot", text="Fast").shading = "FAST"
    _draw_shot(layout, state, scene, shot)


def _draw_shot(layout: Any, state: Any, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
    """What there is to do with the shot, and to know of it."""
    draw_heat_maps(layout, shot.mesh)
    _draw_camera(layout, state, shot.record)
    form = form_of(layout.column())
    form.prop(state, "holes_transparent")
    if not state.holes_transparent:
        form.prop(state, "hole_color")
    if shots.scene_differences(scene, shot.record, first_frame=shot.first_frame):
        layout.operator("ex4d.match_scene", icon="SCENE_DATA")
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
    if lacks_closing(shot):
        layout.operator("ex4d.close_slits", icon="MOD_REMESH")
    _draw_place(layout, shot)
    depth = shot.record["depth"]
    draw_text(layout, f"Shot: {shot.root.name}", "EMPTY_ARROWS")
    draw_text(layout, f"Depth: {depth['label']}", "INFO")
    plate = shot.record["plate"]
    if colour := plate.get("colour"):
        draw_text(layout, f"Colour: {colour['space'] or colour['linear_space']} ({colour['said_by']})", "COLOR")
    if timecode := plate.get("timecode"):
        draw_text(layout, f"Timecode: {timecode}", "TIME")
    if shot.first_frame != shot.numbers[0]:
        frames, numbers = shot.frames, shot.numbers
        draw_text(layout, f"Scene frames {frames[0]}-{frames[-1]} show the plate's {numbers[0]}-{numbers[-1]}.", "TIME")
    _draw_notes(layout, state, shot.record)


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
    draw_text(box, f"Source camera: {said[0]}", "CAMERA_DATA")
    for text in said[1:]:
        draw_text(box, text, "BLANK1")
    for text in asked_of(found):
        draw_text(box, text, "QUESTION")
    if found.cuts:
        for first, last in shots_between(record["plate"]["numbers"], found.cuts)[:SHOWN_SHOTS]:
            button = box.operator("ex4d.use_shot_frames", text=f"Frames {first}-{last}", icon="TIME")
            button.first, button.last = first, last
        box.operator("ex4d.separate_shots", icon="SCENE_DATA")
    if asks_for_lens(found):
        form = form_of(box.column())
        form.prop(state, "use_fov", text="Give It")
        _draw_fov(form, state)
    row = box.row(align=True)
    row.operator_menu_enum("ex4d.solve_camera", "source_camera", text="Solve Again", icon="TRACKER")
    if record.get("solve"):
        row.prop(state, "show_tracks", text="", icon="TRACKING")


def _draw_notes(layout: Any, state: Any, record: dict[str, Any]) -> None:
    """What was assumed of the plate, and should be known of it."""
    for note in record.get("notes", ()):
        if text := without_options(note):
            draw_text(layout, text, "QUESTION")
    depth = record["depth"]
    # What mends the most frequent of them stands right there.
    if record.get("source_camera") is not None:
        return
    if not depth.get("intrinsics_known", True) and not state.use_fov:
        layout.prop(state, "use_fov", text="Give the Field of View", icon="CAMERA_DATA")
    if not depth.get("source_poses_known", True) and state.depth_source != menus.FILES:
        layout.operator("ex4d.plate_from_clip", text="Use a Solved Movie Clip", icon="TRACKER")


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
