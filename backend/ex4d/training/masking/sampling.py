# SPDX-License-Identifier: Apache-2.0
"""Which mask a clip gets, drawn so that it can be drawn again: from the clip's hash and a seed, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, subject_distance
from ex4d.fill.ex4d_wan.quirks import erode_mask
from ex4d.raster.base import Rasterizer
from ex4d.training.masking.parameters import MaskingParameters
from ex4d.training.masking.rendering import rendering_mask
from ex4d.training.masking.tracking import Frames, Tracker, tracking_mask
from ex4d.training.masking.trajectories import draw_trajectory

Masks = NDArray[np.uint8]


def generator(video_hash: str, seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose of one sample; those of another purpose do not depend on how many were drawn."""
    digest = hashlib.sha256(f"{video_hash}\0{seed}\0{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(frozen=True)
class MaskSample:
    """What was drawn for one mask.

    Attributes:
        kinds: "rendering", "tracking" or both.
        trajectory: of the rendering mask: family and amounts; empty without one.
        grid, kernel: of the tracking mask; 0 without one.
    """

    kinds: tuple[str, ...]
    trajectory: str = ""
    grid: int = 0
    kernel: int = 0

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "kinds": list(self.kinds)}


def draw_kinds(video_hash: str, seed: int, parameters: MaskingParameters) -> tuple[str, ...]:
    """Which masks a sample gets."""
    match parameters.policy:
        case "both":
            return ("rendering", "tracking")
        case "either":
            rendering = generator(video_hash, seed, "kind").random() < parameters.rendering_share
            return ("rendering",) if rendering else ("tracking",)
        case kind:
            return (kind,)


def draw_sample(
    video_hash: str,
    seed: int,
    parameters: MaskingParameters,
    source: Trajectory | None = None,
    depths: Sequence[NDArray[np.float32]] = (),
) -> tuple[MaskSample, Trajectory | None]:
    """What a sample's mask is made with, and the novel camera of its rendering mask.

    Args:
        video_hash: of the clip, with its place in its video.
        seed: of the sample.
        parameters: what to draw from.
        source, depths: of the clip; needed where the sample gets a rendering mask.
    """
    kinds = draw_kinds(video_hash, seed, parameters)
    novel, name, side, kernel = None, "", 0, 0
    if "rendering" in kinds:
        assert source is not None
        first = depths[0][np.isfinite(depths[0]) & (depths[0] > 0)]
        nearest = float(np.percentile(first, parameters.near_percentile)) if len(first) else 1.0
        subject = subject_distance(depths[:: max(1, len(depths) // 8)])
        novel, name = draw_trajectory(generator(video_hash, seed, "trajectory"), source, nearest, subject, parameters)
    if "tracking" in kinds:
        rng = generator(video_hash, seed, "tracking")
        side = int(rng.integers(*parameters.grid, endpoint=True))
        kernel = int(rng.choice(np.arange(parameters.kernel[0], parameters.kernel[1] + 1, 2)))
    return MaskSample(kinds, name, side, kernel), novel


def simulate(
    video_hash: str,
    seed: int,
    frames: Frames,
    depths: Sequence[NDArray[np.float32]],
    source: Trajectory | None,
    rasterizer: Rasterizer,
    tracker: Tracker,
    parameters: MaskingParameters | None = None,
) -> tuple[Masks, MaskSample]:
    """The mask of a clip, before its erosion: the same for the same hash, seed and parameters.

    Args:
        video_hash: of the clip, with its place in its video.
        seed: of the sample.
        frames: (T, H, W, 3) uint8 RGB.
        depths: T maps (H, W) float32 of z-depth; may be empty where no rendering mask is drawn.
        source: the source camera per frame, at the clip's size; None where none is drawn.
        rasterizer, tracker: do the work.
        parameters: what to draw from; None = the defaults.

    Returns:
        (T, H, W) uint8, 255 = kept, 0 = to be filled, the first frame whole; and what was drawn.
    """
    parameters = parameters or MaskingParameters()
    sample, novel = draw_sample(video_hash, seed, parameters, source, depths)
    masks = np.full(frames.shape[:3], 255, dtype=np.uint8)
    if novel is not None and source is not None:
        masks &= rendering_mask(depths, source, novel, rasterizer, parameters)
    if "tracking" in sample.kinds:
        masks &= tracking_mask(frames, tracker, sample.grid, sample.kernel)
    # The model is always told where to start by a whole first frame (``ex4d.fill.ex4d_wan.clip``).
    masks[0] = 255
    return masks, sample


def erode(masks: Masks, video_hash: str, seed: int, parameters: MaskingParameters) -> Masks:
    """Take off the edges of masks (T, H, W) as training does; the first frame stays whole."""
    rng = generator(video_hash, seed, "erosion")
    low, high = parameters.erosion
    sides = rng.integers(low, high, size=len(masks), endpoint=True)
    if rng.random() >= parameters.erosion_varies:
        sides[:] = sides[0]
    eroded = [erode_mask(mask, int(side)) for mask, side in zip(masks, sides, strict=True)]
    return np.stack([masks[0], *eroded[1:]])
