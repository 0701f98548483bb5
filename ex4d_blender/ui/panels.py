# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panels, in the order of the work; the sequencer has those that make sense there."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from .. import capabilities, disk_watch, job_list, menus, props
from ..core.found_camera import asked_of, asks_for_lens, said_of, shots_between
from ..core.generator_options import PROMPT, SEED, takes
from ..core.move_amounts import AMOUNTS, property_name
from ..core.shot_rules import source_camera_of
from ..core.texts import size as size_text
from ..core.texts import without_options, wrapped
from ..ops.move_shot import is_in_old_place, stray_shots
from ..ops.plate import lacks_solved_frames, may_be_movie
from ..ops.reconstruct import expected_memory
from ..ops.sequencer import EX4D_OT_show_result, is_shown, stray_strips
from ..ops.takes import has_preview
from ..props import state_of
from ..scene import obstacles, plates, sequencer
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from . import thumbnails
from .coverage import summary
from .options import draw_options

CATEGORY = "EX-4D"
#: A sidebar is narrow, and an icon takes some of it.
COLUMNS, ICON_COLUMNS = 38, 5
#: Shots of a plate that cuts which have a button each.
SHOWN_SHOTS = 12


def _text(layout: Any, text: str, icon: str = "NONE") -> None:
    """Several lines where one does not fit."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    columns = COLUMNS if icon == "NONE" else COLUMNS - ICON_COLUMNS
    for index, line in enumerate(wrapped(text, columns)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE")


def _form(layout: Any) -> Any:
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def differs(path: str, other: str) -> bool:
    """Whether two texts name different plates; neither is looked for on disk."""
    return os.path.normcase(os.path.normpath(bpy.path.abspath(path))) != os.path.normcase(os.path.normpath(other))


class _View3D:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY


class _Sequencer:
    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = CATEGORY


def _needs_backend(layout: Any) -> None:
    """Say what is missing where no backend can be started."""
    if problem := disk_watch.lacks_backend():
        box = layout.box()
        _text(box, f"{problem} The backend computes depth, mesh and takes.", "INFO")
        box.operator(
            "preferences.addon_show", text="Open Preferences", icon="PREFERENCES"
        ).module = __package__.rpartition(".")[0]


def _draw_in(draw: Any, layout: Any, context: bpy.types.Context) -> None:
    """Draw a panel's content; where the window's scene is one of results there is nothing to work on, only to see."""
    working = sequencer.scene_of_edit(scene_of(context))
    if working is None or draw in (_draw_strip, draw_jobs):
        _draw_readable(draw, layout, context)
        return
    _text(layout, f"These are the results of «{working.name}».", "INFO")
    layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")


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
        _text(layout, state.plate_info)
    form = _form(layout.column())
    form.prop(state, "plate_frames")
    form.prop(state, "plate_fps")
    form.prop(state, "plate_first_frame")
    form.prop(state, "plate_colour_space")
    form.prop(state, "plate_handles")
    _draw_film(layout, state)
    form = _form(layout.column())
    if state.plate_clip is not None and plates.is_solved(state.plate_clip):
        form.prop(state, "use_solved_camera")
        if state.use_solved_camera and lacks_solved_frames(scene_of(context)):
            layout.operator("ex4d.use_solved_frames", icon="TRACKER")
    shot = shots.known(scene_of(context)).find()
    made_from = shot.record["plate"].get("path", "") if shot is not None else ""
    if made_from and differs(state.plate_path, made_from):
        _text(layout, f"The mesh is made from {Path(made_from).name}. Reconstruct takes this plate.", "ERROR")


def _section(layout: Any, name: str, title: str) -> Any:
    """A part of a panel that is closed at first; None while it is."""
    header, body = layout.panel(name, default_closed=True) if hasattr(layout, "panel") else (layout, layout)
    header.label(text=title)
    return _form(body.column()) if body is not None else None


def _draw_film(layout: Any, state: Any) -> None:
    """What is to be said of a plate where its files do not say it."""
    form = _section(layout, "ex4d_film", "Film")
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
        _text(form, "The plate is no Movie Clip.", "ERROR")


def _draw_depth(layout: Any, state: Any) -> None:
    """Where depth comes from."""
    form = _form(layout.column())
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
        _text(layout, f"{used.label}. {used.licence}", "INFO")
    elif state.depth_source != menus.AUTOMATIC:
        _text(layout, f"The backend has not offered «{state.depth_source}».", "ERROR")


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
    _needs_backend(layout)
    _draw_stray_shots(layout)
    _draw_depth(layout, state)
    form = _form(layout.column())
    form.prop(state, "use_fov")
    _draw_fov(form, state)
    form.prop(state, "viewport_side")
    shot = shots.known(scene).find()
    if shot is not None:
        plate = shot.record["plate"]
        memory = expected_memory((plate["width"], plate["height"]), state.viewport_side, len(plate["numbers"]))
        _text(layout, f"{size_text(memory.ram)} of memory, {size_text(memory.disk)} on disk")
    form.prop(state, "shot_folder")
    if state.proposed_folder and not state.shot_folder:
        _text(layout, f"Goes to {state.proposed_folder}", "FILE_FOLDER")
    form.prop(state, "match_without_asking")
    if (form := _section(layout, "ex4d_mesh", "Mesh")) is not None:
        form.prop(state, "min_angle")
        form.prop(state, "max_depth_ratio")
        form.prop(state, "thickness")
    row = layout.row()
    row.scale_y = 1.4
    row.operator("ex4d.reconstruct", icon="MOD_REMESH")
    _draw_progress(layout, "reconstruct")
    if shot is None:
        return
    if context.space_data is not None and context.space_data.type == "VIEW_3D":
        row = layout.row(align=True)
        row.operator("ex4d.view_shot", text="Look Through", icon="VIEW_CAMERA").shading = "HOLES"
        row.operator("ex4d.view_shot", text="Fast").shading = "FAST"
    _draw_shot(layout, state, scene, shot)


def _draw_shot(layout: Any, state: Any, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
    """What there is to do with the shot, and to know of it."""
    _draw_camera(layout, state, shot.record)
    form = _form(layout.column())
    form.prop(state, "holes_transparent")
    if not state.holes_transparent:
        form.prop(state, "hole_color")
    if shots.scene_differences(scene, shot.record, first_frame=shot.first_frame):
        layout.operator("ex4d.match_scene", icon="SCENE_DATA")
    hiding = [obj.name for obj in obstacles.remembered(scene, shot.root)]
    if hiding:
        box = layout.box()
        _text(
            box, f"Between the camera and the mesh: {', '.join(hiding[:3])}{' …' if len(hiding) > 3 else ''}", "ERROR"
        )
        box.operator("ex4d.hide_in_the_way", icon="HIDE_ON")
    if disk_watch.lacks_files(scene, shot):
        box = layout.box()
        _text(box, "The mesh's files are not where they were.", "ERROR")
        box.operator("ex4d.relink", icon="FILE_FOLDER")
    _draw_place(layout, shot)
    depth = shot.record["depth"]
    _text(layout, f"Shot: {shot.root.name}", "EMPTY_ARROWS")
    _text(layout, f"Depth: {depth['label']}", "INFO")
    plate = shot.record["plate"]
    if colour := plate.get("colour"):
        _text(layout, f"Colour: {colour['space'] or colour['linear_space']} ({colour['said_by']})", "COLOR")
    if timecode := plate.get("timecode"):
        _text(layout, f"Timecode: {timecode}", "TIME")
    if shot.first_frame != shot.numbers[0]:
        frames, numbers = shot.frames, shot.numbers
        _text(layout, f"Scene frames {frames[0]}-{frames[-1]} show the plate's {numbers[0]}-{numbers[-1]}.", "TIME")
    _draw_notes(layout, state, shot.record)


def _draw_camera(layout: Any, state: Any, record: dict[str, Any]) -> None:
    """What was found of the source camera; what could not be known is asked for right there."""
    if state.depth_source == menus.FILES:
        return
    box, found = layout.box(), source_camera_of(record)
    if found is None:
        solved = record["depth"].get("source_poses_known", True)
        _text(box, "Source camera: as given." if solved else "Source camera: taken to stand still.", "CAMERA_DATA")
        box.operator_menu_enum("ex4d.solve_camera", "source_camera", text="Solve Camera", icon="TRACKER")
        return
    said = said_of(found, record["depth"].get("measured"))
    _text(box, f"Source camera: {said[0]}", "CAMERA_DATA")
    for text in said[1:]:
        _text(box, text, "BLANK1")
    for text in asked_of(found):
        _text(box, text, "QUESTION")
    if found.cuts:
        for first, last in shots_between(record["plate"]["numbers"], found.cuts)[:SHOWN_SHOTS]:
            button = box.operator("ex4d.use_shot_frames", text=f"Frames {first}-{last}", icon="TIME")
            button.first, button.last = first, last
        box.operator("ex4d.separate_shots", icon="SCENE_DATA")
    if asks_for_lens(found):
        form = _form(box.column())
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
            _text(layout, text, "QUESTION")
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
        _text(box, f"{len(stray_shots)} shots of other files lie in the extension's folder and go with it.", "ERROR")
        box.operator("ex4d.copy_stray_shots", icon="FILE_FOLDER")


def _draw_place(layout: Any, shot: shots.ShotObjects) -> None:
    """Offer to take a shot out of the extension's folder."""
    if is_in_old_place(shot.folder):
        box = layout.box()
        _text(box, "This shot lies in the extension's folder, which goes when the extension is removed.", "ERROR")
        box.operator("ex4d.move_shot", icon="FILE_FOLDER")


