# SPDX-License-Identifier: Apache-2.0
"""One take spread over several GPUs of a host, against one: whole warm jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.gpu.jobs import Done, RandomWeights, job, psnr
from benchmarks.gpu.sizes import Sizes
from benchmarks.gpu.tables import cells, head
from ex4d.fill.ex4d_wan.host import ModelHost
from ex4d.fill.ex4d_wan.profiles import PROFILES


class Exchanges:
    """How long the first rank was in the exchange of tokens and heads, waiting for the others included."""

    def __init__(self) -> None:
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._waited = 0.0

    def timed(self, exchange: Any, tensor: torch.Tensor) -> None:
        """Make an exchange of a tensor."""
        if not tensor.is_cuda:
            started = time.monotonic()
            exchange()
            self._waited += time.monotonic() - started
            return
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        exchange()
        end.record()
        self._events.append((begin, end))

    @property
    def seconds(self) -> float:
        """Of all; the device has done its work."""
        return self._waited + sum(begin.elapsed_time(end) for begin, end in self._events) / 1000


@contextmanager
def exchanges() -> Iterator[Exchanges]:
    """Within the context this process's all-to-alls are timed."""
    found, original = Exchanges(), dist.all_to_all_single

    def wrapped(out: torch.Tensor, given: torch.Tensor, *rest: Any, **named: Any) -> None:
        found.timed(lambda: original(out, given, *rest, **named), given)

    dist.all_to_all_single = wrapped
    try:
        yield found
    finally:
        dist.all_to_all_single = original


def bench_gpus(names: Sequence[str], counts: Sequence[int], clips: Sequence[Sizes]) -> None:
    """Whole jobs that several GPUs share, after one of a single step that makes weights and kernels.

    Args:
        names: of profiles.
        counts: of GPUs; what the others are compared with comes first.
        clips: the model with each clip.
    """
    head(
        "profile",
        "clip",
        "GPUs",
        "warm job, s",
        "times as fast",
        "denoise, s",
        "times as fast",
        "all-to-all, share of it",
        "VAE, s",
        "VAE, share of the job",
        "peak GiB of the first",
        "PSNR to the first row, dB",
    )
    for name in names:
        profile = PROFILES[name]
        for sizes in clips:
            weights = RandomWeights(sizes)
            host, first = ModelHost(weights), None
            for count in counts:
                job(host, replace(profile, steps=1), weights, count)
                with exchanges() as exchanged:
                    done = job(host, profile, weights, count)
                first = first or done
                _row(name, sizes, count, done, first, exchanged.seconds)
            host.dismiss()
            host.unload()


def _row(name: str, sizes: Sizes, count: int, done: Done, first: Done, exchanged: float) -> None:
    seconds = done.stages.seconds
    vae = seconds["encode"] + seconds["decode"]
    cells(
        name,
        f"{sizes.width}x{sizes.height}x{sizes.frames}",
        count,
        f"{done.seconds:.2f}",
        f"{first.seconds / done.seconds:.2f}",
        f"{seconds['denoise']:.2f}",
        f"{first.stages.seconds['denoise'] / seconds['denoise']:.2f}",
        f"{100 * exchanged / seconds['denoise']:.1f} %",
        f"{vae:.2f}",
        f"{100 * vae / done.seconds:.1f} %",
        f"{done.peak_gib:.1f}",
        "" if done is first else f"{psnr(done.pictures, first.pictures):.1f}",
    )
