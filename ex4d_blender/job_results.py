# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows when a job has ended well: the scene gets what was asked for.

Each handler gets the scene that waits, the job's result, and what was written down when the job was asked for: JSON of
the .blend, which an earlier version may have written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.results import (
    CleanResult,
    ColourSpacesResult,
    DoctorResult,
    GenerateResult,
    ModelsResult,
    ProjectionResult,
    ReconstructResult,
    RenderResult,
    Result,
    result_record,
)

from . import arrivals, backend_link, changes, folder_sizes, live_preview, model_downloads, props
from .core import coverage_record
from .core.checked_folders import check_ahead
from .core.deliveries import delivered_take, read_take
from .core.kept_colour import keep_colour
from .job_list import Preparation, ResultHandler
from .ops import clean_cache, preview
from .scene import (
    asked,
    background,
    colour_tables,
    editors,
    mesh,
    mesh_building,
    obstacles,
    plates,
    projection,
    sequencer,
    showing,
)
from .scene import shot as shots
from .scene.data import camera_data, operators, scene_state, windows
from .scene.holes import update_holes
from .scene.mesh_switches import plate_material
from .scene.results_scene import results_scene
from .scene.shot_place import note_beside, plate_path, propose_folder
from .take_versions import add_version

log = logging.getLogger(__name__)


def import_reconstruction(scene: bpy.types.Scene, result: Result, data: dict[str, Any]) -> None:
    """Put the shot into the scene."""
    assert isinstance(result, ReconstructResult)
    before, after = result.plate.handles
    # The scene's frame shows the first frame that is no handle.
    start = data.get("scene_start")
    start = start - before if start is not None else None
    # What was said when the job was asked for belongs to what is assumed of the shot.
    notes = tuple(dict.fromkeys([*data.get("notes", ()), *result.notes, *_clip_notes(scene, result)]))
    record = result_record(replace(result, notes=notes))
    former = shots.former_shot(scene, record)
    shot = shots.import_shot(scene, record, first_frame=start, name=data.get("name"))
    if isinstance(data.get("asked"), dict):
        asked.keep(shot, data["asked"])
    # A scene that nobody has set up is not asked about; without a window there is nobody to ask, and who calls says.
    matches = data.get("match_scene") or (not bpy.app.background and former is None and shots.is_as_new(scene))
    if matches:
        # Its range may set a frame, and one is set below.
        with mesh.at_rest(scene):
            shots.match_scene(scene, record, first_frame=shot.first_frame)
    state = scene_state(scene)
    update_holes(scene)
    numbers = result.plate.numbers
    first = shot.first_frame + before
    state.frame_start, state.frame_end = first, shot.first_frame + len(numbers) - 1 - after
    # Outside its frames an image sequence has no picture, and a new one is looked for only when a frame is set.
    inside = scene.frame_current in shot.frames
    scene.frame_set(scene.frame_current if inside else first)
    if former is None and not bpy.app.background:
        showing.show_shot(windows(), scene, shot)
        for window in windows():
            if window.scene == scene:
                editors.frame_time_editors(window)
    obstacles.remember(scene, shot)
    note_beside(scene)
    propose_folder(scene)
    _push_undo("Import Shot")
    if not matches and not bpy.app.background:
        _ask_to_match(scene, record, shot.first_frame)


def check_reconstruction(result: Result, _data: dict[str, Any]) -> None:
    """Compare the files of a shot with their seals: of hundreds of frames that takes seconds. Then read the mesh."""
    if isinstance(result, ReconstructResult) and result.viewport:
        check_ahead(mesh.sealed_parts(Path(result.viewport)))
        mesh_building.read_ahead(Path(result.viewport))


def _clip_notes(scene: bpy.types.Scene, result: ReconstructResult) -> tuple[str, ...]:
    """Show the plate's clip in the plate's colour space; returns what should be known of that."""
    clip = scene_state(scene).plate_clip
    # Another plate may have been chosen meanwhile.
    if clip is None or clip.library is not None or plate_path(scene) != Path(result.plate.path):
        return ()
    return plates.show_in_space(clip, result.plate.colour)


