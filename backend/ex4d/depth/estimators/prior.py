# SPDX-License-Identifier: Apache-2.0
"""The embedded default: a coarse guess at depth from cheap cues, needing no download and no GPU.

What it does, per frame, at about 40,000 pixels: movement against the background (optical flow minus the homography that
most pixels follow), sharpness (only in shots with a shallow depth of field) and position (lower = nearer), each
weighted by how much it says in this shot; movement and sharpness are spread over regions of one colour, averaged
forwards and backwards in time along the flow, and the sum is fitted to the edges of the full-size frame. One
normalisation for the whole shot, so that nothing pumps. It orders things; it measures nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import intrinsics_from_fov, static_trajectory
from ex4d.depth.base import STATIC_NOTE, DepthFrame, DepthResult, DepthSink, cut_notes
from ex4d.depth.cues import carry, flow_between, is_cut, movement, sharpness
from ex4d.depth.edge_aware import crisp, follow_edges, spread
from ex4d.depth.frame_maps import FrameMaps
from ex4d.media.frames import FrameSource
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.system.progress import Progress

Float = NDArray[np.float32]

#: Pixels of the pictures that are analysed.
ANALYSIS_PIXELS = 40_000
#: Frames between the two pictures whose flow shows movement: parallax of one frame is often below the flow's noise.
FLOW_STRIDE = 3
#: Share that a frame adds to the running average over time; about ten frames each way count.
TIME_BLEND = 0.1
#: Weights of the cues when they are fully trusted. Position is always there and says least.
MOVEMENT_WEIGHT, SHARPNESS_WEIGHT, POSITION_WEIGHT = 0.6, 0.5, 0.4
#: Movement keeps this much say in frames where nothing moves, so that the average never divides by zero.
IDLE_TRUST = 0.02
#: Percentiles of a shot's nearness that become 0 and the knee above which it is compressed.
LOW_PERCENTILE, KNEE_PERCENTILE = 2, 85
KNEE_SLOPE = 0.3
#: Ramps of nearness (0..1) of at least this much within this share of the longer side are edges of things.
CRISP_STEP, CRISP_RADIUS = 0.2, 0.008
#: z-depths of the nearest and the farthest thing, in world units: a modest relief, because a wrong deep one looks worse
#: than a wrong shallow one, and a flatter one still where nothing but the position speaks.
NEAR_Z, FAR_Z, FLAT_FAR_Z = 1.0, 3.3, 2.0


@dataclass(frozen=True)
class _Track:
    """Per-frame maps of a shot at the size of the analysis."""

    guide: FrameMaps
    state: FrameMaps
    cues: FrameMaps
    flow: FrameMaps
    nearness: FrameMaps
    cut: NDArray[np.bool_]

    @classmethod
    def create(cls, folder: Path, count: int, height: int, width: int) -> _Track:
        size = (height, width)
        return cls(
            FrameMaps(folder / "guide", (*size, 3), np.uint8),
            FrameMaps(folder / "state", (*size, 3), np.float16),
            FrameMaps(folder / "cues", (*size, 3), np.float16),
            FrameMaps(folder / "flow", (*size, 2), np.float16),
            FrameMaps(folder / "nearness", size, np.float16),
            np.zeros(count, dtype=np.bool_),
        )


def _analysis_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(ANALYSIS_PIXELS / (width * height)))
    return max(2, round(width * scale)), max(2, round(height * scale))


def _far_z(trusts: tuple[float, float]) -> float:
    said = MOVEMENT_WEIGHT * trusts[0] + SHARPNESS_WEIGHT * trusts[1]
    return FLAT_FAR_Z + (FAR_Z - FLAT_FAR_Z) * min(said / MOVEMENT_WEIGHT, 1.0)


def _unit(guide: NDArray[np.uint8]) -> Float:
    return guide.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class PriorDepth:
    """See ``DepthSource``.

    Attributes:
        fov_deg: field of view over the longer side in degrees, or None for the default.
    """

    fov_deg: float | None = None

    name = "prior"
    label = "coarse guess from cheap cues, not measured"
    licence = "Apache-2.0"
    tolerance = 0.15

    def prepare(self) -> str:
        """See ``DepthSource.prepare``: it needs nothing."""
        return ""

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource.inputs``."""
        return {"fov_deg": self.fov_deg}

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return 3 * len(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource.estimate``."""
        count = len(frames)
        width, height = _analysis_size(*frames.size)
        track = _Track.create(scratch, count, height, width)
        trusts = self._look(frames, track, progress)
        self._fuse(track, trusts, progress)
        self._write(frames, track, _far_z(trusts), sink, progress)
        K = intrinsics_from_fov(self.fov_deg or DEFAULT_FOV_DEG, *frames.size)
        return DepthResult(
            static_trajectory(K, *frames.size, count).numbered(frames.numbers, frames.fps),
            poses_known=False,
            intrinsics_known=self.fov_deg is not None,
            notes=tuple(self._notes(frames, track)),
        )

    def _notes(self, frames: FrameSource, track: _Track) -> list[str]:
        notes = [
            "Depth is a coarse guess from movement, sharpness and position; it orders things, it measures nothing.",
            STATIC_NOTE,
        ]
        return notes + cut_notes(frames, np.flatnonzero(track.cut).tolist())

    def _look(self, frames: FrameSource, track: _Track, progress: Progress) -> tuple[float, float]:
        """First pass, forwards: cues, flow, running average. Returns the mean trust in movement and sharpness."""
        count = len(frames)
        height, width = track.nearness.shape
        greys: dict[int, NDArray[np.uint8]] = {}
        sharp: dict[int, tuple[Float, float]] = {}

        def load(index: int) -> None:
            picture = frames.read_8bit(frames.numbers[index])
            small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            track.guide[index] = small
            greys[index] = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
            cue = sharpness(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (width, height))
            sharp[index] = np.stack([cue.value * cue.confidence, cue.confidence], axis=-1), cue.trust
            if index > 0:
                track.cut[index] = is_cut(greys[index - 1], greys[index])

        movement_trust = sharpness_trust = 0.0
        for index in range(count):
            for ahead in range(index if index == 0 else index + FLOW_STRIDE, min(index + FLOW_STRIDE + 1, count)):
                load(ahead)
            moved = movement(self._stride_flow(greys, track.cut, index, count))
            values = np.concatenate([moved.value[..., None], sharp[index][0]], axis=-1)
            value, sharp_value, sharp_confidence = np.moveaxis(
                spread(values, _unit(track.guide[index]), sigma_space=24, sigma_range=0.4), -1, 0
            )
            trust = np.float32(moved.trust + IDLE_TRUST)
            own = np.stack(
                [value * trust, np.full_like(value, trust), sharp_value / (sharp_confidence + np.float32(1e-6))],
                axis=-1,
            )
            track.cues[index] = track.state[index] = own
            if index > 0 and not track.cut[index]:
                former = track.state[index - 1].astype(np.float32)
                carried = carry(former, flow_between(greys[index], greys[index - 1]))
                track.state[index] = carried + TIME_BLEND * (own - carried)
            if index + 1 < count and not track.cut[index + 1]:
                track.flow[index] = flow_between(greys[index], greys[index + 1])
            movement_trust += moved.trust / count
            sharpness_trust += sharp[index][1] / count
            greys.pop(index - FLOW_STRIDE, None)
            sharp.pop(index)
            progress.advance()
        return movement_trust, sharpness_trust

    @staticmethod
    def _stride_flow(greys: dict[int, NDArray[np.uint8]], cut: NDArray[np.bool_], index: int, count: int) -> Float:
        """Flow over some frames, forwards where there are any before the next cut, else backwards."""
        for other in (*range(index + FLOW_STRIDE, index, -1), *range(index - FLOW_STRIDE, index)):
            low, high = min(index, other), max(index, other)
            if 0 <= other < count and other in greys and not cut[low + 1 : high + 1].any():
                return flow_between(greys[index], greys[other])
        return np.zeros((*greys[index].shape, 2), dtype=np.float32)

    @staticmethod
    def _fuse(track: _Track, trusts: tuple[float, float], progress: Progress) -> None:
        """Second pass, backwards: the other half of the average, and the weighted sum of the cues."""
        count, height = len(track.cut), track.nearness.shape[0]
        weights = np.array([MOVEMENT_WEIGHT * trusts[0], SHARPNESS_WEIGHT * trusts[1], POSITION_WEIGHT], np.float32)
        position = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
        backward: Float | None = None
        for index in range(count - 1, -1, -1):
            own = track.cues[index].astype(np.float32)
            if backward is None or track.cut[index + 1]:
                backward = own
            else:
                carried = carry(backward, track.flow[index].astype(np.float32))
                backward = carried + TIME_BLEND * (own - carried)
            both = track.state[index].astype(np.float32) + backward
            moved, sharp = both[..., 0] / both[..., 1], both[..., 2] / 2
            total = weights[0] * moved + weights[1] * sharp + weights[2] * position
            track.nearness[index] = total / weights.sum()
            progress.advance()

    @staticmethod
    def _write(frames: FrameSource, track: _Track, far_z: float, sink: DepthSink, progress: Progress) -> None:
        """Third pass, forwards: normalise over the shot, fit to the full-size picture, turn into z-depth."""
        count = len(frames)
        sample = np.stack([track.nearness[index] for index in range(0, count, max(1, count // 32))]).astype(np.float32)
        low, knee = np.percentile(sample, [LOW_PERCENTILE, KNEE_PERCENTILE])
        span = max(float(knee - low), 1e-3)
        for index, number in enumerate(frames.numbers):
            unit = (track.nearness[index].astype(np.float32) - np.float32(low)) / np.float32(span)
            near = np.where(unit > 1, 1 + KNEE_SLOPE * (unit - 1), np.maximum(unit, 0)).astype(np.float32)
            picture = _unit(frames.read_8bit(number))
            fitted = follow_edges(near, _unit(track.guide[index]), picture, radius=12, epsilon=1e-2)
            radius = max(1, round(CRISP_RADIUS * max(fitted.shape)))
            fitted = crisp(fitted, radius=radius, step=CRISP_STEP)
            # The mixed pixels at an edge look better on the near side, where they belong, than torn off it.
            fitted = _unmixed(fitted, round(radius / 4))
            # Half of what the knee lets through above 1 is kept; beyond it the nearest plane ends.
            unit_near = np.clip(fitted / (1 + KNEE_SLOPE / 2), 0, 1)
            disparity = 1 / far_z + unit_near * (1 / NEAR_Z - 1 / far_z)
            sink.write(DepthFrame(number, (1 / disparity).astype(np.float32)))
            progress.advance()


def _unmixed(nearness: Float, radius: int) -> Float:
    """Nearer things grown by ``radius`` pixels."""
    grown = cv2.dilate(nearness, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    return np.asarray(grown, dtype=np.float32)


def create(fov_deg: float | None) -> PriorDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    return PriorDepth(fov_deg)
