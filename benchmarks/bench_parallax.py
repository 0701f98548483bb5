# SPDX-License-Identifier: Apache-2.0
"""Depth from parallax against the truth: a table of errors and seconds a frame.

    python -m benchmarks.bench_parallax FOLDER [NAME …] [--estimator small] [--size N] [--pictures FOLDER] [--alone]
    python -m benchmarks.bench_parallax FOLDER [NAME …] --frames N [--size N]
    python -m benchmarks.bench_parallax --device cuda [--sizes 256 512 1024] [FOLDER [NAME …]]

FOLDER holds scenes with known truth (``tools.scenes.make_groundtruth``). Depth is measured with the true cameras; one
scale a clip is fitted, and *static* leaves out what moves. Seconds are of the measuring without the estimator, wall
clock and processor's. ``--alone`` scores the estimator alone, with scale and shift fitted. ``--size`` enlarges the
pictures and their truth. ``--frames`` measures time and peak memory of so many frames, forth and back, with the
estimator and without scores; name one scene, since the peak is the process's.

``--device`` measures instead how much faster a GPU is than the CPU, and by how many pixels the two differ: on clips
that are made in place, and on the scenes of FOLDER where it is given.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.parallax_devices import Kept, print_table
from ex4d.depth import create_depth_source
from ex4d.depth.base import DepthFrame, DepthSource
from ex4d.depth.parallax.source import ParallaxDepth
from ex4d.evaluation.depth import score_depth
from ex4d.evaluation.truth import TruthScene, find_scenes
from ex4d.media.frames import ArrayFrames
from ex4d.system.progress import Silent


def resized(values: np.ndarray, size: int | None, how: int) -> np.ndarray:
    """A picture or map whose longer side has so many pixels; None = as it is."""
    if size is None:
        return values
    scale = size / max(values.shape[:2])
    width, height = round(values.shape[1] * scale), round(values.shape[0] * scale)
    return np.asarray(cv2.resize(values, (width, height), interpolation=how))


@dataclass
class Timed:
    """A source whose time is not counted."""

    source: Any
    seconds: float = 0.0
    processor: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def estimate(self, *args: Any) -> Any:
        """See ``DepthSource``."""
        began, used = time.perf_counter(), time.process_time()
        result = self.source.estimate(*args)
        self.seconds += time.perf_counter() - began
        self.processor += time.process_time() - used
        return result


def picture(z: np.ndarray, near: float) -> np.ndarray:
    """Disparity in colours (BGR), ``near`` at the warm end."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num(1 / z) / near
    return np.asarray(cv2.applyColorMap((255 * np.clip(share, 0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO))


def run(scene: TruthScene, source: DepthSource, estimator: Timed, pictures: Path | None, size: int | None) -> str:
    """A row of the table."""
    numbers = scene.numbers
    seen = [resized(scene.source.picture(n), size, cv2.INTER_CUBIC) for n in numbers]
    plate = ArrayFrames.of(seen, scene.source.camera.fps or 24, numbers)
    kept = Kept()
    with tempfile.TemporaryDirectory() as scratch:
        began, used = time.perf_counter(), time.process_time()
        source.estimate(plate, kept, Path(scratch), Silent())
        wall = time.perf_counter() - began - estimator.seconds
        processor = time.process_time() - used - estimator.processor
    surfaces = [scene.source.surface(n) for n in numbers]
    true = [resized(surface.z, size, cv2.INTER_NEAREST) for surface in surfaces]
    masks = [np.isin(surface.ids, list(scene.moving)).astype(np.uint8) for surface in surfaces]
    moving = [resized(mask, size, cv2.INTER_NEAREST) > 0 for mask in masks]
    fit = "affine" if source is estimator else "scale"
    depth = [kept.depth[n] for n in numbers]
    whole = score_depth(lambda: zip(depth, true, strict=True), fit)
    static = [np.where(moves, np.nan, z).astype(np.float32) for moves, z in zip(moving, true, strict=True)]
    still = score_depth(lambda: zip(depth, static, strict=True), fit)
    measured = [kept.measured.get(n, np.zeros(z.shape, bool)) for n, z in zip(numbers, depth, strict=True)]
    sure = [np.where(m, z, np.nan).astype(np.float32) for m, z in zip(measured, true, strict=True)]
    known = score_depth(lambda: zip(depth, sure, strict=True), fit)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        rows = []
        for index in (0, len(numbers) // 2, len(numbers) - 1):
            z, t = depth[index], true[index]
            finite = np.isfinite(z) & np.isfinite(t)
            scale = np.median(t[finite] / z[finite])
            near = float(np.percentile(1 / t[finite], 99))
            error = 255 * np.clip(np.abs(z * scale / t - 1) / 0.25, 0, 1)
            error = np.dstack([error, error, np.where(measured[index], error, 255)])
            rows.append(
                np.hstack(
                    [
                        plate.read_8bit(numbers[index])[..., ::-1],
                        picture(z * scale, near),
                        picture(t, near),
                        np.nan_to_num(error).astype(np.uint8),
                    ]
                )
            )
        cv2.imwrite(str(pictures / f"{scene.name}.png"), np.vstack(rows))
    share, count = np.mean([m.mean() for m in measured]), len(numbers)
    return (
        f"| {scene.name} | {whole.abs_rel:.3f} | {still.abs_rel:.3f} | {known.abs_rel:.3f} ({share:.0%}) | "
        f"{whole.delta1:.3f} | {whole.edge_f1:.2f} | {whole.wobble:.3f} | "
        f"{wall / count:.2f} | {processor / count:.2f} |"
    )


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, frame: DepthFrame) -> None:
        """See ``DepthSink``."""


def time_frames(scene: TruthScene, estimator: str, count: int, size: int | None) -> str:
    """A row of the table of times."""
    forth = [*scene.numbers, *scene.numbers[-2:0:-1]]
    order = [forth[index % len(forth)] for index in range(count)]
    pictures = {number: resized(scene.source.picture(number), size, cv2.INTER_CUBIC) for number in set(order)}
    camera = scene.source.camera.for_frames(scene.numbers, None, "the camera")
    rows = [scene.numbers.index(number) for number in order]
    moving = replace(camera, K=camera.K[rows], E=camera.E[rows]).numbered(range(1, count + 1), None)
    plate = ArrayFrames.of([pictures[number] for number in order], Fraction(24), range(1, count + 1))
    with tempfile.TemporaryDirectory() as scratch:
        began, used = time.perf_counter(), time.process_time()
        ParallaxDepth(create_depth_source(estimator), moving).estimate(plate, Nowhere(), Path(scratch), Silent())
        wall, processor = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {scene.name} | {plate.width}x{plate.height} | {count} | {wall / count:.2f} | {processor / count:.2f} | "
        f"{peak:.0f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--estimator", default="small")
    parser.add_argument("--pictures", type=Path, help="a sheet a scene: plate, depth, truth, error (red = guessed)")
    parser.add_argument("--size", type=int, help="pixels of the longer side; default: as the scenes are")
    parser.add_argument("--frames", type=int, help="measure time and memory of so many frames")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--device", help="cuda, cuda:1 or cpu: compare torch there with the CPU")
    parser.add_argument("--sizes", type=int, nargs="*", default=(256, 512, 1024), help="of made clips, with --device")
    args = parser.parse_args()
    if args.folder is None and args.device is None:
        parser.error("a FOLDER of scenes, or --device, is needed")
    scenes = find_scenes(args.folder) if args.folder is not None else []
    scenes = [scene for scene in scenes if not args.names or scene.name in args.names]
    if args.device is not None:
        print_table(args.device, args.sizes, scenes, args.estimator)
        return
    if args.frames is not None:
        print("| scene | size | frames | s/frame | processor s/frame | peak MiB |\n|---|---|---|---|---|---|")
        for scene in scenes:
            print(time_frames(scene, args.estimator, args.frames, args.size), flush=True)
        return
    print("| scene | AbsRel | static | measured (share) | delta1 | F1 | wobble | s/frame | processor s/frame |")
    print("|---|---|---|---|---|---|---|---|---|")
    for scene in scenes:
        estimator = Timed(create_depth_source(args.estimator))
        source: Any = estimator if args.alone else ParallaxDepth(estimator, scene.source.camera)  # type: ignore[arg-type]
        print(run(scene, source, estimator, args.pictures, args.size), flush=True)


if __name__ == "__main__":
    main()
