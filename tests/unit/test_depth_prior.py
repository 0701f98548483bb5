# SPDX-License-Identifier: Apache-2.0
"""The coarse prior: what it must get right, and that it never pumps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from depth_factory import estimated, peak_memory, plate

from ex4d.camera import intrinsics_from_fov
from ex4d.depth import create_depth_source
from ex4d.depth.base import STATIC_NOTE
from ex4d.depth.estimators.prior import FAR_Z, NEAR_Z
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.plate import FrameRange, open_plate
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Silent

WIDTH, HEIGHT, COUNT = 192, 128, 9
FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"


def noise(seed, tint, width=WIDTH, height=HEIGHT):
    """(H, W, 3) uint8: detail of several sizes about one colour."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(0, 1, (height // step + 1, width // step + 1)), (width, height)) for step in (2, 5, 12)
    ]
    return np.clip(np.array(tint) + 22 * sum(layers)[..., None], 0, 255).astype(np.uint8)


WALL = noise(1, (90, 110, 140))
CARD = noise(2, (180, 90, 60), 48, 56)


def card_place(index):
    return 30, 30 + 6 * index  # row, column


def crossing(index):
    """A textured card that crosses before a still wall."""
    picture = WALL.copy()
    row, column = card_place(index)
    picture[row : row + 56, column : column + 48] = CARD
    return picture


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossing")
    frames = plate([crossing(index) for index in range(COUNT)])
    return frames, *estimated(create_depth_source("prior"), frames, folder / "scratch")


def test_what_moves_is_nearer(crossed):
    _, _, depth = crossed
    for index in range(COUNT):
        row, column = card_place(index)
        card = depth[index, row + 8 : row + 48, column + 8 : column + 40]
        beside = np.concatenate(
            [depth[index, row : row + 56, : column - 12], depth[index, row : row + 56, column + 60 :]], axis=1
        )
        assert np.median(card) < 0.8 * np.median(beside)


def test_depth_is_finite_and_within_its_bounds(crossed):
    _, _, depth = crossed
    assert np.isfinite(depth).all()
    assert depth.min() >= NEAR_Z - 1e-5
    assert depth.max() <= FAR_Z + 1e-5


def test_what_stands_still_does_not_pump(crossed):
    _, _, depth = crossed
    corner = depth[:, 95:, :20]  # the card never comes near
    assert (np.abs(np.diff(corner, axis=0)) / corner[1:]).max() < 0.01


def test_the_report_is_honest(crossed):
    frames, result, _ = crossed
    assert not result.poses_known
    assert not result.intrinsics_known
    assert np.allclose(result.source.K, intrinsics_from_fov(DEFAULT_FOV_DEG, WIDTH, HEIGHT))
    assert result.source.frame_numbers == frames.numbers
    assert any("coarse" in note for note in result.notes)
    assert STATIC_NOTE in result.notes
    assert "coarse" in create_depth_source("prior").label


def test_the_stage_keeps_label_and_notes(tmp_path, crossed):
    frames, _, depth = crossed
    stage = DepthStage("plate", frames, create_depth_source("prior", fov_deg=50))
    folder = StageCache(tmp_path).ensure(stage, Silent())
    store = DepthStore.open(folder)
    assert "coarse" in store.label
    assert store.intrinsics_known
    assert np.allclose(store.source.K, intrinsics_from_fov(50, WIDTH, HEIGHT))
    assert np.array_equal(store.read(frames.numbers[3]), depth[3])
    assert depth.min() <= store.subject <= depth.max()
    assert store.deepest == pytest.approx(depth.max())
    assert not (folder / "scratch").exists()


def test_lower_is_nearer_where_nothing_else_speaks(tmp_path):
    frames = plate([WALL] * 4)
    _, depth = estimated(create_depth_source("prior"), frames, tmp_path / "scratch")
    rows = np.median(depth, axis=(0, 2))
    thirds = [rows[:40].mean(), rows[44:84].mean(), rows[88:].mean()]
    assert thirds[0] > 1.1 * thirds[1] > 1.2 * thirds[2]


def test_two_runs_are_the_same_to_the_bit(tmp_path, crossed):
    frames, _, depth = crossed
    _, again = estimated(create_depth_source("prior"), frames, tmp_path / "scratch")
    assert np.array_equal(depth, again)


def test_a_cut_is_told(tmp_path):
    other = noise(9, (30, 200, 60))
    frames = plate([WALL] * 4 + [other] * 4)
    result, _ = estimated(create_depth_source("prior"), frames, tmp_path / "scratch")
    assert any("cut at frame 1005;" in note for note in result.notes)


def memory_of(folder, count):
    """Bytes of numpy arrays at most, for a moving clip of that many small frames."""
    wide = noise(5, (120, 120, 120), 40 + count, 32)
    frames = plate([np.ascontiguousarray(wide[:, i : i + 40]) for i in range(count)])
    return peak_memory(create_depth_source("prior"), frames, folder / f"scratch{count}")


def test_memory_does_not_grow_with_the_shot(tmp_path):
    memory_of(tmp_path, 2)  # what is allocated once and for all
    short, long = memory_of(tmp_path, 32), memory_of(tmp_path, 64)
    assert long < 1.1 * short


def test_one_frame_and_narrow_frames(tmp_path):
    for index, (width, height) in enumerate([(WIDTH, HEIGHT), (3, 64), (64, 3), (1, 1)]):
        picture = noise(3, (120, 120, 120), max(width, 12), max(height, 12))[:height, :width]
        frames = plate([np.ascontiguousarray(picture)])
        _, depth = estimated(create_depth_source("prior"), frames, tmp_path / f"scratch{index}")
        assert np.isfinite(depth).all()


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="needs the flower footage in ../shared/data, which is not there")
def test_the_flower_stands_before_its_background(tmp_path):
    reader = open_plate(FLOWER, frames=FrameRange.parse("1001-1008"))
    frames = plate([frame.pixels for frame in reader.frames()])
    _, depth = estimated(create_depth_source("prior"), frames, tmp_path / "scratch")
    blossom, background = depth[:, 200:330, 60:180], depth[:, 300:500, 350:500]
    assert np.median(blossom) < 0.7 * np.median(background)
