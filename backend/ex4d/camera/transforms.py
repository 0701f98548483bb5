# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms and axis conventions (DESIGN: OpenCV axes, x right, y down, z forward)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: OpenCV axes <-> OpenGL/Blender axes (x right, y up, z backward). Its own inverse.
CV_GL = np.diag([1.0, -1.0, -1.0, 1.0])


def rotation_x(angle: float) -> Array:
    """3x3 rotation about +x by ``angle`` radians (right-handed: y turns towards z)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float64)


def rotation_y(angle: float) -> Array:
    """3x3 rotation about +y by ``angle`` radians (right-handed: z turns towards x)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=np.float64)


def rigid(rotation: Array, translation: Array) -> Array:
    """4x4 matrix from a 3x3 rotation and a 3-vector."""
    out = np.eye(4)
    out[:3, :3] = rotation
    out[:3, 3] = translation
    return out


def invert_rigid(matrix: Array) -> Array:
    """Inverse of rigid 4x4 matrices (..., 4, 4), without the round-off of a general inverse."""
    out = np.zeros_like(matrix, dtype=np.float64)
    rt = np.swapaxes(matrix[..., :3, :3], -1, -2)
    out[..., :3, :3] = rt
    out[..., :3, 3] = -np.einsum("...ij,...j->...i", rt, matrix[..., :3, 3])
    out[..., 3, 3] = 1.0
    return out


def look_at(eye: Array, target: Array) -> Array:
    """World->camera 4x4 (OpenCV axes) of a camera at ``eye`` that looks at ``target`` with world +y downwards.

    Raises:
        ValueError: if the target is at the eye, or straight above or below it.
    """
    forward = np.asarray(target, np.float64) - np.asarray(eye, np.float64)
    length = np.linalg.norm(forward)
    right = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    if length == 0 or np.linalg.norm(right) < 1e-9 * length:
        raise ValueError("look_at needs a target that is neither at the eye nor straight above or below it")
    forward = forward / length
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return rigid(rotation, -rotation @ np.asarray(eye, np.float64))


def rigid_about(rotation: Array, pivot: Array) -> Array:
    """4x4 motion that turns space by ``rotation`` about the point ``pivot`` (the pivot stays where it is)."""
    pivot = np.asarray(pivot, np.float64)
    return rigid(rotation, pivot - rotation @ pivot)


def rigid_error(matrix: Array) -> float:
    """How far (..., 4, 4) matrices are from rigid ones: the largest entry of |RᵀR − I| and of the last row's error."""
    r = matrix[..., :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        gram = np.swapaxes(r, -1, -2) @ r - np.eye(3)
        last = matrix[..., 3, :] - np.array([0.0, 0.0, 0.0, 1.0])
        mirrored = 2.0 if np.any(np.linalg.det(r) < 0) else 0.0
    error = float(np.max([np.abs(gram).max(), np.abs(last).max(), mirrored]))
    return error if np.isfinite(error) else np.inf
