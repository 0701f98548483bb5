# SPDX-License-Identifier: Apache-2.0
"""Stage 3: the depth-watertight mesh."""

from ex4d.mesh.dwmesh import DWMesh, MeshSettings, assemble_mesh, build_mesh, far_plane, grid_size
from ex4d.mesh.released import build_released_mesh
from ex4d.mesh.topology import Topology, closed_topology

__all__ = [
    "DWMesh",
    "MeshSettings",
    "Topology",
    "assemble_mesh",
    "build_mesh",
    "build_released_mesh",
    "closed_topology",
    "far_plane",
    "grid_size",
]
