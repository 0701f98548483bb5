# SPDX-License-Identifier: Apache-2.0
"""From the visible face per pixel to colour, mask and z: the rules of ``raster.shading`` and ``shaders/shade.frag`` in
torch, for several frames.

Coordinates are kept apart, one tensor each, so that reading them runs through memory in order. Vertices are moved to
the take camera in float64 and rounded once; the rest is float32, as on any graphics card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.mesh.torch.surface import lens
from ex4d.raster.base import ALPHA_THRESHOLD, SNAP_PX, grid_bounds, largest_closed_gap
from ex4d.raster.cuda.render_mesh import SplitMeshBatch

Triple = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class RasterBatch:
    """N rendered frames, see ``RasterFrame``, on the device that made them.

    Attributes:
        color: (N, H, W, 3) in the texture's dtype, RGB; 0 where ``mask`` is 0. Without a texture (N, H, W, 2) float32
            plate pixel positions.
        mask: (N, H, W) uint8, 255 = real source surface seen from its front, 0 = to be filled.
        z: (N, H, W) float32 z-depth along the take camera's axis; NaN where there is no surface.
    """

    color: Tensor
    mask: Tensor
    z: Tensor


@dataclass(frozen=True, eq=False)
class _Hits:
    """Where the viewing rays meet their faces, P = N·H·W pixels.

    Attributes:
        face: (P,) int64 index of the visible face; of any where there is none.
        corners: 3 × (P,) int64 indices of points.
        weights: 3 × (P,) float32 of the corners.
        z: (P,) float32 z-depth in the take camera.
        front: (P,) bool, whether the face shows its front.
    """

    face: Tensor
    corners: Triple
    weights: Triple
    z: Tensor
    front: Tensor


def views_from_sources(sources: Sequence[Camera], takes: Sequence[Camera]) -> np.ndarray[tuple[int, ...], np.dtype]:
    """(N, 4, 4) float64 from source camera coordinates to the take camera's, see ``view_from_source``."""
    return np.stack([take.E @ invert_rigid(source.E) for source, take in zip(sources, takes, strict=True)])


def in_take_cameras(drawn: SplitMeshBatch, takes: Sequence[Camera]) -> Tensor:
    """(3, N, D) float32 points in the take cameras' coordinates."""
    views = torch.from_numpy(views_from_sources(drawn.sources, takes)).to(drawn.points.device)
    moved = views[:, :3, :3] @ drawn.points.permute(1, 0, 2).double() + views[:, :3, 3:]
    return moved.permute(1, 0, 2).float().contiguous()


def _cross(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    return a[0] * b[1] - a[1] * b[0]


def _weighted(weights: Triple, values: Sequence[Tensor]) -> Tensor:
    return weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2]


def _per_pixel(values: Sequence[float], shape: tuple[int, int, int], like: Tensor) -> Tensor:
    """One value a frame, as (N, 1, 1), the largest float32 at most."""
    limit = float(np.finfo(np.float32).max)
    return like.new_tensor([min(value, limit) for value in values], dtype=torch.float32).view(shape[0], 1, 1)


def _intersect(drawn: SplitMeshBatch, seen: Tensor, faces: Tensor, takes: Sequence[Camera]) -> _Hits:
    """Meet the ray through each pixel's centre with the plane of its face; derivation in ``raster.shading``."""
    count, height, width = faces.shape
    face = faces.clamp(min=0).flatten().long()
    corners = tuple(drawn.faces[:, k].contiguous()[face].long() for k in range(3))
    lenses = torch.tensor([lens(camera) for camera in takes], dtype=torch.float64, device=seen.device)
    fx, fy, cx, cy = lenses.T[..., None]
    column, row = (torch.arange(n, dtype=torch.float64, device=seen.device) for n in (width, height))
    across, down = ((column + 0.5 - cx) / fx).float()[:, None], ((row + 0.5 - cy) / fy).float()[:, :, None]
    x, y, z = seen.flatten(1)
    depths, q = [], []
    for corner in corners:
        depth = z[corner]
        shaped = depth.view(count, height, width)
        q.append((x[corner] - (across * shaped).flatten(), y[corner] - (down * shaped).flatten()))
        depths.append(depth)
    weights = [_cross(q[1], q[2]), _cross(q[2], q[0]), _cross(q[0], q[1])]
    area = weights[0] + weights[1] + weights[2]
    edge_on = area == 0
    scaled = [torch.where(edge_on, 1.0 if k == 0 else 0.0, weight / area) for k, weight in enumerate(weights)]
    whole: Triple = (scaled[0], scaled[1], scaled[2])
    # Clockwise in the picture, where y points down, is the front.
    return _Hits(face, (corners[0], corners[1], corners[2]), whole, _weighted(whole, depths), area < 0)


def sample_plates(texture: Tensor, frame: Tensor, x: Tensor, y: Tensor, snap: float) -> Tensor:
    """Colours (P, 3) float32 at plate positions, linear over the half of the pixel quad they fall into.

    Args:
        texture: (N, H, W, 3) float32 code values.
        frame: (P,) int64.
        x, y: (P,) float32 plate pixel positions, finite.
        snap: positions this near to a pixel's centre are that pixel; below 0 none is.
    """
    _, height, width, _ = texture.shape
    px, py = (x - 0.5).clamp(0, width - 1), (y - 0.5).clamp(0, height - 1)
    near_px, near_py = px.round(), py.round()
    snapped = ((px - near_px).abs() <= snap) & ((py - near_py).abs() <= snap)
    px, py = torch.where(snapped, near_px, px), torch.where(snapped, near_py, py)
    x0, y0 = px.floor(), py.floor()
    fx, fy = px - x0, py - y0
    second = fx + fy > 1
    left, top = x0.long(), y0.long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    flat, start = texture.view(-1, 3), frame * height
    near_x, other_x = torch.where(second, right, left), torch.where(second, left, right)
    near_row = (start + torch.where(second, bottom, top)) * width
    other_row = (start + torch.where(second, top, bottom)) * width
    corner = flat.index_select(0, near_row + near_x)
    across, down = flat.index_select(0, near_row + other_x), flat.index_select(0, other_row + near_x)
    gx, gy = torch.where(second, 1 - fx, fx)[:, None], torch.where(second, 1 - fy, fy)[:, None]
    return corner + gx * (across - corner) + gy * (down - corner)


