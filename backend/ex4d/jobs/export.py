# SPDX-License-Identifier: Apache-2.0
"""Files for other programs, as EX-4D's recon.py leaves them: meshes, and renders as movies with their cameras; the maps
that take the plate's lens off pictures and put it on again; and the plate's own camera."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Camera as SourceCamera
from ex4d.camera import write_json, write_released_npz
from ex4d.camera.stmap import STMap, redistort_map, undistort_map
from ex4d.jobs.camera_files import camera_files, write_source_camera
from ex4d.jobs.cameras import camera_name, check_camera, take_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import EXPORT, RENDER
from ex4d.jobs.takes import RenderedShot, TakePipeline
from ex4d.media.exr_writer import write_exr
from ex4d.media.movie import MovieWriter
from ex4d.mesh.export import write_npz, write_pc2, write_ply
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import Camera, ExportRequest, MeshFormat
from ex4d.protocol.results import ExportedRender, ExportResult
from ex4d.protocol.values import padded_number
from ex4d.shot.folder import SHOT_FILE, Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import make_folder, writing
from ex4d.system.progress import PlannedStage, Progress, steps
from ex4d.system.threads import prefetched

#: By format: the first frame as ply, all frames' vertices as pc2, all frames as npz.
WRITERS = {"ply": write_ply, "pc2": write_pc2, "npz": write_npz}
#: The files of a camera that came as none.
_UNNAMED = "trajectory"


def run(request: ExportRequest, context: JobContext) -> ExportResult:
    """Write them; all cameras are checked before the first one is rendered.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, they do not fit, or files would be written
            over that are no earlier export.
        ResourceError: the rasterizer does not work here.
    """
    check(request)
    context.progress.expect(plan(request))
    shot = Shot(Path(request.shot))
    return shot.heal(lambda: _export(shot, request, context.progress), context.progress)


def plan(request: ExportRequest) -> tuple[PlannedStage, ...]:
    """The stages that it has; those that write meshes count for nothing."""
    return len(request.cameras) * (*RENDER, *EXPORT)


def check(request: ExportRequest) -> None:
    """Find what would make an export fail without a look into the shot; raises as ``run``."""
    for camera in request.cameras:
        check_camera(camera)
    _check_names(request.cameras)
    _check_outputs(Path(request.out), request)


_WORKING = (
    "The movies of this plate, which is no display picture, show its working picture: bright values are compressed. "
    "The plate's own values are in a take's result."
)


def _export(shot: Shot, request: ExportRequest, progress: Progress) -> ExportResult:
    reconstruction, out = open_reconstruction(shot, progress), Path(request.out)
    cameras = [take_camera(camera, request.size, shot, reconstruction, request.lens) for camera in request.cameras]
    meshes = _export_meshes(reconstruction, out, request.meshes, progress) if request.meshes else {}
    if cameras and not reconstruction.frames.truth.is_display:
        progress.note(_WORKING)
    pipeline = TakePipeline(shot, reconstruction, request.raster, progress)
    renders = [
        _export_render(pipeline.render(taken), reconstruction, out, file_name(camera), progress)
        for camera, taken in zip(request.cameras, cameras, strict=True)
    ]
    stmaps = _export_stmaps(reconstruction, out) if request.stmaps else {}
    cameras_of_plate = (
        write_source_camera(shot, reconstruction, out, request.source_camera, progress) if request.source_camera else {}
    )
    return ExportResult(meshes, tuple(renders), stmaps, cameras_of_plate)


def file_name(camera: Camera) -> str:
    """A file name's part for a camera: ``180``, ``orbit_60``, the stem of a trajectory file."""
    name = camera_name(camera) or _UNNAMED
    stem = Path(name).stem if name.lower().endswith((".json", ".npz")) else name
    return re.sub(r"[^\w.+-]+", "_", stem).strip("_")


def _check_names(cameras: Sequence[Camera]) -> None:
    """Raise UsageError where two cameras would write files of the same names."""
    taken: dict[str, Camera] = {}
    for camera in cameras:
        name = file_name(camera)
        other = taken.setdefault(name.casefold(), camera)
        if other != camera:
            both = " and ".join(camera_name(each) or "without a name" for each in (other, camera))
            raise UsageError(
                f"The cameras {both} would both write color_{name}.mp4.",
                "Rename a trajectory file, or run them one by one into different folders.",
            )


def _render_files(out: Path, name: str) -> dict[str, Path]:
    """The files of a render: the camera as JSON is written first, and no other program leaves it."""
    return {
        "color": out / f"color_{name}.mp4",
        "mask": out / f"mask_{name}.mp4",
        "camera": out / f"camera_{name}.npz",
        "trajectory": out / f"camera_{name}.json",
    }


def _mesh_files(out: Path, formats: Sequence[MeshFormat]) -> dict[str, Path]:
    return {name: out / f"DW-Mesh.{name}" for name in formats}


