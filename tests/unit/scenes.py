# SPDX-License-Identifier: Apache-2.0
"""Scenes whose every ray can be computed by hand: the truth that meshes and rasterizers are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ex4d.camera import Camera, intrinsics
from ex4d.mesh import build_mesh, far_plane


def rays(camera):
    """Origin (3,) and directions (H, W, 3) with unit z-depth per unit of length, world coordinates."""
    x = (np.arange(camera.width) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
    y = (np.arange(camera.height) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    directions = np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)
    return camera.center(), directions @ camera.E[:3, :3]


@dataclass(frozen=True)
class Plane:
    """Points p with normal · p = offset."""

    normal: tuple[float, float, float]
    offset: float

    def hit(self, origin, directions):
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.offset - origin @ np.array(self.normal)) / (directions @ np.array(self.normal))
        return np.where(t > 0, t, np.inf)


@dataclass(frozen=True)
class Sphere:
    center: tuple[float, float, float]
    radius: float

    def hit(self, origin, directions):
        to_center = np.array(self.center) - origin
        a = (directions**2).sum(-1)
        b = directions @ to_center
        disc = b**2 - a * (to_center @ to_center - self.radius**2)
        with np.errstate(invalid="ignore"):
            t = (b - np.sqrt(disc)) / a
        return np.where((disc > 0) & (t > 0), t, np.inf)


def cast(shapes, camera):
    """z-depth (H, W) of the nearest shape (inf = none) and its index."""
    origin, directions = rays(camera)
    hits = np.stack([shape.hit(origin, directions) for shape in shapes])
    return hits.min(axis=0), hits.argmin(axis=0)


def smooth_picture(width, height, dtype=np.uint8):
    """A colourful picture that bilinear interpolation reproduces to within half a code value of 8 bits."""
    return (
        picture_at(*np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)) * np.iinfo(dtype).max + 0.5
    ).astype(dtype)


def picture_at(x, y):
    """The smooth picture at pixel positions, (..., 3) in 0..1."""
    return 0.5 + 0.4 * np.stack([np.sin(x / 40), np.cos(y / 35), np.sin((x + y) / 50)], axis=-1)


def source_camera(width=320, height=240, focal=300.0):
    return Camera(intrinsics(focal, width, height), np.eye(4), width, height)


def mesh_of(shapes, camera, **kwargs):
    """Mesh of the shapes as the camera sees them, and their depth."""
    depth = cast(shapes, camera)[0].astype(np.float32)
    finite = depth[np.isfinite(depth)]
    return build_mesh(depth, camera, far_plane(float(finite.max()), float(np.median(finite))), **kwargs), depth


SLANTED = [Plane((0.35, 0.1, 1.0), 4.0)]
SPHERE = [Sphere((0.1, -0.05, 3.0), 0.6), Plane((0.0, 0.0, 1.0), 6.0)]
GROUND = [Plane((0.0, 1.0, 0.0), 0.5), Plane((0.0, 0.0, 1.0), 8.0)]


def in_unknown_space(camera, z, source, source_depth, samples=200):
    """(H, W) bool: the ray to the surface at z runs through space that the source camera could not look into."""
    origin, directions = rays(camera)
    out = np.zeros(z.shape, bool)
    for share in np.linspace(0.02, 0.985, samples):
        pixels, depth = source.project(origin + directions * np.where(np.isfinite(z), z * share, 1)[..., None])
        at = np.floor(pixels).astype(int)
        inside = (depth > 0) & (at >= 0).all(-1) & (at < [source.width, source.height]).all(-1)
        at = np.where(inside[..., None], at, 0)
        out |= inside & (depth > 1.01 * source_depth[at[..., 1], at[..., 0]])
    return out
