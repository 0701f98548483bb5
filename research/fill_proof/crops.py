# SPDX-License-Identifier: Apache-2.0
"""Clips cut out of footage, with the default depth, in the form of rendered ones (``render``)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ex4d.depth import create_depth_source, default_estimator
from ex4d.mesh import MeshSettings
from ex4d.protocol.requests import PlateRequest
from ex4d.protocol.values import FrameRange
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.progress import Silent

#: Number of footage's first frame.
FIRST = 1001
#: A crop's side at least, as a share of the picture's shorter side.
SMALLEST = 0.3


def reconstructed(video: Path, folder: Path, frames: FrameRange | None = None) -> tuple[Shot, Reconstruction]:
    """A video as a shot in ``folder``, with the default depth."""
    shot = Shot(folder)
    request = PlateRequest(str(video), str(frames) if frames else None, None, FIRST)
    return shot, make_reconstruction(
        shot, request, DepthPlan(create_depth_source(default_estimator())), MeshSettings(), Silent()
    )


def cut(video: Path, out: Path, count: int, frames: int, size: int, seed: int = 0) -> int:
    """Write ``count`` clips into ``out``: squares anywhere in the picture and at any time, of sizes evenly spread over
    octaves, forwards or backwards. Returns how many.

    Args:
        frames, size: of a clip; a shorter video has none.

    Raises:
        ValueError: the video has fewer frames, or its picture is smaller.
    """
    _, made = reconstructed(video, out / "shot")
    numbers, shorter = made.frames.numbers, min(made.frames.width, made.frames.height)
    if len(numbers) < frames or shorter < size:
        raise ValueError(f"{video} is smaller than clips of {frames} frames of {size} pixels. Give a larger one.")
    pictures = [made.frames.read_8bit(number) for number in numbers]
    depths = [made.depth.read(number) for number in numbers]
    focal = made.depth.source[0].K[0, 0]
    rng = np.random.default_rng(seed)
    smallest = max(size, round(SMALLEST * shorter))
    for at in range(count):
        side = round(smallest * (shorter / smallest) ** rng.uniform())
        top, left = (int(rng.integers(whole - side + 1)) for whole in pictures[0].shape[:2])
        begin = int(rng.integers(len(numbers) - frames + 1))
        order = slice(begin, begin + frames)
        window = np.s_[top : top + side, left : left + side]
        rgb = [cv2.resize(each[window], (size, size), interpolation=cv2.INTER_AREA) for each in pictures[order]]
        z = [cv2.resize(each[window], (size, size), interpolation=cv2.INTER_NEAREST) for each in depths[order]]
        if rng.uniform() < 0.5:
            rgb, z = rgb[::-1], z[::-1]
        # As if the crop's middle were on the axis: masks come from some camera in any case.
        fov = np.float32(2 * np.arctan(side / 2 / focal))
        path = out / f"{at:06d}_0.part.npz"
        far = np.nan_to_num(np.stack(z), posinf=0).astype(np.float16)
        np.savez_compressed(path, rgb=np.stack(rgb), z=far, fov=fov)
        path.replace(out / f"{at:06d}_0.npz")
    return count
