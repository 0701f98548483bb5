# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders frames to learn from; runs in a Python that has bpy, ``python -m research.small_depth.frames``, with a job in
JSON on the standard input. Prints ``done SEED VIEW FILE`` for each picture; whoever reads that line takes the
files away."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy

from research.small_depth import scenes
from tools.scenes.truth.render import Job, set_up


def run(folder: Path, seeds: list[int], views: int, size: int, samples: int, threads: int, kinds: list[str]) -> None:
    """Render ``views`` pictures of each seed's scene as multi-layer EXR into ``folder``; ``kinds`` of scenes in turn,
    or all in their shares where none are named."""
    for seed in seeds:
        kind = kinds[seed % len(kinds)] if kinds else scenes.kind_of(seed)
        made, place = scenes.build(kind, seed)
        set_up(made, Job(str(folder), "", seed, size, 1, samples, {}, threads))
        scene = made.scene
        scene.view_layers[0].use_pass_normal = False
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = samples, True, 1.0
        scene.cycles.max_bounces = min(scene.cycles.max_bounces, 4)
        settings = scene.render.image_settings
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        for view in range(views):
            scenes.shoot(made, place)
            path = folder / f"{seed:06d}_{view}.exr"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)
            print(f"done {seed} {view} {path}", flush=True)


if __name__ == "__main__":
    job = json.load(sys.stdin)
    run(Path(job.pop("folder")), **job)
