# SPDX-License-Identifier: Apache-2.0
"""A lens as tables that devices look up: where it moves positions of the picture, at nodes of a coarse grid.

Between nodes the displacement is cubic (Catmull and Rom's spline, "A class of local interpolating splines", 1974).
There are as many nodes as it takes to agree with the lens to ``TOLERANCE_PX`` at positions drawn all over the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Lens

Float = NDArray[np.float64]

#: Pixels that a table may be off.
TOLERANCE_PX = 2e-5
#: Nodes along the longer side: at first, and at most. More would not fit lenses that bend so hard that these are too
#: few; their tables are off by what ``LensTable.error`` tells.
FEWEST_NODES, MOST_NODES = 128, 1024
#: Positions at which a table is compared with the lens, and points along each border of the picture whose places are
#: computed to know how far the table must reach.
_COMPARED, _BORDER_POINTS = 20_000, 257
#: Nodes beyond what a table must reach: the spline needs two.
_MARGIN = 3


@dataclass(frozen=True, eq=False)
class LensTable:
    """Displacements on a grid.

    Attributes:
        displacement: (n, m, 2) float64 pixels, x and y, to be added to the position.
        low: (2,) position of the first node, pixels.
        step: (2,) from a node to the next one across and down, pixels.
        error: largest difference to the lens that was found, pixels.
    """

    displacement: Float
    low: Float
    step: Float
    error: float = 0.0

    def moved(self, positions: Float) -> Float:
        """Positions (N, 2) with their displacement; beyond the table that of its border."""
        height, width = self.displacement.shape[:2]
        place = np.clip((positions - self.low) / self.step, 1, (width - 2 - 1e-9, height - 2 - 1e-9))
        base = np.floor(place).astype(np.intp)
        across, down = (_spline(place[:, axis] - base[:, axis]) for axis in (0, 1))
        out = np.zeros_like(positions)
        for j in range(4):
            row = np.zeros_like(positions)
            for i in range(4):
                row += across[:, i, None] * self.displacement[base[:, 1] + j - 1, base[:, 0] + i - 1]
            out += down[:, j, None] * row
        return positions + out

    def moved_grid(self, x: Float, y: Float) -> Float:
        """The same of all positions in columns ``x`` (W,) and rows ``y`` (H,): (H, W, 2)."""
        height, width = self.displacement.shape[:2]
        across = _spline_matrix((x - self.low[0]) / self.step[0], width)
        down = _spline_matrix((y - self.low[1]) / self.step[1], height)
        moved = np.stack([down @ (self.displacement[..., axis] @ across.T) for axis in (0, 1)], axis=-1)
        moved[..., 0] += x
        moved[..., 1] += y[:, None]
        return moved

    @property
    def grid(self) -> tuple[float, float, float, float]:
        """``low`` and 1 / ``step``, as shaders take them."""
        return float(self.low[0]), float(self.low[1]), 1 / float(self.step[0]), 1 / float(self.step[1])


def _spline(t: Float) -> Float:
    """(N, 4) weights of the nodes from one before to two behind, for the shares (N,) of the way between two nodes."""
    t2, t3 = t * t, t * t * t
    return np.stack([t2 - (t + t3) / 2, 1 + (3 * t3 - 5 * t2) / 2, (t + 4 * t2 - 3 * t3) / 2, (t3 - t2) / 2], axis=-1)


def _spline_matrix(place: Float, nodes: int) -> Float:
    """(N, nodes) weights of all nodes at places (N,) counted in nodes."""
    place = np.clip(place, 1, nodes - 2 - 1e-9)
    base = np.floor(place).astype(np.intp)
    out = np.zeros((len(place), nodes))
    rows = np.arange(len(place))
    for k, weight in enumerate(_spline(place - base).T):
        out[rows, base + k - 1] = weight
    return out


def _table(lens: Callable[[Float], Float], low: Float, high: Float, compared: Float) -> LensTable:
    """Of ``lens``, positions (N, 2) -> positions, between ``low`` and ``high`` (2,); exact enough at ``compared``."""
    nodes, expected = FEWEST_NODES, lens(compared)
    while True:
        step = np.maximum((high - low).max() / nodes, 1e-12) * np.ones(2)
        count = np.ceil((high - low) / step).astype(int) + 1 + 2 * _MARGIN
        first = low - _MARGIN * step
        x, y = (first[axis] + step[axis] * np.arange(count[axis]) for axis in (0, 1))
        positions = np.stack(np.meshgrid(x, y), axis=-1)
        displacement = lens(positions.reshape(-1, 2)).reshape(positions.shape) - positions
        table = LensTable(displacement, first, step)
        error = float(np.abs(table.moved(compared) - expected).max())
        if error <= TOLERANCE_PX or nodes >= MOST_NODES:
            return LensTable(displacement, first, step, error)
        nodes *= 2


@dataclass(frozen=True)
class _Picture:
    """A lens before a picture of so many pixels."""

    lens: Lens
    focal: tuple[float, float]
    center: tuple[float, float]
    size: tuple[int, int]

    def distorted(self, ideal: Float) -> Float:
        """Ideal pixel positions (N, 2) -> those of the picture."""
        return np.asarray(self.lens.distort((ideal - self.center) / self.focal) * self.focal + self.center)

    def undistorted(self, positions: Float) -> Float:
        """The inverse of ``distorted``."""
        return np.asarray(self.lens.undistort((positions - self.center) / self.focal) * self.focal + self.center)

    def compared(self) -> Float:
        """(N, 2) positions all over the picture, its corners included."""
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        return np.concatenate([np.random.default_rng(0).random((_COMPARED, 2)), corners]) * self.size


def _picture(camera: Camera) -> _Picture:
    assert camera.lens is not None
    K = camera.K
    focal, center = (float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2]))
    return _Picture(camera.lens, focal, center, (camera.width, camera.height))


@lru_cache(maxsize=4)
def _distortion(picture: _Picture) -> LensTable:
    width, height = picture.size
    x, y = np.linspace(0, width, _BORDER_POINTS), np.linspace(0, height, _BORDER_POINTS)
    sides = ((x, 0.0), (x, float(height)), (0.0, y), (float(width), y))
    border = picture.undistorted(np.concatenate([np.stack(np.broadcast_arrays(*side), axis=-1) for side in sides]))
    ideal = picture.undistorted(picture.compared())
    slack = 0.01 * max(picture.size)
    return _table(picture.distorted, border.min(axis=0) - slack, border.max(axis=0) + slack, ideal)


@lru_cache(maxsize=2)
def _rays(picture: _Picture) -> Float:
    width, height = picture.size
    table = _table(picture.undistorted, np.zeros(2), np.array(picture.size, np.float64), picture.compared())
    ideal = table.moved_grid(np.arange(width, dtype=np.float64) + 0.5, np.arange(height, dtype=np.float64) + 0.5)
    return np.asarray((ideal - picture.center) / picture.focal)


def distortion_table(camera: Camera) -> LensTable:
    """Ideal pixel positions, as the camera has them without its lens, to those of its picture."""
    return _distortion(_picture(camera))


def pixel_centre_rays(camera: Camera) -> Float:
    """(H, W, 2) x and y at z = 1 of the rays through the pixels' centres, with the camera's lens; not to be changed."""
    if camera.lens is not None:
        return _rays(_picture(camera))
    pixels = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), axis=-1)
    return camera.rays(pixels)