def _ask_to_match(scene: bpy.types.Scene, record: dict[str, Any], start: int | None) -> None:
    """Ask whether the scene is to be set up for the plate, where it is not."""
    showing = [window for window in windows() if window.scene == scene]
    if showing and shots.scene_differences(scene, record, first_frame=start):
        with bpy.context.temp_override(window=showing[0]):
            operators.ex4d.match_scene("INVOKE_DEFAULT")


def show_preview(scene: bpy.types.Scene, result: Result, data: dict[str, Any]) -> None:
    """Lay the preview over the take's camera, or over all that the scene switches to, and keep its coverage."""
    assert isinstance(result, RenderResult)
    take = props.take_by_uid(scene, data["take"])
    if take is None:
        return
    shown = data.get("fingerprint") or ""
    _remember_coverage(scene, take, shown, result.numbers, result.coverage, result.never_covered)
    if data.get("show", True):
        for camera in props.preview_cameras(scene, take):
            # Linked cameras take no backgrounds.
            if shots.is_local(camera_data(camera)):
                opacity = props.state_of(scene).preview_opacity
                background.show_preview(
                    camera,
                    result,
                    frame_offset=int(data.get("offset", 0)),
                    opacity=opacity,
                    fingerprint=shown,
                )
    # For this one, others of this shot may have gone.
    live_preview.drop_lost()
    if not data.get("live"):
        # One that came by itself is no step: one would go back to the move, and it would come again.
        _push_undo("Preview Take")


def _remember_coverage(
    scene: bpy.types.Scene,
    take: props.EX4D_PG_take,
    shown: str,
    numbers: Sequence[int],
    coverage: Sequence[float],
    never_covered: Sequence[float] = (),
) -> None:
    """Keep how much of each frame was seen, for the bar in the viewport, and what lies outside all frames' views.

    Not where it is known already of the move that the take has now, and ``shown``, the fingerprint of the move that was
    looked at, is of another: the artist goes on while takes are made.
    """
    changes.stir()
    if take.coverage and take.fingerprint != shown and take.fingerprint == preview.fingerprint(scene, take):
        return
    # A job of some frames tells nothing of the others, which keep theirs while the move is the same.
    former = take.coverage if shown and take.fingerprint == shown else ""
    take.fingerprint = shown
    take.coverage = coverage_record.merged(former, numbers, coverage, never_covered)
    # Panels and the bar find it parsed.
    coverage_record.parse(take.coverage)


def keep_colour_of(result: Result, data: dict[str, Any]) -> None:
    """Put the render without fill, where it is wanted, into the take: of hundreds of frames that takes seconds."""
    if isinstance(result, GenerateResult) and data.get("with_color"):
        try:
            keep_colour(Path(result.color), Path(result.folder))
        except OSError:
            log.warning("EX-4D: the colour of %s is not kept", result.folder, exc_info=True)


def place_take(scene: bpy.types.Scene, result: Result, data: dict[str, Any]) -> None:
    """Put the delivered take into the sequencer and write it down."""
    assert isinstance(result, GenerateResult)
    take = props.take_by_uid(scene, data["take"])
    made = delivered_take(
        result,
        title=data.get("title") or result.take,
        seed=data.get("seed"),
        prompt=data.get("prompt"),
        options=data.get("options") or {},
        move=data.get("move") or "",
    )
    offset = int(data.get("offset", 0))
    version = None
    if take is not None:
        # First: without its strips, which may find no room, a take is still one.
        shown = data.get("fingerprint") or ""
        _remember_coverage(scene, take, shown, made.numbers, made.coverage)
        version = add_version(take, made)
        version.fingerprint = shown
        version.frames = data.get("frames") or ""
    # The same camera and settings give the same version: it has its strip already.
    there = sequencer.result_strip(sequencer.edit_scenes(scene), made.folder)
    if there is not None:
        _select(there)
        arrivals.note(arrivals.Arrival(scene.session_uid, f"{made.title} {made.take}", is_new=False))
        return
    edit = results_scene(scene, made.shot, made.numbers, offset=offset, take=made)
    # Done ahead, if it was not asked for by a script, which waits.
    keep_colour_of(result, data)
    placed = sequencer.place_take(
        edit,
        made,
        with_mask=bool(data.get("with_mask")),
        with_color=bool(data.get("with_color")),
        name=f"{made.title} {made.take}",
        frame_offset=offset,
        move=data.get("move") or "",
    )
    for window in windows():
        if sequencer.working_scene_of(window) == scene:
            sequencer.show_edit(window, edit)
    arrivals.note(arrivals.Arrival(scene.session_uid, f"{made.title} {made.take}"))
    if version is not None:
        version.note = " ".join(placed.notes)
    _push_undo("Place Take")


