# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders scenes with Cycles, in a Python that has bpy: one job, written as JSON, from the standard input.

What it writes is described in ``ex4d.evaluation.truth``. A file that is there already is not rendered again, and none
is ever half-written under its name.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ex4d.camera import Trajectory, build_take, parse_preset, write_json
from ex4d.camera.camera import intrinsics
from tools.scenes.truth import families
from tools.scenes.truth.kit import Scene

#: The released model's field of view, 54.2°.
FOCAL_SHARE = 500 / 512
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
FPS = 24


@dataclass(frozen=True)
class Job:
    """What to render.

    Attributes:
        folder: of the scene; made if absent.
        family, seed: of the scene; the family's name, or that of a shot of one.
        size: side of the pictures in pixels.
        frames: number of frames of the clip.
        samples: rays a pixel.
        targets: camera moves (``ex4d.camera.presets``) by the names of their views.
        threads: of the renderer.
        step: targets are rendered at every so many frames only; the source at all.
        fps: frames a second.
        fov: horizontal field of view of the source camera before it zooms, degrees; None = the released model's.
    """

    folder: str
    family: str
    seed: int
    size: int
    frames: int
    samples: int
    targets: dict[str, str]
    threads: int
    step: int = 1
    fps: int = FPS
    fov: float | None = None


def set_up(made: Scene, job: Job) -> None:
    """Cycles on the CPU, the scene kept between renders, colours as they are."""
    scene, cycles = made.scene, made.scene.cycles
    scene.render.engine, cycles.device = "CYCLES", "CPU"
    scene.render.resolution_x = scene.render.resolution_y = job.size
    scene.render.resolution_percentage, scene.render.use_persistent_data = 100, True
    scene.render.threads_mode, scene.render.threads = "FIXED", job.threads
    cycles.use_adaptive_sampling, cycles.sample_clamp_indirect = False, 4.0
    cycles.max_bounces, cycles.diffuse_bounces = (3, 1) if made.matte else (8, 1)
    cycles.caustics_reflective = cycles.caustics_refractive = False
    # One noise pattern for all frames: what stands still stays still after denoising.
    cycles.seed = 0
    cycles.denoiser, cycles.denoising_quality, cycles.denoising_prefilter = "OPENIMAGEDENOISE", "FAST", "NONE"
    # "Standard" is the sRGB curve and nothing else, so that the 8-bit pictures are the linear ones encoded.
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.render.dither_intensity = 0
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = layer.use_pass_normal = True


def _written(path: Path, write: Callable[[str], None]) -> None:
    temporary = path.with_name(f".{path.name}")
    write(str(temporary))
    os.replace(temporary, path)  # noqa: PTH105  Path.replace is the same


def render_picture(scene: bpy.types.Scene, samples: int, linear: Path, coded: Path) -> None:
    """One frame as half-float linear EXR and as 8-bit PNG."""
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = samples, True, 1.5
    scene.view_layers[0].use_pass_combined = True
    settings = scene.render.image_settings
    bpy.ops.render.render()
    result = bpy.data.images["Render Result"]
    settings.file_format, settings.color_depth, settings.exr_codec, settings.color_mode = "OPEN_EXR", "16", "ZIP", "RGB"
    _written(linear, lambda path: result.save_render(path, scene=scene))
    settings.file_format, settings.color_depth, settings.color_mode = "PNG", "8", "RGB"
    _written(coded, lambda path: result.save_render(path, scene=scene))


def render_geometry(scene: bpy.types.Scene, path: Path) -> None:
    """z-depth, object id and normal of what stands in the centre of each pixel, as a multi-layer EXR."""
    # The smallest filter puts the only sample in the centre of its pixel.
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = 1, False, 0.01
    scene.view_layers[0].use_pass_combined = False
    bounces, scene.cycles.max_bounces = scene.cycles.max_bounces, 0
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"

    def render(name: str) -> None:
        scene.render.filepath = name
        bpy.ops.render.render(write_still=True)

    _written(path, render)
    scene.cycles.max_bounces = bounces


def source_trajectory(made: Scene, job: Job) -> Trajectory:
    """The source camera per frame."""
    share = FOCAL_SHARE if job.fov is None else 0.5 / math.tan(math.radians(job.fov) / 2)
    poses, lenses = [], []
    for index in range(job.frames):
        time = _time(index, job)
        families.pose(made, time)
        poses.append(FLIP @ np.linalg.inv(np.array(made.scene.camera.matrix_world, np.float64)))
        lenses.append(intrinsics(share * made.zoom(time) * job.size, job.size, job.size))
    cameras = Trajectory(np.stack(lenses), np.stack(poses), job.size, job.size)
    return cameras.numbered(range(1, job.frames + 1), Fraction(job.fps))


def _time(index: int, job: Job) -> float:
    return index / (job.frames - 1) if job.frames > 1 else 0.5


def aim(scene: bpy.types.Scene, E: np.ndarray, K: np.ndarray) -> None:
    """Put Blender's camera where E and K say."""
    scene.camera.matrix_world = Matrix((np.linalg.inv(E) @ FLIP).tolist())
    scene.camera.data.lens = K[0, 0] / (2 * K[0, 2]) * scene.camera.data.sensor_width


def run(job: Job) -> None:
    """Render what is not there yet; a line ``frame N`` on the standard output after each."""
    made = families.build(job.family, job.seed, job.frames / job.fps)
    set_up(made, job)
    folder = Path(job.folder)
    source = source_trajectory(made, job)
    pivot = np.array([0.0, 0.0, made.pivot])
    views = {"source": source, **{n: build_take(parse_preset(m), source, pivot) for n, m in job.targets.items()}}
    for name, trajectory in views.items():
        for part in ("linear", "rgb", "geometry"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
        write_json(folder / name / "camera.json", trajectory)
    for index in range(job.frames):
        families.pose(made, _time(index, job))
        for name, trajectory in views.items():
            if index % job.step and name != "source":
                continue
            linear, coded, geometry = (
                folder / name / part / f"{index + 1:06d}{suffix}"
                for part, suffix in (("linear", ".exr"), ("rgb", ".png"), ("geometry", ".exr"))
            )
            aim(made.scene, trajectory.E[index], trajectory.K[index])
            if not (linear.exists() and coded.exists()):
                render_picture(made.scene, job.samples, linear, coded)
            if not geometry.exists():
                render_geometry(made.scene, geometry)
        print(f"frame {index + 1}", flush=True)
    record = {
        "format": "ex4d-truth",
        "version": 1,
        "family": job.family,
        "seed": job.seed,
        "size": job.size,
        "frames": job.frames,
        "samples": job.samples,
        "step": job.step,
        "fps": job.fps,
        "matte": made.matte,
        "pivot": made.pivot,
        "targets": job.targets,
        "objects": {str(i + 1): {"name": n, "moving": i + 1 in made.moving} for i, n in enumerate(made.names)},
    }
    _written(folder / "scene.json", lambda path: Path(path).write_text(json.dumps(record, indent=1), encoding="utf-8"))


def main() -> None:
    """The job from the standard input."""
    run(Job(**json.load(sys.stdin)))


if __name__ == "__main__":
    main()
