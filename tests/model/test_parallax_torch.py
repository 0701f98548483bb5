# SPDX-License-Identifier: Apache-2.0
"""Depth from parallax in torch, which a GPU computes, held to the one in numpy and OpenCV."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from parallax_scenes import FLOOR, POST, WALL, draw, slider

from ex4d.camera import Trajectory
from ex4d.depth import create_depth_source
from ex4d.depth.base import DepthFrame
from ex4d.depth.parallax import matching
from ex4d.depth.parallax.matching import CpuMatcher, create_matcher
from ex4d.depth.parallax.refine import refine
from ex4d.depth.parallax.semi_global import MOST_COST, jump_costs, semi_global
from ex4d.depth.parallax.source import ParallaxDepth
from ex4d.depth.parallax.sweep import WINDOW, Neighbour
from ex4d.depth.parallax.torch_matching import TorchMatcher, _blur, _Other, _refine, _semi_global
from ex4d.depth.parallax.views import Passage
from ex4d.system.progress import Silent

CPU = torch.device("cpu")
CLIP = draw([WALL, FLOOR, POST], slider(7, 0.9, ahead=0.3))


class Kept:
    def __init__(self) -> None:
        self.depth: list[np.ndarray] = []

    def write(self, frame: DepthFrame) -> None:
        self.depth.append(frame.depth)


def different(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(((a != b) & ~(np.abs(a / b - 1) <= 0.02)).mean())


def neighbours(index: int, camera: Trajectory) -> tuple[np.ndarray, list[Neighbour]]:
    grey = [
        cv2.cvtColor(CLIP.plate.read_8bit(n), cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
        for n in CLIP.plate.numbers
    ]
    others = [k for k in (index - 3, index - 1, index + 1, index + 2) if 0 <= k < len(grey)]
    return grey[index], [Neighbour(grey[k], Passage.between(camera, index, k), k > index) for k in others]


@pytest.mark.parametrize("index", [0, 3])
def test_both_find_the_same_surfaces(index: int) -> None:
    grey, near = neighbours(index, CLIP.camera)
    planes = np.linspace(0.05, 0.6, 40)
    with closing(CpuMatcher()) as plain, closing(TorchMatcher(CPU)) as other:
        expected, found = plain.match(grey, near, planes), other.match(grey, near, planes)
    assert found.disparity.dtype == np.float32
    assert found.cost.dtype == np.uint8
    assert different(found.disparity, expected.disparity) < 0.01
    assert np.median(np.abs(found.disparity / expected.disparity - 1)) < 1e-3
    # Costs are cut to whole bytes, so rounding moves some by one.
    assert np.abs(found.cost.astype(int) - expected.cost)[found.disparity > 0.06].mean() < 0.2


def test_refinement_is_the_same_but_for_rounding() -> None:
    grey, near = neighbours(3, CLIP.camera)
    step = 0.014
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, grey.shape)
    rough = (step * (np.round(1 / CLIP.z[3] / step) + noise)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        expected = refine(grey, near, rough, step, pool)
    others = [_Other(torch.from_numpy(n.grey), n.passage, n.is_later) for n in near]
    found = _refine(torch.from_numpy(grey), others, torch.from_numpy(rough), step).numpy()
    off = np.abs(found - expected) / step
    # OpenCV samples at 1/32 of a pixel, and a pair that just is on one surface here may not be there.
    assert np.median(off) < 0.01
    assert np.percentile(off, 99) < 0.1


def test_means_over_windows_are_exact_to_rounding() -> None:
    values = (1.9 + 1e-3 * np.random.default_rng(3).random((1, 40, 50))).astype(np.float32)
    exact = cv2.blur(values[0].astype(np.float64), (WINDOW, WINDOW))
    found = _blur(torch.from_numpy(values))[0].numpy()
    # Variances are differences of such means: half a float32's last digit is all that may be lost.
    assert np.abs(found - exact).max() <= np.spacing(np.float32(1.9)) / 2


def test_paths_are_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(2)
    costs = rng.integers(0, MOST_COST + 1, (23, 12, 31)).astype(np.uint8)
    jumps = jump_costs(rng.random((23, 31)).astype(np.float32))
    with ThreadPoolExecutor(2) as pool:
        expected = semi_global(costs, jumps, pool)
    plane, cost = _semi_global(
        torch.from_numpy(costs.transpose(1, 0, 2).copy()), torch.from_numpy(jumps).to(torch.int16)
    )
    np.testing.assert_allclose(plane.numpy(), expected.plane, atol=1e-6)
    np.testing.assert_array_equal(cost.numpy(), expected.cost)


def test_the_depth_of_a_clip_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name, matcher in (("plain", CpuMatcher), ("torch", lambda: TorchMatcher(CPU))):
        monkeypatch.setattr("ex4d.depth.parallax.source.create_matcher", matcher)
        (tmp_path / name).mkdir()
        kept = Kept()
        source = ParallaxDepth(create_depth_source("prior"), CLIP.camera, keeps_world=True)
        source.estimate(CLIP.plate, kept, tmp_path / name, Silent())
        made.append(np.stack(kept.depth))
    assert different(*made) < 0.01


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ex4d.models.torch_device.pick_device", lambda: torch.device("cuda:1"))
    assert isinstance(create_matcher(), TorchMatcher)
    monkeypatch.setattr("ex4d.models.torch_device.pick_device", lambda: CPU)
    assert isinstance(create_matcher(), CpuMatcher)
    monkeypatch.setattr(matching, "find_spec", lambda name: None)
    monkeypatch.setattr("ex4d.models.torch_device.pick_device", lambda: torch.device("cuda"))
    assert isinstance(create_matcher(), CpuMatcher)
