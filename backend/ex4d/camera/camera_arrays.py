# SPDX-License-Identifier: Apache-2.0
"""Cameras as networks save them: arrays of an npz file, under names that say which way they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.errors import BadInputError
from ex4d.system.npz import read_npz

Array = NDArray[Any]

#: MegaSaM and VGGT write the singular, gsplat and viser ``Ks``.
INTRINSICS_NAMES = ("intrinsics", "intrinsic", "K", "Ks", "camera_intrinsics")
#: VGGT writes ``extrinsic``: 3x4, camera from world.
WORLD_TO_CAMERA_NAMES = ("extrinsics", "E", "w2c", "extrinsic", "world_to_camera", "world2cam", "viewmats")
CAMERA_TO_WORLD_NAMES = ("cam_c2w", "c2w", "poses", "camera_to_world", "cam2world", "camtoworlds")
CAMERA_NAMES = (*INTRINSICS_NAMES, *WORLD_TO_CAMERA_NAMES, *CAMERA_TO_WORLD_NAMES)
#: Two statements of one pose may differ by this in any entry.
_SAME_POSE = 1e-3


@dataclass(frozen=True)
class RawCamera:
    """What an npz file says of the source camera.

    Attributes:
        K: (3, 3) or (T, 3, 3) in pixels of the maps or pictures that it came with, or None.
        E: (T, 4, 4) world->camera, OpenCV axes, or None.
    """

    K: Array | None = None
    E: Array | None = None


def read_camera_arrays(path: Path) -> RawCamera:
    """What an npz file says.

    Raises:
        BadInputError: it is damaged, or its arrays are no cameras or contradict each other.
    """
    arrays = read_npz(path, CAMERA_NAMES)
    K = _first(INTRINSICS_NAMES, arrays, path)
    if K is not None and K.ndim <= 2 and K.shape[-1:] == (4,):
        K = intrinsics_of(K)
    if K is not None and (K.ndim not in (2, 3) or K.shape[-2:] != (3, 3)):
        raise BadInputError(
            f"{path} has intrinsics of shape {K.shape}.", "Give 3x3 matrices, or fx, fy, cx, cy, once or per frame."
        )
    E, poses = _first(WORLD_TO_CAMERA_NAMES, arrays, path), _first(CAMERA_TO_WORLD_NAMES, arrays, path)
    # Matrices that are not rigid are refused later, by Trajectory.
    inverted = None if poses is None else invert_rigid(square(poses, path))
    if E is None:
        return RawCamera(K, inverted)
    E = square(E, path)
    if inverted is not None and (inverted.shape != E.shape or not np.allclose(inverted, E, atol=_SAME_POSE)):
        raise BadInputError(
            f"{path} has poses from world to camera and from camera to world that contradict each other.",
            "Leave one of the two arrays in it.",
        )
    return RawCamera(K, E)


def intrinsics_of(values: Array) -> Array:
    """(..., 3, 3) from fx, fy, cx, cy (..., 4)."""
    fx, fy, cx, cy = np.moveaxis(values, -1, 0)
    zero, one = np.zeros_like(fx), np.ones_like(fx)
    return np.stack([np.stack(row, -1) for row in ((fx, zero, cx), (zero, fy, cy), (zero, zero, one))], -2)


def _first(names: Sequence[str], arrays: dict[str, Array], path: Path) -> Array | None:
    """The first of those arrays that is there, float64; raises BadInputError where it is not made of numbers."""
    found = next((arrays[name] for name in names if name in arrays), None)
    if found is not None and (found.dtype.kind not in "fiu" or not np.isfinite(found).all()):
        raise BadInputError(f"{path} has a camera that is not made of finite numbers.", "Export it again.")
    return None if found is None else found.astype(np.float64)


def square(matrices: Array, path: Path) -> Array:
    """(T, 4, 4) from that, from (T, 3, 4), or from one matrix; raises BadInputError for other shapes."""
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.ndim != 3 or matrices.shape[1:] not in ((3, 4), (4, 4)):
        raise BadInputError(f"{path} has poses of shape {matrices.shape}.", "Give one 4x4 or 3x4 matrix per frame.")
    if matrices.shape[1] == 4:
        return matrices
    last = np.broadcast_to([[[0.0, 0.0, 0.0, 1.0]]], (len(matrices), 1, 4))
    return np.concatenate([matrices, last], axis=1)
