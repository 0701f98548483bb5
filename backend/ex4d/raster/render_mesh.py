# SPDX-License-Identifier: Apache-2.0
"""A mesh as rasterizers draw it: its faces across depth jumps taken apart (``ex4d.mesh.occlusion_edges``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ex4d.mesh import DWMesh

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SplitMesh:
    """Points and faces to draw: the mesh's own, then those of the pieces.

    Attributes:
        mesh: the mesh.
        points: (V + 3·P, 3) float32, source camera coordinates.
        faces: (F + P, 3) int32.
        gaps: (F + P,) float32, see ``DWMesh.face_gap``.
        plate: (3·P, 2) float32 plate pixel positions whose colours the pieces' points have.
        replaced: (R,) indices of the faces that are not drawn.
    """

    mesh: DWMesh
    points: Float
    faces: NDArray[np.int32]
    gaps: Float
    plate: Float
    replaced: NDArray[np.intp]

    @classmethod
    def of(cls, mesh: DWMesh) -> SplitMesh:
        """What is drawn of a mesh."""
        faces, pieces = mesh.topology.faces, mesh.edges
        if pieces is None:
            none = np.zeros((0, 2), np.float32)
            return cls(mesh, mesh.points, faces, mesh.face_gap, none, np.zeros(0, np.intp))
        own = len(mesh.points) + np.arange(3 * len(pieces.points), dtype=np.int32).reshape(-1, 3)
        return cls(
            mesh,
            np.concatenate([mesh.points, pieces.points.reshape(-1, 3)]),
            np.concatenate([faces, own]),
            np.concatenate([mesh.face_gap, pieces.gap]),
            pieces.plate.reshape(-1, 2),
            pieces.replaced,
        )

    @cached_property
    def kept(self) -> NDArray[np.int32]:
        """(D,) indices of the faces that are drawn."""
        drawn = np.ones(len(self.faces), dtype=np.bool_)
        drawn[self.replaced] = False
        return np.flatnonzero(drawn).astype(np.int32)
