# SPDX-License-Identifier: Apache-2.0
"""The depth-watertight mesh of several frames in torch: ``ex4d.mesh.dwmesh`` and ``ex4d.mesh.validity``, batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ex4d.camera import Camera, Lens
from ex4d.mesh import MeshSettings, Topology, closed_topology, grid_size
from ex4d.mesh.dwmesh import FAR_MARGIN, viewing_rays

TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class SurfaceBatch:
    """Meshes of N frames with one topology; compare ``DWMesh``.

    Attributes:
        topology: shared by the frames.
        z: (N, V) float32 z-depth of the vertices.
        gaps: (N, F) float32, see ``DWMesh.face_gap``.
        sources: the source camera of each frame.
        settings: what they were built with.
    """

    topology: Topology
    z: Tensor
    gaps: Tensor
    sources: Sequence[Camera]
    settings: MeshSettings

    @property
    def points(self) -> Tensor:
        """(3, N, V) float32 vertices in source camera coordinates, see ``DWMesh.points``."""
        rays = source_rays(self.topology, self.sources, self.z.device)
        return torch.stack([rays[:, 0] * self.z, rays[:, 1] * self.z, self.z])


@lru_cache(maxsize=4)
def _rays_of(
    topology: Topology, pinhole: tuple[float, float, float, float], distortion: Lens | None, device: torch.device
) -> Tensor:
    rays = torch.from_numpy(np.ascontiguousarray(viewing_rays(topology, *pinhole, distortion).T))
    return rays.to(device)


def lens(camera: Camera) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy in pixels."""
    K = camera.K
    return float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])


def source_rays(topology: Topology, sources: Sequence[Camera], device: torch.device) -> Tensor:
    """(N, 2, V) float32 x and y of the viewing rays at z = 1; (1, 2, V) where all frames have one lens."""
    lenses = [(lens(camera), camera.lens) for camera in sources]
    if len(set(lenses)) == 1:
        lenses = lenses[:1]
    return torch.stack([_rays_of(topology, *each, device) for each in lenses])


@lru_cache(maxsize=8)
def constant(topology: Topology, name: str, device: torch.device) -> Tensor:
    """An array of the topology on the device: its attribute ``name``."""
    return torch.from_numpy(np.ascontiguousarray(getattr(topology, name))).to(device)


def _sample(values: Tensor, topology: Topology) -> Tensor:
    """Values (N, H, W) at the grid's vertices, (N, h, w): the nearest pixel's, as ``sample_grid``."""
    width, height = topology.grid
    if values.shape[1:] == (height, width):
        return values
    scale_y, scale_x = values.shape[1] / topology.plate[1], values.shape[2] / topology.plate[0]
    columns = np.minimum((topology.pixels[:width, 0] * scale_x).astype(np.int64), values.shape[2] - 1)
    rows = np.minimum((topology.pixels[: width * height : width, 1] * scale_y).astype(np.int64), values.shape[1] - 1)
    row, column = torch.from_numpy(rows).to(values.device), torch.from_numpy(columns).to(values.device)
    return values.index_select(1, row).index_select(2, column)


def _squared_lengths(points: Sequence[Tensor], dy: int, dx: int) -> Tensor:
    """(N, h − dy, w − |dx|) squared distances between each vertex and the one dy below and dx beside it."""
    out: Tensor | None = None
    for values in points:
        h, w = values.shape[1:]
        a = values[:, : h - dy, (1 if dx < 0 else 0) : (w - dx if dx > 0 else w)]
        b = values[:, dy:, max(dx, 0) : (w + dx if dx < 0 else w)]
        d = b - a
        out = d * d if out is None else out + d * d
    assert out is not None
    return out


def _wide_enough(a2: Tensor, b2: Tensor, c2: Tensor, cos_min: float) -> Tensor:
    """As ``mesh.validity``'s: whether the smallest angle is at least the one with cosine ``cos_min``."""
    low_ab, high_ab = torch.minimum(a2, b2), torch.maximum(a2, b2)
    low, high = torch.minimum(low_ab, c2), torch.maximum(high_ab, c2)
    middle = torch.maximum(low_ab, torch.minimum(high_ab, c2))
    numerator = high + middle - low
    return (numerator * numerator <= (4 * cos_min * cos_min) * high * middle) & (low > 0)


