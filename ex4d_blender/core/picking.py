# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a line of sight meets a shot's mesh in one frame: on what the plate has really seen. No Blender in here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: A line that passes a triangle's side by less than this share of it still meets it: neighbours leave no gap.
SIDE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Surface:
    """What is seen of one frame.

    Attributes:
        vertices: (H, W, 3) float32, shot world: the mesh's grid, without the rim that closes it behind.
        valid: (H - 1, W - 1) whether a quad is measured surface; the others bridge what was never seen.
    """

    vertices: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def hit(self, origin: Array, direction: Array) -> Array | None:
        """The nearest point (3,) where the ray meets valid surface, from either side; None where it meets none.

        Args:
            origin, direction: (3,) shot world, the direction of any length.
        """
        across, up, along = _frame(direction)
        # Seen along the ray every triangle that holds the origin is met, whatever lies behind the eye.
        near = self.valid
        for axis in (across, up):
            places = self.vertices @ axis.astype(np.float32) - np.float32(origin @ axis)
            # Which quads may hold it; single precision is as good as the vertices are.
            margin = np.float32(1e-5) * max(1e-30, float(np.abs(places).max()))
            low, high = np.minimum(places[:-1], places[1:]), np.maximum(places[:-1], places[1:])
            low, high = np.minimum(low[:, :-1], low[:, 1:]), np.maximum(high[:, :-1], high[:, 1:])
            near = near & (low <= margin) & (high >= -margin)
        rows, columns = np.nonzero(near)
        if not len(rows):
            return None
        # The quad's two triangles, parted as Blender and the backend part them: bottom left to top right.
        corners = [(1, 0), (1, 1), (0, 1), (0, 0)]
        bottom_left, bottom_right, top_right, top_left = (
            self.vertices[rows + row, columns + column].astype(np.float64) - origin for row, column in corners
        )
        triangles = np.concatenate(
            [
                np.stack([bottom_left, bottom_right, top_right], axis=1),
                np.stack([bottom_left, top_right, top_left], axis=1),
            ]
        )
        flat = triangles @ np.stack([across, up], axis=1)
        sides = np.roll(flat, -1, axis=1)
        # Twice the area between the origin and each side; the share of the corner across from it.
        areas = flat[..., 0] * sides[..., 1] - flat[..., 1] * sides[..., 0]
        whole = areas.sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.roll(areas, -1, axis=1) / whole[:, None]
            distances = ((triangles @ along) * shares).sum(1)
            met = (shares >= -SIDE_TOLERANCE).all(1) & (distances > 0)
        if not met.any():
            return None
        return np.asarray(origin + distances[met].min() * along, np.float64)


def _frame(direction: Array) -> tuple[Array, Array, Array]:
    """Three unit directions (3,) across one another, the last along ``direction``."""
    along = direction / np.linalg.norm(direction)
    across = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    across /= np.linalg.norm(across)
    return across, np.cross(along, across), along
