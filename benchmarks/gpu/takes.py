# SPDX-License-Identifier: Apache-2.0
"""What several GPUs are better for: one take on all of them, or a take on each at once. Weights are made where they are
needed, as in ``benchmarks.gpu.jobs``."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import torch

from benchmarks.gpu.jobs import RandomWeights, job
from benchmarks.gpu.sizes import Sizes
from benchmarks.gpu.tables import cells, head
from ex4d.fill.ex4d_wan.host import ModelHost
from ex4d.fill.ex4d_wan.profiles import PROFILES
from ex4d.models.wan.attention import fastest_kernel
from ex4d.system.devices import DEVICE_VARIABLE

#: Seconds that the others wait for the slowest one's first job.
_PATIENCE = 500.0


def bench_takes(names: Sequence[str], count: int, sizes: Sizes) -> None:
    """Warm takes on so many GPUs: one on all at once, one on each at once, and the same number one after the other on
    the first one.

    Args:
        names: of profiles.
        count: of GPUs, and of takes.
        sizes: of the model.
    """
    head("profile", "takes", "wall, s", "takes a minute", "until the first is done, s")
    for name in names:
        weights = RandomWeights(sizes)
        host = ModelHost(weights)
        one = _seconds(host, name, weights, 1, count)
        _row(name, f"{count} on one GPU, one after the other", sum(one), count, one[0])
        shared = _seconds(host, name, weights, count, count)
        _row(name, f"{count}, each on {count} GPUs, one after the other", sum(shared), count, shared[0])
        host.dismiss()
        host.unload()
        times = _side_by_side(name, count, sizes)
        start = min(begun for begun, _ in times)
        ends = [ended - start for _, ended in times]
        _row(name, f"{count} at once, each on its own GPU", max(ends), count, min(ends))


def _row(name: str, what: str, wall: float, takes: int, first: float) -> None:
    cells(name, what, f"{wall:.2f}", f"{60 * takes / wall:.2f}", f"{first:.2f}")


def _seconds(host: ModelHost, name: str, weights: RandomWeights, gpus: int, count: int) -> list[float]:
    """Of so many warm jobs, one after the other."""
    job(host, PROFILES[name], weights, gpus)
    return [job(host, PROFILES[name], weights, gpus).seconds for _ in range(count)]


def _side_by_side(name: str, count: int, sizes: Sizes) -> list[tuple[float, float]]:
    """Beginning and end of a warm job in each of so many processes, one a GPU: monotonic seconds, which they share.

    Raises:
        RuntimeError: one of them has failed.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    told: Queue[tuple[float, float]] = context.Queue()
    processes = [
        context.Process(target=_worker, args=(name, _device(number), sizes, barrier, told)) for number in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if failed := [process.exitcode for process in processes if process.exitcode]:
        raise RuntimeError(f"processes have ended with the codes {failed}")
    return [told.get(timeout=10) for _ in processes]


def _device(number: int) -> str:
    return f"cuda:{number}" if torch.cuda.is_available() else "cpu"


def _worker(name: str, device: str, sizes: Sizes, barrier: Barrier, told: Queue[tuple[float, float]]) -> None:
    os.environ[DEVICE_VARIABLE] = device
    weights = RandomWeights(sizes)
    host = ModelHost(weights)
    with fastest_kernel():
        job(host, PROFILES[name], weights)
        barrier.wait(_PATIENCE)
        begun = time.monotonic()
        job(host, PROFILES[name], weights)
        told.put((begun, time.monotonic()))
