# SPDX-License-Identifier: Apache-2.0
"""Estimators of depth on plates whose depth is known, against two that look at nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ex4d.depth import create_depth_source
from ex4d.evaluation.depth import score_depth
from ex4d.evaluation.plates import Pairs, estimated_depth, true_depth
from ex4d.evaluation.truth import TruthScene
from ex4d.protocol.bench import FITS, DepthScore
from ex4d.system.progress import Silent


def plane(scene: TruthScene) -> Pairs:
    """The same depth everywhere."""
    return lambda: ((np.full_like(z, 3.0), z) for z in true_depth(scene))


def gradient(scene: TruthScene) -> Pairs:
    """Disparity that grows evenly from the top to the bottom of the frame."""

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for z in true_depth(scene):
            disparity = np.linspace(0.25, 1, z.shape[0], dtype=np.float32)[:, None]
            yield np.broadcast_to(1 / disparity, z.shape), z

    return pairs


def run(scene: TruthScene, names: list[str]) -> dict[str, dict[str, DepthScore]]:
    """Scores by estimator and by what was fitted to the truth, once for the clip (``FITS``)."""
    with tempfile.TemporaryDirectory() as folder:
        sources = {"plane": plane(scene), "gradient": gradient(scene)}
        sources |= {name: estimated_depth(scene, create_depth_source(name), Path(folder), Silent()) for name in names}
        return {name: {fit: score_depth(pairs, fit) for fit in FITS} for name, pairs in sources.items()}
