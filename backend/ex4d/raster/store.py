# SPDX-License-Identifier: Apache-2.0
"""A rendered take as the other stages see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.media.encoding import TruthEncoding
from ex4d.media.exr_values import read_exr_values
from ex4d.media.frames import without_alpha
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
        encoding: of the truth; None = it is the working picture.
        has_alpha: whether alpha was rendered.
        never_covered: share of each frame's pixels that lies outside the views of all frames; empty = it was rendered
            when nobody asked.
    """

    files: StageFiles
    trajectory: Trajectory
    coverage: tuple[float, ...]
    rasterizer: str
    device: str
    licence: str
    notes: tuple[str, ...]
    encoding: TruthEncoding | None = None
    has_alpha: bool = False
    never_covered: tuple[float, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> RasterStore:
        """The store in a finished raster stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record, trajectory = files.json(RASTER_FILE), files.trajectory(TRAJECTORY_FILE)
        with files.decoding(RASTER_FILE):
            record |= {name: tuple(record[name]) for name in ("coverage", "notes", "never_covered") if name in record}
            if "encoding" in record:
                record["encoding"] = TruthEncoding(**record["encoding"])
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
        """(H, W, 3) RGB of the working picture, 0 where the mask is 0."""
        return self.files.png(f"color/{frame_name(number, '.png')}")

    def truth(self, number: int) -> tuple[Texture, Texture | None]:
        """RGB (H, W, 3) and alpha (H, W), or None, in the dtype of the plate's truth; 0 where the mask is 0. Colours of
        integers are straight, of floats multiplied by alpha."""
        if self.encoding is None:
            alpha = self.files.png(f"alpha/{frame_name(number, '.png')}") if self.has_alpha else None
            return self.color(number), alpha
        name = f"truth/{frame_name(number, truth_suffix(self.encoding))}"
        if not self.encoding.is_float:
            return without_alpha(self.files.png(name))
        data = self.files.bytes(name)
        with self.files.decoding(name):
            return without_alpha(read_exr_values(data))

    def mask(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8, 255 = real source surface, 0 = to be filled."""
        return np.asarray(self.files.png(f"mask/{frame_name(number, '.png')}"), dtype=np.uint8)

    def z(self, number: int) -> NDArray[np.float32]:
        """(H, W) float32 z-depth in the take camera, world units; NaN where there is no surface."""
        return np.asarray(self.files.npy(f"z/{frame_name(number, '.npy')}"), dtype=np.float32)


def truth_suffix(encoding: TruthEncoding) -> str:
    """Of the files that hold the truth."""
    return ".exr" if encoding.is_float else ".png"


def stacked(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[Any]:
    """(H, W, 3), or with alpha (H, W, 4)."""
    return pixels if alpha is None else np.dstack([pixels, alpha])
