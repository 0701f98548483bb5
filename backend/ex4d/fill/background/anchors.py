# SPDX-License-Identifier: Apache-2.0
"""Which other frames are looked at for a frame of a take: few, that cover what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.fill.background.depth_grids import DepthGrid, DepthGrids, view_distance

Bool = NDArray[np.bool_]

#: Frames that may be chosen: about so many over the shot, but no farther apart than this.
CANDIDATES, WIDEST_SPACING = 24, 12
#: Each hole is to be seen by so many of them: one may look at it from the wrong side, or something moving.
WANTED = 2
#: Cells along the longer side of the take in which holes are counted, and points of a candidate for each cell.
CELLS, POINTS_PER_CELL = 64, 1.5
#: Every so many points tell whether two frames overlap, when more than this share of one's is in the other's picture.
OVERLAP_STEP, LEAST_OVERLAP = 16, 0.05
#: A frame that sees less than this share of the holes that are left is not worth its time.
LEAST_GAIN = 0.002
#: One that sees this share of what the best does is as good where those before it have failed.
NEARLY_AS_MUCH = 0.5


def candidates(count: int) -> list[int]:
    """Indices of the frames that may be chosen, with the first and the last one."""
    spacing = min(max(1, round(count / CANDIDATES)), WIDEST_SPACING)
    return np.unique(np.linspace(0, count - 1, 1 + -(-(count - 1) // spacing)).round().astype(int)).tolist()


class AnchorChoice:
    """Chooses them.

    Attributes:
        candidates: indices of the frames that may be chosen.
    """

    def __init__(self, grids: DepthGrids, count: int, pivot: float) -> None:
        self.candidates = candidates(count)
        self._pivot = pivot
        self._cameras: dict[int, Camera] = {}
        self._points: dict[int, NDArray[np.float32]] = {}
        for index in self.candidates:
            grid = grids[index]
            self._cameras[index] = grid.mesh.source
            self._points[index] = _sparse_points(grid)

    def overlapping(self, index: int) -> list[int]:
        """Indices of the candidates that show something of what frame ``index``, itself a candidate, shows."""
        points = self._points[index][::OVERLAP_STEP].astype(np.float64)
        return [other for other in self.candidates if _inside(self._cameras[other], points)[0].mean() > LEAST_OVERLAP]

    def choose(
        self, index: int, camera: Camera, holes: Bool, most: int, but: Sequence[int] = (), *, spread: bool = False
    ) -> list[int]:
        """Indices of the frames to look at, the most alike view first.

        What moves in them, and what hides behind something else, is not known here: whoever has looked at them may ask
        for others for what is left.

        Args:
            index: of the take's frame.
            camera: of the take.
            holes: (h, w) bool, what it lacks, at any size.
            most: frames that are chosen at most.
            but: frames that have been looked at.
            spread: those far in time from what has been looked at go first: what stood in the way there stands in the
                way in its neighbours too.
        """
        others = [other for other in self.candidates if other != index and other not in but]
        distance = {other: view_distance(camera, self._cameras[other], self._pivot) for other in others}
        others.sort(key=lambda other: (distance[other], abs(other - index), other))
        tried = list(but) if spread else []
        left = _cells(holes)
        seen = {other: self._seen_cells(other, camera, left.shape) for other in others}
        wanted = left.astype(np.int8) * WANTED
        chosen: list[int] = []
        least = max(1.0, LEAST_GAIN * WANTED * float(left.sum()))
        while others and len(chosen) < most:
            gains = [int(((wanted > 0) & seen[other]).sum()) for other in others]
            # Of equal ones the first, which is nearest in view.
            best = int(np.argmax(gains))
            if gains[best] < least:
                break
            if tried:
                enough = [place for place, gain in enumerate(gains) if gain >= NEARLY_AS_MUCH * gains[best]]
                best = max(enough, key=lambda place: min(abs(others[place] - other) for other in tried))
                tried.append(others[best])
            wanted[seen[others[best]]] -= 1
            chosen.append(others.pop(best))
        return sorted(chosen, key=lambda other: (distance[other], abs(other - index), other))

    def _seen_cells(self, other: int, camera: Camera, shape: tuple[int, ...]) -> Bool:
        cells = np.zeros(shape, np.bool_)
        inside, pixels = _inside(camera, self._points[other].astype(np.float64))
        at = np.floor(pixels / (camera.width, camera.height) * (shape[1], shape[0]))
        column, row = at[inside].astype(np.intp).T
        cells[row, column] = True
        return cells


def _inside(camera: Camera, points: NDArray[np.float64]) -> tuple[Bool, NDArray[np.float64]]:
    """Whether a camera has points (N, 3) in its picture, and where, (N, 2) pixels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, z = camera.project(points)
        return (z > 0) & (pixels >= 0).all(-1) & (pixels < (camera.width, camera.height)).all(-1), pixels


def _cells(holes: Bool) -> Bool:
    """Whether there are holes in each cell."""
    height, width = holes.shape
    scale = min(1.0, CELLS / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    row, column = np.nonzero(holes)
    cells = np.zeros((rows, columns), np.bool_)
    cells[row * rows // height, column * columns // width] = True
    return cells


def _sparse_points(grid: DepthGrid) -> NDArray[np.float32]:
    step = max(1, int(max(grid.z.shape) / (CELLS * POINTS_PER_CELL)))
    # The outermost ones count most: they are what only this frame shows.
    rows, columns = (np.unique([*range(0, side, step), side - 1]) for side in grid.z.shape)
    points = grid.world_points[np.ix_(rows, columns)]
    return np.asarray(points[grid.known[np.ix_(rows, columns)]], np.float32)
