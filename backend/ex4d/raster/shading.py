# SPDX-License-Identifier: Apache-2.0
"""From the visible face per pixel to colour, mask and z: the rules of ``shaders/shade.frag`` in numpy, for rasterizers
that deliver face ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, pixel_rays
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
    RasterFrame,
    Texture,
    grid_bounds,
    largest_closed_gap,
    view_from_source,
)
from ex4d.raster.lens_table import pixel_centre_rays
from ex4d.raster.render_mesh import SplitMesh
from ex4d.raster.sampling import sample_plate, sample_vertices, split_alpha

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class _Hits:
    """Where the viewing rays meet their faces.

    Attributes:
        corners: (N, 3) vertex indices.
        weights: (N, 3) of the corners.
        z: (N,) z-depth in the take camera.
        front: (N,) bool, whether the face shows its front.
    """

    corners: Index
    weights: Float
    z: Float
    front: Bool


def _cross(a: Float, b: Float) -> Float:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _intersect(drawn: SplitMesh, pixel: Index, face: Index, camera: Camera) -> _Hits:
    """Meet the ray through each pixel's centre with the plane of its face.

    The weight of corner a is proportional to det(d, b, c) for the ray direction d. Taking multiples of d away
    from b and c does not change it; with q = corner − d·z, whose z vanishes, it is the 2D cross product of q_b
    and q_c. That needs no division by z, so corners behind the camera are fine, and loses no digits.
    """
    view = view_from_source(drawn.mesh, camera)
    points = drawn.points @ view[:3, :3].T + view[:3, 3]
    corners = drawn.faces[face].astype(np.intp)
    if camera.lens is None:
        place: Float = np.stack([pixel % camera.width, pixel // camera.width], axis=-1) + np.float64(0.5)
        direction = pixel_rays(place, camera.K)
    else:
        direction = pixel_centre_rays(camera).reshape(-1, 2)[pixel]
    xyz = points[corners]
    q = xyz[..., :2] - direction[:, None] * xyz[..., 2:]
    weights = np.stack([_cross(q[:, 1], q[:, 2]), _cross(q[:, 2], q[:, 0]), _cross(q[:, 0], q[:, 1])], axis=-1)
    area = weights.sum(axis=1)
    edge_on = area == 0
    weights[edge_on] = (1, 0, 0)
    weights[~edge_on] /= area[~edge_on, None]
    # Clockwise in the picture, where y points down, is the front.
    return _Hits(corners, weights, np.einsum("nk,nk->n", weights, xyz[..., 2]), area < 0)


def _surface(drawn: SplitMesh, texture: Texture, hits: _Hits, closed: Bool) -> tuple[NDArray[np.intp], Texture, Float]:
    mesh = drawn.mesh
    # The plate is projected onto the surface from the source camera.
    surface = np.einsum("nk,nkd->nd", hits.weights, drawn.points[hits.corners].astype(np.float64))
    ideal = surface[:, :2] / surface[:, 2:]
    lens, K = mesh.source.lens, mesh.source.K
    at = (ideal if lens is None else lens.distort(ideal)) * np.diag(K)[:2] + K[:2, 2]
    # A piece at a depth jump has the colours of its own side of it.
    own = hits.corners[:, 0] >= len(mesh.points)
    at[own] = np.einsum("nk,nkd->nd", hits.weights[own], drawn.plate[hits.corners[own] - len(mesh.points)])
    low, high = grid_bounds(mesh.topology)
    valid = np.flatnonzero(closed & hits.front & ((at >= low) & (at <= high)).all(axis=1))
    return valid, *sample_plate(texture, at[valid])


def _vertex_colors(texture: Texture, hits: _Hits, vertex_alpha: Bool) -> tuple[NDArray[np.intp], Texture, Float]:
    visible = vertex_alpha[hits.corners]
    valid = np.flatnonzero((visible * hits.weights).sum(axis=1) > ALPHA_THRESHOLD)
    return valid, *sample_vertices(texture, hits.corners[valid], hits.weights[valid], visible[valid])


def shade(
    drawn: SplitMesh, texture: Texture, faces: NDArray[np.integer], camera: Camera, *, positions: bool = False
) -> RasterFrame:
    """The rendered frame.

    Args:
        drawn: what was drawn.
        texture: see ``Texture``.
        faces: (H, W) int, the visible face per pixel, −1 = none.
        positions: whether ``RasterFrame.plate`` is wanted.
    """
    size, count = (camera.height, camera.width), camera.height * camera.width
    pixel = np.flatnonzero(faces >= 0)
    face = faces.reshape(-1)[pixel].astype(np.intp)
    mesh = drawn.mesh
    hits = _intersect(drawn, pixel, face, camera)
    if mesh.vertex_alpha is None:
        closed = drawn.gaps[face] <= largest_closed_gap(view_from_source(mesh, camera), camera)
        valid, values, at = _surface(drawn, texture, hits, closed)
    else:
        valid, values, at = _vertex_colors(texture, hits, mesh.vertex_alpha)
    within = hits.z <= camera.far
    near = within[valid]
    seen = pixel[valid[near]]
    picture = np.zeros((count, texture.shape[2]), dtype=texture.dtype)
    picture[seen] = values[near]
    mask = np.zeros(count, dtype=np.uint8)
    mask[seen] = 255
    z = np.full(count, np.nan, dtype=np.float32)
    z[pixel[within]] = hits.z[within]
    plate = None
    if positions:
        plate = np.full((count, 2), np.nan, dtype=np.float32)
        plate[seen] = at[near]
    color, alpha = split_alpha(picture.reshape(*size, -1))
    places = None if plate is None else plate.reshape(*size, 2)
    return RasterFrame(color, mask.reshape(size), z.reshape(size), alpha, places)
