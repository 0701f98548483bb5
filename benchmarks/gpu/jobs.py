# SPDX-License-Identifier: Apache-2.0
"""Whole jobs whose weights are made where they are needed instead of being read: time and memory of each profile."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.gpu.sizes import Sizes, random_values
from benchmarks.gpu.tables import cells, head
from ex4d.fill.ex4d_wan import host as host_module
from ex4d.fill.ex4d_wan.host import ModelHost, Request
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.fill.ex4d_wan.profiles import PROFILES, profile_plans
from ex4d.models.memory_plan import MemoryPlan
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.fp8 import Fp8Linear, use_fp8
from ex4d.models.wan.guidance import HeldGuidance
from ex4d.system.progress import Silent

#: Cards of each profile in ``bench_memory``, GiB.
LIMITS = {"exact": (80.0, 48.0, 24.0), "fast": (80.0, 24.0, 16.0, 12.0)}
#: What a card has less beside the driver and the desktop, GiB.
_DESKTOP_GIB = 0.8
#: A tolerance that no change of guidance exceeds.
_ALWAYS = 1e9


def random_component(role: str, sizes: Sizes, dtype: torch.dtype, layout: Any = None) -> Any:
    """A component with random weights, made one by one, on the device that is in use."""
    device = pick_device()
    model: Any = sizes.empty(role)
    if layout is not None and layout.fp8:
        use_fp8(model, multiply=layout.multiply)
    generator = torch.Generator(device).manual_seed(0)
    for name, parameter in list(model.named_parameters()):
        module, _, last = name.rpartition(".")
        owner = model.get_submodule(module)
        if isinstance(owner, Fp8Linear) and last == "scale":
            continue
        value = random_values(name, tuple(parameter.shape), dtype, device, generator)
        where = layout.store(name) if layout is not None and layout.store is not None else device
        if isinstance(owner, Fp8Linear) and last == "weight":
            owner.put(value, where)
        else:
            setattr(owner, last, nn.Parameter(value.to(where), requires_grad=False))
    for name, buffer in list(model.named_buffers()):
        module, _, last = name.rpartition(".")
        model.get_submodule(module)._buffers[last] = buffer.to(device)
    return model.eval()


class RandomHost(ModelHost):
    """A host whose files are random weights; see ``stand_in``."""

    #: The layout to take, None = the one that would be chosen.
    fit: MemoryPlan | None = None
    text_width = 0

    def _find(self, _places: Any) -> Any:
        self._models = ("random", _Files())  # type: ignore[assignment]
        return self._models[1]  # type: ignore[index]

    def _choose(self, *arguments: Any) -> MemoryPlan:
        return self.fit or super()._choose(*arguments)

    def _embed_prompts(self, _models: Any, prompts: Any, _device: Any, _progress: Any) -> Any:
        generator = torch.Generator().manual_seed(1)
        return [torch.randn((1, 40, self.text_width), generator=generator) * 0.3 for _ in prompts], []


class _Files:
    """Nothing is read, so nothing is to be checked."""

    def part(self, role: str) -> str:
        """See ``ModelFiles``; a role is all that random weights need to know of a part."""
        return role

    def check_not_quantized(self, _who: str) -> None:
        """See ``ModelFiles``."""

    quantized = False


class Counted:
    """Counts the transformer's forwards."""

    forwards = 0


@contextmanager
def stand_in(sizes: Sizes) -> Iterator[None]:
    """Within the context hosts make random weights instead of reading files, and forwards are counted."""
    replaced = {
        "load_component": lambda role, dtype, _device, _loras=(), layout=None, **_: random_component(
            role, sizes, dtype, layout
        ),
        "load_adapter": lambda _models, dtype, _device: (None, random_component("geometry", sizes, dtype)),
        "check_fit": lambda *_: None,
        "transformer_parameters": lambda _models: sizes.parameters,
    }
    former = {name: getattr(host_module, name) for name in replaced}
    pipeline: Any = EX4DPipeline
    predict = pipeline.predict_velocity

    def counting(*given: Any) -> torch.Tensor:
        Counted.forwards += 1
        result: torch.Tensor = predict(*given)
        return result

    for name, function in replaced.items():
        setattr(host_module, name, function)
    pipeline.predict_velocity = counting
    RandomHost.text_width = sizes.transformer["text_dim"]
    try:
        yield
    finally:
        for name, function in former.items():
            setattr(host_module, name, function)
        pipeline.predict_velocity = predict


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gib() -> float:
    """Of GPU memory since the last call."""
    if not torch.cuda.is_available():
        return 0.0
    peak = float(torch.cuda.max_memory_allocated() / 2**30)
    torch.cuda.reset_peak_memory_stats()
    return peak