def _draw_progress(layout: Any, kind: str) -> None:
    for item in job_list.current().rows:
        if item.kind == kind and item.state in ("running", "cancelling"):
            row = layout.row(align=True)
            row.progress(factor=item.fraction, text=item.text, type="BAR")
            row.operator("ex4d.cancel_job", text="", icon="X").job = item.job
            icon = thumbnails.icon(item.thumbnail)
            if icon:
                layout.template_icon(icon_value=icon, scale=8.0)


def _draw_take_camera(layout: Any, context: bpy.types.Context, take: Any) -> None:
    """Whose camera a take has, and of which shot it is."""
    state = state_of(scene_of(context))
    form = _form(layout.column())
    if not take.use_scene_camera:
        form.prop(take, "camera")
    form.prop(take, "use_scene_camera")
    # With one shot there is nothing to choose, unless the take is of another that is gone.
    known = shots.known(scene_of(context))
    if known.of_root(take.shot) is None or len(known.shots) > 1:
        form.prop(take, "shot")
    camera_state = shots.camera_state(scene_of(context), take)
    if camera_state == "missing":
        _text(layout, "Its camera is missing: choose one, or remove the take.", "ERROR")
    if camera_state == "own":
        row = layout.row(align=True)
        row.prop(state, "handheld_strength", text="Hand-Held")
        row.prop(state, "handheld_seed")
        row.operator("ex4d.add_handheld", text="", icon="CHECKMARK")


