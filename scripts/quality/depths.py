# SPDX-License-Identifier: Apache-2.0
"""Estimators of depth on plates whose depth is known, against two that look at nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ex4d.cache import StageCache
from ex4d.depth import create_depth_source
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.evaluation.depth import DepthScore, score_depth
from ex4d.evaluation.truth import TruthScene
from ex4d.plate import open_plate
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.progress import Silent

Pairs = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]


def _true(scene: TruthScene) -> Iterator[np.ndarray]:
    return (scene.source.surface(number).z for number in scene.numbers)


def plane(scene: TruthScene) -> Pairs:
    """The same depth everywhere."""
    return lambda: ((np.full_like(z, 3.0), z) for z in _true(scene))


def gradient(scene: TruthScene) -> Pairs:
    """Disparity that grows evenly from the top to the bottom of the frame."""

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for z in _true(scene):
            disparity = np.linspace(0.25, 1, z.shape[0], dtype=np.float32)[:, None]
            yield np.broadcast_to(1 / disparity, z.shape), z

    return pairs


def estimator(scene: TruthScene, name: str, folder: Path) -> Pairs:
    """An estimator's depth of the plate."""
    cache = StageCache(folder)
    reader = open_plate(scene.source.pictures, first_frame=1)
    plate = PlateStage(f"truth-{scene.folder}", {}, reader)
    frames = FrameStore.open(cache.ensure(plate, Silent()))
    stage = DepthStage(plate.key(), frames, create_depth_source(name))
    store = DepthStore.open(cache.ensure(stage, Silent()))
    return lambda: zip((store.read(number) for number in frames.numbers), _true(scene), strict=True)


def run(scene: TruthScene, names: list[str]) -> dict[str, DepthScore]:
    """Scores by estimator, scale and shift of the disparity fitted once for the clip."""
    with tempfile.TemporaryDirectory() as folder:
        sources = {"plane": plane(scene), "gradient": gradient(scene)}
        sources |= {name: estimator(scene, name, Path(folder)) for name in names}
        return {name: score_depth(pairs, "affine") for name, pairs in sources.items()}
