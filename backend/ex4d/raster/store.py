# SPDX-License-Identifier: Apache-2.0
"""A rendered take as the other stages see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.media.images import read_grey, read_image
from ex4d.plate.store import frame_file
from ex4d.raster.base import Texture

RASTER_FILE = "raster.json"
TRAJECTORY_FILE = "trajectory.json"


@dataclass(frozen=True)
class RasterStore:
    """Colour, mask and z of a finished raster stage.

    Attributes:
        folder: its output folder.
        trajectory: the take camera, with the plate's frame numbers.
        coverage: share of each frame's pixels that show real source surface, 0..1.
        rasterizer, device, licence: what rendered it.
        notes: sentences for the report.
    """

    folder: Path
    trajectory: Trajectory
    coverage: tuple[float, ...]
    rasterizer: str
    device: str
    licence: str
    notes: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> RasterStore:
        """The store in a finished raster stage's folder."""
        record = json.loads((folder / RASTER_FILE).read_text(encoding="utf-8"))
        record["coverage"], record["notes"] = tuple(record["coverage"]), tuple(record["notes"])
        return cls(folder=folder, trajectory=read_trajectory(folder / TRAJECTORY_FILE), **record)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The plate's frame numbers."""
        return self.trajectory.frame_numbers

    def color(self, number: int) -> Texture:
        """(H, W, 3) RGB in the plate's dtype, 0 where the mask is 0."""
        return read_image(frame_file(self.folder / "color", number, ".png"))

    def mask(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8, 255 = real source surface, 0 = to be filled."""
        return np.asarray(read_grey(frame_file(self.folder / "mask", number, ".png")), dtype=np.uint8)

    def z(self, number: int) -> NDArray[np.float32]:
        """(H, W) float32 z-depth in the take camera, world units; NaN where there is no surface."""
        return np.asarray(np.load(frame_file(self.folder / "z", number, ".npy")), dtype=np.float32)
