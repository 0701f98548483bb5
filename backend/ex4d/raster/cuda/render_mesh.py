# SPDX-License-Identifier: Apache-2.0
"""Meshes of several frames as they are drawn: ``raster.render_mesh``, batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ex4d.camera import Camera
from ex4d.mesh import DWMesh, Topology
from ex4d.mesh.torch.edges import edge_pieces
from ex4d.mesh.torch.surface import SurfaceBatch, constant
from ex4d.raster.render_mesh import SplitMesh


@dataclass(frozen=True, eq=False)
class SplitMeshBatch:
    """Points and faces of N frames; compare ``SplitMesh``. D = V + 3·C points, E = F + C faces a frame.

    Attributes:
        topology: shared by the frames.
        sources: the source camera of each frame.
        points: (3, N, D) float32, source camera coordinates: the mesh's own V, then those of the pieces.
        faces: (N·E, 3) int32 indices into all N·D points; a face that is not drawn has three times the same.
        gaps: (N·E,) float32, see ``DWMesh.face_gap``.
        plate: (2, N, 3·C) float32 plate pixel positions whose colours the pieces' points have.
        vertex_alpha: None, or (N·D,) bool of the released construction.
    """

    topology: Topology
    sources: Sequence[Camera]
    points: Tensor
    faces: Tensor
    gaps: Tensor
    plate: Tensor
    vertex_alpha: Tensor | None = None

    @property
    def faces_per_frame(self) -> int:
        """E."""
        return len(self.faces) // len(self.sources)


def draw_surfaces(surfaces: SurfaceBatch) -> SplitMeshBatch:
    """What is drawn of meshes that were built in torch."""
    topology = surfaces.topology
    pieces = edge_pieces(surfaces)
    points = torch.cat([surfaces.points, pieces.points], dim=2)
    device, (_, count, total), (_, room) = points.device, points.shape, pieces.used.shape
    first = torch.arange(count, dtype=torch.int32, device=device)[:, None, None] * total
    own, base = len(topology.pixels), constant(topology, "faces", device)
    corners = torch.arange(own, own + 3 * room, dtype=torch.int32, device=device).view(room, 3)
    faces = torch.empty((count, len(base) + room, 3), dtype=torch.int32, device=device)
    faces[:, : len(base)] = base + first
    faces[:, len(base) :] = torch.where(pieces.used[..., None], corners, 0) + first
    frame, face = pieces.replaced // len(base), pieces.replaced % len(base)
    faces[frame, face] = first[frame, 0]
    gaps = torch.cat([surfaces.gaps, pieces.gaps], dim=1)
    return SplitMeshBatch(topology, surfaces.sources, points, faces.view(-1, 3), gaps.view(-1), pieces.plate)


def draw_mesh(mesh: DWMesh, device: torch.device) -> SplitMeshBatch:
    """A batch of one from a mesh that was built by numpy, in either construction."""
    drawn = SplitMesh.of(mesh)
    faces = drawn.faces.copy()
    faces[drawn.replaced] = 0
    alpha = None if mesh.vertex_alpha is None else torch.from_numpy(mesh.vertex_alpha).to(device)

    def on_device(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.T)).to(device)[:, None]

    return SplitMeshBatch(
        mesh.topology,
        [mesh.source],
        on_device(drawn.points),
        torch.from_numpy(faces).to(device),
        torch.from_numpy(drawn.gaps).to(device),
        on_device(drawn.plate),
        alpha,
    )
