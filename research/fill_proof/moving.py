# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders clips to learn from; runs in a Python that has bpy, ``python -m research.fill_proof.moving``, with a job in
JSON on the standard input. Prints ``done SEED CLIP FOV`` after the last frame of a clip; whoever reads it takes the
files."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from research.small_depth import scenes
from tools.scenes.truth.kit import look_at
from tools.scenes.truth.render import Job, set_up

#: A clip's share of a scene's time.
SHARE = 0.35


def _path(made: scenes.Painted, place: scenes.Place, frames: int, far: float) -> list[tuple[float, Matrix]]:
    """Moments and cameras of a clip: from a random place of the scene, a little way in some direction."""
    eye, target = (Vector(made.rng.uniform(*corners)) for corners in (place.eye, place.target))
    reach = far * (target - eye).length * made.uniform(0, 1)
    shape = np.array([1, 0.6, 0.35])
    steps = [Vector(made.rng.normal(0, 1, 3) * shape).normalized() * reach * made.uniform(0, 1) for _ in "ab"]
    roll = Matrix.Rotation(math.radians(float(made.rng.normal(0, 3))), 4, "Z")
    begin = made.uniform(0, 1 - SHARE)
    path = []
    for t in np.linspace(0, 1, frames).tolist():
        path.append((begin + SHARE * t, look_at(eye + (t - 0.5) * steps[0], target + (t - 0.5) * steps[1]) @ roll))
    return path


def run(
    folder: Path, seeds: list[int], clips: int, frames: int, size: int, samples: int, threads: int, reach: float = 0.16
) -> None:
    """Render ``clips`` clips of each seed's scene: multi-layer EXR files SEED_CLIP_FRAME.exr in ``folder``. Their
    cameras go no farther than ``reach`` of the way to their targets."""
    for seed in seeds:
        made, place = scenes.build(scenes.kind_of(seed), seed)
        set_up(made, Job(str(folder), "", seed, size, 1, samples, {}, threads))
        scene = made.scene
        layer, settings = scene.view_layers[0], scene.render.image_settings
        layer.use_pass_normal = layer.use_pass_object_index = False
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = samples, True, 1.5
        scene.cycles.max_bounces = min(scene.cycles.max_bounces, 4)
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        for clip in range(clips):
            scene.camera.data.angle = math.radians(made.uniform(*place.fov))
            for frame, (moment, camera) in enumerate(_path(made, place, frames, reach)):
                for move in made.poses:
                    move(moment)
                scene.camera.matrix_world = camera
                scene.render.filepath = str(folder / f"{seed:06d}_{clip}_{frame:03d}.exr")
                bpy.ops.render.render(write_still=True)
            print(f"done {seed} {clip} {scene.camera.data.angle:.6f}", flush=True)


if __name__ == "__main__":
    job = json.load(sys.stdin)
    run(Path(job.pop("folder")), **job)
