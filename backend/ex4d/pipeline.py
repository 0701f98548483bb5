# SPDX-License-Identifier: Apache-2.0
"""From a reconstructed shot and a camera to a delivered take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, build_take, names_file, parse_preset, read_trajectory
from ex4d.composite import TakeJob
from ex4d.fill import Generator, TakeScene
from ex4d.fill.stage import FillStage, FillStore, RenderedTake
from ex4d.protocol.errors import UsageError
from ex4d.raster import Rasterizer, borrow_rasterizer
from ex4d.raster.sight import sight_notes
from ex4d.raster.stage import RasterStage
from ex4d.raster.store import RasterStore
from ex4d.shot.folder import Reconstruction, Shot
from ex4d.system.progress import Progress

#: A pivot lies so far from the camera, in world units: what is farther is sky.
MIN_PIVOT, MAX_PIVOT = 1e-9, 1e9


@dataclass(frozen=True)
class CameraRequest:
    """Which camera.

    Attributes:
        camera: a preset or the path of a trajectory file.
        pivot: "auto", a distance along the optical axis ("2.5"), or a point x,y,z in the base camera's axes (OpenCV);
            world units.
        follow: see ``build_take``.
        size: (width, height) to render, None = the plate's (for a file: the file's).
    """

    camera: str
    pivot: str = "auto"
    follow: bool = True
    size: tuple[int, int] | None = None

    def file(self) -> Path | None:
        """The trajectory file, None for a preset."""
        return Path(self.camera) if names_file(self.camera) else None


@dataclass(frozen=True)
class RenderedShot:
    """A finished raster stage.

    Attributes:
        raster: its output.
        key: its key.
        camera: what a report says of the camera, JSON-able.
        notes: sentences for the report, on the camera and the rasterizer.
    """

    raster: RasterStore
    key: str
    camera: dict[str, Any]
    notes: tuple[str, ...]


def parse_pivot(text: str, automatic: float) -> NDArray[np.float64]:
    """The pivot (3,) in the base camera's coordinates.

    Raises:
        UsageError: not understood.
    """
    if text == "auto":
        return np.array([0.0, 0.0, automatic])
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers = [0.0, 0.0, *numbers]
    if len(numbers) != 3 or not (np.abs(numbers) <= MAX_PIVOT).all() or numbers[2] < MIN_PIVOT:
        raise UsageError(
            f"The pivot «{text}» is not understood.",
            "Use auto, a distance such as 2.5, or a point x,y,z before the camera.",
        )
    return np.array(numbers)


def check_camera(request: CameraRequest) -> None:
    """Find what is wrong with a request without knowing the shot; raises as ``take_camera``."""
    if path := request.file():
        if request.pivot != "auto" or not request.follow:
            raise UsageError("A trajectory file takes no --pivot and no --no-follow.", "Leave them out.")
        read_trajectory(path)
    else:
        parse_preset(request.camera)
        parse_pivot(request.pivot, 1.0)


def take_camera(request: CameraRequest, reconstruction: Reconstruction) -> tuple[Trajectory, dict[str, Any]]:
    """The take camera per frame of the plate, and what a report says of it.

    Raises:
        UsageError, BadInputError: no such preset or file, or a file that does not fit the plate.
    """
    source = reconstruction.mesh.source
    if path := request.file():
        trajectory = read_trajectory(path).for_frames(source.frame_numbers, source.fps, path.name)
        record: dict[str, Any] = {"file": str(path.absolute())}
    else:
        pivot = parse_pivot(request.pivot, reconstruction.mesh.pivot)
        trajectory = build_take(parse_preset(request.camera), source, pivot, follow=request.follow)
        record = {"preset": request.camera, "pivot": pivot.tolist(), "follow": request.follow}
    if request.size:
        trajectory = trajectory.resized(*request.size)
    return trajectory, record


@dataclass
class Pipeline:
    """Runs the stages after the mesh, for one shot.

    Attributes:
        shot: where outputs go.
        reconstruction: of its plate.
        rasterizer: name, or "auto".
        progress: who listens.
    """

    shot: Shot
    reconstruction: Reconstruction
    rasterizer: str
    progress: Progress

    @cached_property
    def _chosen(self) -> tuple[str, tuple[str, ...]]:
        """The rasterizer's name, which may be "auto" no more, and a sentence for each that does not work here."""
        if self.rasterizer != "auto":
            return self.rasterizer, ()
        rasterizer, failures = borrow_rasterizer()
        rasterizer.close()
        notes = tuple(f"{failure} The rasterizer «{rasterizer.name}» is used meanwhile." for failure in failures)
        for note in notes:
            self.progress.note(note)
        return rasterizer.name, notes

    def _borrow(self) -> Rasterizer:
        return borrow_rasterizer(self._chosen[0])[0]

    def render(self, request: CameraRequest) -> RenderedShot:
        """Colour, mask and z of a take."""
        trajectory, camera = take_camera(request, self.reconstruction)
        stage = RasterStage(
            self.reconstruction.plate_key,
            self.reconstruction.mesh_key,
            self.reconstruction.frames,
            self.reconstruction.mesh,
            trajectory,
            self._chosen[0],
            lambda: (self._borrow(), self._chosen[1]),
        )
        raster = RasterStore.open(self.shot.cache.ensure(stage, self.progress))
        seen = sight_notes(raster.trajectory, self.reconstruction.mesh.source, raster.coverage)
        for note in (*trajectory.notes, *seen):
            self.progress.note(note)
        # What was made before may have been asked for by another name.
        notes = tuple(dict.fromkeys((*trajectory.notes, *seen, *raster.notes, *self._chosen[1])))
        return RenderedShot(raster, stage.key(), camera, notes)

    def deliver(self, rendered: RenderedShot, generator: Generator, title: str = "") -> Path:
        """Fill and composite; returns the folder of the take. ``title`` stands in its record."""
        reconstruction = self.reconstruction
        geometry = TakeScene(
            reconstruction.frames,
            reconstruction.mesh,
            rendered.raster.trajectory,
            reconstruction.depth.tolerance,
            self._borrow,
        )
        stage = FillStage(rendered.key, lambda: RenderedTake(rendered.raster, geometry), generator)
        fill = FillStore.open(self.shot.cache.ensure(stage, self.progress))
        record = {**reconstruction.record(), "camera": rendered.camera, **({"title": title} if title else {})}
        record["notes"] = [*record["notes"], *rendered.notes]
        job = TakeJob(
            self.shot.takes, reconstruction.frames, lambda: rendered.raster, lambda: fill, stage.key(), record
        )
        folder = job.ensure(self.progress)
        for note in fill.notes:
            self.progress.note(note)
        return folder
