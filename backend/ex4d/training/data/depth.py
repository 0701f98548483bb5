# SPDX-License-Identifier: Apache-2.0
"""Depth of a window, through the estimators that takes use."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth import DepthFrame, create_depth_source
from ex4d.media.frames import ArrayFrames
from ex4d.system.progress import Silent
from ex4d.training.data.windows import Frames


@dataclass
class _Kept:
    maps: list[NDArray[np.float32]] = field(default_factory=list)

    def write(self, frame: DepthFrame) -> None:
        self.maps.append(frame.depth)


def estimate_depth(frames: Frames, name: str, fov_deg: float) -> tuple[list[NDArray[np.float32]], Trajectory]:
    """z-depth (H, W) of each frame and the source camera.

    Args:
        frames: (T, H, W, 3) uint8.
        name: of the estimator.
        fov_deg: field of view over the longer side, degrees, where the estimator says none.

    Raises:
        ResourceError, BadInputError: it cannot run here.
    """
    kept = _Kept()
    with tempfile.TemporaryDirectory(prefix="ex4d-") as scratch:
        source = create_depth_source(name, fov_deg=fov_deg)
        result = source.estimate(ArrayFrames.of(frames, Fraction(24)), kept, Path(scratch), Silent())
    return kept.maps, result.source
