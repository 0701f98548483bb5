# SPDX-License-Identifier: Apache-2.0
"""Nuke's ``.chan``: a line a frame with its number, position, rotation and vertical field of view.

    frame  tx ty tz  rx ry rz  vfov

Degrees, y up, the camera looks along -z; rotations in Nuke's order ZXY (about z first, y last). The world's y points up
there and down here, so the first camera of a solve stands unturned in both. A file says neither the picture's size nor
a principal point nor a lens.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory, intrinsics
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats.base import NamedFormat
from ex4d.camera.transforms import CV_GL, invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError
from ex4d.system.files import atomic_write
from ex4d.system.inputs import read_bytes

Array = NDArray[np.float64]

#: Bytes of a file at most.
MAX_TEXT = 64 << 20
#: A principal point farther from the middle than this, pixels, is lost.
MOST_SHIFT = 0.5
#: Focal lengths across and down are one within this share.
MOST_STRETCH = 1e-6


def write_chan(path: Path, trajectory: Trajectory) -> None:
    """Write a trajectory.

    Raises:
        BadInputError: it has a lens, a principal point outside of the middle, or pixels that are not square, which the
            format has no place for.
    """
    middle = np.array([trajectory.width, trajectory.height]) / 2
    K = trajectory.K
    is_square = np.allclose(K[:, 0, 0], K[:, 1, 1], rtol=MOST_STRETCH, atol=0)
    if trajectory.lens is not None or np.abs(K[:, :2, 2] - middle).max() > MOST_SHIFT or not is_square:
        raise BadInputError(
            "A lens, a principal point outside of the middle and pixels that are not square have no place in a .chan "
            "file.",
            "Write our own JSON or a COLMAP model.",
        )
    numbers = trajectory.frame_numbers or tuple(range(1, len(trajectory) + 1))
    c2w = CV_GL @ invert_rigid(trajectory.E) @ CV_GL
    lines = []
    for number, pose, K in zip(numbers, c2w, trajectory.K, strict=True):
        R = pose[:3, :3]
        x = math.asin(max(-1.0, min(1.0, -R[1, 2])))
        y, z = math.atan2(R[0, 2], R[2, 2]), math.atan2(R[1, 0], R[1, 1])
        fov = 2 * math.atan(trajectory.height / 2 / K[1, 1])
        values = (*pose[:3, 3], *(math.degrees(angle) for angle in (x, y, z, fov)))
        lines.append("\t".join([str(number), *(repr(float(value)) for value in values)]))
    atomic_write(path, ("\n".join(lines) + "\n").encode())


def read_chan(path: Path, size: tuple[int, int] | None = None) -> Trajectory:
    """Read a file.

    Args:
        path: of the file.
        size: (width, height) of the pictures; pixels are taken to be square.

    Raises:
        BadInputError: it is damaged, tells no field of view, or the size is not known.
    """
    if size is None:
        raise bad_file(path, "does not say how large its pictures are", "Export our own JSON or a COLMAP model.")
    try:
        lines = [line.split() for line in read_bytes(path, MAX_TEXT).decode().splitlines()]
        rows = [[float(value) for value in line] for line in lines if line and not line[0].startswith("#")]
        numbers = tuple(int(row[0]) for row in rows)
    except (ValueError, OverflowError) as error:
        raise bad_file(path, "is not a table of numbers", "Export it again.") from error
    if not rows or any(len(row) < 7 for row in rows):
        raise bad_file(path, "lacks numbers that a .chan has", "It has frame, position, rotation and field of view.")
    if any(len(row) < 8 or not 0 < row[7] < 180 for row in rows):
        raise bad_file(path, "has no vertical field of view", "Export it from a camera, not from an axis.")
    if len(set(numbers)) < len(numbers):
        raise bad_file(path, "has several cameras for one frame", "Leave one camera per frame.")
    values = np.array([row[:8] for row in rows])
    if not np.isfinite(values).all():
        raise bad_file(path, "holds numbers that are not finite", "Export it again.")
    values = values[np.argsort(values[:, 0], kind="stable")]
    poses = np.stack([rigid(_rotation(*np.radians(row[4:7])), row[1:4]) for row in values])
    K = np.stack([intrinsics(size[1] / 2 / math.tan(math.radians(row[7]) / 2), *size) for row in values])
    note = f"{path.name} says no picture size and no lens: it was taken for the plate's frame, without distortion."
    return Trajectory(
        K, invert_rigid(CV_GL @ poses @ CV_GL), *size, frame_numbers=tuple(sorted(numbers)), notes=(note,)
    )


def _rotation(x: float, y: float, z: float) -> Array:
    """(3, 3) about z first, then x, then y; radians."""
    c, s = math.cos(z), math.sin(z)
    return rotation_y(y) @ rotation_x(x) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


FORMAT = NamedFormat("Nuke's .chan", ".chan", read_chan)