def _check_outputs(out: Path, request: ExportRequest) -> None:
    """Raise BadInputError where files would be written over that are no earlier export: EX-4D's own recon.py gives its
    results the same names."""
    with writing(out):
        if (out / SHOT_FILE).exists():
            return
        single = (
            _mesh_files(out, request.meshes),
            _stmap_files(out, None) if request.stmaps else {},
            camera_files(out, request.source_camera),
        )
        for path in (path for files in single for path in files.values()):
            _check_free(path)
        for camera in request.cameras:
            files = _render_files(out, file_name(camera))
            if not files["trajectory"].exists():
                for path in files.values():
                    _check_free(path)


def _stmap_files(out: Path, number: int | None) -> dict[str, Path]:
    """Of one frame of a plate that zooms, or of all."""
    suffix = "exr" if number is None else f"{padded_number(number, 4)}.exr"
    return {name: out / f"stmap_{name}.{suffix}" for name in ("undistort", "redistort")}


def _export_stmaps(reconstruction: Reconstruction, out: Path) -> dict[str, str]:
    """Write ``stmap_undistort.exr`` and ``stmap_redistort.exr``, float32, red = u and green = v; one of each frame
    where the plate zooms. Returns the first of each."""
    view = reconstruction.mesh.view
    if view.lens is None:
        raise BadInputError("The plate has no lens, so there is no map of one.", "Give it with --lens to `ex4d recon`.")
    make_folder(out)
    zooms = bool(np.any(view.K[0] != view.K))
    first: dict[str, str] = {}
    for number, camera in zip(view.frame_numbers, view, strict=True):
        for name, path in _stmap_files(out, number if zooms else None).items():
            _write_stmap(
                path,
                undistort_map(camera) if name == "undistort" else redistort_map(camera),
                camera,
                reconstruction.frames.pixel_aspect,
            )
            first.setdefault(name, str(path))
        if not zooms:
            break
    return first


def _write_stmap(path: Path, stmap: STMap, camera: SourceCamera, aspect: Fraction) -> None:
    height, width = stmap.uv.shape[:2]
    windows = {
        "dataWindow": (stmap.left, stmap.top, stmap.left + width - 1, stmap.top + height - 1),
        "displayWindow": (0, 0, camera.width - 1, camera.height - 1),
    }
    attributes: dict[str, Any] = {
        name: (np.array(box[:2], np.int32), np.array(box[2:], np.int32)) for name, box in windows.items()
    }
    pixels = np.concatenate([stmap.uv, np.zeros_like(stmap.uv[..., :1])], axis=-1)
    write_exr(path, pixels, None, {**attributes, "colorInteropID": "data", "pixelAspectRatio": float(aspect)})


def _check_free(path: Path) -> None:
    if path.exists():
        raise BadInputError(
            f"{path} would be written over, and is no earlier result of this command.",
            "Choose another output folder, or move the file away.",
        )


def _export_render(
    rendered: RenderedShot, reconstruction: Reconstruction, out: Path, name: str, progress: Progress
) -> ExportedRender:
    """Write ``color_NAME.mp4``, ``mask_NAME.mp4``, ``camera_NAME.npz`` and ``.json`` at the plate's rate."""
    make_folder(out)
    remove_leftovers(out)
    raster, frames = rendered.raster, reconstruction.frames
    writer = partial(MovieWriter, width=raster.trajectory.width, height=raster.trajectory.height, fps=frames.fps)
    paths = _render_files(out, name)
    plate = Path(reconstruction.plate["path"])
    if plate.exists() and any(path.exists() and path.samefile(plate) for path in paths.values()):
        raise BadInputError(f"{plate} would be written over, and it is the plate.", "Choose another output folder.")
    write_json(paths["trajectory"], raster.trajectory)
    progress.begin("export", len(raster.numbers))
    pictures = prefetched(lambda number: (raster.color(number), raster.mask(number)), raster.numbers)
    with writer(paths["color"]) as color, writer(paths["mask"]) as mask:
        for (picture, seen), moment in zip(steps(progress, pictures), frames.times, strict=True):
            time = moment if frames.variable_rate else None
            color.write(picture, time)
            mask.write(seen, time)
    write_released_npz(paths["camera"], raster.trajectory)
    if raster.trajectory.lens is not None:
        progress.note(
            f"{paths['camera'].name} knows pinholes alone: the lens that the movies are drawn with is in "
            f"{paths['trajectory'].name}. --take-lens none draws them without it."
        )
    progress.end()
    return ExportedRender(
        **{name: str(path) for name, path in paths.items()},
        numbers=tuple(raster.numbers),
        coverage=tuple(raster.coverage),
        never_covered=raster.never_covered,
    )


def _export_meshes(
    reconstruction: Reconstruction, out: Path, formats: Sequence[MeshFormat], progress: Progress
) -> dict[str, str]:
    make_folder(out)
    paths = _mesh_files(out, formats)
    for name, path in paths.items():
        WRITERS[name](path, reconstruction.mesh, reconstruction.frames, progress)
    return {name: str(path) for name, path in paths.items()}
