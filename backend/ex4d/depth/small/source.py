# SPDX-License-Identifier: Apache-2.0
"""The small network as a source of depth.

Each frame's ln disparity is brought onto the shot's scale (``temporal_alignment``), joined with what focus tells,
averaged over time along the flow, fitted to the edges of the full-size frame, and mapped to depth once for the whole
shot (``affine``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import intrinsics_from_fov, static_trajectory
from ex4d.depth.affine import relative_depth
from ex4d.depth.base import FOV_NOTE, STATIC_NOTE, DepthFrame, DepthResult, DepthSink, cut_notes
from ex4d.depth.edge_aware import crisp, follow_edges
from ex4d.depth.frame_maps import FrameMaps
from ex4d.depth.small.focus import Focus
from ex4d.depth.small.network import LICENCE, SHA256, SmallNetwork
from ex4d.depth.small.smoothing import Smoother
from ex4d.depth.temporal_alignment import TemporalAlignment
from ex4d.media.frames import FrameSource
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

Float = NDArray[np.float32]

#: Window, in pixels of the network's result, and colour variance of the filter that finds the frame's edges.
EDGE_RADIUS, EDGE_EPSILON = 4, 1e-3
#: Ramps of ln disparity of at least this much within this share of the longer side are edges of things.
CRISP_STEP, CRISP_RADIUS = 0.25, 0.008
#: Frames of a shot that tell how its disparities are spread.
SAMPLE_FRAMES = 32


def _unit(picture: NDArray[np.uint8]) -> Float:
    return picture.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class SmallDepth:
    """See ``DepthSource``.

    Attributes:
        fov_deg: field of view over the longer side in degrees, or None for the default.
        network: what looks at the frames.
    """

    fov_deg: float | None = None
    network: SmallNetwork = field(default_factory=SmallNetwork)

    name = "small"
    label = "small network, learned from rendered scenes; relative depth, coarse"
    licence = LICENCE
    tolerance = 0.1

    def prepare(self) -> str:
        """See ``DepthSource``: BadInputError where its weights are damaged."""
        self.network.check()
        return "on the CPU"

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        return {"version": 1, "fov_deg": self.fov_deg, "weights": SHA256}

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return 2 * len(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        count = len(frames)
        smoother = self._look(frames, scratch, progress)
        smoother.run(count)
        self._write(frames, smoother, sink, progress)
        K = intrinsics_from_fov(self.fov_deg or DEFAULT_FOV_DEG, *frames.size)
        notes = ["Depth is relative and coarse: its shape comes from a small network, learned from rendered scenes."]
        if self.fov_deg is None:
            notes.append(FOV_NOTE)
        notes.append(STATIC_NOTE)
        notes += cut_notes(frames, smoother.cuts)
        return DepthResult(
            static_trajectory(K, *frames.size, count).numbered(frames.numbers, frames.fps),
            poses_known=False,
            intrinsics_known=self.fov_deg is not None,
            notes=tuple(notes),
        )

    def _look(self, frames: FrameSource, scratch: Path, progress: Progress) -> Smoother:
        """First pass: the network, and lines that make its frames agree."""
        raw: FrameMaps | None = None
        pictures: FrameMaps | None = None
        focus: Focus | None = None
        steadier = TemporalAlignment()
        # One thread, so that they take the frames in order, while the network looks at the next.
        with BoundedPool(threads=1) as beside:
            for index, picture in enumerate(prefetched(frames.read_8bit, frames.numbers)):
                values = self.network(picture)
                height, width = values.shape
                raw = raw or FrameMaps(scratch / "raw", (height, width), np.float32)
                pictures = pictures or FrameMaps(scratch / "pictures", (height, width, 3), np.uint8)
                focus = focus or Focus(scratch, height, width)
                raw[index] = values
                small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
                pictures[index] = small
                beside.submit(focus.add, picture, small)
                # Of a logarithm the constant wanders: what exp makes of it is a scale.
                beside.submit(steadier.add, picture, np.exp(values - np.median(values)))
                progress.advance()
        assert raw is not None, "a plate has frames"
        assert pictures is not None
        assert focus is not None
        lines = steadier.lines()
        maps = FrameMaps(scratch / "maps", raw.shape, np.float32)
        for index in range(len(frames)):
            values = raw[index]
            disparity = lines(index, np.exp(values - np.median(values)))
            maps[index] = np.log(np.maximum(disparity, _LEAST))
        focus.add_to(maps)
        return Smoother(pictures, maps, FrameMaps(scratch / "forward", raw.shape, np.float32), frozenset(steadier.cuts))

    @staticmethod
    def _write(frames: FrameSource, smoother: Smoother, sink: DepthSink, progress: Progress) -> None:
        """Second pass: to the frame's size and edges, and to z-depth."""
        count = len(frames)
        picked = np.unique(np.linspace(0, count - 1, min(count, SAMPLE_FRAMES)).round().astype(int))
        mapping = relative_depth(np.exp(np.stack([smoother.maps[int(index)] for index in picked])))

        def depth(index: int) -> Float:
            picture = frames.read_8bit(frames.numbers[index])
            fine = to_edges(smoother.maps[index], smoother.pictures[index], picture)
            return mapping(np.exp(fine))

        for number, values in zip(frames.numbers, prefetched(depth, range(count)), strict=True):
            sink.write(DepthFrame(number, values))
            progress.advance()


#: Of the median disparity: nothing is farther (the network learned no more).
_LEAST = 0.02


def to_edges(values: Float, small: NDArray[np.uint8], picture: NDArray[np.uint8]) -> Float:
    """ln disparity at the frame's size, its steps at the edges of the picture.

    Args:
        values: (h, w).
        small: the picture at that size.
        picture: (H, W, 3).
    """
    fitted = follow_edges(values, _unit(small), _unit(picture), radius=EDGE_RADIUS, epsilon=EDGE_EPSILON)
    low, high = float(values.min()), float(values.max())
    radius = max(1, round(CRISP_RADIUS * max(fitted.shape)))
    return crisp(np.clip(fitted, low, high), radius=radius, step=CRISP_STEP)