class Stages(Silent):
    """When each stage and each step ended, all work of the GPU done: monotonic seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.steps: list[float] = []
        self._stage, self._since = "", 0.0

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        self.end()
        self._stage, self._since = stage, time.monotonic()

    def advance(self) -> None:
        """See ``Progress``."""
        if self._stage == "denoise":
            # Only of the first one: a host that waits for each step launches the next one late.
            if not self.steps:
                synchronize()
            self.steps.append(time.monotonic())

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""
        synchronize()
        if self._stage:
            self.ends[self._stage] = time.monotonic()
            self.seconds[self._stage] = self.ends[self._stage] - self._since
        self._stage = ""


@dataclass(frozen=True)
class Done:
    """One whole job.

    Attributes:
        pictures: (T, h, w, 3) uint8.
        stages: their times.
        seconds: of all.
        peak_gib: of GPU memory.
        forwards: of the transformer.
    """

    pictures: np.ndarray[Any, Any]
    stages: Stages
    seconds: float
    peak_gib: float
    forwards: int


def job(host: ModelHost, profile: str, sizes: Sizes) -> Done:
    """Run a whole job with random weights, within ``stand_in``."""
    stages, clip = Stages(), sizes.clip()
    peak_gib()
    Counted.forwards, started = 0, time.monotonic()
    pictures, _ = host.run(Request((Path(),), PROFILES[profile], "", "", 0), clip, stages)
    made = np.stack([(picture * 255 + 0.5).astype(np.uint8) for picture in pictures])
    stages.end()
    return Done(made, stages, time.monotonic() - started, peak_gib(), Counted.forwards)


def psnr(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Decibels, of 8-bit pictures."""
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


@contextmanager
def guidance_held() -> Iterator[None]:
    """Within the context ``turbo`` holds guidance as long as it ever may: that of random weights changes too much from
    step to step to be held at all."""
    used: Any = host_module
    used.HeldGuidance = partial(HeldGuidance, tolerance=_ALWAYS)
    try:
        yield
    finally:
        used.HeldGuidance = HeldGuidance


def bench_profiles(names: Sequence[str], sizes: Sizes) -> None:
    """Each profile, cold and warm; of turbo also the best time that it can have."""
    head(
        "profile",
        "first job, s",
        "warm job, s",
        "forwards",
        "ms a forward",
        "encode, s",
        "decode, s",
        "peak GiB",
        "PSNR to the first, dB",
    )
    reference = None
    for name in names:
        host = RandomHost()
        cold, warm = job(host, name, sizes), job(host, name, sizes)
        reference = warm.pictures if reference is None else reference
        _profile_row(name, f"{cold.seconds:.1f}", warm, reference)
        if PROFILES[name].holds_guidance:
            with guidance_held():
                held = job(host, name, sizes)
            _profile_row(f"{name}, guidance held as long as it may be", "", held, reference)
        host.unload()


def _profile_row(name: str, cold: str, warm: Done, reference: np.ndarray[Any, Any]) -> None:
    seconds = warm.stages.seconds
    cells(
        name,
        cold,
        f"{warm.seconds:.1f}",
        warm.forwards,
        f"{1000 * seconds['denoise'] / warm.forwards:.0f}",
        f"{seconds['encode']:.2f}",
        f"{seconds['decode']:.2f}",
        f"{warm.peak_gib:.1f}",
        f"{psnr(warm.pictures, reference):.1f}",
    )


def bench_memory(names: Sequence[str], limits: Sequence[float] | None, sizes: Sizes) -> None:
    """Whole jobs within a limited memory, with the layout that would be chosen.

    Args:
        names: of profiles.
        limits: GiB of cards; None = ``LIMITS`` of each profile.
        sizes: of the model.
    """
    head("GPU memory", "profile", "layout", "weights", "first job, s", "ms a forward", "peak GiB")
    for name in names:
        for limit in limits or LIMITS.get(name, LIMITS["fast"]):
            cells(f"{limit:.0f} GB", name, *_memory_row(name, limit, sizes))


def _memory_row(name: str, limit: float, sizes: Sizes) -> Sequence[str]:
    usable = limit - _DESKTOP_GIB
    if torch.cuda.is_available() and usable > torch.cuda.get_device_properties(pick_device()).total_memory / 2**30 + 1:
        return "this card has less", "", "", "", ""
    candidates = profile_plans(PROFILES[name], sizes.tokens, sizes.side**2 / 1e6, sizes.parameters)
    host = RandomHost()
    host.fit = next((fit for fit in candidates if fit.gib <= usable), None)
    if host.fit is None:
        return "none fits", "", "", "", ""
    weights = "8 bits" if host.fit.fp8 else "16 bits"
    try:
        with _memory_limit(usable):
            done = job(host, name, sizes)
    except Exception as error:  # noqa: BLE001  the table says so
        return host.fit.name, weights, f"failed: {' '.join(str(error).split())[:120]}", "", ""
    else:
        # The first step compiles kernels.
        forwards = done.forwards / len(done.stages.steps)
        forward = 1000 * float(np.median(np.diff(done.stages.steps))) / forwards
        return host.fit.name, weights, f"{done.seconds:.1f}", f"{forward:.0f}", f"{done.peak_gib:.1f}"
    finally:
        host.unload()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def _memory_limit(gib: float) -> Iterator[None]:
    """Let torch have only so much of the GPU's memory."""
    if not torch.cuda.is_available():
        yield
        return
    total = torch.cuda.get_device_properties(pick_device()).total_memory / 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, gib / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def milliseconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Mean time of work on the GPU."""
    synchronize()
    started = time.monotonic()
    for _ in range(repeats):
        work()
    synchronize()
    return 1000 * (time.monotonic() - started) / repeats
