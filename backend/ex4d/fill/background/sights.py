# SPDX-License-Identifier: Apache-2.0
"""What one other frame shows of the still world in the take camera: where its surface is, and how well it is known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.fill.background.depth_grids import DepthGrids
from ex4d.raster import Rasterizer, RasterScene

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Surface this near to an edge, as a share of the longer side, is not sure: colours and depth are mixed there.
EDGE = 0.006
#: Scenes that are kept on the device.
KEPT_SCENES = 20


@dataclass(frozen=True)
class Sight:
    """One other frame in the take camera.

    Attributes:
        index: of the frame.
        z: (h, w) float32 z-depth in the take camera, NaN where it shows nothing that stands still.
        sure: (h, w) bool, where it is away from edges.
        guessed: (h, w) bool, where its depth was guessed; None = nowhere, or it is not known.
    """

    index: int
    z: Float
    sure: Bool
    guessed: Bool | None = None

    @property
    def known(self) -> Bool:
        """(h, w) bool, where it shows something."""
        return np.isfinite(self.z)


def _away_from_edges(mask: Bool) -> Bool:
    side = 2 * max(1, round(EDGE * max(mask.shape))) + 1
    return cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=1) > 0


class MeshSights:
    """Sights of the frames' meshes.

    ``moving`` gives (h, w) bool on a frame's small grid.
    """

    def __init__(self, grids: DepthGrids, moving: Callable[[int], Bool], rasterizer: Rasterizer) -> None:
        self._grids, self._moving, self._rasterizer = grids, moving, rasterizer
        self._scenes: OrderedDict[int, RasterScene] = OrderedDict()

    def look(self, index: int, camera: Camera) -> Sight:
        """What frame ``index`` shows."""
        frame = self._scene(index).render(camera)
        shown = (frame.mask > 0) & np.isfinite(frame.z)
        return Sight(index, np.where(shown, frame.z, np.float32(np.nan)), _away_from_edges(frame.mask > 0) & shown)

    def close(self) -> None:
        """Free the rasterizer."""
        while self._scenes:
            self._scenes.popitem()[1].release()
        self._rasterizer.close()

    def _scene(self, index: int) -> RasterScene:
        if index in self._scenes:
            self._scenes.move_to_end(index)
        else:
            mesh = self._grids.still_mesh(index, ~self._moving(index))
            # Only where the surface is counts here; colours are looked up in the plate.
            texture = np.zeros((mesh.source.height, mesh.source.width, 3), np.uint8)
            self._scenes[index] = self._rasterizer.upload(mesh, texture)
            if len(self._scenes) > KEPT_SCENES:
                self._scenes.popitem(last=False)[1].release()
        return self._scenes[index]


class TurnedSights:
    """Sights from the source camera's own place, by rotation alone: no depth moves anything there.

    ``moving`` gives (h, w) bool on a frame's small grid.
    """

    def __init__(self, grids: DepthGrids, moving: Callable[[int], Bool], far: float) -> None:
        self._grids, self._moving, self._far = grids, moving, far

    def look(self, index: int, camera: Camera) -> Sight:
        """What frame ``index`` shows."""
        grid = self._grids[index]
        x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        rays = np.dstack([camera.rays(np.dstack([x, y])), np.ones_like(x)])
        pose = invert_rigid(camera.E)
        # All points of a ray are the same to a camera at its beginning; a far one is exact enough for one beside it.
        points = rays * self._far @ pose[:3, :3].T + pose[:3, 3]
        source = grid.mesh.source
        pixels, ahead = source.project(points)
        inside = (ahead > 0) & (pixels >= 0.5).all(-1) & (pixels <= (source.width - 0.5, source.height - 0.5)).all(-1)
        row, column, _, near = grid.look_up(points)
        inside &= near
        still = inside & ~self._moving(index)[row, column]
        # The surface's distance along the ray, as z of the take camera.
        theirs = replace(source, E=np.eye(4)).rays(np.where(inside[..., None], pixels, 0.5))
        length = np.sqrt((theirs**2).sum(-1) + 1) * grid.z[row, column]
        z = length / np.linalg.norm(rays, axis=-1)
        shown = np.where(still, z, np.nan).astype(np.float32)
        return Sight(index, shown, _away_from_edges(still) & still)

    def close(self) -> None:
        """Nothing is held."""
