# SPDX-License-Identifier: Apache-2.0
"""Whole jobs whose weights are made where they are needed instead of being read: time and memory of each profile."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.gpu.sizes import Sizes, random_values
from benchmarks.gpu.tables import cells, head
from ex4d.fill.ex4d_wan.file_kinds import EX4D_FILES
from ex4d.fill.ex4d_wan.host import ModelHost, Request
from ex4d.fill.ex4d_wan.profiles import PROFILES, Profile, profile_plans
from ex4d.fill.ex4d_wan.weight_source import Encode
from ex4d.models.model_files import ModelFiles
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.fp8 import Fp8Linear, use_fp8
from ex4d.models.wan.load import Layout
from ex4d.models.wan.lora import Lora
from ex4d.system.progress import Silent

#: Cards of each profile in ``bench_memory``, GiB.
LIMITS = {"exact": (80.0, 48.0, 24.0), "fast": (80.0, 24.0, 16.0, 12.0)}
#: What a card has less beside the driver and the desktop, GiB.
_DESKTOP_GIB = 0.8
#: A tolerance that no change of guidance exceeds.
_ALWAYS = 1e9


def random_component(role: str, sizes: Sizes, dtype: torch.dtype, layout: Layout | None = None) -> Any:
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


@dataclass
class RandomWeights:
    """See ``WeightSource``: weights that are made where they are needed.

    Attributes:
        sizes: of the model.
        forwards: of the transformer so far.
    """

    sizes: Sizes
    forwards: int = 0

    def fingerprint(self, _places: Sequence[Path]) -> str:
        """See ``WeightSource``."""
        return "random"

    def find(self, _places: Sequence[Path]) -> ModelFiles:
        """See ``WeightSource``: there are no files."""
        return ModelFiles(EX4D_FILES, {}, None, ())

    def parameters(self, _models: ModelFiles) -> float:
        """See ``WeightSource``."""
        return self.sizes.parameters

    def heads(self, _models: ModelFiles) -> int:
        """See ``WeightSource``."""
        return int(self.sizes.transformer["num_attention_heads"])

    def component(
        self,
        _models: ModelFiles,
        role: str,
        dtype: torch.dtype,
        _device: torch.device,
        _loras: Sequence[Lora] = (),
        layout: Layout | None = None,
        **_told: Any,
    ) -> Any:
        """See ``WeightSource``."""
        made = random_component(role, self.sizes, dtype, layout)
        if role == "transformer":
            made.register_forward_pre_hook(self._count)
        return made

    def _count(self, *_call: Any) -> None:
        self.forwards += 1

    def adapter(self, _models: ModelFiles, dtype: torch.dtype, _device: torch.device) -> tuple[None, Any]:
        """See ``WeightSource``: a LoRA would be fused, and change nothing of time and memory after that."""
        return None, random_component("geometry", self.sizes, dtype)

    def embeddings(self, _models: ModelFiles, prompts: Sequence[str], _encode: Encode) -> list[torch.Tensor]:
        """See ``WeightSource``: of 40 tokens each."""
        generator, width = torch.Generator().manual_seed(1), self.sizes.transformer["text_dim"]
        return [torch.randn((1, 40, width), generator=generator) * 0.3 for _ in prompts]


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


def job(host: ModelHost, profile: Profile, weights: RandomWeights, gpus: int = 1) -> Done:
    """Run a whole job of a host that has such weights, on so many GPUs."""
    stages, clip = Stages(), weights.sizes.clip()
    peak_gib()
    weights.forwards, started = 0, time.monotonic()
    pictures, _ = host.run(Request((Path(),), profile, "", "", 0, gpus=gpus), clip, stages)
    made = np.stack([(picture * 255 + 0.5).astype(np.uint8) for picture in pictures])
    stages.end()
    return Done(made, stages, time.monotonic() - started, peak_gib(), weights.forwards)


def psnr(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Decibels, of 8-bit pictures."""
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def always_held(profile: Profile) -> Profile:
    """A profile that holds guidance as long as it ever may: that of random weights changes too much from step to step
    to be held at all."""
    assert profile.held_guidance is not None
    return replace(profile, held_guidance=replace(profile.held_guidance, tolerance=_ALWAYS))


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
        profile, weights = PROFILES[name], RandomWeights(sizes)
        host = ModelHost(weights)
        cold, warm = job(host, profile, weights), job(host, profile, weights)
        reference = warm.pictures if reference is None else reference
        _profile_row(name, f"{cold.seconds:.1f}", warm, reference)
        if profile.held_guidance is not None:
            held = job(host, always_held(profile), weights)
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
    candidates = profile_plans(PROFILES[name], sizes.tokens, sizes.width * sizes.height / 1e6, sizes.parameters)
    fit = next((fit for fit in candidates if fit.gib <= usable), None)
    if fit is None:
        return "none fits", "", "", "", ""
    source, bits = RandomWeights(sizes), "8 bits" if fit.fp8 else "16 bits"
    host = ModelHost(source, layout=fit)
    try:
        with _memory_limit(usable):
            done = job(host, PROFILES[name], source)
    except Exception as error:  # noqa: BLE001  the table says so
        return fit.name, bits, f"failed: {' '.join(str(error).split())[:120]}", "", ""
    else:
        # The first step compiles kernels.
        forwards = done.forwards / len(done.stages.steps)
        forward = 1000 * float(np.median(np.diff(done.stages.steps))) / forwards
        return fit.name, bits, f"{done.seconds:.1f}", f"{forward:.0f}", f"{done.peak_gib:.1f}"
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
