# SPDX-License-Identifier: Apache-2.0
"""The small network that comes with the package: that it loads, runs on any plate, and does not flicker. How good its
depth is: tests/quality."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from depth_factory import estimated, peak_memory, plate

from ex4d.camera import intrinsics_from_fov
from ex4d.depth import BUILT_IN, create_depth_source, depth_names
from ex4d.depth.base import STATIC_NOTE
from ex4d.depth.frame_maps import FrameMaps
from ex4d.depth.small.focus import RELIEF, Focus
from ex4d.depth.small.network import LEAST, MULTIPLE, PIXELS, SHA256, WEIGHTS, SmallNetwork, input_size
from ex4d.depth.small.source import SmallDepth, to_edges
from ex4d.plate import FrameRange, open_plate
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import DEFAULT_FOV_DEG

FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"


def scene(width, height, shift=0):
    """(H, W, 3) uint8: a striped ground, a sky, a box that stands on it."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.full((height, width, 3), (150, 180, 215), np.float32)
    below = y > 0.45 * height
    far = 1 / np.maximum(y / height - 0.44, 0.01)
    stripes = ((far * 2).astype(int) + ((x / width - 0.5) * far * 3).astype(int)) % 2
    picture[below] = np.stack([90 + 60 * stripes, 80 + 50 * stripes, 60 + 40 * stripes], -1)[below]
    left = int(0.35 * width) + shift
    picture[int(0.3 * height) : int(0.85 * height), left : left + int(0.25 * width)] = (170, 60, 40)
    rng = np.random.default_rng(4)
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    folder = tmp_path_factory.mktemp("still")
    noise = np.random.default_rng(1)
    pictures = [np.clip(scene(160, 120) + noise.normal(0, 3, (120, 160, 3)), 0, 255).astype(np.uint8) for _ in range(6)]
    frames = plate(pictures)
    return frames, *estimated(create_depth_source("small"), frames, folder / "scratch")


def test_it_is_the_one_that_comes_with_the_package():
    assert BUILT_IN in depth_names()
    source = create_depth_source(BUILT_IN)
    assert source.prepare() == "on the CPU"
    assert "Apache-2.0" in source.licence
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == SHA256
    assert WEIGHTS.stat().st_size < 12e6


def test_the_ground_comes_nearer_towards_the_camera(still):
    _, _, depth = still
    rows = np.median(depth[:, :, :40], axis=(0, 2))
    assert rows[62] > 1.1 * rows[90]
    assert rows[90] > 1.3 * rows[118]
    assert np.median(depth[:, 5:25]) > 1.5 * rows[90], "the sky is far"


def test_what_stands_still_does_not_flicker(still):
    _, _, depth = still
    change = np.abs(np.diff(np.log(depth), axis=0))
    assert np.mean(change) < 0.02


def test_the_report_is_honest(still):
    frames, result, depth = still
    assert not result.poses_known
    assert not result.intrinsics_known
    assert np.allclose(result.source.K, intrinsics_from_fov(DEFAULT_FOV_DEG, 160, 120))
    assert result.source.frame_numbers == frames.numbers
    assert STATIC_NOTE in result.notes
    assert any("relative" in note for note in result.notes)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()


def test_two_runs_are_the_same_to_the_bit(tmp_path, still):
    frames, _, depth = still
    _, again = estimated(create_depth_source("small"), frames, tmp_path / "scratch")
    assert np.array_equal(depth, again)


@pytest.mark.parametrize(
    ("width", "height"), [(161, 97), (90, 160), (300, 20), (20, 300), (3, 64), (1, 1), (640, 360)], ids=str
)
def test_frames_of_any_size(tmp_path, width, height):
    """Sides that are no multiples of the network's, upright video, a single frame, slivers."""
    frames = plate([scene(max(width, 8), max(height, 8))[:height, :width].copy()])
    _, depth = estimated(create_depth_source("small"), frames, tmp_path / "scratch")
    assert depth.shape == (1, height, width)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()


def test_upright_pictures_are_looked_at_upright():
    assert input_size(1080, 1920) == input_size(1920, 1080)[::-1]
    for width, height in [(1920, 1080), (512, 512), (10, 4000), (4000, 10), (2048, 858)]:
        across, down = input_size(width, height)
        assert across % MULTIPLE == down % MULTIPLE == 0
        assert min(across, down) >= LEAST
        assert 0.6 * PIXELS < across * down < 1.5 * PIXELS