def _surface(
    drawn: SplitMeshBatch, texture: Tensor | None, hits: _Hits, shape: tuple[int, int, int], snap: float
) -> tuple[Tensor, Tensor]:
    """Colours (P, 3), without a texture positions (P, 2), and whether the position lies on the grid (P,)."""
    # The plate is projected onto the surface from the source camera.
    sx, sy, sz = (_weighted(hits.weights, [axis[k] for k in hits.corners]) for axis in drawn.points.flatten(1))
    count, own_points = len(drawn.sources), len(drawn.topology.pixels)
    fx, fy, cx, cy = torch.tensor([lens(camera) for camera in drawn.sources], dtype=torch.float32, device=sz.device).T[
        ..., None, None
    ]
    x = (sx / sz).view(shape) * fx + cx
    y = (sy / sz).view(shape) * fy + cy
    if drawn.plate.shape[2]:
        # A piece at a depth jump has the colours of its own side of it.
        total = drawn.points.shape[2]
        first = torch.arange(count, device=sz.device).view(count, 1, 1)
        local = [k.view(shape) - first * total - own_points for k in hits.corners]
        piece = local[0] >= 0
        places = [(k.clamp(min=0) + first * drawn.plate.shape[2]).flatten() for k in local]
        x, y = (
            torch.where(piece, _weighted(hits.weights, [axis[k] for k in places]).view(shape), own)
            for axis, own in zip(drawn.plate.flatten(1), (x, y), strict=True)
        )
    low, high = grid_bounds(drawn.topology)
    inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    x, y = torch.where(inside, x, 0.5), torch.where(inside, y, 0.5)
    if texture is None:
        return torch.stack([x.flatten(), y.flatten()], dim=1), inside.flatten()
    frame = torch.arange(count, device=sz.device).view(count, 1, 1).expand(shape).flatten()
    return sample_plates(texture, frame, x.flatten(), y.flatten(), snap), inside.flatten()


def _vertex_colors(alpha: Tensor, texture: Tensor, hits: _Hits) -> tuple[Tensor, Tensor]:
    """Colours (P, 3) and validity (P,) of the released construction; one frame, one vertex per plate pixel."""
    shares = [weight * alpha[corner] for weight, corner in zip(hits.weights, hits.corners, strict=True)]
    total = shares[0] + shares[1] + shares[2]
    flat = texture.view(-1, 3)
    mixed = sum(share[:, None] * flat[corner] for share, corner in zip(shares, hits.corners, strict=True))
    valid = total > ALPHA_THRESHOLD
    # Un-premultiplied: the released code leaves dark outlines where alpha is between 0 and 1.
    return torch.where(valid[:, None], mixed / total[:, None], 0.0), valid


def shade(
    drawn: SplitMeshBatch, texture: Tensor | None, seen: Tensor, faces: Tensor, takes: Sequence[Camera]
) -> RasterBatch:
    """The rendered frames.

    Args:
        drawn: what was drawn.
        texture: (N, H, W, 3) uint8 or uint16 code values of the plate; None = plate positions are wanted.
        seen: (3, N, D) float32 its points as the take cameras see them (``in_take_cameras``).
        faces: (N, h, w) int, the visible face per pixel as an index into all N·E, −1 = none.
        takes: N cameras of one size.
    """
    count, height, width = faces.shape
    shape = (count, height, width)
    hits = _intersect(drawn, seen, faces, takes)
    values = None if texture is None else texture.float()
    if drawn.vertex_alpha is None:
        # Codes of eight bits are right without, and stay what they were.
        snap = -1.0 if texture is None or texture.dtype == torch.uint8 else SNAP_PX
        color, valid = _surface(drawn, values, hits, shape, snap)
        views = views_from_sources(drawn.sources, takes)
        limits = [largest_closed_gap(view, take) for view, take in zip(views, takes, strict=True)]
        closed = drawn.gaps[hits.face].view(shape) <= _per_pixel(limits, shape, seen)
        valid = valid & hits.front & closed.flatten()
    else:
        if values is None:
            raise ValueError("the released construction has colours at its vertices, and no plate positions")
        color, valid = _vertex_colors(drawn.vertex_alpha, values, hits)
    far = _per_pixel([take.far for take in takes], shape, seen)
    within = ((faces >= 0) & (hits.z.view(shape) <= far)).flatten()
    valid = valid & within
    drawn_values = torch.where(valid[:, None], color if texture is None else color + 0.5, 0.0)
    if texture is not None:
        # By way of int32, because torch computes little in uint16.
        drawn_values = drawn_values.to(torch.int32).to(texture.dtype)
    return RasterBatch(
        drawn_values.view(*shape, -1),
        torch.where(valid, 255, 0).to(torch.uint8).view(shape),
        torch.where(within, hits.z, torch.nan).view(shape),
    )
