# SPDX-License-Identifier: Apache-2.0
"""The mesh as the released EX-4D code builds it (``--compat ex4d``), for comparison with it.

Reproduced with its flaws, from released recon.py: rays at integer pixel positions (half a pixel off the centres), the
outermost pixel ring at z = 100, two cap faces between the corners that are marked visible, validity by minimum angle
alone and spread from faces to their vertices. Depth is used as it comes: nothing is clamped to the border's z = 100.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ex4d.camera import Camera
from ex4d.mesh.dwmesh import Bool, DWMesh, Float, MeshSettings, unproject
from ex4d.mesh.topology import Topology, grid_face_indices
from ex4d.mesh.validity import minimum_angle_faces
from ex4d.protocol.values import MIN_ANGLE_DEG

#: Focal length in pixels that the released code uses at any resolution.
RELEASED_FOCAL_PX = 500.0
#: z-depth of its border ring, in its own depth units.
RELEASED_BORDER_DEPTH = 100.0
#: Its far clip plane.
RELEASED_FAR = 1e3


@lru_cache(maxsize=4)
def released_topology(plate: tuple[int, int]) -> Topology:
    """Grid with one vertex per pixel, half a pixel up and left of the pixel's centre, and two cap faces."""
    width, height = plate
    pixels = np.stack(np.meshgrid(np.arange(float(width)), np.arange(float(height))), axis=-1).reshape(-1, 2)
    grid_faces = grid_face_indices(width, height)
    last = width * height - 1
    cap = np.array([[width - 1, 0, last], [last, 0, (height - 1) * width]], dtype=np.int32)
    return Topology(plate, plate, pixels, np.concatenate([grid_faces, cap]), len(grid_faces), 0)


def build_released_mesh(depth: Float, source: Camera) -> DWMesh:
    """The released construction from a z-depth map (H, W) without invalid pixels; arguments as ``build_mesh``."""
    topology = released_topology((source.width, source.height))
    z = depth.astype(np.float32, copy=True)
    z[[0, -1], :] = RELEASED_BORDER_DEPTH
    z[:, [0, -1]] = RELEASED_BORDER_DEPTH
    points = unproject(z.ravel(), topology, source)
    face_valid: Bool = minimum_angle_faces(points[topology.faces], MIN_ANGLE_DEG)
    vertex_alpha = np.ones(len(points), dtype=np.bool_)
    vertex_alpha[topology.faces[~face_valid]] = False
    settings = MeshSettings(compat="ex4d")
    return DWMesh(topology, z.ravel(), face_valid, np.ones(depth.shape, dtype=np.bool_), source, settings, vertex_alpha)
