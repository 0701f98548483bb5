# SPDX-License-Identifier: Apache-2.0
"""Square parts of a mesh's grid, so that those need not be drawn that touch no pixel which anybody looks at.

On a software driver it is the triangles that cost, seen or not. A pixel shows the first of those that cover it, so
leaving out what covers none of the wanted ones changes nothing there, as long as the rest keeps its order.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh import DWMesh
from ex4d.mesh.dwmesh import viewing_rays
from ex4d.raster.base import clip_from_camera, view_from_source

Float = NDArray[np.float64]

#: Quads along a tile's side; even, so that a draw's parity begins anew in each.
TILE = 16
#: Pixels that a tile's bounds are made wider by: the device computes with less digits.
SLACK_PX = 1.0
#: Rows of pixels that are shaded at once, where not all are.
BAND = 32
#: A tile with a corner nearer to the camera's plane than this share of its distance is drawn, wherever it may lie.
NEAREST = 1e-3


@lru_cache(maxsize=4)
def _segments(width: int, height: int, parity: int) -> NDArray[np.int32]:
    """(tile rows, ``TILE`` / 2, tile columns, 2·``TILE`` + 6) indices of ``strips.grid_strips``' triangles in each row
    of quads of a tile, in that order and winding; indices repeated before and behind lead from one to the next.

    Beyond the grid's edges the last vertices stand again, which make triangles without area.
    """
    rows, columns = -(-(height - 1) // TILE), -(-(width - 1) // TILE)
    upper = np.arange(rows)[:, None] * TILE + np.arange(parity, TILE, 2)
    row = np.minimum(np.stack([upper, upper + 1]), height - 1).astype(np.int32) * np.int32(width)
    column = np.arange(columns)[:, None] * TILE + np.arange(TILE + 1)
    column = np.minimum(column, width - 1).astype(np.int32)
    out = np.empty((rows, TILE // 2, columns, 2 * TILE + 6), np.int32)
    out[..., 2:-2:2] = row[0, :, :, None, None] + column
    out[..., 3:-2:2] = row[1, :, :, None, None] + column
    # Two each, so that triangles keep their places in turn, and with them their winding.
    out[..., :2], out[..., -2:] = out[..., 2:3], out[..., -3:-2]
    out.setflags(write=False)
    return out


class GridTiles:
    """The tiles of a mesh's grid and the space that each lies in.

    Args:
        mesh: the mesh.
    """

    def __init__(self, mesh: DWMesh) -> None:
        self._mesh = mesh
        self._width, self._height = mesh.topology.grid
        K = mesh.source.K
        rays = viewing_rays(mesh.topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2], mesh.source.lens)
        rays = rays[: mesh.topology.grid_vertices].reshape(self._height, self._width, 2)
        sides = [_extremes(values) for values in (rays[..., 0], rays[..., 1], mesh.grid_z)]
        # (8, R, C, 3): the frustum that all vertices of the tile lie in, and so their triangles.
        self._corners = np.stack([np.stack([x * z, y * z, z], axis=-1) for x, y, z in product(*sides)])

    def seen(self, camera: Camera, where: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(R, C) bool, which tiles may touch a pixel of ``where`` (H, W) in the picture of a camera without a lens."""
        matrix = clip_from_camera(camera) @ view_from_source(self._mesh, camera)
        corners = self._corners @ matrix[:, :3].T + matrix[:, 3]
        w = corners[..., 3]
        unsure = (w <= NEAREST * np.abs(corners).max(axis=-1)).any(axis=0)
        size = np.array([camera.width, camera.height])
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = (corners[..., :2] / w[..., None] + 1) / 2 * size
        pixels = np.where(np.isfinite(pixels), pixels, 0)
        low = np.clip(np.floor(pixels.min(axis=0) - SLACK_PX), 0, size).astype(np.intp)
        high = np.clip(np.ceil(pixels.max(axis=0) + SLACK_PX), 0, size).astype(np.intp)
        counts = cv2.integral(where.astype(np.uint8))
        (left, top), (right, bottom) = np.moveaxis(low, -1, 0), np.moveaxis(high, -1, 0)
        touched = counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left] > 0
        return np.asarray(touched | unsure)

    def strip(self, seen: NDArray[np.bool_], parity: int) -> NDArray[np.int32]:
        """As ``strips.grid_strips``, (N,) indices, of some tiles (R, C) alone."""
        segments = _segments(self._width, self._height, parity)
        chosen = [part[:, mask].reshape(-1) for part, mask in zip(segments, seen, strict=True) if mask.any()]
        return np.concatenate(chosen) if chosen else np.empty(0, np.int32)


def windows_of(where: NDArray[np.bool_] | None) -> list[tuple[int, int, int, int] | None]:
    """Windows (left, first row, width, height) that hold all pixels of ``where`` (H, W); None is the whole picture."""
    if where is None:
        return [None]
    found: list[tuple[int, int, int, int] | None] = []
    for top in range(0, len(where), BAND):
        columns = np.flatnonzero(where[top : top + BAND].any(axis=0))
        if columns.size:
            left, right = int(columns[0]), int(columns[-1]) + 1
            found.append((left, top, right - left, min(BAND, len(where) - top)))
    return found


def _extremes(values: NDArray[np.float32]) -> tuple[Float, Float]:
    """Least and largest (R, C) of a grid's values (h, w) over the vertices of each tile."""
    height, width = values.shape
    padded = np.pad(values, ((0, (1 - height) % TILE), (0, (1 - width) % TILE)), mode="edge")
    found = []
    for extreme in (np.minimum, np.maximum):
        out = padded
        for axis in (0, 1):
            # Blocks of vertices, and the first one of the next: neighbouring tiles share it.
            starts = np.arange(0, out.shape[axis] - 1, TILE)
            blocks = extreme.reduceat(out, starts, axis=axis)
            out = extreme(blocks, np.take(out, starts + TILE, axis=axis))
        found.append(out.astype(np.float64))
    return found[0], found[1]
