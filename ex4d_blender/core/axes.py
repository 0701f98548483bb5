# SPDX-License-Identifier: GPL-3.0-or-later
"""Shot world <-> Blender, as matrices. No Blender in here.

The shot world has OpenCV axes (x right, y down, z forward). Its *root* Empty carries the rotation that stands it up in
Blender: shot (x, y, z) becomes (x, z, -y), so that the source camera at the origin looks along +Y with +Z above it.
All that belongs to a shot is a child of the root without a parent inverse, so that its local space *is* the shot world.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]

#: ``rotation_euler`` (XYZ, radians) of a root that has not been moved.
ROOT_ROTATION = (-math.pi / 2, 0.0, 0.0)
#: Shot world -> Blender world of such a root.
SHOT_TO_BLENDER = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
#: OpenCV camera axes <-> Blender camera axes (x right, y up, z backward). Its own inverse.
CV_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])
#: Blender keeps matrices in float32; a product of a few of them strays by less than this from a rigid one.
MATRIX_TOLERANCE = 1e-4


def nearest_rotation(linear: Array) -> Array:
    """The rotation (3, 3) nearest to a nearly rotating (3, 3), by singular value decomposition."""
    u, _, vt = np.linalg.svd(linear)
    return np.asarray(u @ vt, np.float64)


def root_scale(root_world: Array, name: str) -> float:
    """The uniform scale of a root's world matrix (4, 4).

    Raises:
        BadInputError: the root, named ``name`` in the sentence, is scaled unevenly, sheared or mirrored.
    """
    linear = root_world[:3, :3]
    scale = float(np.cbrt(abs(np.linalg.det(linear))))
    if scale < 1e-12 or np.linalg.det(linear) < 0:
        raise BadInputError(
            f"The shot's root «{name}» is mirrored or has no size.",
            "Give it and its parents one positive scale on all axes.",
        )
    gram = (linear / scale).T @ (linear / scale)
    if np.abs(gram - np.eye(3)).max() > 10 * MATRIX_TOLERANCE:
        raise BadInputError(
            f"The shot's root «{name}» is scaled unevenly or sheared, and so would be every picture of it.",
            "Give it and its parents the same scale on all axes.",
        )
    return scale


def camera_rotation(camera_world: Array, name: str) -> Array:
    """The rotation (3, 3) of a camera's world matrix (4, 4), with the scale of its parents dropped as Blender does.

    Raises:
        BadInputError: the camera, named ``name`` in the sentence, is sheared or mirrored, which no pinhole camera is.
    """
    linear = camera_world[:3, :3]
    lengths = np.linalg.norm(linear, axis=0)
    if lengths.min() < 1e-12:
        raise BadInputError(
            f"The camera «{name}» is scaled to nothing.", "Give it and its parents a scale above zero on all axes."
        )
    linear = linear / lengths
    if np.linalg.det(linear) < 0:
        raise BadInputError(
            f"The camera «{name}» is mirrored by a negative scale.", "Give it and its parents positive scales."
        )
    if np.abs(linear.T @ linear - np.eye(3)).max() > 10 * MATRIX_TOLERANCE:
        raise BadInputError(
            f"The camera «{name}» is sheared by a parent that is scaled unevenly.",
            "Give its parents the same scale on all axes, or apply their scale.",
        )
    return nearest_rotation(linear)


def camera_extrinsics(camera_world: Array, camera_name: str, root_world: Array, root_name: str) -> tuple[Array, float]:
    """World matrices (4, 4) of a camera and of its shot's root -> E and the root's scale.

    Returns:
        E (4, 4) float64, shot world -> camera, OpenCV axes, rigid; how many Blender units one shot unit is.

    Raises:
        BadInputError: see ``root_scale`` and ``camera_rotation``.
    """
    scale = root_scale(root_world, root_name)
    to_camera = CV_BLENDER[:3, :3] @ camera_rotation(camera_world, camera_name).T
    E = np.eye(4)
    E[:3, :3] = nearest_rotation(to_camera @ root_world[:3, :3] / scale)
    E[:3, 3] = to_camera @ (root_world[:3, 3] - camera_world[:3, 3]) / scale
    return E, scale


def camera_poses(E: Array) -> Array:
    """E (..., 4, 4) -> the camera's matrices (..., 4, 4) in the root's space, Blender camera axes."""
    poses = np.zeros_like(E)
    rotation = np.swapaxes(E[..., :3, :3], -1, -2)
    poses[..., :3, :3] = rotation @ CV_BLENDER[:3, :3]
    poses[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation, E[..., :3, 3])
    poses[..., 3, 3] = 1.0
    return poses
