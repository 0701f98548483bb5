# SPDX-License-Identifier: GPL-3.0-or-later
"""Movie clips, with and without a camera that Blender's own solver has solved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from viewport_factory import moving_source, write_png

from ex4d.camera import Trajectory, intrinsics


@dataclass
class SolvedClip:
    """A solved clip, the cameras (shot world) that its tracks were made with, and the points (N, 3)."""

    clip: bpy.types.MovieClip
    truth: Trajectory
    points: np.ndarray


def make_clip(folder: Path, count: int, width: int = 640, height: int = 480) -> bpy.types.MovieClip:
    """A clip of pictures of noise."""
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 255, (height, width, 3), np.uint8)
    for number in range(1001, 1001 + count):
        write_png(folder / f"plate.{number}.png", picture)
    return bpy.data.movieclips.load(str(folder / "plate.1001.png"))


def solved_clip(folder: Path, count: int, width: int = 640, height: int = 480) -> SolvedClip:
    """Blender's solver is fed with the projections of known points by known cameras."""
    clip = make_clip(folder, count, width, height)
    focal = width * 600 / 640
    K = intrinsics(focal, width, height)
    K[0, 2], K[1, 2] = width * 332 / 640, height * 229 / 480
    truth = moving_source(K, (width, height), count)
    rng = np.random.default_rng(1)
    points = np.c_[rng.uniform(-1.4, 1.4, 40), rng.uniform(-1, 1, 40), rng.uniform(3, 6, 40)]
    lens = clip.tracking.camera
    lens.focal_length_pixels = focal
    lens.principal_point_pixels = (K[0, 2], height - K[1, 2])
    for index, point in enumerate(points):
        track = clip.tracking.tracks.new(name=f"T{index}", frame=1)
        for i in range(count):
            (x, y), _ = truth[i].project(point)
            track.markers.insert_frame(1 + i, co=(x / width, 1 - y / height))
    clip.tracking.settings.use_keyframe_selection = False
    clip.tracking.objects[0].keyframe_a, clip.tracking.objects[0].keyframe_b = 1, count
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces.active.clip = clip
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.clip.solve_camera()
    return SolvedClip(clip, truth, points)
