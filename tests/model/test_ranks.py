# SPDX-License-Identifier: Apache-2.0
"""One take made by several processes on the CPU, at toy size: the same as by one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ex4d.fill.ex4d_wan.clip import Clip
from ex4d.fill.ex4d_wan.host import ModelHost, Order, Request
from ex4d.fill.ex4d_wan.profiles import PROFILES, Profile
from ex4d.models.memory_plan import MemoryPlan
from ex4d.models.parallel.layout import RankLayout, choose_layout
from ex4d.models.torch_device import rank_devices
from ex4d.models.wan.block import use_fast_blocks
from ex4d.protocol.errors import CancelledError, ResourceError
from ex4d.system.progress import Silent

GUIDED = replace(PROFILES["exact"], steps=3)
PLAIN = replace(GUIDED, guidance=1.0)
HELD = replace(PROFILES["turbo"], steps=5, fp8=False)


def clip(width: int = 96, height: int = 64, frames: int = 5) -> Clip:
    rng = np.random.default_rng(1)
    color = rng.random((frames, height, width, 3), dtype=np.float32)
    visible = np.ones((frames, height, width), bool)
    visible[2:, :, width // 2 :] = False
    color[~visible] = 0
    none = np.zeros_like(visible)
    return Clip(color, visible, visible, none, tuple(range(frames)), 0, 255, ())


@pytest.fixture(scope="module", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("EX4D_DEVICE", "cpu")
        # Sums are split by threads: the ranks, which begin with one, and this process, which has its threads already.
        patch.setenv("OMP_NUM_THREADS", "1")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    made = ModelHost()
    yield made
    made.dismiss()


def generated(
    host: ModelHost, models: Path, profile: Profile, given: Clip, gpus: int, progress: Silent | None = None
) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    request = Request((models,), profile, "a house by the sea", "dog", 4, gpus=gpus)
    pictures, notes = host.run(request, given, progress or Silent())
    return np.stack(list(pictures)), notes


def by_one(models: Path, profile: Profile, given: Clip, *, fast_blocks: bool) -> np.ndarray[Any, Any]:
    """What one rank makes; tokens are shared by the faster blocks alone, which round otherwise than the plain ones."""
    host = ModelHost()
    found, _ = generated(host, models, profile, given, 1)
    if fast_blocks:
        loaded = host.runtime._loaded
        assert loaded is not None
        use_fast_blocks(loaded.model.transformer)
        found, _ = generated(host, models, profile, given, 1)
    return found


# 72 tokens, and 45, of which two ranks have 23 with one of padding, and four 12 with three.
@pytest.mark.parametrize(
    ("profile", "given"),
    [(GUIDED, clip()), (PLAIN, clip(80, 48, 9)), (HELD, clip())],
    ids=["guided", "plain", "held"],
)
def test_two_ranks_make_what_one_makes(model_folder: Path, host: ModelHost, profile: Profile, given: Clip) -> None:
    found, notes = generated(host, model_folder, profile, given, 2)
    alone = by_one(model_folder, profile, given, fast_blocks=profile is PLAIN)
    assert np.abs(found - alone).max() <= (1e-6 if profile is PLAIN else 0)
    assert any("on 2 GPUs" in note for note in notes)


class Stopping(Silent):
    """Is cancelled in the second step."""

    steps = 0

    def advance(self) -> None:
        self.steps += 1

    def check(self) -> None:
        if self.steps >= 1:
            raise CancelledError


class Killing(Silent):
    """Kills one of the other ranks in the second step."""

    def __init__(self, host: ModelHost) -> None:
        super().__init__()
        self._host, self._asked = host, 0

    def check(self) -> None:
        self._asked += 1
        if self._asked == 3:
            os.kill(self._host.ranks[0], signal.SIGKILL)
            time.sleep(0.5)


def test_a_cancelled_take_leaves_the_ranks_ready(model_folder: Path, host: ModelHost) -> None:
    expected, _ = generated(host, model_folder, GUIDED, clip(), 2)
    processes = host.ranks
    with pytest.raises(CancelledError):
        generated(host, model_folder, GUIDED, clip(), 2, Stopping())
    found, _ = generated(host, model_folder, GUIDED, clip(), 2)
    assert np.array_equal(found, expected)
    assert host.ranks == processes


def test_a_rank_that_dies_ends_the_take_and_the_next_one_starts_anew(model_folder: Path, host: ModelHost) -> None:
    expected, _ = generated(host, model_folder, GUIDED, clip(), 2)
    processes = host.ranks
    with pytest.raises(ResourceError, match="one of 2 that make the take, has died"):
        generated(host, model_folder, GUIDED, clip(), 2, Killing(host))
    found, _ = generated(host, model_folder, GUIDED, clip(), 2)
    assert np.array_equal(found, expected)
    assert host.ranks != processes


def test_what_a_rank_has_to_say_is_said(model_folder: Path, host: ModelHost, tmp_path: Path) -> None:
    generated(host, model_folder, GUIDED, clip(), 2)
    team = host._team
    assert team is not None
    # Rank 1 finds no model; rank 0 is waiting for it.
    request = Request((tmp_path / "nothing",), GUIDED, "", "", 0, gpus=2)
    with (
        pytest.raises(Exception, match="nothing") as caught,
        team.work(RankLayout(2, 1), Order(request, MemoryPlan("resident", False, 0.0), host.weights)) as group,
    ):
        group.gather_branches(torch.zeros(1))
    assert getattr(caught.value, "exit_code", None) == 10
    assert not team.alive


# Guidance x tokens: 2 x 2 and 1 x 4; 2 x 4 and, of the toy's four heads, 1 x 4.
@pytest.mark.parametrize("gpus", [4, 8])
def test_more_ranks_make_what_one_makes(model_folder: Path, host: ModelHost, gpus: int) -> None:
    given = clip(80, 48, 9)
    for profile, used in ((GUIDED, gpus), (PLAIN, 4)):
        found, notes = generated(host, model_folder, profile, given, gpus)
        assert np.abs(found - by_one(model_folder, profile, given, fast_blocks=True)).max() <= 1e-6
        assert any(f"on {used} GPUs" in note for note in notes)


@pytest.mark.parametrize(
    ("devices", "heads", "guided", "layout"),
    [
        (1, 40, True, (1, 1)),
        (2, 40, True, (2, 1)),
        (2, 40, False, (1, 2)),
        (3, 40, True, (2, 1)),
        (4, 40, True, (2, 2)),
        (5, 40, True, (1, 5)),
        (5, 40, False, (1, 5)),
        (8, 40, True, (2, 4)),
        (8, 40, False, (1, 8)),
        (3, 4, False, (1, 2)),
    ],
)
def test_the_layout_keeps_most_devices_busy(devices: int, heads: int, guided: bool, layout: tuple[int, int]) -> None:
    assert choose_layout(devices, heads, guided=guided) == RankLayout(*layout)


def test_more_gpus_than_there_are_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ResourceError, match="talk by NCCL"):
        rank_devices(torch.device("cuda:1"), 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    assert rank_devices(torch.device("cuda:1"), 2) == ("cuda:1", "cuda:0")
    with pytest.raises(ResourceError, match="on 3 GPUs, and torch sees 2"):
        rank_devices(torch.device("cuda"), 3)