def _draw_path(form: Any, state: Any, shot: shots.ShotObjects) -> None:
    """What becomes of the source camera's own motion, where it has any."""
    if shot.record["depth"].get("source_poses_known", True) or state.move_path != "source":
        form.prop(state, "move_path")
    if state.move_path == "source":
        form.prop(state, "move_follow")
    elif state.move_path == "stabilise":
        form.prop(state, "stabilise_by")
        form.prop(state, "stabilise_seconds" if state.stabilise_by == "seconds" else "stabilise_amount")
        form.prop(state, "stabilise_level")
    else:
        form.prop(state, "lock_first")
        if not state.lock_first:
            form.prop(state, "lock_frame")


def draw_take(layout: Any, context: bpy.types.Context) -> None:
    """Take."""
    state = state_of(scene_of(context))
    known = shots.known(scene_of(context))
    shot = known.find()
    if shot is None:
        _text(layout, "Reconstruct a plate first.", "INFO")
        return
    if len(known.shots) > 1:
        _text(layout, f"New takes are of the shot {shot.root.name}.", "EMPTY_ARROWS")
    form = _form(layout.column())
    form.prop(state, "move")
    if state.move in AMOUNTS:
        form.prop(state, property_name(state.move))
    if not state.move.isdigit():
        form.prop(state, "move_ease")
    _draw_path(form, state, shot)
    row = layout.row(align=True)
    row.operator("ex4d.add_take_camera", icon="OUTLINER_OB_CAMERA")
    row.operator("ex4d.apply_preset", text="", icon="KEYINGSET")
    row = layout.row(align=True)
    row.operator("ex4d.add_take", text="From Selected").use_scene_camera = False
    row.operator("ex4d.add_take", text="Scene Camera").use_scene_camera = True
    if not len(state.takes):
        return
    row = layout.row()
    row.template_list("EX4D_UL_takes", "", state, "takes", state, "active_take", rows=2)
    row.operator("ex4d.remove_take", text="", icon="REMOVE")
    take = props.active_take(scene_of(context))
    if take is None:
        return
    _draw_take_camera(layout, context, take)
    row = layout.row(align=True)
    row.operator("ex4d.preview_take", icon="HIDE_OFF")
    if has_preview(scene_of(context), take):
        row.operator("ex4d.hide_preview", text="", icon="X")
        _form(layout.column()).prop(state, "preview_opacity")
    _draw_progress(layout, "preview")
    if take.coverage:
        with suppress(BadInputError):
            _text(layout, summary(take.coverage, known.of_take(take)))
        _form(layout.column()).prop(state, "show_coverage")


