# SPDX-License-Identifier: Apache-2.0
"""A rendered take as the other stages see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.plate.store import frame_name
from ex4d.raster.base import Texture
from ex4d.stages.stage_files import StageFiles

RASTER_FILE = "raster.json"
TRAJECTORY_FILE = "trajectory.json"


@dataclass(frozen=True)
class RasterStore:
    """Colour, mask and z of a finished raster stage.

    Attributes:
        files: its output.
        trajectory: the take camera, with the plate's frame numbers.
        coverage: share of each frame's pixels that show real source surface, 0..1.
        rasterizer, device, licence: what rendered it.
        notes: sentences for the report.
    """

    files: StageFiles
    trajectory: Trajectory
    coverage: tuple[float, ...]
    rasterizer: str
    device: str
    licence: str
    notes: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> RasterStore:
        """The store in a finished raster stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record, trajectory = files.json(RASTER_FILE), files.trajectory(TRAJECTORY_FILE)
        with files.decoding(RASTER_FILE):
            record["coverage"], record["notes"] = tuple(record["coverage"]), tuple(record["notes"])
            return cls(files=files, trajectory=trajectory, **record)

    @property
    def folder(self) -> Path:
        """Its output folder."""
        return self.files.folder

    @property
    def numbers(self) -> tuple[int, ...]:
        """The plate's frame numbers."""
        return self.trajectory.frame_numbers

    def color(self, number: int) -> Texture:
        """(H, W, 3) RGB in the plate's dtype, 0 where the mask is 0."""
        return self.files.png(f"color/{frame_name(number, '.png')}")

    def mask(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8, 255 = real source surface, 0 = to be filled."""
        return np.asarray(self.files.png(f"mask/{frame_name(number, '.png')}"), dtype=np.uint8)

    def z(self, number: int) -> NDArray[np.float32]:
        """(H, W) float32 z-depth in the take camera, world units; NaN where there is no surface."""
        return np.asarray(self.files.npy(f"z/{frame_name(number, '.npy')}"), dtype=np.float32)
