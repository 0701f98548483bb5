# SPDX-License-Identifier: Apache-2.0
"""Driving the processes that render what is learned from (research/small_depth/driver.py)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from research.small_depth import driver


@pytest.mark.parametrize(("workers", "count"), [(1, 1), (1, 8), (3, 8), (8, 8), (5, 2)])
def test_every_processor_has_work(workers: int, count: int) -> None:
    cpus = list(range(10, 10 + count))
    shares = driver.cpu_shares(workers, cpus)
    assert len(shares) == workers
    assert set().union(*shares) == set(cpus[: max(workers, count)])
    if workers <= count:
        assert sum(map(len, shares)) == count
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    else:
        assert all(len(share) == 1 for share in shares)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not tie processes to processors")
def test_scenes_are_rendered_once_each_worker_on_its_own_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "blender_python", lambda: Path("python"))
    monkeypatch.setattr(driver, "CHUNK", 2)
    driver.mark_done(tmp_path, 3, {})
    ours, both = os.sched_getaffinity(0), threading.Barrier(2, timeout=30)
    seen: list[tuple[list[int], set[int]]] = []
    started: set[int] = set()

    def process(python: Path, seeds: list[int]) -> None:
        # So that neither worker does all of it.
        if threading.get_ident() not in started:
            started.add(threading.get_ident())
            both.wait()
        seen.append((seeds, os.sched_getaffinity(0)))

    driver.render_all(tmp_path, range(8), 2, process, lambda: "")
    assert sorted(seed for seeds, _ in seen for seed in seeds) == [0, 1, 2, 4, 5, 6, 7]
    wanted = driver.cpu_shares(2, sorted(ours))
    assert {frozenset(cpus) for _, cpus in seen} == {frozenset(share) for share in wanted}
    assert os.sched_getaffinity(0) == ours
