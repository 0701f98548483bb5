# SPDX-License-Identifier: Apache-2.0
"""A shot's disparities on disk, from the network's estimates to z-depth at the plate's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.affine import AffineDepth
from ex4d.depth.base import DepthFrame, DepthSink
from ex4d.depth.frame_maps import FrameMaps
from ex4d.depth.learned.depth_model import DepthModel, check_estimate
from ex4d.depth.resample import resample_depth
from ex4d.depth.temporal_alignment import ScaleShift, TemporalAlignment
from ex4d.media.frames import FrameSource
from ex4d.system.progress import Progress
from ex4d.system.threads import prefetched

#: Frames of a shot, and about so many pixels of each, that tell how its disparities are spread.
SAMPLE_FRAMES, SAMPLE_PIXELS = 32, 20_000


@dataclass(frozen=True)
class Track:
    """The disparities of a shot.

    Attributes:
        maps: (h, w) float32 per frame, as estimated.
        lines: what steadies them; None where they are steady by themselves.
        fovs: fields of view that the network said, degrees, one per frame; empty where it says none.
        cuts: indices of frames that another shot seems to begin with.
    """

    maps: FrameMaps
    lines: ScaleShift | None
    fovs: tuple[float, ...]
    cuts: tuple[int, ...]

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Disparity (h, w) float32 of a frame, steadied."""
        own = np.asarray(self.maps[index], dtype=np.float32)
        return own if self.lines is None else self.lines(index, own)

    def sample(self, count: int) -> NDArray[np.float32]:
        """Disparities (N,) from ``count`` frames' whole range."""
        height, width = self.maps.shape
        stride = max(1, round(float(np.sqrt(height * width / SAMPLE_PIXELS))))
        indices = np.unique(np.linspace(0, count - 1, min(count, SAMPLE_FRAMES)).round().astype(int))
        return np.concatenate([self[int(index)][::stride, ::stride].ravel() for index in indices])

    def extremes(self, count: int) -> tuple[float, float]:
        """Least and greatest disparity of ``count`` frames."""
        ranges = [(float(values.min()), float(values.max())) for values in (self[index] for index in range(count))]
        return min(low for low, _ in ranges), max(high for _, high in ranges)


def collect(
    model: DepthModel, frames: FrameSource, path: Path, title: str, progress: Progress, *, steady: bool
) -> Track:
    """Run a network over the plate; one step of progress per frame.

    Args:
        path: of the scratch file for the maps.
        title: of the estimator, for messages.
        steady: whether the estimates' scale and shift wander and have to be steadied.

    Raises:
        BadInputError: the network says something that is no number.
    """
    maps: FrameMaps | None = None
    steadier = TemporalAlignment() if steady else None
    fovs = []
    for index, (number, estimate) in enumerate(zip(frames.numbers, model.run(frames), strict=True)):
        disparity = estimate.disparity
        check_estimate(estimate, title, number)
        maps = maps or FrameMaps(path, disparity.shape, np.float32)
        maps[index] = disparity
        if steadier is not None:
            steadier.add(frames.read_8bit(number), disparity)
        if estimate.fov_deg is not None:
            fovs.append(estimate.fov_deg)
        progress.advance()
    assert maps is not None, "a plate has frames"
    lines, cuts = (steadier.lines(), tuple(steadier.cuts)) if steadier else (None, ())
    return Track(maps, lines, tuple(fovs), cuts)


def write_depth(track: Track, mapping: AffineDepth, frames: FrameSource, sink: DepthSink, progress: Progress) -> None:
    """Write z-depth at the plate's size; one step of progress per frame."""

    def depth(index: int) -> NDArray[np.float32]:
        own = mapping(track[index])
        return own if own.shape[::-1] == frames.size else resample_depth(own, *frames.size)

    for number, values in zip(frames.numbers, prefetched(depth, range(len(frames))), strict=True):
        sink.write(DepthFrame(number, values))
        progress.advance()
