# SPDX-License-Identifier: Apache-2.0
"""A take seen from the viewport's mesh: which of its quads the take's camera saw, so that a 3D program can project the
take's pictures on them; and the take's depth for compositors.

    projection.json      sizes and numbers
    seen/001001.png      (h, w − 1) 8-bit, as the viewport's ``valid``: 255 where a quad is surface that the take shows
                         whole; 0 in frames that the take has not
    depth/001001.exr     float channel Y, of the take's frames: z along its camera's axis, world units; ``NO_SURFACE``
                         where there is none

A quad that something hides in part counts as hidden: its texture would have the colours of what is before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.composite.aov import NO_SURFACE
from ex4d.media.exr_writer import ExrPart, write_exr_parts
from ex4d.media.images import write_png
from ex4d.mesh.dwmesh import DWMesh
from ex4d.mesh.store import MeshStore
from ex4d.mesh.viewport import CoarseMeshes, grid_quads, quad_validity
from ex4d.plate.store import frame_file, frame_names
from ex4d.protocol.values import picture_numbers
from ex4d.raster.store import RasterStore
from ex4d.stages.stage import Stage
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

PROJECTION_FILE = "projection.json"
#: Share of its depth that a coarse quad may lie behind the fine surface that it stands for.
DEPTH_TOLERANCE = 0.01
#: Where on a quad it is looked for: its middle, and halfway to its corners.
_SAMPLES = ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))


def seen_quads(mesh: DWMesh, camera: Camera, z: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w − 1) uint8: 255 where a quad is surface that a render shows, all of it; the last row is 0.

    Args:
        mesh: of the frame, at any size of grid.
        camera: that rendered, a pinhole.
        z: (H, W) z-depth that it saw, world units, NaN = none.
        mask: (H, W) 255 = it saw surface.
    """
    seen = quad_validity(mesh)
    index = np.flatnonzero(seen[:-1].ravel())
    corners = mesh.world_points()[grid_quads(mesh.topology)[index]]
    place, depth = camera.project(corners)
    found = (depth > 0).all(axis=1)
    across, down = place[:, 3] - place[:, 0], place[:, 1] - place[:, 0]
    turned = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    found &= turned > 0
    # How much deeper the quad's plane may be in a pixel's middle, half a pixel away each way.
    rise, fall = depth[:, 3] - depth[:, 0], depth[:, 1] - depth[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_x = (rise * down[:, 1] - fall * across[:, 1]) / turned
        slope_y = (fall * across[:, 0] - rise * down[:, 0]) / turned
    # A quad seen edge-on: no more than its own depth.
    own = np.ptp(depth, axis=1)
    slack = np.minimum((np.abs(slope_x) + np.abs(slope_y)) / 2, own) + DEPTH_TOLERANCE * depth.mean(axis=1)
    height, width = mask.shape
    for s, t in _SAMPLES:
        weights = np.array([(1 - s) * (1 - t), (1 - s) * t, s * t, s * (1 - t)])
        (x, y), deep = np.moveaxis(np.tensordot(place, weights, (1, 0)), 1, 0), depth @ weights
        inside = found & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        column, row = (np.where(inside, value, 0).astype(np.intp) for value in (x, y))
        # Nothing is nearer than NaN.
        found = inside & (mask[row, column] > 0) & (deep <= z[row, column] + slack)
    flat = seen[:-1].ravel()
    flat[index[~found]] = 0
    return np.concatenate([flat.reshape(seen[:-1].shape), seen[-1:]])


@dataclass
class ProjectionStage(Stage):
    """Writes a projection.

    Attributes:
        mesh_key: key of the shot's mesh.
        mesh: of all frames of the shot.
        side: of the viewport's mesh, see ``CoarseMeshes``.
        raster_key: key of the take's render.
        raster: the render.
    """

    name = "projection"
    version = 1

    mesh_key: str
    mesh: MeshStore
    side: int
    raster_key: str
    raster: RasterStore

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {
            "mesh": self.mesh_key,
            "frames": list(self.mesh.source.frame_numbers),
            "side": self.side,
            "raster": self.raster_key,
        }

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.mesh.source)

    @cached_property
    def _coarse(self) -> CoarseMeshes:
        return CoarseMeshes(self.mesh, self.side, far=self.mesh.shown_far)

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        numbers = self.mesh.source.frame_numbers
        pictures, taken = picture_numbers(numbers), self.raster.numbers
        seen_folder, depth_folder = make_folder(out / "seen"), make_folder(out / "depth")
        grid = (0, 0)
        with BoundedPool() as pool:
            for number, picture, (mesh, seen) in zip(numbers, pictures, self._frames(), strict=True):
                grid = mesh.topology.grid
                pool.submit(write_png, frame_file(seen_folder, picture, ".png"), seen)
                if number in taken:
                    z = self.raster.z(number)
                    values = np.where(np.isfinite(z), z, np.float32(NO_SURFACE))
                    part = ExrPart("", {"Y": values}, {"colorInteropID": "data"})
                    pool.submit(write_exr_parts, frame_file(depth_folder, number, ".exr"), [part])
                progress.advance()
        record = {"grid": list(grid), "numbers": list(numbers), "take_numbers": list(taken)}
        (out / PROJECTION_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [
            *frame_names("seen", pictures, ".png"),
            *frame_names("depth", taken, ".exr"),
            PROJECTION_FILE,
        ]

    def _frames(self) -> Iterator[tuple[DWMesh, NDArray[np.uint8]]]:
        """Each frame's mesh, and which of its quads the take shows."""
        numbers = self.mesh.source.frame_numbers
        places = {number: index for index, number in enumerate(self.raster.numbers)}
        for number, mesh in zip(numbers, prefetched(self._coarse.read, range(len(numbers))), strict=True):
            if number not in places:
                yield mesh, np.zeros_like(quad_validity(mesh))
                continue
            camera = self.raster.trajectory[places[number]]
            yield mesh, seen_quads(mesh, camera, self.raster.z(number), self.raster.mask(number))
