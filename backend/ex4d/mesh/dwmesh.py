# SPDX-License-Identifier: Apache-2.0
"""The depth-watertight mesh (DW-Mesh) of one frame.

Idea: EX-4D (arXiv 2506.05554): one vertex per pixel, grid triangles, an occlusion flag per face, a closed surface that
stands for visible and hidden space alike. Differences to the released code and their reasons: docs/decisions.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Lens, pixel_rays
from ex4d.camera.transforms import invert_rigid
from ex4d.mesh.occlusion_edges import OcclusionEdges, edge_pieces
from ex4d.mesh.topology import MIN_GRID, Topology, closed_topology
from ex4d.mesh.validity import valid_depth_faces
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import MAX_DEPTH_RATIO, MAX_GRID_SIDE, MIN_ANGLE_DEG, THICKNESS

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: The far plane stands this much behind the deepest surface, so that no surface touches it.
FAR_MARGIN = 1.25
#: The sky, and surfaces beyond this many median depths, are drawn at that distance: a camera that moves by the median
#: depth shifts it by f/10,000, a tenth of a pixel in plates of 1000 pixels, and float32 is at ease.
FAR_MEDIANS = 10_000.0


@dataclass(frozen=True)
class MeshSettings:
    """What decides the mesh besides depth and camera.

    Attributes:
        min_angle_deg: smallest interior angle of a valid face, degrees.
        max_depth_ratio: largest ratio of z-depths inside a valid face.
        thickness: how deep things are thought to be behind their outline, as a share of their width in the picture;
            inf = nothing behind them counts as seen.
        max_grid_side: vertices along the longer side of the grid at most; plates up to that size get one vertex per
            pixel.
        compat: "none", or "ex4d" for the released construction (module ``released``).
    """

    min_angle_deg: float = MIN_ANGLE_DEG
    max_depth_ratio: float = MAX_DEPTH_RATIO
    thickness: float = THICKNESS
    max_grid_side: int = MAX_GRID_SIDE
    compat: str = "none"


@dataclass(frozen=True, eq=False)
class DWMesh:
    """The mesh of one frame.

    It holds what was decided; what follows from that is computed when it is asked for, once.

    Attributes:
        topology: faces and texture coordinates, shared by all frames of the shot.
        z: (V,) float32 z-depth of each vertex. Vertices lie on the source camera's rays through ``topology.pixels``,
            which its lens bends where it has one.
        surface: (2·(w−1)·(h−1),) bool, which of the grid's faces are real source surface; of the released
            construction (F,), of all faces.
        pixel_valid: (h, w) bool, whether the grid's pixel has a measured depth and is opaque.
        source: the source camera of this frame.
        settings: what it was built with.
        vertex_alpha: None, or (V,) bool of the released construction, where validity belongs to vertices and is
            interpolated; ``face_gap`` then only documents the rule's result.
    """

    topology: Topology
    z: Float
    surface: Bool
    pixel_valid: Bool
    source: Camera
    settings: MeshSettings
    vertex_alpha: Bool | None = None

    @property
    def grid_z(self) -> Float:
        """(h, w) float32 z-depth of the grid's vertices."""
        width, height = self.topology.grid
        return self.z[: width * height].reshape(height, width)

    @cached_property
    def points(self) -> Float:
        """(V, 3) float32 vertices in *source camera* coordinates (OpenCV axes, world units).

        Camera space keeps float32 exact however far the world's origin is.
        """
        return unproject(self.z, self.topology, self.source)

    @cached_property
    def face_gap(self) -> Float:
        """(F,) float32, the disparity jump (1/z) that a face spans.

        0 = real source surface, a number = spans a depth jump, inf = can never be surface (cap, pixels without depth).
        """
        if self.vertex_alpha is not None:
            return np.where(self.surface, np.float32(0), np.float32(np.inf))
        out = np.zeros(len(self.topology.faces), dtype=np.float32)
        invalid, gap = self._grid_gaps
        out[invalid] = gap
        out[self.topology.grid_faces :] = self.outer_gap
        return out

    @cached_property
    def _grid_gaps(self) -> tuple[NDArray[np.intp], Float]:
        """Indices (N,) of the grid's faces that are no surface, ascending, and their ``face_gap``."""
        invalid = np.flatnonzero(~self.surface)
        faces = self.topology.faces[invalid]
        # A needle between corners of equal depth spans no jump, but it must not pass for surface.
        jump = np.maximum(_disparity_jump(self, faces), np.finfo(np.float32).tiny)
        return invalid, np.where(_measured_corners(self, faces), jump, np.float32(np.inf))

    @cached_property
    def outer_gap(self) -> Float:
        """``face_gap`` of the skirt's and the cap's faces."""
        topology = self.topology
        if self.vertex_alpha is not None:
            return self.face_gap[topology.grid_faces :]
        out = np.full(len(topology.faces) - topology.grid_faces, np.inf, dtype=np.float32)
        skirt = topology.faces[topology.grid_faces : topology.grid_faces + topology.skirt_faces]
        # Pixels without depth stand so far that their skirt spans next to nothing.
        measured = _measured_corners(self, skirt)
        out[: len(skirt)] = np.where(measured, _disparity_jump(self, skirt), np.inf)
        return out

    @property
    def face_valid(self) -> Bool:
        """(F,) bool, whether the face is real source surface."""
        return np.asarray(self.face_gap == 0)

    @cached_property
    def edges(self) -> OcclusionEdges | None:
        """What is drawn in place of faces that span a depth jump; None for the released construction."""
        if self.vertex_alpha is not None:
            return None
        settings, (invalid, gap) = self.settings, self._grid_gaps
        jumps = invalid[np.isfinite(gap)]
        return edge_pieces(self.topology, self.z, jumps, self.source, settings.thickness, settings.max_depth_ratio)

    def world_points(self) -> NDArray[np.float64]:
        """(V, 3) vertices in world coordinates."""
        pose = invert_rigid(self.source.E)
        return np.asarray(self.points @ pose[:3, :3].T + pose[:3, 3], dtype=np.float64)


