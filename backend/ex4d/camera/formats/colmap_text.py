# SPDX-License-Identifier: Apache-2.0
"""COLMAP's text models: ``cameras.txt``, ``images.txt`` and, written only, ``points3D.txt`` in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats._colmap import (
    MODELS,
    ColmapCamera,
    ColmapImage,
    make_camera,
    quaternion_of,
    trajectory_of,
)
from ex4d.camera.formats.base import NamedFormat
from ex4d.camera.lens import Lens
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import padded_number
from ex4d.system.files import atomic_write
from ex4d.system.inputs import read_bytes

Array = NDArray[np.float64]

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"
#: Bytes of a file at most: the sightings of long plates are in it.
MAX_TEXT = 1 << 30


@dataclass(frozen=True)
class ColmapPoints:
    """Points and where the frames see them.

    Attributes:
        xyz: (P, 3) float64 in the trajectory's world.
        error: (P,) float64 px.
        frame: (N,) index of the frame of each sighting, rising.
        point: (N,) index of its point.
        xy: (N, 2) float64 px, centres at i+0.5.
    """

    xyz: Array
    error: Array
    frame: NDArray[np.int32]
    point: NDArray[np.int32]
    xy: Array


def write_colmap(folder: Path, trajectory: Trajectory, points: ColmapPoints | None = None) -> list[str]:
    """Write a text model into a folder; returns the names of its files. Frames are named by their
    number, ``000001.png``.

    Raises:
        BadInputError: the lens is of a model that COLMAP does not have.
    """
    cameras, camera_of = _cameras(trajectory)
    lines = ["# Camera list with one line of data per camera:", "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for index, camera in enumerate(cameras):
        parameters = " ".join(map(repr, camera.parameters))
        lines.append(f"{index + 1} {camera.model} {camera.size[0]} {camera.size[1]} {parameters}")
    _write(folder / CAMERAS, lines)
    numbers = trajectory.frame_numbers or tuple(range(1, len(trajectory) + 1))
    seen: list[list[str]] = [[] for _ in trajectory.E]
    tracks: list[list[str]] = [[] for _ in range(0 if points is None else len(points.xyz))]
    if points is not None:
        for frame, point, (x, y) in zip(points.frame.tolist(), points.point.tolist(), points.xy.tolist(), strict=True):
            tracks[point].append(f"{frame + 1} {len(seen[frame])}")
            seen[frame].append(f"{x:.3f} {y:.3f} {point + 1}")
    lines = [
        "# Image list with two lines of data per image:",
        "#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
        "#   POINTS2D[] as (X, Y, POINT3D_ID)",
    ]
    for index, (E, number) in enumerate(zip(trajectory.E, numbers, strict=True)):
        pose = " ".join(repr(float(value)) for value in (*quaternion_of(E[:3, :3]), *E[:3, 3]))
        lines.append(f"{index + 1} {pose} {camera_of[index] + 1} {padded_number(number, 6)}.png")
        lines.append(" ".join(seen[index]))
    _write(folder / IMAGES, lines)
    lines = ["# 3D point list with one line of data per point:", "#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]"]
    if points is not None:
        for index, (xyz, error) in enumerate(zip(points.xyz.tolist(), points.error.tolist(), strict=True)):
            place = " ".join(map(repr, xyz))
            lines.append(f"{index + 1} {place} 128 128 128 {error!r} {' '.join(tracks[index])}")
    _write(folder / POINTS, lines)
    return [CAMERAS, IMAGES, POINTS]


def _write(path: Path, lines: list[str]) -> None:
    atomic_write(path, ("\n".join(lines) + "\n").encode())


def _cameras(trajectory: Trajectory) -> tuple[list[ColmapCamera], list[int]]:
    """The different cameras, and which of them each frame has."""
    lens = trajectory.lens or Lens("opencv", ())
    if lens.model == "opencv" and not any(lens.coefficients[8:]):
        values = lens.coefficients[:8]
    elif lens.model == "polynomial":
        k1, k2, k3 = lens.coefficients
        values = (k1, k2, 0.0, 0.0, k3, 0.0, 0.0, 0.0)
    else:
        raise BadInputError(
            f"A lens of the model {lens.model} has no place in a COLMAP model.", "Write our own JSON, or a pinhole."
        )
    model = "FULL_OPENCV" if any(values[4:]) else "OPENCV" if any(values) else "PINHOLE"
    count = len(MODELS[model][1]) - 4
    size = (trajectory.width, trajectory.height)
    found: dict[ColmapCamera, int] = {}
    camera_of = []
    for K in trajectory.K:
        pinhole = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
        camera = ColmapCamera(model, size, (*pinhole, *values[:count]))
        camera_of.append(found.setdefault(camera, len(found)))
    return list(found), camera_of


def _lines(path: Path) -> list[str]:
    """The lines of a file without comments; empty ones stay."""
    try:
        text = read_bytes(path, MAX_TEXT).decode()
    except UnicodeDecodeError:
        raise bad_file(path, "is no text", "Export the model again.") from None
    return [line.strip() for line in text.splitlines() if not line.startswith("#")]


def read_colmap_text(path: Path, size: tuple[int, int] | None = None) -> Trajectory:
    """Read the model that an ``images.txt`` belongs to; ``cameras.txt`` lies beside it.

    Raises:
        BadInputError: it is missing, damaged, or its cameras are no pinholes of one size and lens.
    """
    del size
    try:
        cameras = {}
        for line in filter(None, _lines(path.with_name(CAMERAS))):
            name, model, width, height, *parameters = line.split()
            made = make_camera(path, model, int(width), int(height), [float(value) for value in parameters])
            cameras[int(name)] = made
        lines = _lines(path)
        while lines and not lines[0]:
            del lines[0]
        images = []
        # A frame without points has an empty second line.
        for line in lines[::2]:
            if not line:
                break
            _, *pose, camera, name = line.split(maxsplit=9)
            values = np.array([float(value) for value in pose])
            images.append(ColmapImage(values[:4], values[4:7], int(camera), name))
    except (ValueError, OverflowError) as error:
        raise bad_file(path, "is not COLMAP's list of images", "Export the model again as text.") from error
    return trajectory_of(path, cameras, images)


FORMAT = NamedFormat("COLMAP's images.txt", IMAGES, read_colmap_text)
