# SPDX-License-Identifier: Apache-2.0
"""Depth as the other stages see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.plate.store import frame_name
from ex4d.stages.stage_files import StageFiles

DEPTH_FILE = "depth.json"
SOURCE_CAMERA_FILE = "source_camera.json"
#: Which pixels were measured, one bit each, where the source tells.
MEASURED_FOLDER = "measured"
#: Which pixels show something that moves by itself, the same.
MOVING_FOLDER = "moving"


@dataclass(frozen=True)
class DepthStore:
    """Depth maps and source cameras of a finished depth stage.

    Attributes:
        files: its output.
        source: the source camera per frame, at the plate's size.
        name, label, licence: of the depth source.
        tolerance: see ``DepthSource``.
        poses_known, intrinsics_known: see ``DepthResult``.
        deepest, median: z-depths over the shot, of finite ones, world units.
        sky: whether some pixels have none because they show the sky.
        subject: z-depth of the subject (``subject_distance``), world units.
        notes: sentences for the report.
        measured: share of the pixels that were measured; None = the source does not tell them from guessed ones.
        moving: share of the pixels that show something that moves by itself; None = the source does not tell.
    """

    files: StageFiles
    source: Trajectory
    name: str
    label: str
    licence: str
    tolerance: float
    poses_known: bool
    intrinsics_known: bool
    deepest: float
    sky: bool
    median: float
    subject: float
    notes: tuple[str, ...]
    measured: float | None = None
    moving: float | None = None

    @classmethod
    def open(cls, folder: Path) -> DepthStore:
        """The store in a finished depth stage's folder; raises DamagedCacheError, as ``read`` does."""
        files = StageFiles.open(folder)
        record, source = files.json(DEPTH_FILE), files.trajectory(SOURCE_CAMERA_FILE)
        with files.decoding(DEPTH_FILE):
            record["notes"] = tuple(record["notes"])
            return cls(files=files, source=source, **record)

    @property
    def folder(self) -> Path:
        """Its output folder."""
        return self.files.folder

    def read(self, number: int) -> NDArray[np.float32]:
        """z-depth (H, W) float32 of frame ``number`` at the plate's size; NaN = not measured, inf = sky."""
        return np.asarray(self.files.npy(f"z/{frame_name(number, '.npy')}"), dtype=np.float32)

    def read_measured(self, number: int) -> NDArray[np.bool_] | None:
        """Which pixels (H, W) of frame ``number`` were measured; the others were guessed. None = the source does not
        tell."""
        return None if self.measured is None else self._mask(MEASURED_FOLDER, number)

    def read_moving(self, number: int) -> NDArray[np.bool_] | None:
        """Which pixels (H, W) of frame ``number`` show something that moves by itself. None = the source does not
        tell."""
        return None if self.moving is None else self._mask(MOVING_FOLDER, number)

    def _mask(self, folder: str, number: int) -> NDArray[np.bool_]:
        bits = self.files.npy(f"{folder}/{frame_name(number, '.npy')}")
        return np.unpackbits(np.asarray(bits, np.uint8), axis=-1, count=self.source.width) > 0
