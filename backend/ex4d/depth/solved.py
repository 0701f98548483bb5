# SPDX-License-Identifier: Apache-2.0
"""An estimator's depth brought onto the scale of a solved camera.

An estimate orders things in arbitrary units; a camera solve has units of its own and knows some points of the scene.
One line from estimated to solved disparity (1/z), fitted over the points in all frames, makes the two agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.base import STATIC_NOTE, DepthFrame, DepthResult, DepthSink, DepthSource, Movers, camera_apart
from ex4d.depth.plate_pixels import estimate_in_square_pixels
from ex4d.media.frames import FrameSource
from ex4d.plate.store import frame_file
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.stages.plate_pixels import on_plate
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress

Array = NDArray[np.float64]

#: Fewer sightings than these say too little about a whole picture.
LEAST_SIGHTINGS = 12
#: Rounds of reweighting, and the multiple of the median error beyond which a sighting counts less.
ROUNDS, HUBER = 20, 1.5
#: Nothing is put farther away than this many times the farthest point.
FARTHEST = 10.0


def parse_points(data: bytes) -> Array:
    """Points (N, 3) in the shot's world from JSON ``{"points": [[x, y, z], …]}``.

    Raises:
        BadInputError: it is something else.
    """
    try:
        points = np.array(parse_json(data)["points"], dtype=np.float64).reshape(-1, 3)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadInputError("The solved points are not a list of x, y, z.", "Export the camera again.") from error
    return points[np.isfinite(points).all(axis=1)]


def fit_line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and offset of y over x (N,), robust against outliers (Huber weights); the slope is never negative: where
    the data say so, only the scale is fitted."""
    weights = np.ones_like(x)
    slope, offset = 0.0, float(np.median(y))
    for _ in range(ROUNDS):
        A = np.stack([x, np.ones_like(x)], axis=-1) * np.sqrt(weights)[:, None]
        slope, offset = np.linalg.lstsq(A, y * np.sqrt(weights), rcond=None)[0]
        error = np.abs(y - slope * x - offset)
        limit = HUBER * max(float(np.median(error)), 1e-12)
        weights = np.minimum(1.0, limit / np.maximum(error, 1e-30))
    if slope <= 0:
        return float(np.median(y / x)), 0.0
    return float(slope), float(offset)


def camera_inputs(camera: Trajectory, points: NDArray[np.float64]) -> dict[str, Any]:
    """What depth on a solved camera depends on besides its estimator, for ``DepthSource.inputs``.

    Args:
        camera: of the plate.
        points: (N, 3) of its scene.
    """
    digest = hashlib.sha256()
    for values in (camera.K, camera.E, points):
        digest.update(np.ascontiguousarray(values).tobytes())
    if camera.lens is not None:
        digest.update(repr(camera.lens).encode())
    return {"camera": digest.hexdigest(), "numbers": list(camera.frame_numbers)}


@dataclass
class _Scratch:
    """A sink that keeps the maps for a second look."""

    folder: Path

    def write(self, frame: DepthFrame) -> None:
        np.save(frame_file(self.folder, frame.number, ".npy"), frame.depth)

    def read(self, number: int) -> NDArray[np.float32]:
        return np.asarray(np.load(frame_file(self.folder, number, ".npy")), dtype=np.float32)


def _stands_in_one_place(camera: Trajectory) -> bool:
    return bool(np.allclose(camera.centers(), camera.centers()[0], atol=1e-9))


