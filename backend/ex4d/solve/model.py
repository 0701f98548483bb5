# SPDX-License-Identifier: Apache-2.0
"""What a solve is about: cameras, one a frame, and points; and how the one sees the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.tracks import Ints

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A point nearer to a camera's plane than this, in units of its scene, is behind it.
LEAST_Z = 1e-9
#: Sightings that are looked at at a time.
SIGHTINGS = 40_000


@dataclass
class Model:
    """Cameras and points; what is not known yet holds no meaning. Work pixels, OpenCV axes.

    Attributes:
        rotation: (T, 3, 3) world->camera.
        position: (T, 3) translation of world->camera (not the centre).
        log_focal: (T,) natural logarithm of the focal length.
        radial: (2,) k1 and k2 of the lens model "polynomial".
        centre: (2,) principal point.
        known: (T,) whether a frame's camera is known.
        points: (M, 3) world, one a track.
        has_point: (M,) whether a track's point is known.
    """

    rotation: Array
    position: Array
    log_focal: Array
    radial: Array
    centre: Array
    known: Bools
    points: Array
    has_point: Bools

    @classmethod
    def empty(cls, frames: int, tracks: int, focal: float, centre: Array) -> Model:
        """All cameras at the origin with that focal length, nothing known."""
        return cls(
            np.tile(np.eye(3), (frames, 1, 1)),
            np.zeros((frames, 3)),
            np.full(frames, np.log(focal)),
            np.zeros(2),
            np.asarray(centre, np.float64),
            np.zeros(frames, bool),
            np.zeros((tracks, 3)),
            np.zeros(tracks, bool),
        )

    def copy(self) -> Model:
        """One that can be changed by itself."""
        return Model(
            self.rotation.copy(),
            self.position.copy(),
            self.log_focal.copy(),
            self.radial.copy(),
            self.centre.copy(),
            self.known.copy(),
            self.points.copy(),
            self.has_point.copy(),
        )

    @property
    def focal(self) -> Array:
        """(T,) focal lengths, work pixels."""
        return np.exp(self.log_focal)

    def centres(self) -> Array:
        """(T, 3) where the cameras stand."""
        return -np.einsum("tji,tj->ti", self.rotation, self.position)

    def in_camera(self, frame: Ints, track: Ints) -> Array:
        """(N, 3) points in the axes of a frame's camera."""
        return np.einsum("nij,nj->ni", self.rotation[frame], self.points[track]) + self.position[frame]

    def project(self, frame: Ints, track: Ints) -> tuple[Array, Array]:
        """Pixel positions (N, 2) of points in frames, and their z (N,)."""
        p = self.in_camera(frame, track)
        z = np.where(np.abs(p[:, 2]) < LEAST_Z, LEAST_Z, p[:, 2])
        n = p[:, :2] / z[:, None]
        return self.centre + np.exp(self.log_focal[frame])[:, None] * n * distortion(self.radial, n)[:, None], p[:, 2]

    def errors(self, frame: Ints, track: Ints, xy: Array) -> Array:
        """(N,) distances, px, of sightings from where their points should be seen; inf behind the camera."""
        out = np.empty(len(frame))
        # So many at a time: a long plate needs no more memory than a short one.
        for start in range(0, len(frame), SIGHTINGS):
            part = slice(start, start + SIGHTINGS)
            at, z = self.project(frame[part], track[part])
            out[part] = np.where(z > LEAST_Z, np.linalg.norm(at - xy[part], axis=1), np.inf)
        return out

    def rays(self, frame: Ints, xy: Array) -> Array:
        """(N, 2) x and y at z = 1, in camera axes, of what is seen at these pixels."""
        return undistorted((xy - self.centre) / np.exp(self.log_focal[frame])[:, None], self.radial)

    def transformed(self, rotation: Array, translation: Array, scale: float) -> None:
        """Move the world: X becomes scale·(rotation·X + translation)."""
        turned = self.rotation @ rotation.T
        self.position = scale * (self.position - np.einsum("tij,j->ti", turned, translation))
        self.rotation = turned
        self.points = scale * (self.points @ rotation.T + translation)


def distortion(radial: Array, n: Array) -> Array:
    """(N,) factor by which the lens moves ideal normalised points (N, 2) outwards."""
    r2 = (n * n).sum(axis=1)
    return 1 + r2 * (radial[0] + radial[1] * r2)


def undistorted(seen: Array, radial: Array) -> Array:
    """Ideal normalised points (N, 2) of distorted ones."""
    if not radial.any():
        return seen
    n = seen
    for _ in range(20):
        n = seen / np.maximum(distortion(radial, n), 0.2)[:, None]
    return n


def rotations(vectors: Array) -> Array:
    """(..., 3, 3) rotation matrices of rotation vectors (..., 3), radians."""
    angle = np.sqrt((vectors * vectors).sum(axis=-1))[..., None, None]
    safe = np.maximum(angle, 1e-12)
    # sin(a)/a and (1 - cos(a))/a², without loss where the angle is small.
    first, second = np.sin(safe) / safe, 0.5 * (np.sin(safe / 2) / (safe / 2)) ** 2
    cross = skew(vectors)
    return np.eye(3) + first * cross + second * (cross @ cross)


def rotation_vectors(matrices: Array) -> Array:
    """(..., 3) rotation vectors, radians, of rotation matrices (..., 3, 3) that turn by less than 180 degrees."""
    odd = np.stack(
        [
            matrices[..., 2, 1] - matrices[..., 1, 2],
            matrices[..., 0, 2] - matrices[..., 2, 0],
            matrices[..., 1, 0] - matrices[..., 0, 1],
        ],
        axis=-1,
    )
    sine = np.linalg.norm(odd, axis=-1)
    angle = np.arctan2(sine, np.trace(matrices, axis1=-2, axis2=-1) - 1)
    return odd * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 0.5)[..., None]


def skew(vectors: Array) -> Array:
    """(..., 3, 3) matrices whose product with v is the cross product of the vectors (..., 3) with it."""
    out = np.zeros((*vectors.shape[:-1], 3, 3))
    out[..., 2, 1] = vectors[..., 0]
    out[..., 0, 2] = vectors[..., 1]
    out[..., 1, 0] = vectors[..., 2]
    return out - np.swapaxes(out, -1, -2)
