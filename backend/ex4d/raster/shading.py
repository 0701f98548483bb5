# SPDX-License-Identifier: Apache-2.0
"""From the visible face per pixel to colour, mask and z: the rules of ``shaders/shade.frag`` in numpy, for rasterizers
that deliver face ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.media.frames import without_alpha
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
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


#: A position this near to a pixel's centre, in pixels, takes that pixel as it is: plate positions are off by 1.2e-4 px
#: (640 wide) to 7.3e-4 px (4096 wide), which whole numbers of 8 bits round away and others do not.
SNAP_PX = 1 / 128


def sample_plate(texture: Texture, at: Float) -> Texture:
    """Values (N, C) of the texture's dtype at plate positions (N, 2); straight alpha of integers weighs colours."""
    is_float = texture.dtype.kind == "f"
    if is_float:
        values = _interpolate(texture, at, _weighted).astype(texture.dtype)
    elif texture.shape[2] == 3:
        values = (_interpolate(texture, at, _stepped) + 0.5).astype(texture.dtype)
    else:
        values = _straight(texture, at)
    if texture.dtype == np.uint8 and texture.shape[2] == 3:
        return values
    height, width = texture.shape[:2]
    nearest = np.clip(np.floor(at), 0, (width - 1, height - 1)).astype(np.intp)
    snapped = (np.abs(at - nearest - 0.5) <= SNAP_PX).all(axis=1)
    values[snapped] = texture[nearest[snapped, 1], nearest[snapped, 0]]
    return values


def _straight(texture: Texture, at: Float) -> Texture:
    """Of integers with straight alpha: colours weighted by alpha; where there is none, as if it were everywhere."""
    opaque = np.iinfo(texture.dtype).max
    values = texture.astype(np.float64)
    plain = _interpolate(values, at, _stepped)
    values[..., :3] *= values[..., 3:] / opaque
    weighted = _interpolate(values, at, _stepped)
    alpha = weighted[:, 3:] / opaque
    color = np.where(alpha > 0, weighted[:, :3] / np.where(alpha > 0, alpha, 1), plain[:, :3])
    return (np.concatenate([color, weighted[:, 3:]], axis=1) + 0.5).clip(0, opaque).astype(texture.dtype)


def _stepped(corner: Float, across: Float, down: Float, g: Float) -> Float:
    return np.asarray(corner + g[:, :1] * (across - corner) + g[:, 1:] * (down - corner))


def _weighted(corner: Float, across: Float, down: Float, g: Float) -> Float:
    """As ``_stepped``; what has no weight may be infinite or no number."""
    total = np.zeros_like(corner)
    for values, weight in ((corner, 1 - g[:, :1] - g[:, 1:]), (across, g[:, :1]), (down, g[:, 1:])):
        with np.errstate(invalid="ignore"):
            total += np.where(weight > 0, values * weight, 0)
    return total


def _interpolate(texture: Texture, at: Float, mix: Callable[[Float, Float, Float, Float], Float]) -> Float:
    """Values (N, C) at plate positions (N, 2), linear over the half of the pixel quad they fall into."""
    height, width = texture.shape[:2]
    p = np.clip(at - 0.5, 0, (width - 1, height - 1))
    base = np.floor(p).astype(np.intp)
    f = p - base
    second = f.sum(axis=1) > 1
    x0, y0 = base[:, 0], base[:, 1]
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    corner = texture[np.where(second, y1, y0), np.where(second, x1, x0)].astype(np.float64)
    across = texture[np.where(second, y1, y0), np.where(second, x0, x1)].astype(np.float64)
    down = texture[np.where(second, y0, y1), np.where(second, x1, x0)].astype(np.float64)
    g = np.where(second[:, None], 1 - f, f)
    return mix(corner, across, down, g)


def _surface(drawn: SplitMesh, texture: Texture, hits: _Hits, closed: Bool) -> tuple[Texture, Bool]:
    mesh = drawn.mesh
    # The plate is projected onto the surface from the source camera.
    surface = np.einsum("nk,nkd->nd", hits.weights, drawn.points[hits.corners].astype(np.float64))
    at = surface[:, :2] / surface[:, 2:] * np.diag(mesh.source.K)[:2] + mesh.source.K[:2, 2]
    # A piece at a depth jump has the colours of its own side of it.
    own = hits.corners[:, 0] >= len(mesh.points)
    at[own] = np.einsum("nk,nkd->nd", hits.weights[own], drawn.plate[hits.corners[own] - len(mesh.points)])
    low, high = grid_bounds(mesh.topology)
    valid = closed & hits.front & ((at >= low) & (at <= high)).all(axis=1)
    color = np.zeros((len(at), texture.shape[2]), texture.dtype)
    color[valid] = sample_plate(texture, at[valid])
    return color, valid


def _vertex_colors(texture: Texture, hits: _Hits, vertex_alpha: Bool) -> tuple[Texture, Bool]:
    alpha = vertex_alpha[hits.corners] * hits.weights
    total = alpha.sum(axis=1)
    valid = total > ALPHA_THRESHOLD
    channels = texture.shape[2]
    color = np.zeros((len(total), channels))
    vertex_colors = texture.reshape(-1, channels)[hits.corners[valid]]
    # Un-premultiplied: the released code leaves dark outlines where alpha is between 0 and 1.
    color[valid] = np.einsum("nk,nkc->nc", alpha[valid], vertex_colors) / total[valid, None]
    return (color if texture.dtype.kind == "f" else color + 0.5).astype(texture.dtype), valid


def shade(drawn: SplitMesh, texture: Texture, faces: NDArray[np.integer], camera: Camera) -> RasterFrame:
    """The rendered frame.

    Args:
        drawn: what was drawn.
        faces: (H, W) int, the visible face per pixel, −1 = none.
    """
    size = (camera.height, camera.width)
    pixel = np.flatnonzero(faces >= 0)
    face = faces.reshape(-1)[pixel].astype(np.intp)
    mesh = drawn.mesh
    hits = _intersect(drawn, pixel, face, camera)
    if mesh.vertex_alpha is None:
        closed = drawn.gaps[face] <= largest_closed_gap(view_from_source(mesh, camera), camera)
        values, valid = _surface(drawn, texture, hits, closed)
    else:
        values, valid = _vertex_colors(texture, hits, mesh.vertex_alpha)
    within = hits.z <= camera.far
    valid &= within
    color = np.zeros((camera.height * camera.width, texture.shape[2]), dtype=texture.dtype)
    color[pixel[valid]] = values[valid]
    mask = np.zeros(camera.height * camera.width, dtype=np.uint8)
    mask[pixel[valid]] = 255
    z = np.full(camera.height * camera.width, np.nan, dtype=np.float32)
    z[pixel[within]] = hits.z[within]
    picture, alpha = without_alpha(color.reshape(*size, -1))
    return RasterFrame(picture, mask.reshape(size), z.reshape(size), alpha)
