# SPDX-License-Identifier: Apache-2.0
"""The public Python API: what the command line does, as functions.

    from ex4d import api

    api.reconstruct("plate.mp4", "shot")
    take = api.generate("shot", api.MoveCamera("orbit:30"))

Requests and results are the frozen data classes of ``ex4d.protocol``; those that are needed are named here too. Errors
are ``Ex4dError``: one sentence that says what is wrong, one that says what to do. What is already there is not done
again. ``context`` takes a ``JobContext`` with a ``Progress`` of your own; kept from call to call it keeps small copies
of shots for previews.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from ex4d.jobs.cameras import camera_from_file
from ex4d.jobs.context import JobContext
from ex4d.protocol.bench import BenchRequest, BenchResult, Subject
from ex4d.protocol.capabilities import Capabilities, OptionValue
from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.requests import (
    Camera,
    CameraFormat,
    CheckRequest,
    DepthRequest,
    DoctorRequest,
    ExportRequest,
    FillMoviesRequest,
    FillRequest,
    GenerateRequest,
    MeshFormat,
    MeshRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    SolvedCamera,
    TrajectoryCamera,
    ViewportRequest,
)
from ex4d.protocol.results import (
    CheckResult,
    DoctorResult,
    ExportResult,
    FillMoviesResult,
    GenerateResult,
    ReconstructResult,
    RenderResult,
    SourceCameraInfo,
    ViewportResult,
)
from ex4d.protocol.values import AUTOMATIC, DEFAULT_GENERATOR, MASK_EROSION, VIEWPORT_SIDE, SourceCameraKind, TakeLens

PathName: TypeAlias = str | PathLike[str]

__all__ = [
    "BenchResult",
    "Camera",
    "Capabilities",
    "CheckResult",
    "DepthRequest",
    "DoctorResult",
    "Ex4dError",
    "ExportResult",
    "FillMoviesResult",
    "FillRequest",
    "GenerateResult",
    "JobContext",
    "MeshRequest",
    "MoveCamera",
    "PlateRequest",
    "ReconstructResult",
    "RenderResult",
    "SolvedCamera",
    "SourceCameraInfo",
    "TrajectoryCamera",
    "ViewportResult",
    "bench",
    "capabilities",
    "check",
    "doctor",
    "export",
    "fill",
    "fill_movies",
    "generate",
    "preview",
    "read_camera",
    "read_lens",
    "reconstruct",
    "render",
    "viewport",
]


def reconstruct(
    plate: PathName | PlateRequest,
    shot: PathName,
    *,
    depth: DepthRequest | None = None,
    mesh: MeshRequest | None = None,
    solved: SolvedCamera | None = None,
    source_camera: SourceCameraKind | None = None,
    context: JobContext | None = None,
) -> ReconstructResult:
    """Read a plate, get its depth, build its meshes.

    Args:
        plate: movie, folder, pattern or image; as a ``PlateRequest`` with frames and rate.
        shot: the folder that gets all of it.
        depth: where depth comes from; None = the best estimator that works here and is free to use.
        mesh: its thresholds; None = the defaults.
        solved: the source camera, where it is known.
        source_camera: how it moves, where it is to be solved: "auto", "turns", "moves"; or "still". None = "auto" for a
            new shot of estimated depth; one that was reconstructed before keeps what it has.
        context: see the module.

    Raises:
        UsageError: options that do not go together.
        BadInputError: plate, depth or camera cannot be used, or the folder is the shot of another plate.
        ResourceError: the depth estimator does not work here.
    """
    from ex4d.jobs import reconstruct as job

    wanted = plate if isinstance(plate, PlateRequest) else PlateRequest(fspath(plate))
    request = ReconstructRequest(
        fspath(shot),
        wanted,
        depth or DepthRequest(),
        mesh or MeshRequest(),
        solved,
        viewport_side=None,
        source_camera=source_camera,
    )
    return job.run(request, context or JobContext())


def viewport(shot: PathName, side: int = VIEWPORT_SIDE, *, context: JobContext | None = None) -> ViewportResult:
    """The mesh of a reconstructed shot that viewports show, of ``side`` vertices along its longer side at most; raises
    BadInputError where there is no such shot."""
    from ex4d.jobs import viewport as job

    return job.run(ViewportRequest(fspath(shot), side), context or JobContext())


def read_camera(path: PathName) -> TrajectoryCamera:
    """The camera of a trajectory file: our JSON, nerfstudio's transforms.json, EX-4D's npz; raises BadInputError."""
    return camera_from_file(Path(path))


def read_lens(path: PathName) -> str:
    """The lens of a file, for ``PlateRequest.lens``: our JSON, or a calibration that OpenCV saved; raises
    BadInputError."""
    from ex4d.jobs import lens_files

    return lens_files.read_lens(Path(path)).text()


def render(
    shot: PathName,
    camera: Camera,
    *,
    size: tuple[int, int] | None = None,
    frames: str | None = None,
    raster: str = AUTOMATIC,
    lens: TakeLens = "plate",
    context: JobContext | None = None,
) -> RenderResult:
    """Colour, mask and coverage of a reconstructed shot from a camera.

    Args:
        shot: its folder.
        camera: a move, or a trajectory (``read_camera``).
        size: (width, height) in pixels; None = the trajectory's, or the plate's.
        frames: such as "1001-1020", by the plate's own numbers; None = all.
        raster: name of a rasterizer, or "auto".
        lens: "plate" = as the plate's own lens draws, "none" = as a pinhole does.
        context: see the module.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, or they do not fit.
        ResourceError: the rasterizer does not work here.
    """
    from ex4d.jobs import render as job

    return job.run(RenderRequest(fspath(shot), camera, size, frames, raster, lens=lens), context or JobContext())


def preview(
    shot: PathName,
    camera: Camera,
    *,
    size: tuple[int, int] | None = None,
    frames: str | None = None,
    raster: str = AUTOMATIC,
    lens: TakeLens = "plate",
    context: JobContext | None = None,
) -> RenderResult:
    """As ``render``, a quarter of the size, drawn from a coarse copy: fast, approximate at edges of holes."""
    from ex4d.jobs import preview as job

    return job.run(PreviewRequest(fspath(shot), camera, size, frames, raster, lens=lens), context or JobContext())


def fill(generator: str = DEFAULT_GENERATOR, models: Iterable[PathName] = (), **options: OptionValue) -> FillRequest:
    """What fills, with options of its own (``capabilities().generators`` lists them): ``fill("fast", seed=3)``."""
    return FillRequest(generator, options, tuple(fspath(place) for place in models))


def generate(
    shot: PathName,
    camera: Camera,
    fill: FillRequest | None = None,
    *,
    size: tuple[int, int] | None = None,
    frames: str | None = None,
    raster: str = AUTOMATIC,
    lens: TakeLens = "plate",
    title: str = "",
    context: JobContext | None = None,
) -> GenerateResult:
    """A take of a reconstructed shot: rendered, filled, composited, delivered under its next number.

    Args:
        shot, camera, size, frames, raster, lens, context: see ``render``.
        fill: what fills its holes; None = the preview fill.
        title: stands in the take's record.

    Raises:
        UsageError, BadInputError: there is no such camera or generator, the shot is none, or they do not fit.
        ResourceError: this machine lacks what the rasterizer or the generator needs.
    """
    from ex4d.jobs import generate as job

    request = GenerateRequest(fspath(shot), camera, size, frames, raster, fill or FillRequest(), title, lens=lens)
    return job.run(request, context or JobContext())


def export(
    shot: PathName,
    out: PathName,
    *,
    meshes: tuple[MeshFormat, ...] = (),
    cameras: tuple[Camera, ...] = (),
    size: tuple[int, int] | None = None,
    raster: str = AUTOMATIC,
    lens: TakeLens = "plate",
    stmaps: bool = False,
    source_camera: tuple[CameraFormat, ...] = (),
    context: JobContext | None = None,
) -> ExportResult:
    """Files for other programs: DW-Meshes as "ply", "pc2", "npz", and of each camera a colour and a mask movie with
    the camera beside them; the maps that take the plate's lens off pictures and put it on again; and the plate's own
    camera as "json", "colmap", "chan".

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, they do not fit, or files would be written
            over that are no earlier export.
        ResourceError: the rasterizer does not work here.
    """
    from ex4d.jobs import export as job

    request = ExportRequest(fspath(shot), fspath(out), meshes, cameras, size, raster, lens, stmaps, source_camera)
    return job.run(request, context or JobContext())


def fill_movies(
    color: PathName,
    mask: PathName,
    output: PathName,
    fill: FillRequest | None = None,
    *,
    mask_erosion: int = MASK_EROSION,
    count: int | None = None,
    context: JobContext | None = None,
) -> FillMoviesResult:
    """Fill a render that exists as two movies only; see ``FillMoviesRequest``.

    Raises:
        UsageError: there is no such generator, or the output is no movie's name, an input, or no earlier result.
        BadInputError: a movie cannot be used, or the two do not fit each other.
    """
    from ex4d.jobs import fill_movies as job

    request = FillMoviesRequest(fspath(color), fspath(mask), fspath(output), mask_erosion, count, fill or FillRequest())
    return job.run(request, context or JobContext())


def doctor(*, context: JobContext | None = None) -> DoctorResult:
    """What this machine can do and why not more, with the licence of each part."""
    from ex4d.jobs import doctor as job

    return job.run(DoctorRequest(), context or JobContext())


def check(shot: PathName, *, context: JobContext | None = None) -> CheckResult:
    """Whether a shot's folder is whole: reads every sealed file, changes nothing; raises BadInputError for none."""
    from ex4d.jobs import check as job

    return job.run(CheckRequest(fspath(shot)), context or JobContext())


def bench(what: Subject, result: PathName, truth: PathName, *, context: JobContext | None = None) -> BenchResult:
    """Compare a result with rendered truth: a ``ClipScore`` of "quality", ``DepthScores`` of "depth", ``CameraErrors``
    of "camera"; see ``BenchRequest``.

    Raises:
        BadInputError: the truth is not whole, the result cannot be read, or they do not fit.
        ResourceError: the estimator does not work here.
    """
    from ex4d.jobs import bench as job

    return job.run(BenchRequest(what, fspath(result), fspath(truth)), context or JobContext())


def capabilities() -> Capabilities:
    """Generators with their options, and the depth estimators and rasterizers that work here, the default first."""
    from ex4d.jobs import capabilities as found

    return found.capabilities()