def _grid_gaps(points: Sequence[Tensor], pixel_valid: Tensor, settings: MeshSettings) -> Tensor:
    """``DWMesh.face_gap`` (N, G) of the grid's faces.

    Args:
        points: x, y and z, each (N, h, w) float32.
        pixel_valid: (N, h, w) bool.
        settings: thresholds.
    """
    z = points[2]
    cos_min = float(np.cos(np.radians(settings.min_angle_deg)))
    right, down = _squared_lengths(points, 0, 1), _squared_lengths(points, 1, 0)
    diagonal = _squared_lengths(points, 1, -1)
    diagonal_low = torch.minimum(z[:, :-1, 1:], z[:, 1:, :-1])
    diagonal_high = torch.maximum(z[:, :-1, 1:], z[:, 1:, :-1])
    diagonal_valid = pixel_valid[:, :-1, 1:] & pixel_valid[:, 1:, :-1]
    sides = []
    for lengths, corner in (
        ((right[:, :-1], down[:, :, :-1]), np.s_[:, :-1, :-1]),
        ((right[:, 1:], down[:, :, 1:]), np.s_[:, 1:, 1:]),
    ):
        near, far = torch.minimum(diagonal_low, z[corner]), torch.maximum(diagonal_high, z[corner])
        measured = diagonal_valid & pixel_valid[corner]
        surface = _wide_enough(*lengths, diagonal, cos_min) & (far <= settings.max_depth_ratio * near) & measured
        # A needle between corners of equal depth spans no jump, but it must not pass for surface.
        jump = (1 / near - 1 / far).clamp(min=TINY)
        sides.append(torch.where(surface, 0.0, torch.where(measured, jump, torch.inf)))
    return torch.stack(sides, dim=-1).flatten(1)


def _skirt_gaps(topology: Topology, z: Tensor, pixel_valid: Tensor) -> Tensor:
    """``DWMesh.face_gap`` (N, S) of the skirt's faces."""
    first = topology.grid_faces
    faces = constant(topology, "faces", z.device)[first : first + topology.skirt_faces].long()
    measured = torch.ones_like(z, dtype=torch.bool)
    measured[:, : topology.grid_vertices] = pixel_valid.flatten(1)
    corners = z[:, faces]
    jump = 1 / corners.amin(dim=2) - 1 / corners.amax(dim=2)
    return torch.where(measured[:, faces].all(dim=2), jump, torch.inf)


def build_surfaces(
    depth: Tensor,
    sources: Sequence[Camera],
    far: float,
    opaque: Tensor | None = None,
    settings: MeshSettings | None = None,
) -> SurfaceBatch:
    """The watertight meshes of several frames; compare ``ex4d.mesh.build_mesh``.

    Args:
        depth: (N, H, W) float32 z-depth in world units over the plate, at any size; NaN or <= 0 = not measured,
            inf = sky. The meshes are built where it lies, on a GPU or not.
        sources: N source cameras at the plate's size, which is the same for all.
        far: z-depth of the far plane (``ex4d.mesh.far_plane``).
        opaque: (N, H, W) bool, at any size, False where the plate is transparent; None = opaque everywhere.
        settings: thresholds; None = the defaults.
    """
    settings = settings or MeshSettings()
    plate = (sources[0].width, sources[0].height)
    topology = closed_topology(grid_size(plate, settings.max_grid_side), plate)
    measured = _sample(depth, topology)
    pixel_valid = measured > 0  # False for NaN
    limit = float(np.float32(far / FAR_MARGIN))
    grid = torch.where(pixel_valid, measured.clamp(max=limit), limit)
    if opaque is not None:
        pixel_valid = pixel_valid & _sample(opaque, topology)
    count, height, width = grid.shape
    ring = grid.new_full((count, len(topology.pixels) - topology.grid_vertices), far)
    z = torch.cat([grid.flatten(1), ring], dim=1)
    rays = source_rays(topology, sources, depth.device)[..., : topology.grid_vertices].unflatten(2, (height, width))
    grid_gaps = _grid_gaps((rays[:, 0] * grid, rays[:, 1] * grid, grid), pixel_valid, settings)
    cap = grid.new_full((count, len(topology.faces) - topology.grid_faces - topology.skirt_faces), torch.inf)
    gaps = torch.cat([grid_gaps, _skirt_gaps(topology, z, pixel_valid), cap], dim=1)
    return SurfaceBatch(topology, z, gaps, sources, settings)
