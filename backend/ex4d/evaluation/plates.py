# SPDX-License-Identifier: Apache-2.0
"""A source of depth, run on the plate of a scene whose depth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.depth import DepthSource
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.evaluation.truth import TruthScene
from ex4d.plate import open_plate
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Progress

Float = NDArray[np.float32]
Pairs = Callable[[], Iterator[tuple[Float, Float]]]


def true_depth(scene: TruthScene) -> Iterator[Float]:
    """z-depth (H, W) of the plate's frames, inf = sky."""
    return (scene.source.surface(number).z for number in scene.numbers)


def estimated_depth(scene: TruthScene, source: DepthSource, folder: Path, progress: Progress) -> Pairs:
    """Run a source of depth on a scene's plate.

    Args:
        folder: where its results are kept.

    Returns:
        A function that gives estimated and true z-depth (H, W) of each frame, for ``score_depth``.

    Raises:
        Ex4dError: the source cannot run.
    """
    cache = StageCache(folder)
    plate = PlateStage(f"truth-{scene.folder}", {}, open_plate(scene.source.pictures, first_frame=scene.numbers[0]))
    frames = FrameStore.open(cache.ensure(plate, progress))
    store = DepthStore.open(cache.ensure(DepthStage(plate.key(), frames, source), progress))
    return lambda: zip((store.read(number) for number in frames.numbers), true_depth(scene), strict=True)
