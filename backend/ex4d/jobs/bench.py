# SPDX-License-Identifier: Apache-2.0
"""How near a result is to rendered truth (``ex4d.evaluation``); scenes with truth are made by tools/scenes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ex4d.camera import read_trajectory
from ex4d.depth import create_depth_source
from ex4d.evaluation.depth import score_depth
from ex4d.evaluation.perceptual import open_lpips
from ex4d.evaluation.plates import estimated_depth
from ex4d.evaluation.poses import camera_errors
from ex4d.evaluation.score import ResultFrame, read_result, score_clip
from ex4d.evaluation.truth import TruthScene, TruthView
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import BENCH_DEPTH, BENCH_QUALITY
from ex4d.protocol.bench import BenchRequest, BenchResult, CameraErrors, ClipScore, DepthScores
from ex4d.protocol.errors import BadInputError
from ex4d.system.progress import Progress, steps


def run(request: BenchRequest, context: JobContext) -> BenchResult:
    """Compare them: a ``ClipScore``, ``DepthScores`` or ``CameraErrors``, as was asked for.

    Raises:
        BadInputError: the truth is not whole or has no such camera, the result cannot be read, or the two have another
            size or number of frames.
        ResourceError: the estimator does not work here.
    """
    truth = Path(request.truth)
    match request.what:
        case "quality":
            return _quality(Path(request.result), truth, context.progress)
        case "depth":
            return _depth(request.result, truth, context.progress)
        case "camera":
            return _camera(Path(request.result), truth)


def _view(path: Path) -> tuple[TruthScene, TruthView]:
    scene = TruthScene.open(path.parent)
    if path.name not in scene.targets:
        raise BadInputError(
            f"{scene.folder} has no target camera «{path.name}».", f"It has {', '.join(scene.targets)}."
        )
    return scene, scene.targets[path.name]


def _quality(result: Path, truth: Path, progress: Progress) -> ClipScore:
    """Pictures against those of a target camera."""
    scene, view = _view(truth)
    lpips = open_lpips()
    if isinstance(lpips, str):
        progress.note(lpips)
    progress.expect(BENCH_QUALITY)
    with progress.stage("score", len(scene.numbers)):
        frames: Iterator[ResultFrame] = steps(progress, read_result(result))
        return score_clip(frames, scene, view, None if isinstance(lpips, str) else lpips)


def _depth(result: str, truth: Path, progress: Progress) -> DepthScores:
    """An estimator, or depth files, against the true depth of the plate."""
    scene, source = TruthScene.open(truth), create_depth_source(result)
    source.prepare()
    progress.expect(BENCH_DEPTH)
    with tempfile.TemporaryDirectory() as folder:
        pairs = estimated_depth(scene, source, Path(folder), progress)
        return DepthScores(score_depth(pairs, "none"), score_depth(pairs, "scale"), score_depth(pairs, "affine"))


def _camera(result: Path, truth: Path) -> CameraErrors:
    """A camera path against that of a target camera."""
    scene, view = _view(truth)
    path = read_trajectory(result)
    if len(path.E) != len(scene.numbers):
        raise BadInputError(
            f"{result} has {len(path.E)} cameras, the truth {len(scene.numbers)}.", "Give one camera for each frame."
        )
    return camera_errors(path.E, view.camera.E)
