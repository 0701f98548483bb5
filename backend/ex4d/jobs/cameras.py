# SPDX-License-Identifier: Apache-2.0
"""From a camera that was asked for to one camera a frame."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory, build_take, json_bytes, parse_preset, parse_trajectory, read_trajectory
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import Camera, MoveCamera, TrajectoryCamera
from ex4d.protocol.values import TakeLens, parse_pivot
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction
from ex4d.system.files import atomic_write, make_folder


@dataclass(frozen=True)
class TakeCamera:
    """A take's camera.

    Attributes:
        trajectory: one camera per frame of the plate.
        record: what a report says of it, JSON-able.
    """

    trajectory: Trajectory
    record: dict[str, Any]


def camera_name(camera: Camera) -> str:
    """What people call a camera: its move, or the file it was read from; "" = none."""
    return camera.move if isinstance(camera, MoveCamera) else camera.file


def check_camera(camera: Camera) -> None:
    """Find what is wrong with a camera without knowing the shot.

    Raises:
        UsageError: there is no such move.
        BadInputError: it is no trajectory.
    """
    if isinstance(camera, MoveCamera):
        parse_preset(camera.move)
    else:
        parse_trajectory(camera.trajectory, Path(camera.file or "trajectory.json"))


def camera_from_file(path: Path) -> TrajectoryCamera:
    """The camera of a trajectory file; raises BadInputError. For who is asked by people: jobs take no camera files."""
    trajectory = read_trajectory(path)
    return TrajectoryCamera(json_bytes(trajectory), str(path), trajectory.notes)


def take_camera(
    camera: Camera,
    size: tuple[int, int] | None,
    shot: Shot,
    reconstruction: Reconstruction,
    lens: TakeLens,
) -> TakeCamera:
    """The camera per frame of the plate.

    Args:
        camera: what was asked for. A trajectory without a file is kept in the shot.
        size: (width, height) to render, None = the frame's, with the plate's pixel aspect, or the trajectory's. Another
            size shows the same view, so that its pixels may have another aspect.
        shot: whose take it is.
        reconstruction: of the frames that are wanted.
        lens: "plate" = the take is drawn as the plate's own lens draws, or that of the trajectory file; "none" = as a
            pinhole does.

    Raises:
        UsageError, BadInputError: no such move, or a trajectory that does not fit the plate.
    """
    source = reconstruction.mesh.view
    if isinstance(camera, MoveCamera):
        pivot = np.array(parse_pivot(camera.pivot) or (0.0, 0.0, reconstruction.mesh.pivot))
        trajectory = build_take(
            parse_preset(camera.move), source, pivot, follow=camera.follow, handles=reconstruction.frames.handles
        )
        record: dict[str, Any] = {"preset": camera.move, "pivot": pivot.tolist(), "follow": camera.follow}
    else:
        path = _file_of(camera, shot)
        read = replace(parse_trajectory(camera.trajectory, path), notes=camera.notes)
        trajectory = read.for_frames(source.frame_numbers, source.fps, path.name)
        record = {"file": str(path.absolute())} | ({"move": camera.made_of} if camera.made_of else {})
    trajectory = replace(trajectory, lens=(trajectory.lens or source.lens) if lens == "plate" else None)
    if trajectory.lens is not None:
        record["lens"] = trajectory.lens.record()
    if size:
        trajectory = trajectory.resized(*size)
    return TakeCamera(trajectory, record)


def _file_of(camera: TrajectoryCamera, shot: Shot) -> Path:
    return Path(camera.file) if camera.file else keep_camera(shot, "take", camera.trajectory)


def keep_camera(shot: Shot, name: str, data: bytes) -> Path:
    """A trajectory that a client has sent, as a file of the shot; raises BadInputError for what is none."""
    path = make_folder(shot.root / "cameras") / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}.json"
    # Its name says what is in it, so whatever else is there was damaged.
    if not path.is_file() or path.read_bytes() != data:
        atomic_write(path, data)
    try:
        read_trajectory(path)
    except BadInputError:
        path.unlink(missing_ok=True)
        raise
    return path
