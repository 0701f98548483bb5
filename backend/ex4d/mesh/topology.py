# SPDX-License-Identifier: Apache-2.0
"""The fixed, closed topology that all frames of a shot share.

Vertices: first the plate's grid, row-major, one per grid point; then one ring of as many vertices as the grid has on
its rim. The ring lies on the far plane, one grid step outside the picture. Faces: the grid, a *skirt* between rim and
ring, a *cap* that closes the ring. Skirt and cap are never valid, and nothing of them stands before the far
plane inside the source camera's view. The surface is a topological sphere: each edge has exactly two faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

MIN_GRID = 2


@dataclass(frozen=True, eq=False)
class Topology:
    """Faces and texture coordinates for a grid over a plate.

    Attributes:
        grid: (width, height) of the vertex grid.
        plate: (width, height) of the plate in pixels.
        pixels: (V, 2) float64 plate pixel position of each vertex, centres at i+0.5.
        faces: (F, 3) int32; the first ``grid_faces`` are the grid's, two per quad in row-major order, the one at the
            quad's top left first. Seen from the source camera all faces of grid and skirt show their front,
            which is counter-clockwise in a right-handed frame (the normal points to the camera).
        grid_faces: how many of the faces belong to the grid.
        skirt_faces: how many belong to the skirt; they come next. The cap's are the rest.
    """

    grid: tuple[int, int]
    plate: tuple[int, int]
    pixels: NDArray[np.float64]
    faces: NDArray[np.int32]
    grid_faces: int
    skirt_faces: int

    @property
    def grid_vertices(self) -> int:
        """How many vertices belong to the grid; they come first."""
        return self.grid[0] * self.grid[1]

    @property
    def step(self) -> tuple[float, float]:
        """Plate pixels from one grid vertex to the next, across and down."""
        return (self.plate[0] - 1) / (self.grid[0] - 1), (self.plate[1] - 1) / (self.grid[1] - 1)

    @cached_property
    def uv(self) -> NDArray[np.float32]:
        """(V, 2) texture coordinates, u to the right and v downwards, 0..1 over the plate's edges."""
        return np.asarray(self.pixels / np.array(self.plate), dtype=np.float32)


def grid_positions(grid: tuple[int, int], plate: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Plate pixel positions of the grid's columns (w,) and rows (h,).

    The outermost vertices sit on the outermost pixel centres, so the mesh covers every pixel centre at any grid
    size; with the grid as large as the plate each vertex is a pixel centre.
    """
    return (
        np.linspace(0.5, plate[0] - 0.5, grid[0]),
        np.linspace(0.5, plate[1] - 0.5, grid[1]),
    )


def grid_face_indices(width: int, height: int) -> NDArray[np.int32]:
    """Two triangles per quad of a row-major grid, (2·(w−1)·(h−1), 3) int32."""
    index = np.arange(width * height, dtype=np.int32).reshape(height, width)
    tl, tr, bl, br = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.stack([tl, bl, tr, tr, bl, br], axis=-1)
    return np.ascontiguousarray(faces.reshape(-1, 3))


def _rim(width: int, height: int) -> NDArray[np.int32]:
    """Grid indices of the rim, once round: top to the right, right down, bottom to the left, left up."""
    index = np.arange(width * height, dtype=np.int32).reshape(height, width)
    return np.concatenate([index[0, :-1], index[:-1, -1], index[-1, :0:-1], index[:0:-1, 0]])


def _skirt(rim: NDArray[np.int32], ring: NDArray[np.int32]) -> NDArray[np.int32]:
    rim_next, ring_next = np.roll(rim, -1), np.roll(ring, -1)
    return np.concatenate([np.stack([rim, rim_next, ring], axis=-1), np.stack([ring, rim_next, ring_next], axis=-1)])


def _cap(ring: NDArray[np.int32], width: int, height: int) -> NDArray[np.int32]:
    """Close the ring without a new vertex and without a triangle whose corners all lie on one side.

    Two staircases, one between the top and the left side, one between the bottom and the right side; they meet
    in the diagonal from the top right to the bottom left corner.
    """
    top, right = ring[:width], ring[width - 1 : width + height - 1]
    bottom, left = ring[width + height - 2 : 2 * width + height - 2], np.roll(ring, -(2 * width + height - 3))[:height]
    faces: list[tuple[int, int, int]] = []
    # Both chains of a staircase start in one corner and end at the two ends of the diagonal.
    for one, other in ((top, left[::-1]), (bottom, right[::-1])):
        i, j = 1, 1
        faces.append((one[0], one[1], other[1]))
        while i < len(one) - 1 or j < len(other) - 1:
            # Advance the chain that is behind, so that no triangle gets needlessly thin.
            if j == len(other) - 1 or (i < len(one) - 1 and i * len(other) <= j * len(one)):
                faces.append((one[i], one[i + 1], other[j]))
                i += 1
            else:
                faces.append((one[i], other[j + 1], other[j]))
                j += 1
    return np.array(faces, dtype=np.int32)


@lru_cache(maxsize=4)
def closed_topology(grid: tuple[int, int], plate: tuple[int, int]) -> Topology:
    """Topology of the depth-watertight mesh; ``grid`` and ``plate`` are (width, height), at least 2x2.

    Raises:
        ValueError: for a smaller grid.
    """
    width, height = grid
    if min(grid) < MIN_GRID:
        raise ValueError(f"a mesh needs at least 2x2 vertices, not {width}x{height}")
    columns, rows = grid_positions(grid, plate)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    rim = _rim(width, height)
    ring = np.arange(len(rim), dtype=np.int32) + width * height
    step = np.array([columns[1] - columns[0], rows[1] - rows[0]])
    outward = np.stack(
        [
            (rim % width == width - 1).astype(float) - (rim % width == 0),
            (rim // width == height - 1).astype(float) - (rim // width == 0),
        ],
        axis=-1,
    )
    grid_faces, skirt = grid_face_indices(width, height), _skirt(rim, ring)
    faces = np.concatenate([grid_faces, skirt, _cap(ring, width, height)])
    positions = np.concatenate([pixels, pixels[rim] + outward * step])
    return Topology(grid, plate, positions, faces, len(grid_faces), len(skirt))