def _draw_profile(layout: Any, state: Any, take: Any) -> None:
    """What fills, and what it takes."""
    profile = capabilities.find_generator(state.profile)
    form = _form(layout.column())
    form.prop(state, "profile_menu")
    if profile is None:
        _text(layout, f"The backend has not offered «{state.profile}».", "ERROR")
    else:
        _text(layout, f"{profile.label} [{profile.licence}]", "INFO")
    if profile is None or takes(profile, SEED):
        form.prop(state, "seed")
    if profile is None or takes(profile, PROMPT):
        form.prop(state, "prompt")
    if profile is not None and take is not None:
        draw_options(form, take, profile)


def _draw_output(layout: Any, state: Any, shot: shots.ShotObjects | None) -> None:
    """What is delivered; choices without effect for the shot's plate are left out."""
    form = _section(layout, "ex4d_output", "Output")
    if form is None:
        return
    colour = shot.record["plate"].get("colour") if shot is not None else None
    kind = colour["kind"] if colour else "display"
    form.prop(state, "take_handles")
    form.prop(state, "take_lens")
    if kind == "codes":
        form.prop(state, "result_pictures")
    form.prop(state, "result_aov")
    if state.result_aov or kind == "linear" or (kind == "codes" and state.result_pictures == "linear"):
        form.prop(state, "result_compression")
    form.prop(state, "result_movie")
    form.prop(state, "result_audio")
    form.prop(state, "result_grain")
    form.prop(state, "result_colour_match")


def _draw_extras(layout: Any, version: Any) -> None:
    """Where the files of a version are that Blender does not show by itself."""
    if version.passes:
        row = layout.row(align=True)
        row.label(text=f"AOV files: {version.passes}", icon="RENDERLAYERS")
        folder = str(Path(version.folder) / version.passes)
        row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER", emboss=False).folder = folder
    if version.movie:
        layout.label(text=f"Movie: {version.movie}", icon="FILE_MOVIE")