def test_damaged_weights_are_told_before_any_work(tmp_path):
    data = bytearray(WEIGHTS.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "weights.onnx"
    damaged.write_bytes(data)
    for path, problem in ((damaged, "damaged"), (tmp_path / "none.onnx", "missing")):
        with pytest.raises(BadInputError, match=problem) as caught:
            SmallDepth(network=SmallNetwork(path)).prepare()
        assert "Install" in caught.value.hint
        with pytest.raises(BadInputError, match=problem):
            SmallNetwork(path)(scene(64, 64))


def test_a_cut_is_told_and_not_averaged_over(tmp_path):
    other = cv2.flip(255 - scene(160, 120), 0)
    first, second = [scene(160, 120)] * 3, [other] * 3
    result, depth = estimated(create_depth_source("small"), plate([*first, *second]), tmp_path / "scratch")
    assert any("cut at frame 1004;" in note for note in result.notes)
    # Within a shot all frames are the same; across the cut nothing is carried over.
    np.testing.assert_allclose(depth[0], depth[2], rtol=0.02)
    np.testing.assert_allclose(depth[3], depth[5], rtol=0.02)
    assert np.median(np.abs(np.log(depth[3] / depth[2]))) > 0.1


def test_steps_of_depth_lie_on_the_edges_of_the_picture():
    """A step that is blurred and a coarse pixel off the picture's edge becomes a step on it."""
    picture = np.full((256, 256, 3), 40, np.uint8)
    picture[:, 128:] = 210
    small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
    values = np.zeros((64, 64), np.float32)
    values[:, 31:] = 1
    values = cv2.GaussianBlur(values, (0, 0), 1.5)
    fine = to_edges(values, small, picture)
    assert fine.shape == (256, 256)
    middle = fine[128]
    assert (middle[:128] < 0.35).all()
    assert (middle[128:] > 0.9).all()
    assert fine.min() >= values.min() - 1e-6
    assert fine.max() <= values.max() + 1e-6


def focused(left, right):
    """A picture of coarse and fine patterns that is sharp on one side (blur 0) and out of focus on the other."""
    rng, picture = np.random.default_rng(3), np.zeros((192, 256), np.float32)
    for cell in (1, 4, 16):
        noise = rng.uniform(-1, 1, (192 // cell, 256 // cell)).astype(np.float32)
        picture += cv2.resize(noise, (256, 192), interpolation=cv2.INTER_NEAREST)
    picture = np.clip(128 + 40 * picture, 0, 255).astype(np.uint8)
    sides = [cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture for sigma in (left, right)]
    return np.repeat(np.concatenate([sides[0][:, :128], sides[1][:, 128:]], axis=1)[..., None], 3, axis=2)


@pytest.mark.parametrize(("left", "right", "nearer"), [(0, 6, 1), (6, 0, -1), (0, 0, 0)])
def test_what_is_in_focus_stands_before_what_is_not(tmp_path, left, right, nearer):
    maps = FrameMaps(tmp_path / "maps", (96, 128), np.float32)
    focus = Focus(tmp_path, 96, 128)
    for index in range(3):
        picture = focused(left, right)
        focus.add(picture, cv2.resize(picture, (128, 96), interpolation=cv2.INTER_AREA))
        maps[index] = np.zeros((96, 128), np.float32)
    focus.add_to(maps)
    step = np.median(maps[1][:, :48]) - np.median(maps[1][:, 80:])
    if nearer:
        assert 0.3 * RELIEF < step * nearer < 1.01 * RELIEF
    else:
        assert not maps[1].any(), "everything is in focus: nothing is known"


def memory_of(folder, count):
    """Bytes of numpy arrays at most, for a clip of that many small frames."""
    frames = plate([scene(48, 36, index % 8) for index in range(count)])
    return peak_memory(create_depth_source("small"), frames, folder / f"scratch{count}")


def test_memory_does_not_grow_with_the_shot(tmp_path):
    memory_of(tmp_path, 2)  # what is allocated once and for all
    short, long = memory_of(tmp_path, 34), memory_of(tmp_path, 68)
    assert long < 1.1 * short


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="needs the flower footage in ../shared/data, which is not there")
def test_the_flower_stands_before_its_background(tmp_path):
    reader = open_plate(FLOWER, frames=FrameRange.parse("1001-1008"))
    frames = plate([frame.pixels for frame in reader.frames()])
    _, depth = estimated(create_depth_source("small"), frames, tmp_path / "scratch")
    blossom, background = depth[:, 200:330, 60:180], depth[:, 300:500, 350:500]
    assert np.median(blossom) < 0.7 * np.median(background)
