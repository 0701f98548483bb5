# SPDX-License-Identifier: Apache-2.0
"""Depth as the other stages see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.plate.store import frame_file

DEPTH_FILE = "depth.json"
SOURCE_CAMERA_FILE = "source_camera.json"


@dataclass(frozen=True)
class DepthStore:
    """Depth maps and source cameras of a finished depth stage.

    Attributes:
        folder: its output folder.
        source: the source camera per frame, at the plate's size.
        name, label, licence: of the depth source.
        tolerance: see ``DepthSource``.
        poses_known, intrinsics_known: see ``DepthResult``.
        deepest, median: z-depths over the shot, of finite ones, world units.
        sky: whether some pixels have none because they show the sky.
        subject: z-depth of the subject (``subject_distance``), world units.
        notes: sentences for the report.
    """

    folder: Path
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

    @classmethod
    def open(cls, folder: Path) -> DepthStore:
        """The store in a finished depth stage's folder."""
        record = json.loads((folder / DEPTH_FILE).read_text(encoding="utf-8"))
        record["notes"] = tuple(record["notes"])
        return cls(folder=folder, source=read_trajectory(folder / SOURCE_CAMERA_FILE), **record)

    def read(self, number: int) -> NDArray[np.float32]:
        """z-depth (H, W) float32 of frame ``number`` at the plate's size; NaN = not measured, inf = sky."""
        return np.asarray(np.load(frame_file(self.folder / "z", number, ".npy")), dtype=np.float32)
