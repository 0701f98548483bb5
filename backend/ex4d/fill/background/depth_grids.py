# SPDX-License-Identifier: Apache-2.0
"""Small maps of depth of a shot's frames: enough to tell whether one frame looks past what another one shows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.mesh import DWMesh, MeshSettings, build_mesh
from ex4d.mesh.dwmesh import sample_grid
from ex4d.mesh.store import MeshStore

Float = NDArray[np.float32]
Points = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Vertices along the longer side.
GRID_SIDE = 320
#: Maps that are kept in memory.
KEPT = 48
#: Relative error within which two depths may be the same surface where one of them was guessed: such depths follow the
#: picture's shapes and are off by a few per cent, at the picture's border by more.
GUESSED_TOLERANCE = 0.15


@dataclass(frozen=True, eq=False)
class DepthGrid:
    """A frame's depth on a small grid.

    Attributes:
        mesh: on the grid, of all that has a depth.
        guessed: (h, w) bool, where that was not measured; None = nothing is known of it, and no depth is doubted.
    """

    mesh: DWMesh
    guessed: Bool | None = None

    @property
    def z(self) -> Float:
        """(h, w) float32 z-depth in the source camera, world units; sky far away."""
        return self.mesh.grid_z

    @property
    def known(self) -> Bool:
        """(h, w) bool, where there is a depth."""
        return self.mesh.pixel_valid

    @cached_property
    def world_points(self) -> Points:
        """(h, w, 3) in world units."""
        topology, pose = self.mesh.topology, invert_rigid(self.mesh.source.E)
        points = self.mesh.points[: topology.grid_vertices].astype(np.float64)
        return np.asarray(points @ pose[:3, :3].T + pose[:3, 3]).reshape(*self.z.shape, 3)

    def look_up(self, points: Points) -> tuple[NDArray[np.intp], NDArray[np.intp], Points, Bool]:
        """Where the frame's camera has points (..., 3) of the world.

        Returns:
            Rows and columns (...) of the nearest grid vertex, 0 for points outside; their z-depth (...) in the camera;
            and whether they are inside the picture.
        """
        source, topology = self.mesh.source, self.mesh.topology
        local = points @ source.E[:3, :3].T + source.E[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels, z = replace(source, E=np.eye(4)).project(local)
            at = np.floor((pixels - topology.pixels[0]) / topology.step + 0.5)
            inside = (z > 0) & (at >= 0).all(-1) & (at < topology.grid).all(-1)
        at = np.where(inside[..., None], at, 0).astype(np.intp)
        return at[..., 1], at[..., 0], z, inside

    def trusting(self) -> DepthGrid:
        """The same with no depth doubted."""
        return replace(self, guessed=None)


class DepthGrids:
    """``DepthGrid`` of each frame, by index; the last ones are kept."""

    def __init__(self, mesh: MeshStore, measured: Callable[[int], Bool | None] | None = None) -> None:
        self._store, self._measured = mesh, measured
        self._kept: OrderedDict[int, DepthGrid] = OrderedDict()

    def __getitem__(self, index: int) -> DepthGrid:
        if index in self._kept:
            self._kept.move_to_end(index)
        else:
            full = self._store.read(index)
            depth = np.where(full.pixel_valid, full.grid_z, np.float32(np.nan))
            mesh = self._built(depth, full.source)
            measured = None if self._measured is None else self._measured(index)
            self._kept[index] = DepthGrid(mesh, None if measured is None else ~sample_grid(measured, mesh.topology))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[index]

    def still_mesh(self, index: int, still: Bool) -> DWMesh:
        """The frame's mesh on the grid, of what is ``still`` (h, w). The rest is not there: what moves hides nothing of
        the world that stands still, only its own place in that frame."""
        grid = self[index]
        return self._built(np.where(grid.known & still, grid.z, np.float32(np.nan)), grid.mesh.source)

    def _built(self, depth: Float, source: Camera) -> DWMesh:
        return build_mesh(depth, source, self._store.far, settings=MeshSettings(max_grid_side=GRID_SIDE))


def looks_past(grid: DepthGrid, points: Points, tolerance: float, guessed: Bool | None = None) -> tuple[Bool, Bool]:
    """See-through test: a frame has looked past points (h, w, 3) of the world, which then are not there in it.

    What a frame shows at a guessed depth may as well be nearer: it looks past nothing.

    Args:
        tolerance: relative error within which two depths may be the same surface.
        guessed: (h, w) bool, whether the points' own depth was guessed; None = nowhere, or it is not known.

    Returns:
        Where it looked past them, and where it shows a surface there, (h, w) each.
    """
    row, column, expected, inside = grid.look_up(points)
    z = grid.z[row, column]
    inside &= grid.known[row, column]
    unsure = np.zeros(inside.shape, np.bool_) if grid.guessed is None else grid.guessed[row, column]
    limit = 1 + np.where(unsure if guessed is None else unsure | guessed, max(tolerance, GUESSED_TOLERANCE), tolerance)
    farther = inside & (z > limit * expected)
    past = farther & ~unsure
    there = inside & ~farther & (z >= expected / limit)
    # Depth edges are never quite in the same place, so a lone pixel is no evidence.
    return cv2.erode(past.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, there


def view_distance(camera: Camera, other: Camera, pivot: float) -> float:
    """How differently two cameras look: their distance as a share of the pivot's, and the angle between their axes."""
    apart = float(np.linalg.norm(camera.center() - other.center())) / pivot
    angle = float(np.arccos(np.clip(camera.E[2, :3] @ other.E[2, :3], -1, 1)))
    return apart + angle
