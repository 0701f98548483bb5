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
from ex4d.raster.base import ALPHA_THRESHOLD, grid_bounds, largest_closed_gap
from ex4d.raster.cuda.lens import displacement, take_rays
from ex4d.raster.cuda.render_mesh import SplitMeshBatch
from ex4d.raster.cuda.sampling import Plates, sample_plates, sample_vertices

Triple = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class RasterBatch:
    """N rendered frames, see ``RasterFrame``, on the device that made them.

    Attributes:
        color: (N, H, W, 3) in the texture's dtype, RGB; 0 where ``mask`` is 0.
        mask: (N, H, W) uint8, 255 = real source surface seen from its front, 0 = to be filled.
        z: (N, H, W) float32 z-depth along the take camera's axis; NaN where there is no surface.
        alpha: (N, H, W) in the texture's dtype, or None for textures without.
        plate: (N, H, W, 2) float32 plate pixel positions, NaN where ``mask`` is 0; None unless asked for.
    """

    color: Tensor
    mask: Tensor
    z: Tensor
    alpha: Tensor | None = None
    plate: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[RasterBatch]) -> RasterBatch:
        """The frames of several batches of one kind."""

        def whole(tensors: Sequence[Tensor | None]) -> Tensor | None:
            there = [tensor for tensor in tensors if tensor is not None]
            return torch.cat(there) if there else None

        return cls(
            torch.cat([part.color for part in parts]),
            torch.cat([part.mask for part in parts]),
            torch.cat([part.z for part in parts]),
            whole([part.alpha for part in parts]),
            whole([part.plate for part in parts]),
        )


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
    across, down = take_rays(takes, seen.device)
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


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the plate shows at P pixels.

    Attributes:
        bits: (P, C) of its values.
        x, y: (P,) float32 plate pixel positions.
        valid: (P,) bool, whether it shows anything there.
    """

    bits: Tensor
    x: Tensor
    y: Tensor
    valid: Tensor


def _surface(drawn: SplitMeshBatch, plates: Plates, hits: _Hits, shape: tuple[int, int, int]) -> _Seen:
    """Valid is what lies on the grid."""
    # The plate is projected onto the surface from the source camera.
    sx, sy, sz = (_weighted(hits.weights, [axis[k] for k in hits.corners]) for axis in drawn.points.flatten(1))
    count, own_points = len(drawn.sources), len(drawn.topology.pixels)
    fx, fy, cx, cy = torch.tensor([lens(camera) for camera in drawn.sources], dtype=torch.float32, device=sz.device).T[
        ..., None, None
    ]
    x = (sx / sz).view(shape) * fx + cx
    y = (sy / sz).view(shape) * fy + cy
    known = torch.ones_like(x, dtype=torch.bool)
    for frame, camera in enumerate(drawn.sources):
        if camera.lens is not None:
            dx, dy, known[frame] = displacement(camera, x[frame], y[frame])
            x[frame] += dx
            y[frame] += dy
    if drawn.plate.shape[2]:
        # A piece at a depth jump has the colours of its own side of it.
        total = drawn.points.shape[2]
        first = torch.arange(count, device=sz.device).view(count, 1, 1)
        local = [k.view(shape) - first * total - own_points for k in hits.corners]
        piece = local[0] >= 0
        places = [(k.clamp(min=0) + first * drawn.plate.shape[2]).flatten() for k in local]
        known = known | piece
        x, y = (
            torch.where(piece, _weighted(hits.weights, [axis[k] for k in places]).view(shape), own)
            for axis, own in zip(drawn.plate.flatten(1), (x, y), strict=True)
        )
    low, high = grid_bounds(drawn.topology)
    # Beyond a lens' table lies nothing of the plate.
    inside = known & (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    frame = torch.arange(count, device=sz.device).view(count, 1, 1).expand(shape).flatten()
    x, y = torch.where(inside, x, 0.5), torch.where(inside, y, 0.5)
    return _Seen(*sample_plates(plates, frame, x.flatten(), y.flatten()), inside.flatten())


def _vertex_colors(alpha: Tensor, plates: Plates, hits: _Hits) -> _Seen:
    """Of the released construction; one frame, one vertex per plate pixel."""
    a, b, c = hits.corners
    bits, x, y, total = sample_vertices(plates, hits.corners, hits.weights, (alpha[a], alpha[b], alpha[c]))
    return _Seen(bits, x, y, total > ALPHA_THRESHOLD)


def shade(
    drawn: SplitMeshBatch,
    texture: Tensor,
    seen: Tensor,
    faces: Tensor,
    takes: Sequence[Camera],
    *,
    positions: bool = False,
) -> RasterBatch:
    """The rendered frames.

    Args:
        drawn: what was drawn.
        texture: (N, H, W, C) values of the plate, see ``raster.base.Texture``.
        seen: (3, N, D) float32 its points as the take cameras see them (``in_take_cameras``).
        faces: (N, h, w) int, the visible face per pixel as an index into all N·E, −1 = none.
        takes: N cameras of one size.
        positions: whether ``RasterBatch.plate`` is wanted.
    """
    count, height, width = faces.shape
    shape = (count, height, width)
    hits = _intersect(drawn, seen, faces, takes)
    plates = Plates.of(texture)
    if drawn.vertex_alpha is None:
        found = _surface(drawn, plates, hits, shape)
        views = views_from_sources(drawn.sources, takes)
        limits = [largest_closed_gap(view, take) for view, take in zip(views, takes, strict=True)]
        closed = drawn.gaps[hits.face].view(shape) <= _per_pixel(limits, shape, seen)
        valid = found.valid & hits.front & closed.flatten()
    else:
        found = _vertex_colors(drawn.vertex_alpha, plates, hits)
        valid = found.valid
    far = _per_pixel([take.far for take in takes], shape, seen)
    within = ((faces >= 0) & (hits.z.view(shape) <= far)).flatten()
    valid = valid & within
    picture = torch.where(valid[:, None], found.bits, 0).view(texture.dtype).view(*shape, plates.channels)
    plate = None
    if positions:
        places = torch.stack([found.x, found.y], dim=-1)
        plate = torch.where(valid[:, None], places, torch.nan).view(*shape, 2)
    return RasterBatch(
        picture[..., :3].contiguous(),
        torch.where(valid, 255, 0).to(torch.uint8).view(shape),
        torch.where(within, hits.z, torch.nan).view(shape),
        picture[..., 3].contiguous() if plates.channels == 4 else None,
        plate,
    )