def draw_generate(layout: Any, context: bpy.types.Context) -> None:
    """Generate."""
    state = state_of(scene_of(context))
    _needs_backend(layout)
    take = props.active_take(scene_of(context))
    _draw_profile(layout, state, take)
    form = _form(layout.column())
    form.prop(state, "rasterizer")
    if state.rasterizer == "nvdiffrast":
        _text(layout, "nvdiffrast is licensed for research and evaluation only.", "ERROR")
    form.prop(state, "use_frames")
    if state.use_frames:
        row = form.row(align=True)
        row.prop(state, "frame_start")
        row.prop(state, "frame_end")
    form.prop(state, "with_mask")
    form.prop(state, "with_color")
    known = shots.known(scene_of(context))
    _draw_output(layout, state, (known.of_root(take.shot) if take is not None else None) or known.find())
    row = layout.row()
    row.scale_y = 1.4
    row.operator("ex4d.generate", icon="RENDER_ANIMATION", text=f"Generate {take.name}" if take else "Generate")
    if take is not None and take.shot is not None and len(shots.known(scene_of(context)).shots) > 1:
        _text(layout, f"Of the shot {take.shot.name}", "EMPTY_ARROWS")
    _draw_progress(layout, "generate")
    layout.operator("ex4d.import_take", icon="IMPORT")
    if EX4D_OT_show_result.poll(context):
        layout.operator("ex4d.show_result", icon="SEQUENCE")
    if count := stray_strips(scene_of(context)):
        box = layout.box()
        what = "strip of a take is" if count == 1 else "strips of takes are"
        _text(box, f"{count} {what} in this scene: it renders them in place of its objects.", "ERROR")
        box.operator("ex4d.move_strips", icon="SEQUENCE")
    if take is not None and len(take.versions):
        column = layout.column(align=True)
        for version in reversed(take.versions):
            row = column.row(align=True)
            row.label(text=f"{version.name}: {version.generated_mean:.0f} % filled, {version.profile}", icon="SEQUENCE")
            row.operator("ex4d.open_folder", text="", icon="FILE_FOLDER", emboss=False).folder = version.folder
            if version.filled:
                _text(column, version.filled, "BLANK1")
            _draw_extras(column, version)
            if version.note:
                _text(column, version.note, "ERROR")
    if take is not None:
        layout.operator("ex4d.find_versions", icon="VIEWZOOM")


def draw_jobs(layout: Any, context: bpy.types.Context) -> None:
    """Jobs."""
    manager = manager_of(context).ex4d
    cut_off = job_list.current().cut_off
    for title in cut_off.values():
        _text(layout, f"«{title}» was not finished when Blender closed. Start it again; its stages are kept.", "ERROR")
    if cut_off:
        layout.operator("ex4d.forget_cut_off", icon="CHECKMARK")
    if not len(manager.jobs):
        _text(layout, "No jobs.")
        return
    layout.template_list("EX4D_UL_jobs", "", manager, "jobs", manager, "active_job", rows=3)
    row = layout.row(align=True)
    row.operator("ex4d.cancel_all", icon="X")
    row.operator("ex4d.clear_jobs", icon="TRASH")


def _draw_readable(draw: Any, layout: Any, context: bpy.types.Context) -> None:
    """Draw a panel, or why its scene is left alone."""
    try:
        shots.known(scene_of(context)).check()
    except BadInputError as error:
        _text(layout, f"{error.message} {error.hint}", "ERROR")
        return
    draw(layout, context)


def _panel(name: str, label: str, draw: Any, place: type, *, closed: bool = False) -> type:
    """A panel class of one of the two editors."""
    editor = "view3d" if place is _View3D else "sequencer"
    options = {"DEFAULT_CLOSED"} if closed else set()
    return type(
        f"EX4D_PT_{editor}_{name}",
        (place, bpy.types.Panel),
        {
            "bl_label": label,
            "bl_options": options,
            "draw": lambda self, context: _draw_in(draw, self.layout, context),
        },
    )


def _draw_strip(layout: Any, context: bpy.types.Context) -> None:
    strip = sequencer.selected_strip(context)
    known = sequencer.take_of_strip(strip) if strip is not None else None
    if context.window is not None and is_shown(context.window):
        layout.operator("ex4d.show_result", text="Back to the Scene", icon="LOOP_BACK")
    if known is None:
        _text(layout, "Select the strip of a take to redo it.", "INFO")
        return
    layout.label(text=f"{known['take']} ({known['role']})", icon="SEQUENCE")
    layout.operator("ex4d.redo_take", icon="FILE_REFRESH")
    layout.operator("ex4d.open_folder", icon="FILE_FOLDER").folder = known["folder"]


CLASSES = (
    _panel("plate", "Plate", draw_plate, _View3D),
    _panel("reconstruct", "Reconstruct", draw_reconstruct, _View3D),
    _panel("take", "Take", draw_take, _View3D),
    _panel("generate", "Generate", draw_generate, _View3D),
    _panel("jobs", "Jobs", draw_jobs, _View3D),
    _panel("plate", "Plate", draw_plate, _Sequencer),
    _panel("generate", "Generate", draw_generate, _Sequencer),
    _panel("strip", "Take of Strip", _draw_strip, _Sequencer),
    _panel("jobs", "Jobs", draw_jobs, _Sequencer),
)
