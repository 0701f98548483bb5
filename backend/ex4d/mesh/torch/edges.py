# SPDX-License-Identifier: Apache-2.0
"""Faces across depth jumps taken apart: ``ex4d.mesh.occlusion_edges``, batched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ex4d.mesh.occlusion_edges import PIECES_PER_FACE
from ex4d.mesh.torch.surface import TINY, SurfaceBatch, constant, lens, source_rays
from ex4d.mesh.torch.widths import widths_at


@dataclass(frozen=True, eq=False)
class PiecesBatch:
    """What is drawn in place of the faces of N frames that span a depth jump; compare ``OcclusionEdges``.

    Each frame has room for as many pieces as the frame with most of them, C in all.

    Attributes:
        replaced: (R,) int64 indices of these faces into all N·F.
        used: (N, C) bool, which places hold a piece.
        points: (3, N, 3·C) float32 corners of triangles, source camera coordinates; 0 where there is none.
        plate: (2, N, 3·C) float32 plate pixel positions whose colours the corners have.
        gaps: (N, C) float32 as ``DWMesh.face_gap``.
    """

    replaced: Tensor
    used: Tensor
    points: Tensor
    plate: Tensor
    gaps: Tensor


@dataclass(frozen=True, eq=False)
class _Jumps:
    """The faces that span a jump.

    Attributes:
        frame, face: (R,) int64.
        corners: (R, 3) int64 vertices.
        z: (R, 3) float64 of them.
        place: (R,) int64, how many such faces the frame has before this one.
        most: the largest number of them in a frame.
    """

    frame: Tensor
    face: Tensor
    corners: Tensor
    z: Tensor
    place: Tensor
    most: int


def _find_jumps(surfaces: SurfaceBatch) -> _Jumps:
    topology = surfaces.topology
    grid = surfaces.gaps[:, : topology.grid_faces]
    spans = (grid > 0) & torch.isfinite(grid)
    # How many there are decides the sizes of what follows: here, and only here, the host waits for the GPU.
    frame, face = spans.nonzero(as_tuple=True)
    counts = spans.sum(dim=1)
    place = torch.arange(len(frame), device=frame.device) - (counts.cumsum(0) - counts)[frame]
    corners = constant(topology, "faces", frame.device).index_select(0, face).long()
    z = surfaces.z[frame[:, None], corners].double()
    return _Jumps(frame, face, corners, z, place, int(counts.max()))


def _backs(surfaces: SurfaceBatch, jumps: _Jumps, nearest: Tensor) -> Tensor:
    """z-depth (R,) float64 where the wall behind each jump ends."""
    topology, thickness = surfaces.topology, surfaces.settings.thickness
    if not np.isfinite(thickness):
        return torch.full_like(nearest, torch.inf)
    width, height = topology.grid
    count, area = len(surfaces.sources), width * height
    edge = torch.zeros(count * area, dtype=torch.bool, device=nearest.device)
    edge[(jumps.frame[:, None] * area + jumps.corners).flatten()] = True
    near_corner = jumps.corners.gather(1, jumps.z.argmin(dim=1, keepdim=True))[:, 0]
    pixels = widths_at(edge.view(count, height, width), jumps.frame * area + near_corner).double()
    focal = pixels.new_tensor([camera.K[0, 0] for camera in surfaces.sources])[jumps.frame]
    return nearest + thickness * pixels * topology.step[0] * nearest / focal


def edge_pieces(surfaces: SurfaceBatch) -> PiecesBatch:
    """Take the faces across depth jumps apart; see ``ex4d.mesh.occlusion_edges``."""
    topology, ratio = surfaces.topology, surfaces.settings.max_depth_ratio
    jumps = _find_jumps(surfaces)
    z, corners = jumps.z, jumps.corners
    # The lone corner is the one on its own side of the largest step in disparity.
    ordered, order = z.sort(dim=1, stable=True)
    nearness = 1 / ordered
    first = nearness[:, 0] - nearness[:, 1] >= nearness[:, 1] - nearness[:, 2]
    lone = torch.where(first, order[:, 0], order[:, 2])
    # Going round from the lone corner keeps the winding.
    turn = (lone[:, None] + torch.arange(3, device=z.device)) % 3
    za, zb, zc = z.gather(1, turn).unbind(1)
    pixels = constant(topology, "pixels", z.device)[corners.gather(1, turn)]
    pa, pb, pc = pixels.unbind(1)
    half_b, half_c = (pa + pb) / 2, (pa + pc) / 2
    nearest = ordered[:, 0]
    back = _backs(surfaces, jumps, nearest)
    rays = _rays(surfaces, jumps, corners.gather(1, turn), (pa, pb, pc, half_b, half_c))
    ray_a, ray_b, ray_c, ray_half_b, ray_half_c = rays

    def at(ray: Tensor, depth: Tensor) -> Tensor:
        return torch.cat([ray * depth[:, None], depth[:, None]], dim=1)

    ends = ((ray_half_c, za), (ray_half_b, za), (ray_half_b, zb), (ray_half_c, zc))
    lone_c, lone_b, other_b, other_c = (at(ray, depth) for ray, depth in ends)
    wall = [at(ray, torch.minimum(depth, back)) for ray, depth in ends]
    # Walls that are too narrow to see show what is behind them.
    far = torch.where((za > torch.maximum(zb, zc))[:, None], pa, pb)
    triangles = (
        ((at(ray_a, za), lone_b, lone_c), (pa, pa, pa)),
        ((other_b, at(ray_b, zb), at(ray_c, zc)), (pb, pb, pc)),
        ((other_b, at(ray_c, zc), other_c), (pb, pc, pc)),
        ((wall[0], wall[1], wall[2]), (far, far, far)),
        ((wall[0], wall[2], wall[3]), (far, far, far)),
    )
    jump = (1 / nearest - 1 / ordered[:, 2]).clamp(min=TINY)
    side_high, side_low = torch.maximum(zb, zc), torch.minimum(zb, zc)
    # Where all three corners stand on steps of their own, the two are no surface either.
    side = torch.where(side_high <= ratio * side_low, 0.0, 1 / side_low - 1 / side_high)
    put = _placer(jumps, len(surfaces.sources))
    points = torch.stack([torch.stack(shape, dim=1) for shape, _ in triangles], dim=1)  # (R, 5, 3, 3)
    plate = torch.stack([torch.stack(colors, dim=1) for _, colors in triangles], dim=1)  # (R, 5, 3, 2)
    gaps = torch.stack([torch.zeros_like(side), side, side, jump, jump], dim=1)
    return PiecesBatch(
        jumps.frame * len(topology.faces) + jumps.face,
        put(torch.ones_like(gaps, dtype=torch.bool)),
        put(points.float()).flatten(1, 2).permute(2, 0, 1).contiguous(),
        put(plate.float()).flatten(1, 2).permute(2, 0, 1).contiguous(),
        put(gaps.float()),
    )


def _rays(
    surfaces: SurfaceBatch, jumps: _Jumps, corners: Tensor, pixels: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
) -> tuple[Tensor, ...]:
    """x and y (R, 2) float64 at z = 1 of the rays through ``pixels``: the corners a, b and c (R, 3), and half way from
    a to b and to c.

    Through a lens the rays of the vertices are known, and half way between two of them is the half of a pixel's ray, to
    within the lens's curvature over one pixel (10⁻⁴ pixels).
    """
    if any(camera.lens is not None for camera in surfaces.sources):
        known = source_rays(surfaces.topology, surfaces.sources, corners.device).double()
        frame = jumps.frame if len(known) > 1 else torch.zeros_like(jumps.frame)
        a, b, c = (known[frame, :, corner] for corner in corners.unbind(1))
        return a, b, c, (a + b) / 2, (a + c) / 2
    lenses = pixels[0].new_tensor([lens(camera) for camera in surfaces.sources])[jumps.frame]
    focal, center = lenses[:, :2], lenses[:, 2:]
    return tuple((pixel - center) / focal for pixel in pixels)


def _placer(jumps: _Jumps, count: int) -> Callable[[Tensor], Tensor]:
    """A function from values (R, 5, …) to (N, C, …): all first pieces of a frame, then all second ones and so on."""

    def put(values: Tensor) -> Tensor:
        out = values.new_zeros((count, PIECES_PER_FACE, jumps.most, *values.shape[2:]))
        # Tensor indices on both sides of a slice come first in the shape that is assigned to.
        out[jumps.frame, :, jumps.place] = values
        return out.flatten(1, 2)

    return put
