# SPDX-License-Identifier: Apache-2.0
"""From the visible face per pixel to colour, mask and z: the rules of ``shaders/shade.frag`` in numpy, for rasterizers
that deliver face ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
    SNAP_PX,
    RasterFrame,
    Texture,
    grid_bounds,
    largest_closed_gap,
    view_from_source,
)
from ex4d.raster.render_mesh import SplitMesh

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
    direction = np.stack(
        [
            (pixel % camera.width + 0.5 - camera.K[0, 2]) / camera.K[0, 0],
            (pixel // camera.width + 0.5 - camera.K[1, 2]) / camera.K[1, 1],
        ],
        axis=-1,
    )
    xyz = points[corners]
    q = xyz[..., :2] - direction[:, None] * xyz[..., 2:]
    weights = np.stack([_cross(q[:, 1], q[:, 2]), _cross(q[:, 2], q[:, 0]), _cross(q[:, 0], q[:, 1])], axis=-1)
    area = weights.sum(axis=1)
    edge_on = area == 0
    weights[edge_on] = (1, 0, 0)
    weights[~edge_on] /= area[~edge_on, None]
    # Clockwise in the picture, where y points down, is the front.
    return _Hits(corners, weights, np.einsum("nk,nk->n", weights, xyz[..., 2]), area < 0)


def sample_plate(texture: Texture, at: Float) -> Float:
    """Colours (N, 3) at plate positions (N, 2), linear over the half of the pixel quad they fall into."""
    height, width = texture.shape[:2]
    p = np.clip(at - 0.5, 0, (width - 1, height - 1))
    base = np.floor(p).astype(np.intp)
    f = p - base
    if texture.dtype != np.uint8:
        nearest = np.rint(p)
        snapped = (np.abs(p - nearest) <= SNAP_PX).all(axis=1)
        base[snapped], f[snapped] = nearest[snapped].astype(np.intp), 0
    second = f.sum(axis=1) > 1
    x0, y0 = base[:, 0], base[:, 1]
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    corner = texture[np.where(second, y1, y0), np.where(second, x1, x0)].astype(np.float64)
    across = texture[np.where(second, y1, y0), np.where(second, x0, x1)].astype(np.float64)
    down = texture[np.where(second, y0, y1), np.where(second, x1, x0)].astype(np.float64)
    g = np.where(second[:, None], 1 - f, f)
    return np.asarray(corner + g[:, :1] * (across - corner) + g[:, 1:] * (down - corner))


def _surface(drawn: SplitMesh, hits: _Hits, closed: Bool) -> tuple[Float, Bool]:
    """Plate positions (N, 2), and whether the surface is seen there."""
    mesh = drawn.mesh
    # The plate is projected onto the surface from the source camera.
    surface = np.einsum("nk,nkd->nd", hits.weights, drawn.points[hits.corners].astype(np.float64))
    at = surface[:, :2] / surface[:, 2:] * np.diag(mesh.source.K)[:2] + mesh.source.K[:2, 2]
    # A piece at a depth jump has the colours of its own side of it.
    own = hits.corners[:, 0] >= len(mesh.points)
    at[own] = np.einsum("nk,nkd->nd", hits.weights[own], drawn.plate[hits.corners[own] - len(mesh.points)])
    low, high = grid_bounds(mesh.topology)
    return at, closed & hits.front & ((at >= low) & (at <= high)).all(axis=1)


def _vertex_colors(texture: Texture, hits: _Hits, vertex_alpha: Bool) -> tuple[Float, Bool]:
    alpha = vertex_alpha[hits.corners] * hits.weights
    total = alpha.sum(axis=1)
    valid = total > ALPHA_THRESHOLD
    color = np.zeros((len(total), 3))
    vertex_colors = texture.reshape(-1, 3)[hits.corners[valid]]
    # Un-premultiplied: the released code leaves dark outlines where alpha is between 0 and 1.
    color[valid] = np.einsum("nk,nkc->nc", alpha[valid], vertex_colors) / total[valid, None]
    return color, valid


def shade(drawn: SplitMesh, texture: Texture | None, faces: NDArray[np.integer], camera: Camera) -> RasterFrame:
    """The rendered frame.

    Args:
        drawn: what was drawn.
        texture: the plate's frame; None = plate positions are wanted.
        faces: (H, W) int, the visible face per pixel, −1 = none.
    """
    size = (camera.height, camera.width)
    pixel = np.flatnonzero(faces >= 0)
    face = faces.reshape(-1)[pixel].astype(np.intp)
    mesh = drawn.mesh
    hits = _intersect(drawn, pixel, face, camera)
    within = hits.z <= camera.far
    if mesh.vertex_alpha is None:
        closed = drawn.gaps[face] <= largest_closed_gap(view_from_source(mesh, camera), camera)
        at, valid = _surface(drawn, hits, closed)
        valid &= within
        values = at if texture is None else np.zeros((len(at), 3))
        if texture is not None:
            values[valid] = sample_plate(texture, at[valid])
    else:
        if texture is None:
            raise ValueError("the released construction has colours at its vertices, and no plate positions")
        values, valid = _vertex_colors(texture, hits, mesh.vertex_alpha)
        valid &= within
    pixels = camera.height * camera.width
    dtype, channels = (np.dtype(np.float32), 2) if texture is None else (texture.dtype, 3)
    drawn_values = np.zeros((pixels, channels), dtype=dtype)
    drawn_values[pixel[valid]] = values[valid] if texture is None else (values[valid] + 0.5).astype(dtype)
    mask = np.zeros(camera.height * camera.width, dtype=np.uint8)
    mask[pixel[valid]] = 255
    z = np.full(camera.height * camera.width, np.nan, dtype=np.float32)
    z[pixel[within]] = hits.z[within]
    shaped = drawn_values.reshape(*size, channels)
    if texture is None:
        return RasterFrame(np.empty((0, 0, 3), np.uint8), mask.reshape(size), z.reshape(size), plate=shaped)
    return RasterFrame(shaped, mask.reshape(size), z.reshape(size))
