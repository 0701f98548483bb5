# SPDX-License-Identifier: Apache-2.0
"""EX-4D's ``camera_*.npz``, as the released recon.py writes it with ``--save_camera``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file, picture_size
from ex4d.camera.formats.base import BinaryFormat
from ex4d.camera.transforms import CV_GL
from ex4d.system.files import atomic_path
from ex4d.system.npz import read_npz


def write_released_npz(path: Path, trajectory: Trajectory) -> None:
    """Write the released code's layout.

    ``extrinsics`` (T, 4, 4) float32 are world->camera with OpenGL axes (the released code saves them after flipping
    their rows in place); ``intrinsics`` float32 are (3, 3), or (T, 3, 3) where the lens changes, which the
    released code has no move for. ``size`` (width, height) is ours: the layout leaves it to a centred K.
    """
    zooms = not np.allclose(trajectory.K, trajectory.K[:1])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            extrinsics=(CV_GL @ trajectory.E).astype(np.float32),
            intrinsics=(trajectory.K if zooms else trajectory.K[0]).astype(np.float32),
            size=np.array([trajectory.width, trajectory.height], dtype=np.int32),
        )


def read_released_npz(path: Path) -> Trajectory:
    """Read that layout, axes turned to OpenCV's.

    Raises:
        BadInputError: the file cannot be used.
    """
    arrays = read_npz(path, ("extrinsics", "intrinsics", "size"))
    if not {"extrinsics", "intrinsics"} <= arrays.keys():
        raise bad_file(path, "has no extrinsics and intrinsics", "EX-4D's recon writes such files with --save_camera.")
    if any(array.dtype.kind not in "fiu" for array in arrays.values()):
        raise bad_file(path, "holds something other than numbers", "Export it again.")
    extrinsics, K = (arrays[name].astype(np.float64) for name in ("extrinsics", "intrinsics"))
    if extrinsics.ndim != 3 or extrinsics.shape[1:] != (4, 4) or K.shape[-2:] != (3, 3) or not np.isfinite(K).all():
        raise bad_file(path, "does not hold (frames, 4, 4) extrinsics and 3x3 intrinsics", "Export it again.")
    size = arrays.get("size")
    if size is None:
        size = np.round(2 * K.reshape(-1, 3, 3)[0, :2, 2])
    if size.shape != (2,):
        raise bad_file(path, "has a size that is not a width and a height", "Export it again.")
    with np.errstate(over="ignore", invalid="ignore"):
        return Trajectory(K, CV_GL @ extrinsics, *picture_size(path, *size.tolist()))


# As of every zip.
FORMAT = BinaryFormat("EX-4D's camera_*.npz", b"PK", read_released_npz, ".npz")