def _select(strip: sequencer.Strip) -> None:
    """Select the strip of a take alone, where it is seen: its meta strip's place."""
    shown = sequencer.meta_of_result(strip) or strip
    owner: Any = strip.id_data
    editor = owner.sequence_editor
    for other in sequencer.strips_of(editor):
        other.select = other == shown
    editor.active_strip = shown


def project_take(scene: bpy.types.Scene, result: Result, data: dict[str, Any]) -> None:
    """Show a take on the mesh of its shot, and write down where its depth is."""
    assert isinstance(result, ProjectionResult)
    shot, folder = shots.find_shot(scene, data["shot"]), Path(data["folder"])
    if shot is None or shot.mesh is None:
        return
    shots.check_local(shot)
    viewport = mesh.described_viewport(Path(shot.record["viewport"]))
    if viewport.grid != result.grid:
        raise BadInputError("The shot was reconstructed anew meanwhile.", "Generate the take again, then project it.")
    title = f"{data['title']} {folder.name}"
    surface = plate_material(shot.mesh)
    made, seen, first = read_take(folder), Path(result.seen), shot.first_frame
    projection.show(shot.mesh, surface, viewport, made, seen, title=title, first_frame=first)
    for take in scene_state(scene).takes:
        for version in take.versions:
            if Path(bpy.path.abspath(version.folder)) == folder:
                version.projection = result.folder
    _push_undo("Project Take")


def keep_diagnosis(_scene: bpy.types.Scene, result: Result, _data: dict[str, Any]) -> None:
    """Keep what the doctor said, for the preferences."""
    assert isinstance(result, DoctorResult)
    backend_link.current().doctor = result


def keep_colour_spaces(_scene: bpy.types.Scene, result: Result, data: dict[str, Any]) -> None:
    """Keep what a configuration has, for menus and for pictures that come."""
    assert isinstance(result, ColourSpacesResult)
    colour_tables.remember(data.get("config"), result)


def tell_cache(scene: bpy.types.Scene, result: Result, _data: dict[str, Any]) -> None:
    """Keep what may go of a shot's cache, and ask; or count again what is left."""
    assert isinstance(result, CleanResult)
    folder_sizes.forget()
    if result.removed:
        clean_cache.told.pop(result.shot, None)
        return
    clean_cache.told[result.shot] = result
    showing_it = [window for window in windows() if window.scene == scene]
    if showing_it and not bpy.app.background:
        with bpy.context.temp_override(window=showing_it[0]):
            operators.ex4d.clean_cache("INVOKE_DEFAULT")


def keep_models(_scene: bpy.types.Scene, result: Result, _data: dict[str, Any]) -> None:
    """Keep which models there are, for the preferences and for better depth."""
    assert isinstance(result, ModelsResult)
    model_downloads.remember(result)


def nothing(_scene: bpy.types.Scene, _result: Result, _data: dict[str, Any]) -> None:
    """For jobs whose end is all that was wanted."""


def _push_undo(message: str) -> None:
    """One step of undo for what a timer did; operators push their own."""
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message=message)


#: By the names that .blend files keep.
RESULT_HANDLERS: dict[str, ResultHandler] = {
    "reconstruct": import_reconstruction,
    "preview": show_preview,
    "generate": place_take,
    "projection": project_take,
    "doctor": keep_diagnosis,
    "colour_spaces": keep_colour_spaces,
    "clean": tell_cache,
    "models": keep_models,
    "nothing": nothing,
}
#: What is done for them ahead.
PREPARATIONS: dict[str, Preparation] = {"reconstruct": check_reconstruction, "generate": keep_colour_of}
