# SPDX-License-Identifier: Apache-2.0
"""Residuals and their derivatives for many sightings at a time. Arrays have the sightings last: each operation then
runs over numbers that lie side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.model import LEAST_Z, Model
from ex4d.solve.tracks import Ints

Array = NDArray[np.float64]

#: Residual, px, of what is behind the camera.
BEHIND = 1e4


@dataclass(frozen=True)
class Projection:
    """Sightings as a model predicts them.

    Attributes:
        residual: (2, N) px, predicted less seen; ``BEHIND`` behind the camera.
        by_point: (2, 3, N) derivative of the pixel by the point in the camera's axes.
        by_focal: (2, N) by the log of the focal length.
        by_radial: (2, 2, N) by k1 and k2: [axis, coefficient].
        turned: (3, N) point in the camera's axes, less the camera's translation.
        in_front: (N,) whether it is in front of the camera.
    """

    residual: Array
    by_point: Array
    by_focal: Array
    by_radial: Array
    turned: Array
    in_front: NDArray[np.bool_]


@dataclass(frozen=True)
class Gathered:
    """Cameras and points as the sightings have them.

    Attributes:
        rotation: (9, N) rows of world->camera.
        position: (3, N).
        focal: (N,).
        points: (3, N).
        xy: (2, N) px.
    """

    rotation: Array
    position: Array
    focal: Array
    points: Array
    xy: Array


def gather(model: Model, frame: Ints, track: Ints, xy: Array) -> Gathered:
    """Those of sightings (N,), with xy (2, N)."""
    return Gathered(
        model.rotation.reshape(-1, 9).T[:, frame],
        model.position.T[:, frame],
        np.exp(model.log_focal)[frame],
        model.points.T[:, track],
        xy,
    )


def turn(rotation: Array, points: Array) -> Array:
    """(3, N) rotations' rows (9, N) times points (3, N)."""
    x, y, z = points
    return np.stack([rotation[3 * i] * x + rotation[3 * i + 1] * y + rotation[3 * i + 2] * z for i in range(3)])


def residuals(model: Model, g: Gathered) -> Array:
    """See ``Projection.residual``."""
    p = turn(g.rotation, g.points) + g.position
    in_front = p[2] > LEAST_Z
    n = p[:2] / np.where(in_front, p[2], 1.0)
    scale = g.focal
    if model.radial.any():
        r2 = n[0] ** 2 + n[1] ** 2
        scale = scale * (1 + r2 * (model.radial[0] + model.radial[1] * r2))
    return np.where(in_front, scale * n + model.centre[:, None] - g.xy, BEHIND)


def project(model: Model, g: Gathered) -> Projection:
    """Residuals and derivatives."""
    turned = turn(g.rotation, g.points)
    p = turned + g.position
    in_front = p[2] > LEAST_Z
    inverse = 1 / np.where(in_front, p[2], 1.0)
    n = p[:2] * inverse
    k1, k2 = model.radial
    r2 = n[0] ** 2 + n[1] ** 2
    bent = 1 + r2 * (k1 + k2 * r2)
    by_focal = g.focal * bent * n
    by_point = np.empty((2, 3, len(r2)))
    slope = 2 * (k1 + 2 * k2 * r2) * g.focal * inverse
    along = g.focal * bent * inverse
    by_point[0, 0] = along + slope * n[0] * n[0]
    by_point[0, 1] = by_point[1, 0] = slope * n[0] * n[1]
    by_point[1, 1] = along + slope * n[1] * n[1]
    by_point[:, 2] = -(by_point[:, 0] * n[0] + by_point[:, 1] * n[1])
    by_radial = np.stack([g.focal * r2 * n, g.focal * r2 * r2 * n], axis=1)
    residual = np.where(in_front, by_focal + model.centre[:, None] - g.xy, BEHIND)
    return Projection(residual, by_point, by_focal, by_radial, turned, in_front)


def by_rotation(projection: Projection) -> Array:
    """(2, 3, N) derivative of the pixel by a rotation vector that turns the camera's world further."""
    J, t = projection.by_point, projection.turned
    return np.stack(
        [
            J[:, 2] * t[1] - J[:, 1] * t[2],
            J[:, 0] * t[2] - J[:, 2] * t[0],
            J[:, 1] * t[0] - J[:, 0] * t[1],
        ],
        axis=1,
    )


def by_world_point(by_point: Array, rotation: Array) -> Array:
    """(2, 3, N) derivative of the pixel by the point in the world."""
    return np.stack(
        [
            by_point[:, 0] * rotation[j] + by_point[:, 1] * rotation[3 + j] + by_point[:, 2] * rotation[6 + j]
            for j in range(3)
        ],
        axis=1,
    )


def products(a: Array, b: Array) -> Array:
    """(A, B, N) sums over the two pixel axes of all products of (2, A, N) and (2, B, N)."""
    return a[0][:, None] * b[0][None] + a[1][:, None] * b[1][None]
