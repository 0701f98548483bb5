# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes whose true novel views are known, of scenes that nothing was learned from; and takes of footage to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.requests import MoveCamera

if TYPE_CHECKING:
    from ex4d.evaluation.truth import TruthScene
    from ex4d.fill.base import TakeView
    from ex4d.jobs.takes import TakePipeline

#: Seeds of the scenes; those of the truth set and of what is learned from are others.
SEEDS, SAMPLES = (11, 12), 8
#: All begin at the source camera, as the model expects.
TARGETS = {
    f"{side}_{angle}": f"orbit:0..{sign * angle}" for angle in (30, 60) for side, sign in (("left", -1), ("right", 1))
}


@dataclass(frozen=True)
class Takes:
    """Rendered takes.

    Attributes:
        color: (N, T, H, W, 3) uint8.
        kept: (N, T, H, W) bool, False = to be filled; first frames are whole.
        labels: "SCENE TARGET" of each.
    """

    color: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    labels: list[str]

    @classmethod
    def read(cls, path: Path) -> Takes:
        """Of ``prove_training.py takes``."""
        with np.load(path) as file:
            return cls(file["color"], file["kept"], [str(label) for label in file["labels"]])


def make_scenes(out: Path, frames: int, size: int, workers: int) -> list[TruthScene]:
    """Render what is not there yet."""
    from ex4d.evaluation.truth import TruthScene
    from tools.scenes.make_groundtruth import FAMILIES, Setting, make

    folders: list[Path] = []
    for seed in SEEDS:
        folders += make(out / f"truth_{seed}", FAMILIES, seed, Setting(size, frames, SAMPLES), workers, TARGETS)
    return [TruthScene.open(folder) for folder in folders]


def scene_label(scene: TruthScene) -> str:
    """Family and seed."""
    return f"{scene.name}_{scene.folder.parent.name.removeprefix('truth_')}"


def opened(scene: TruthScene, out: Path) -> TakePipeline:
    """The scene as a shot, with true depth and true cameras."""
    from benchmarks.quality.fills import reconstruct
    from ex4d.jobs.takes import TakePipeline
    from ex4d.system.progress import Silent

    shot, made = reconstruct(scene, out / "shots" / scene_label(scene))
    return TakePipeline(shot, made, "auto", Silent())


def _stacked(take: TakeView, first: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colour and mask of a take at the model's size."""
    color, kept = [], []
    for frame in take.frames():
        mask = (frame.mask > 0).astype(np.float32)
        eight = frame.color if frame.color.dtype == np.uint8 else (frame.color // 257)
        share = cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)
        mean = cv2.resize(eight * mask[..., None], (size, size), interpolation=cv2.INTER_AREA)
        whole = share > 0.999
        color.append(np.where(whole[..., None], np.rint(mean), 0).astype(np.uint8))
        kept.append(whole)
    color[0] = np.asarray(cv2.resize(first, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    kept[0] = np.ones_like(kept[0])
    return np.stack(color), np.stack(kept)


def _true_takes(
    scenes: list[TruthScene], out: Path, size: int
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.bool_]]]:
    from ex4d.fill.stage import RenderedTake
    from ex4d.jobs.cameras import camera_from_file

    for scene in scenes:
        pipeline = opened(scene, out)
        for name, view in scene.targets.items():
            rendered = pipeline.render(pipeline.camera(camera_from_file(view.folder / "camera.json")))
            first = scene.source.picture(scene.numbers[0])
            yield f"{scene_label(scene)} {name}", *_stacked(RenderedTake(rendered.raster, None), first, size)


def _footage(
    path: Path, out: Path, frames: int, size: int
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Takes of a video, with the default depth."""
    from ex4d.fill.stage import RenderedTake
    from ex4d.jobs.takes import TakePipeline
    from ex4d.protocol.values import FrameRange
    from ex4d.system.progress import Silent
    from research.fill_proof.crops import FIRST, reconstructed

    shot, made = reconstructed(path, out / "shots" / path.stem, FrameRange(FIRST, FIRST + frames))
    pipeline = TakePipeline(shot, made, "auto", Silent())
    for name, move in TARGETS.items():
        rendered = pipeline.render(pipeline.camera(MoveCamera(move)))
        first = made.frames.read_8bit(made.frames.numbers[0])
        yield f"{path.stem} {name}", *_stacked(RenderedTake(rendered.raster, None), first, size)


def write(out: Path, frames: int, size: int, workers: int, footage: list[Path]) -> int:
    """All takes in ``out``/takes.npz; returns how many there are."""
    parts = list(_true_takes(make_scenes(out, frames, size, workers), out, size))
    for path in footage:
        parts += _footage(path, out, frames, size)
    labels, color, kept = zip(*parts, strict=True)
    np.savez_compressed(out / "takes.npz", color=np.stack(color), kept=np.stack(kept), labels=np.array(labels))
    return len(labels)