def far_plane(deepest: float, median: float) -> float:
    """z-depth of the far plane for a whole shot, world units, from its deepest (inf = there is sky) and its median
    finite z-depth."""
    return FAR_MARGIN * min(deepest, FAR_MEDIANS * median)


def grid_size(plate: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Vertex grid (width, height) for a plate (width, height): one per pixel up to ``max_side``, else fewer.

    Raises:
        BadInputError: for a plate that is one pixel wide or high.
    """
    if min(plate) < MIN_GRID:
        raise BadInputError(
            f"The plate is {plate[0]}x{plate[1]} pixels; a surface needs at least {MIN_GRID}x{MIN_GRID}.",
            "Use a larger plate.",
        )
    scale = min(1.0, max_side / max(plate))
    return max(MIN_GRID, round(plate[0] * scale)), max(MIN_GRID, round(plate[1] * scale))


@lru_cache(maxsize=2)
def viewing_rays(topology: Topology, fx: float, fy: float, cx: float, cy: float, lens: Lens | None = None) -> Float:
    """(V, 2) x and y of the viewing rays at z = 1; the same for all frames unless the plate zooms."""
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return pixel_rays(topology.pixels, K, lens).astype(np.float32)


def _source_rays(topology: Topology, source: Camera) -> Float:
    K = source.K
    return viewing_rays(topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2], source.lens)


def unproject(z: Float, topology: Topology, source: Camera) -> Float:
    """The first N vertices (N, 3) float32 in the source camera's coordinates at z-depths (N,)."""
    rays = _source_rays(topology, source)[: len(z)]
    out = np.empty((len(z), 3), dtype=np.float32)
    np.multiply(rays, z[:, None], out=out[:, :2])
    out[:, 2] = z
    return out


def sample_grid(values: NDArray[Any], topology: Topology) -> NDArray[Any]:
    """Values of a picture (H, W) of the plate, of any size, at the grid's vertices, (h, w).

    The nearest pixel's, because a mean of near and far is neither.
    """
    width, height = topology.grid
    if values.shape == (height, width):
        return values
    scale_y, scale_x = values.shape[0] / topology.plate[1], values.shape[1] / topology.plate[0]
    columns = np.minimum((topology.pixels[:width, 0] * scale_x).astype(int), values.shape[1] - 1)
    rows = np.minimum((topology.pixels[: width * height : width, 1] * scale_y).astype(int), values.shape[0] - 1)
    return np.ascontiguousarray(values[np.ix_(rows, columns)])


def _measured_corners(mesh: DWMesh, faces: NDArray[np.int32]) -> Bool:
    """(F,) whether all corners of some faces (F, 3) have a measured depth; the ring's have."""
    measured = np.ones(len(mesh.z), dtype=np.bool_)
    measured[: mesh.pixel_valid.size] = mesh.pixel_valid.reshape(-1)
    # Corner by corner: numpy is slow along an axis of three.
    a, b, c = (measured.take(corner) for corner in faces.T)
    return np.asarray(a & b & c)


def _disparity_jump(mesh: DWMesh, faces: NDArray[np.int32]) -> Float:
    a, b, c = (mesh.z.take(corner) for corner in faces.T)
    return np.asarray(1 / np.minimum(np.minimum(a, b), c) - 1 / np.maximum(np.maximum(a, b), c))


def assemble_mesh(
    topology: Topology,
    z: Float,
    face_valid: Bool,
    pixel_valid: Bool,
    source: Camera,
    far: float,
    settings: MeshSettings,
) -> DWMesh:
    """A mesh from what was decided about it.

    Args:
        topology: of its grid.
        z: (h, w) float32 z-depth of the grid's vertices, before the far plane.
        face_valid: (2·(w−1)·(h−1),) bool of the grid's faces.
        pixel_valid: (h, w) bool.
        source: the source camera at the plate's size.
        far: z-depth of the far plane.
        settings: what it was built with.
    """
    ring = np.full(len(topology.pixels) - z.size, far, dtype=np.float32)
    return DWMesh(topology, np.concatenate([z.ravel(), ring]), face_valid, pixel_valid, source, settings)


def build_mesh(
    depth: Float,
    source: Camera,
    far: float,
    opaque: Bool | None = None,
    settings: MeshSettings | None = None,
    measured: Bool | None = None,
) -> DWMesh:
    """The watertight mesh of one frame.

    Args:
        depth: (H, W) float32 z-depth in world units over the plate, at any size; NaN or <= 0 = not measured,
            inf = sky.
        source: the source camera of this frame at the plate's size.
        far: z-depth of the far plane (``far_plane``), the same for all frames of a shot.
        opaque: (H, W) bool, at any size, False where the plate is transparent; None = opaque everywhere.
        settings: thresholds; None = the defaults.
        measured: (H, W) bool, at any size, False where the depth was guessed, which takes stricter thresholds; None =
            the source does not tell, and nothing is stricter.
    """
    settings = settings or MeshSettings()
    plate = (source.width, source.height)
    topology = closed_topology(grid_size(plate, settings.max_grid_side), plate)
    z = sample_grid(depth, topology)
    pixel_valid = z > 0  # False for NaN
    # Skies and whatever lies beyond the far plane stand just before it; so do pixels without depth, where they hide
    # nothing.
    limit = np.float32(far / FAR_MARGIN)
    z = np.where(pixel_valid, np.minimum(z, limit), limit)
    if opaque is not None:
        pixel_valid &= sample_grid(opaque, topology)
    face_valid = valid_depth_faces(
        _source_rays(topology, source)[: z.size].reshape(*z.shape, 2),
        z,
        pixel_valid,
        min_angle_deg=settings.min_angle_deg,
        max_depth_ratio=settings.max_depth_ratio,
        guessed=None if measured is None else ~sample_grid(measured, topology),
    )
    return assemble_mesh(topology, z, face_valid, pixel_valid, source, far, settings)
