# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera move as the fewest Bezier keys that show the same picture. No Blender in here.

The easings are cubics, so most moves need two keys; a key's slope is that of the move itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import PresetSpec, build_take, static_trajectory
from ex4d.camera.transforms import invert_rigid, rotation_x, rotation_y

Array = NDArray[np.float64]

#: Keys are added until no point at the pivot's depth is off by more, in pixels of the plate. Float32 adds some.
KEY_TOLERANCE = 0.03
#: Moves are sampled this many times per frame to find the slopes of their curves.
SUBSAMPLES = 32
#: What one channel may wander by round-off and still be still.
STILL = 1e-9


@dataclass(frozen=True)
class MoveCurves:
    """A move as curves over its frames, relative to the base camera.

    Attributes:
        on_pivot: the angles turn about the pivot; otherwise about the camera, which also has a location.
        values: (6, N) x, y, z, tilt, yaw (radians), factor on the focal length.
        slopes: (6, N) per frame.
    """

    on_pivot: bool
    values: Array
    slopes: Array

    def poses(self, values: Array, pivot: Array) -> Array:
        """Curve values (6, N) -> take camera -> base camera (N, 4, 4), OpenCV axes."""
        out = np.tile(np.eye(4), (values.shape[1], 1, 1))
        out[:, :3, :3] = [rotation_y(yaw) @ rotation_x(tilt) for tilt, yaw in values[3:5].T]
        out[:, :3, 3] = pivot - out[:, :3, :3] @ pivot if self.on_pivot else values[:3].T
        return out


def move_curves(spec: PresetSpec, count: int, pivot: Array) -> MoveCurves:
    """The move over ``count`` frames, from the preset itself sampled finely."""
    fine = (count - 1) * SUBSAMPLES + 1
    take = build_take(spec, static_trajectory(np.eye(3), 1, 1, fine), pivot)
    poses = invert_rigid(take.E)
    rotation, location = poses[:, :3, :3], poses[:, :3, 3]
    # No move rolls: the rotation is a tilt about the camera's x, then a yaw about the base's y.
    yaw = np.unwrap(np.arctan2(-rotation[:, 2, 0], rotation[:, 0, 0]))
    level = np.stack([rotation_y(-angle) for angle in yaw]) @ rotation
    tilt = np.unwrap(np.arctan2(level[:, 2, 1], level[:, 1, 1]))
    values = np.stack([*location.T, tilt, yaw, take.K[:, 0, 0]])
    length = np.linalg.norm(pivot)
    turns = np.ptp(tilt) > STILL or np.ptp(yaw) > STILL
    on_pivot = bool(turns and np.abs(rotation @ pivot + location - pivot).max() < 1e-9 * length)
    if on_pivot:
        values[:3] = 0.0
    if count == 1:
        return MoveCurves(on_pivot, values, np.zeros_like(values))
    slopes = np.gradient(values, axis=1, edge_order=2) * SUBSAMPLES
    # What is flat but for the differences' round-off is flat.
    slopes[np.abs(slopes) < 1e-4 * np.ptp(values, axis=1, keepdims=True) / count] = 0.0
    return MoveCurves(on_pivot, values[:, ::SUBSAMPLES], slopes[:, ::SUBSAMPLES])


def hermite(keys: Sequence[int], values: Array, slopes: Array) -> Array:
    """What keys at these indices show at all: (C, N) from values and slopes (C, N)."""
    out = values.copy()
    for a, b in pairwise(keys):
        s = (np.arange(a, b + 1) - a) / (b - a)
        step = float(b - a)
        out[:, a : b + 1] = (
            values[:, a : a + 1] * (1 + 2 * s) * (1 - s) ** 2
            + values[:, b : b + 1] * s * s * (3 - 2 * s)
            + slopes[:, a : a + 1] * step * s * (1 - s) ** 2
            - slopes[:, b : b + 1] * step * s * s * (1 - s)
        )
    return out


def pixel_errors(curves: MoveCurves, shown: Array, K: Array, size: tuple[int, int], pivot: Array) -> Array:
    """(N,) by how many pixels points at the pivot's depth stand elsewhere than the move says.

    The points are the corners, the sides' middles and the centre of each frame's picture.
    """
    width, height = size
    want, have = curves.poses(curves.values, pivot), curves.poses(shown, pivot)
    between = invert_rigid(have) @ want
    grid = np.array([[x, y] for y in (0, height / 2, height) for x in (0, width / 2, width)])
    # Relative to the principal point, so that a zoom is a factor.
    rays = (grid - K[:2, 2]) / K[(0, 1), (0, 1)] / curves.values[5, :, None, None]
    points = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1) * np.linalg.norm(pivot)
    moved = points @ np.swapaxes(between[:, :3, :3], 1, 2) + between[:, None, :3, 3]
    pixels = moved[..., :2] / moved[..., 2:] * K[(0, 1), (0, 1)] * shown[5, :, None, None] + K[:2, 2]
    return np.asarray(np.linalg.norm(pixels - grid, axis=-1).max(axis=-1))


def choose_keys(curves: MoveCurves, K: Array, size: tuple[int, int], pivot: Array) -> list[int]:
    """The fewest evenly spaced keys that show the move; even ones are the easiest to edit."""
    count = curves.values.shape[1]
    for segments in range(1, count):
        keys = sorted({round(index) for index in np.linspace(0, count - 1, segments + 1)})
        shown = hermite(keys, curves.values, curves.slopes)
        if pixel_errors(curves, shown, K, size, pivot).max() <= KEY_TOLERANCE:
            return keys
    return list(range(count))
