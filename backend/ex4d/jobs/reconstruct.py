# SPDX-License-Identifier: Apache-2.0
"""A plate reconstructed: its depth, its meshes, and one for a viewport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ex4d.camera import LensCalibration, read_trajectory
from ex4d.depth import create_depth_source, default_estimator, depth_names
from ex4d.depth.plate_camera import with_lens
from ex4d.depth.solved import SolvedDepth, parse_points
from ex4d.jobs.cameras import keep_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.lens_files import parse_lens_file
from ex4d.jobs.plans import cuts_plan, reconstruct_plan
from ex4d.jobs.source_camera import KEPT_STILL, keeps_still, wanted_solve
from ex4d.jobs.viewport import make_viewport
from ex4d.media.frames import frame_window
from ex4d.media.lens_tags import LensTags
from ex4d.mesh import MeshSettings
from ex4d.plate import PlateInfo as OpenedPlate
from ex4d.plate.store import FrameStore
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import MeshRequest, PlateRequest, ReconstructRequest
from ex4d.protocol.results import ColourInfo, DepthInfo, PlateInfo, ReconstructResult
from ex4d.protocol.values import AUTOMATIC, DEFAULT_FOV_DEG, PARALLAX, FrameRange, shot_folder_of_frames
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, find_shots, make_reconstruction
from ex4d.solve import SolveOptions
from ex4d.solve.stage import SolveStage

#: Rec.709's primaries, which are sRGB's, in ITU-T H.273.
REC709_PRIMARIES = 1


def run(request: ReconstructRequest, context: JobContext) -> ReconstructResult:
    """Reconstruct a plate; what is already there is not done again.

    Raises:
        UsageError: options that do not go together.
        BadInputError: plate, depth or camera cannot be used, or the folder is the shot of another plate.
        ResourceError: the depth estimator does not work here.
    """
    shot = Shot(Path(request.shot))
    context.progress.expect(reconstruct_plan(request, shot.record))
    depth = depth_plan(request, shot)
    return shot.heal(lambda: reconstruct(shot, request, depth, context)[1], context.progress)


def reconstruct(
    shot: Shot,
    request: ReconstructRequest,
    depth: DepthPlan,
    context: JobContext,
    accept: Callable[[OpenedPlate], None] = lambda _: None,
) -> tuple[Reconstruction, ReconstructResult]:
    """The reconstruction, and what is told of it; see ``Shot.heal`` for what it raises besides, and
    ``make_reconstruction`` for ``accept``."""
    progress = context.progress
    lens = _lens(request.plate)
    plate = replace(request.plate, lens=lens.text() if lens is not None else None)
    reconstruction = make_reconstruction(shot, plate, depth, mesh_settings(request.mesh), progress, accept)
    result = _result(shot, reconstruction)
    if depth.keeps_still and len(reconstruction.frames) > 1:
        progress.note(KEPT_STILL)
        result = replace(result, notes=(*result.notes, KEPT_STILL))
    if request.viewport_side is not None:
        viewport = make_viewport(shot, reconstruction, request.viewport_side, progress)
        result = replace(result, viewport=str(viewport))
    return reconstruction, result


def split_at_cuts(request: ReconstructRequest, context: JobContext) -> tuple[ReconstructRequest, ...]:
    """The request for each shot of a plate that cuts, in a folder of its own (``shot_folder_of_frames``); the request
    itself where the plate has no cut. For that the plate is read and its camera is solved, as ``run`` would.

    Raises:
        UsageError: the camera is not solved, which is what finds cuts; or as ``run``.
        BadInputError, ResourceError: as ``run``.
    """
    shot = Shot(Path(request.shot))
    context.progress.expect(cuts_plan())
    # Across a cut no camera turns or moves: that is asked of each shot.
    looks = replace(request, source_camera="auto") if request.source_camera in ("turns", "moves") else request
    depth = depth_plan(looks, shot)
    lens = _lens(request.plate)
    plate = replace(request.plate, lens=lens.text() if lens is not None else None)
    found = shot.heal(lambda: find_shots(shot, plate, depth, context.progress), context.progress)
    if found is None:
        raise UsageError(
            "Cuts are found where the source camera is solved, and here it is not.",
            "Add --source-camera auto, or choose the frames of each shot with --frames.",
        )
    if len(found) == 1:
        return (request,)
    return tuple(
        replace(
            request,
            shot=shot_folder_of_frames(request.shot, first, last),
            # Frames around them are another shot's.
            plate=replace(request.plate, frames=str(FrameRange(first, last + 1)), handles=0),
        )
        for first, last in found
    )


def mesh_settings(mesh: MeshRequest) -> MeshSettings:
    """What the mesh stage takes."""
    return MeshSettings(mesh.min_angle, mesh.max_depth_ratio, mesh.thickness, mesh.max_grid_side, mesh.compat)


def depth_plan(request: ReconstructRequest, shot: Shot) -> DepthPlan:
    """Where depth comes from, by sources that can run here; and what the source camera's solve is told.

    Args:
        request: what was asked for. A solved camera is kept in the shot: the depth stage reads it, and people may want
            it.
        shot: whose depth it is.

    Raises:
        UsageError: options that do not go together.
        ResourceError, BadInputError: as ``DepthSource.prepare``, before any long work; or the lens is none.
    """
    depth, solved = request.depth, request.solved
    lens = _lens(request.plate)
    _check_lens(request, lens)
    name = default_estimator() if depth.source in (AUTOMATIC, PARALLAX) else depth.source
    measured = depth.source in (AUTOMATIC, PARALLAX)
    camera = Path(depth.camera) if depth.camera is not None else None
    is_estimator = name in depth_names()
    wanted = wanted_solve(request, shot.record)
    if depth.source == PARALLAX and wanted in (None, "still") and solved is None:
        raise UsageError(
            "Depth from parallax needs a source camera that moves.", "Add --source-camera auto, or its trajectory file."
        )
    if depth.mattes is not None and not (measured and wanted in ("auto", "moves", "given")):
        raise UsageError(
            "Mattes tell what moves by itself where depth is measured from parallax, and here it is not.",
            "Leave out --mattes, or measure with --depth parallax --source-camera auto.",
        )
    if solved is not None:
        camera = keep_camera(shot, "source", solved.camera)
    source = create_depth_source(
        name,
        kind=depth.kind,
        scale=depth.scale,
        camera=None if is_estimator else camera,
        fov_deg=depth.fov if lens is None or lens.camera is None else lens.camera.fov_deg,
    )
    source.prepare()
    physical = None
    if depth.focal_mm is not None:
        physical = LensTags(depth.focal_mm, depth.sensor_mm)
    if wanted is not None:
        known = depth.fov or (lens.camera.fov_deg if lens is not None and lens.camera is not None else None)
        options = SolveOptions(
            "auto" if wanted == "given" else wanted,
            known or DEFAULT_FOV_DEG,
            known is not None,
            lens.lens if lens is not None else None,
        )
        points = parse_points(solved.points) if solved is not None and solved.points is not None else None
        return DepthPlan(source, options, measured, lens=physical, given=camera, points=points, mattes=depth.mattes)
    if solved is None or not is_estimator or camera is None:
        return DepthPlan(source, keeps_still=keeps_still(request, shot.record), lens=physical)
    points = parse_points(solved.points) if solved.points is not None else np.empty((0, 3))
    return DepthPlan(SolvedDepth(source, with_lens(read_trajectory(camera), lens), points))


def _lens(plate: PlateRequest) -> LensCalibration | None:
    return parse_lens_file(plate.lens.encode(), "The lens") if plate.lens is not None else None


def _check_lens(request: ReconstructRequest, lens: LensCalibration | None) -> None:
    """Raise UsageError where a lens goes with nothing else that was asked for."""
    if lens is None:
        return
    if request.mesh.compat == "ex4d":
        raise UsageError("The released construction knows no lens.", "Leave out --compat ex4d, or --lens.")
    if lens.camera is not None and (request.depth.fov is not None or request.depth.focal_mm is not None):
        raise UsageError(
            "Two focal lengths are given: that of the lens and a field of view.",
            "Leave out --fov, --focal and --sensor, or the camera in the lens file.",
        )


def colour_info(frames: FrameStore) -> ColourInfo | None:
    """The colour space of a plate, as results tell it; None for an ordinary display picture, of sRGB's primaries or
    with no word on them: programs show those as sRGB, and so they look as the plate does there."""
    colour = frames.colour
    if colour.kind == "display" and (not colour.space or colour.primaries in (None, REC709_PRIMARIES)):
        return None
    return ColourInfo(
        colour.kind,
        colour.space,
        colour.linear_space,
        colour.config,
        colour.config_file,
        colour.interop_id,
        colour.said_by,
    )


def _result(shot: Shot, reconstruction: Reconstruction) -> ReconstructResult:
    """What is told of a reconstruction."""
    frames, depth, mesh = reconstruction.frames, reconstruction.depth, reconstruction.mesh
    window = frame_window(frames)
    return ReconstructResult(
        str(shot.root),
        PlateInfo(
            reconstruction.plate["path"],
            reconstruction.plate["sha256"],
            window.width,
            window.height,
            str(frames.fps),
            frames.numbers,
            frames.bit_depth,
            frames.has_alpha,
            frames.variable_rate,
            colour_info(frames),
            str(frames.pixel_aspect),
            frames.timecode if frames.timecode_number == frames.numbers[0] else None,
            frames.handles,
        ),
        DepthInfo(
            depth.name,
            depth.label,
            depth.licence,
            depth.poses_known,
            reconstruction.intrinsics_known,
            depth.measured,
        ),
        mesh.pivot,
        mesh.far,
        str(mesh.view_file),
        reconstruction.notes(),
        source_camera=reconstruction.source_camera,
        solve=_solve_folder(shot),
    )


def _solve_folder(shot: Shot) -> str:
    """Where the solve of the source camera is; "" = there is none."""
    key = shot.record["stages"].get(SolveStage.name)
    return str(shot.cache.root / f"{SolveStage.name}-{key}") if key is not None else ""