@dataclass(frozen=True)
class SolvedDepth:
    """``DepthSource``: an estimator with a camera that was solved elsewhere.

    Attributes:
        estimator: what estimates.
        camera: the solved camera, by the plate's frame numbers or one per frame; shot world.
        points: (N, 3) solved points in the shot's world; may be empty.
        movers: how it is found what moves by itself; None = nothing is told of it.
        notes: sentences on why depth comes from here, which the camera and the points have decided.
    """

    estimator: DepthSource
    camera: Trajectory
    points: Array
    movers: Movers | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """See ``DepthSource``."""
        return self.estimator.name

    @property
    def label(self) -> str:
        """See ``DepthSource``."""
        return f"{self.estimator.label}; on the scale of the solved camera"

    @property
    def licence(self) -> str:
        """See ``DepthSource``."""
        return self.estimator.licence

    @property
    def tolerance(self) -> float:
        """See ``DepthSource``."""
        return self.estimator.tolerance

    def prepare(self) -> str:
        """See ``DepthSource``."""
        return self.estimator.prepare()

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        movers = {} if self.movers is None else {"movers": self.movers.key}
        return {**self.estimator.inputs(), **camera_inputs(self.camera, self.points), **movers}

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return self.estimator.steps(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        camera = on_plate(self.camera.for_frames(frames.numbers, frames.fps, "The solved camera"), frames)
        kept = _Scratch(make_folder(scratch / "estimate"))
        room = make_folder(scratch / "estimator")
        inner = estimate_in_square_pixels(self.estimator, frames, kept, room, progress)
        estimated, solved = self._sightings(camera, kept)
        notes = [*self.notes, *camera.notes, *camera_apart(inner.notes)]
        moving = self._moving(frames, camera, scratch)
        if _stands_in_one_place(camera):
            # Turning moves nothing against anything, so that any scale will do.
            for index, number in enumerate(frames.numbers):
                sink.write(DepthFrame(number, kept.read(number), moving=moving(index)))
            return DepthResult(camera, poses_known=True, intrinsics_known=True, notes=tuple(notes))
        if len(estimated) < LEAST_SIGHTINGS:
            # Without a common scale, moving the camera would tear the scene apart.
            notes.append(
                f"The solve shows only {len(estimated)} points in these frames, too few for the depth's scale: "
                f"its lens is used, its motion is not. {STATIC_NOTE}"
            )
            E = np.broadcast_to(np.eye(4), camera.E.shape)
            still = Trajectory(camera.K, E, camera.width, camera.height, lens=camera.lens)
            still = still.numbered(frames.numbers, frames.fps)
            for index, number in enumerate(frames.numbers):
                sink.write(DepthFrame(number, kept.read(number), moving=moving(index)))
            return DepthResult(still, poses_known=False, intrinsics_known=True, notes=tuple(notes))
        slope, offset = fit_line(estimated, solved)
        error = float(np.median(np.abs((slope * estimated + offset) / solved - 1)))
        notes.append(
            f"The depth was fitted to {len(solved)} sightings of the solve's points; half of them lie within "
            f"{error:.0%} of it."
        )
        floor = float(solved.min()) / FARTHEST
        for index, number in enumerate(frames.numbers):
            disparity = slope / kept.read(number).astype(np.float64) + offset
            depth = (1 / np.maximum(disparity, floor)).astype(np.float32)
            sink.write(DepthFrame(number, depth, moving=moving(index)))
        return DepthResult(camera, poses_known=True, intrinsics_known=True, notes=tuple(notes))

    def _moving(
        self, frames: FrameSource, camera: Trajectory, scratch: Path
    ) -> Callable[[int], NDArray[np.bool_] | None]:
        """What gives (H, W) of the frame with an index, at the plate's size."""
        if self.movers is None:
            return lambda index: None
        of_frame = self.movers.look_for(frames, camera, scratch)

        def of_plate(index: int) -> NDArray[np.bool_]:
            mask = of_frame(index).astype(np.uint8)
            return np.asarray(cv2.resize(mask, frames.size, interpolation=cv2.INTER_NEAREST), np.uint8) > 0

        return of_plate

    def _sightings(self, camera: Trajectory, kept: _Scratch) -> tuple[Array, Array]:
        """Disparities (N,) of all points in all frames: estimated, and by the solve."""
        estimated, solved = [np.empty(0)], [np.empty(0)]
        for view, number in zip(camera, camera.frame_numbers, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                at, z = view.project(self.points)
            inside = (z > 0) & (at >= 0).all(axis=-1) & (at < (view.width, view.height)).all(axis=-1)
            columns, rows = at[inside].astype(int).T
            depth = kept.read(number)[rows, columns].astype(np.float64)
            usable = np.isfinite(depth) & (depth > 0)
            estimated.append(1 / depth[usable])
            solved.append(1 / z[inside][usable])
        return np.concatenate(estimated), np.concatenate(solved)
