# SPDX-License-Identifier: Apache-2.0
"""The source camera of a shot as files for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ex4d.camera import write_json
from ex4d.camera.formats import ColmapPoints, write_chan, write_colmap
from ex4d.protocol.requests import CameraFormat
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_solve
from ex4d.solve import Solve
from ex4d.solve.work_picture import WorkPicture
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress


def camera_files(out: Path, formats: Sequence[CameraFormat]) -> dict[str, Path]:
    """Where ``write_source_camera`` writes; of COLMAP the folder of its model."""
    names = {"json": "source_camera.json", "colmap": "source_camera_colmap", "chan": "source_camera.chan"}
    return {name: out / names[name] for name in formats}


def write_source_camera(
    shot: Shot, reconstruction: Reconstruction, out: Path, formats: Sequence[CameraFormat], progress: Progress
) -> dict[str, str]:
    """Write the camera of the plate's frame, of all frames; returns paths by format.

    A COLMAP model has the solve's points and where they are seen, if the camera was solved and moves.

    Raises:
        BadInputError: a format has no place for the lens or the pixels of this plate.
    """
    paths, view = camera_files(make_folder(out), formats), reconstruction.mesh.view
    for name, path in paths.items():
        if name == "json":
            write_json(path, view)
        elif name == "chan":
            write_chan(path, view)
        else:
            solve = open_solve(shot, reconstruction, progress)
            write_colmap(make_folder(path), view, None if solve is None else _points(solve, reconstruction))
    return {name: str(path) for name, path in paths.items()}


def _points(solve: Solve, reconstruction: Reconstruction) -> ColmapPoints | None:
    """The solve's points with their sightings, pixels of the frame."""
    if not len(solve.points):
        return None
    frames, tracks = reconstruction.frames, solve.tracks
    scale = np.array(frames.size) / WorkPicture.of(frames).size
    offset = (0, 0) if frames.frame is None else (frames.frame.left, frames.frame.top)
    point_of = np.full(tracks.count, -1, np.int32)
    point_of[solve.points.track] = np.arange(len(solve.points), dtype=np.int32)
    seen = point_of[tracks.track] >= 0
    order = np.argsort(tracks.frame[seen], kind="stable")
    return ColmapPoints(
        solve.points.xyz,
        solve.points.error * float(scale.max()),
        tracks.frame[seen][order],
        point_of[tracks.track[seen]][order],
        tracks.xy[seen][order] * scale - offset,
    )
