# SPDX-License-Identifier: Apache-2.0
"""Between the plate's pixels and the pictures that estimators look at.

The plate's pixels may be wider than they are high, and may be more than the frame (overscan). Estimators see all of
them as square pixels; their depth and cameras are brought back to the plate's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.base import DepthFrame, DepthResult, DepthSink, DepthSource
from ex4d.depth.resample import resample_depth
from ex4d.media.frames import FrameSource, FrameSourceBase, Pixels
from ex4d.stages.plate_pixels import square_size
from ex4d.system.progress import Progress


@dataclass(frozen=True)
class SquareFrames(FrameSourceBase):
    """``FrameSource`` of a plate's working pictures in square pixels.

    Attributes:
        plate: the frames in the plate's pixels.
    """

    plate: FrameSource

    @classmethod
    def of(cls, plate: FrameSource) -> SquareFrames:
        """Those of a plate."""
        size = square_size(plate.size, plate.pixel_aspect)
        return cls(*size, plate.fps, plate.numbers, plate.times, plate.encoding, plate.has_alpha, plate)

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""
        pixels, alpha = self.plate.read(number)
        return self._resized(pixels), None if alpha is None else self._resized(alpha)

    def picked(self, indices: Any) -> SquareFrames:
        """See ``FrameSource``."""
        return replace(super().picked(indices), plate=self.plate.picked(indices))

    def _resized(self, values: Pixels) -> Pixels:
        return np.asarray(cv2.resize(values, self.size, interpolation=cv2.INTER_LINEAR), values.dtype)


@dataclass(frozen=True)
class PlateSink:
    """A ``DepthSink`` for maps in square pixels, which passes them on in the plate's.

    Attributes:
        sink: takes them.
        size: (width, height) of the plate.
    """

    sink: DepthSink
    size: tuple[int, int]

    def write(self, frame: DepthFrame) -> None:
        """See ``DepthSink``."""
        depth = resample_depth(frame.depth, *self.size)
        measured, moving = self._resized(frame.measured), self._resized(frame.moving)
        self.sink.write(DepthFrame(frame.number, depth, measured, moving))

    def _resized(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if mask is None:
            return None
        return np.asarray(cv2.resize(mask.astype(np.uint8), self.size, interpolation=cv2.INTER_NEAREST), np.uint8) > 0


def estimate_in_square_pixels(
    estimator: DepthSource, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress
) -> DepthResult:
    """See ``DepthSource.estimate``: the estimator sees square pixels, the maps are the plate's; the camera of the
    result is at the size that the estimator saw."""
    if frames.pixel_aspect == 1:
        return estimator.estimate(frames, sink, scratch, progress)
    return estimator.estimate(SquareFrames.of(frames), PlateSink(sink, frames.size), scratch, progress)
