# SPDX-License-Identifier: Apache-2.0
"""Which pixels of a depth were measured, and which show what moves: kept where the source tells, and nothing where it
does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_factory import grey_plate

from ex4d.camera import intrinsics, static_trajectory
from ex4d.depth.base import DepthFrame, DepthResult
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.mesh import MeshSettings
from ex4d.mesh.stage import MeshStage
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Silent


@dataclass(frozen=True)
class Source:
    """Says of each frame what was measured and what moves, or nothing."""

    masks: tuple[np.ndarray, ...]
    depth: np.ndarray | None = None
    moving: tuple[np.ndarray, ...] = ()

    name, label, licence, tolerance = "fake", "a fake", "none", 0.1

    def prepare(self) -> str:
        return ""

    def inputs(self) -> dict[str, Any]:
        return {"told": [len(self.masks), len(self.moving)]}

    def steps(self, frames: Any) -> int:
        return 1

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        for index, number in enumerate(frames.numbers):
            depth = np.full(frames.size[::-1], 2, np.float32) if self.depth is None else self.depth
            told = {"measured": self.masks, "moving": self.moving}
            sink.write(DepthFrame(number, depth, **{name: masks[index] for name, masks in told.items() if masks}))
        camera = static_trajectory(intrinsics(50, *frames.size), *frames.size, len(frames))
        return DepthResult(camera.numbered(frames.numbers, None), False, False)


def made(source: Source, frames: Any, tmp_path: Path) -> DepthStore:
    return DepthStore.open(StageCache(tmp_path / "cache").ensure(DepthStage("plate", frames, source), Silent()))


@pytest.mark.parametrize("width", [48, 43])
def test_the_stage_keeps_which_pixels_were_measured(tmp_path: Path, width: int) -> None:
    frames = grey_plate(size=(width, 32))
    masks = np.random.default_rng(0).random((len(frames), 32, width)) < 0.3
    store = made(Source(tuple(masks)), frames, tmp_path)
    for number, mask in zip(frames.numbers, masks, strict=True):
        kept = store.read_measured(number)
        assert kept is not None
        np.testing.assert_array_equal(kept, mask)
    assert store.measured == pytest.approx(masks.mean())


def test_guessed_surfaces_have_stricter_rules_and_the_mesh_its_key(tmp_path: Path) -> None:
    frames = grey_plate()
    width, height = frames.size
    masks = np.zeros((len(frames), height, width), bool)
    masks[:, :, : width // 2] = True
    # From row to row as much as a measured surface may.
    steep = (2 * 1.12 ** np.arange(height)[:, None] * np.ones((1, width))).astype(np.float32)
    told = made(Source(tuple(masks), steep), frames, tmp_path)
    untold = made(Source((), steep), frames, tmp_path)
    meshes = {}
    for name, store in (("told", told), ("untold", untold)):
        stage = MeshStage("plate", "depth", frames, store, MeshSettings())
        assert ("guessed" in stage.inputs()) == (name == "told")
        meshes[name] = stage._arrays(0, store.source[0], 1e6)
    faces = {
        name: np.unpackbits(arrays["face_valid"], count=2 * (height - 1) * (width - 1)).reshape(
            height - 1, width - 1, 2
        )
        for name, arrays in meshes.items()
    }
    left, right = np.s_[:, : width // 2 - 1], np.s_[:, width // 2 :]
    np.testing.assert_array_equal(faces["told"][left], faces["untold"][left])
    assert faces["untold"][right].any()
    assert not faces["told"][right].any()


def test_where_the_source_does_not_tell_nothing_is_kept(tmp_path: Path) -> None:
    frames = grey_plate()
    store = made(Source(()), frames, tmp_path)
    assert store.measured is None
    assert store.read_measured(frames.numbers[0]) is None
    assert not (store.folder / "measured").exists()
    assert "measured" not in store.files.json("depth.json")


def test_the_stage_keeps_what_moves(tmp_path: Path) -> None:
    frames = grey_plate(size=(43, 32))
    masks = np.random.default_rng(1).random((len(frames), 32, 43)) < 0.2
    store = made(Source((), moving=tuple(masks)), frames, tmp_path)
    for number, mask in zip(frames.numbers, masks, strict=True):
        kept = store.read_moving(number)
        assert kept is not None
        np.testing.assert_array_equal(kept, mask)
        assert store.read_measured(number) is None
    assert store.moving == pytest.approx(masks.mean())


def test_where_nothing_is_told_of_what_moves_nothing_is_kept(tmp_path: Path) -> None:
    frames = grey_plate()
    store = made(Source(()), frames, tmp_path)
    assert store.read_moving(frames.numbers[0]) is None
    assert not (store.folder / "moving").exists()
    assert "moving" not in store.files.json("depth.json")
