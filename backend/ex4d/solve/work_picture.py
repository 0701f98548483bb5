# SPDX-License-Identifier: Apache-2.0
"""The picture that the solve looks at: grey, square pixels, no side longer than ``WORK_SIDE``."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import resize_intrinsics
from ex4d.media.frames import FrameSource
from ex4d.stages.plate_pixels import plate_intrinsics, square_size

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: Pixels of the longer side at most. More finds no better camera: tracks are exact to a part of a pixel as it is.
WORK_SIDE = 640


@dataclass(frozen=True)
class WorkPicture:
    """Makes it of a plate's frames.

    Attributes:
        frames: of the plate.
        size: (width, height) of the work picture.
    """

    frames: FrameSource
    size: tuple[int, int]

    @classmethod
    def of(cls, frames: FrameSource) -> WorkPicture:
        """That of a plate."""
        width, height = square_size(frames.size, frames.pixel_aspect)
        scale = min(1.0, WORK_SIDE / max(width, height))
        return cls(frames, (max(1, round(width * scale)), max(1, round(height * scale))))

    def read(self, index: int) -> Grey:
        """(height, width) uint8 of the frame with that index."""
        grey = cv2.cvtColor(self.frames.read_8bit(self.frames.numbers[index]), cv2.COLOR_RGB2GRAY)
        if (grey.shape[1], grey.shape[0]) != self.size:
            grey = cv2.resize(grey, self.size, interpolation=cv2.INTER_AREA)
        return np.asarray(grey, np.uint8)

    def focal(self, fov_deg: float) -> float:
        """Focal length, work pixels, of a field of view over the longer side of the frame, degrees."""
        return float(self.from_plate(plate_intrinsics(fov_deg, self.frames))[0, 0])

    @property
    def centre(self) -> Array:
        """Principal point (2,) where nothing else is known: the middle of the frame, work pixels."""
        return self.from_plate(plate_intrinsics(60.0, self.frames))[:2, 2]

    def from_plate(self, K: Array) -> Array:
        """Intrinsics (..., 3, 3) of the plate's pixels in work pixels."""
        return resize_intrinsics(K, self.frames.size, self.size)

    def to_plate(self, K: Array) -> Array:
        """Intrinsics (..., 3, 3) of work pixels in the plate's."""
        return resize_intrinsics(K, self.size, self.frames.size)
