# SPDX-License-Identifier: Apache-2.0
"""The files that EX-4D's recon.py leaves: colour and mask movies, camera, mesh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ex4d.camera import write_json, write_released_npz
from ex4d.media.movie import MovieWriter
from ex4d.mesh.export import write_npz, write_pc2, write_ply
from ex4d.pipeline import CameraRequest, RenderedShot
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.shot.folder import SHOT_FILE, Reconstruction
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import make_folder, writing
from ex4d.system.progress import Progress, steps
from ex4d.system.threads import prefetched

MESH_FORMATS = ("ply", "pc2", "npz")


def camera_slug(camera: str) -> str:
    """A file name's part for a camera: ``180``, ``orbit_60``, the stem of a trajectory file."""
    name = Path(camera).stem if camera.lower().endswith((".json", ".npz")) else camera
    return re.sub(r"[^\w.+-]+", "_", name).strip("_")


def check_names(cameras: Sequence[CameraRequest]) -> None:
    """Raise UsageError where two cameras would write files of the same names."""
    taken: dict[str, str] = {}
    for request in cameras:
        slug = camera_slug(request.camera)
        if taken.setdefault(slug.casefold(), request.camera) != request.camera:
            raise UsageError(
                f"The cameras {taken[slug.casefold()]} and {request.camera} would both write color_{slug}.mp4.",
                "Rename a trajectory file, or run them one by one into different folders.",
            )


def _render_files(out: Path, slug: str) -> dict[str, Path]:
    """The files of a render: the camera as JSON is written first, and no other program leaves it."""
    return {
        "color": out / f"color_{slug}.mp4",
        "mask": out / f"mask_{slug}.mp4",
        "camera": out / f"camera_{slug}.npz",
        "trajectory": out / f"camera_{slug}.json",
    }


def _mesh_files(out: Path, formats: Sequence[str]) -> dict[str, Path]:
    return {name: out / f"DW-Mesh.{name}" for name in formats}


def check_outputs(out: Path, cameras: Sequence[CameraRequest], formats: Sequence[str] = ()) -> None:
    """Raise BadInputError where files would be written over that are no earlier export: EX-4D's own recon.py gives its
    results the same names."""
    with writing(out):
        if (out / SHOT_FILE).exists():
            return
        for path in _mesh_files(out, formats).values():
            _check_free(path)
        for request in cameras:
            files = _render_files(out, camera_slug(request.camera))
            if not files["trajectory"].exists():
                for path in files.values():
                    _check_free(path)


def _check_free(path: Path) -> None:
    if path.exists():
        raise BadInputError(
            f"{path} would be written over, and is no earlier result of this command.",
            "Choose another output folder, or move the file away.",
        )


def export_render(
    rendered: RenderedShot, reconstruction: Reconstruction, out: Path, slug: str, progress: Progress
) -> dict[str, str]:
    """Write ``color_SLUG.mp4``, ``mask_SLUG.mp4``, ``camera_SLUG.npz`` and ``.json`` at the plate's rate."""
    make_folder(out)
    remove_leftovers(out)
    raster, frames = rendered.raster, reconstruction.frames
    writer = partial(MovieWriter, width=raster.trajectory.width, height=raster.trajectory.height, fps=frames.fps)
    paths = _render_files(out, slug)
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
    progress.end()
    return {name: str(path) for name, path in paths.items()}


def export_mesh(reconstruction: Reconstruction, out: Path, formats: list[str], progress: Progress) -> dict[str, str]:
    """Write ``DW-Mesh.ply`` (first frame), ``.pc2`` (all frames' vertices) and ``.npz`` (all frames), as asked."""
    make_folder(out)
    writers = {"ply": write_ply, "pc2": write_pc2, "npz": write_npz}
    paths = _mesh_files(out, formats)
    for name, path in paths.items():
        writers[name](path, reconstruction.mesh, reconstruction.frames, progress)
    return {f"mesh_{name}": str(path) for name, path in paths.items()}
