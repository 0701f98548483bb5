# SPDX-License-Identifier: Apache-2.0
"""One model in a process that does one job after the other: laid out on its device, kept for the next job, made smaller
where memory does not last. What the model is, its generator says."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ex4d.models.device_memory import collect, free_gib, free_ram_gib
from ex4d.models.memory_plan import MemoryPlan, choose_memory_plan
from ex4d.models.offload import ParkedWeights, StreamedBlocks
from ex4d.protocol.errors import ResourceError
from ex4d.system.progress import Progress

M = TypeVar("M")
T = TypeVar("T")


@dataclass(frozen=True)
class ModelSpec:
    """What the runtime knows of a model.

    Attributes:
        title: for messages, "The EX-4D model".
        without_gpu: what to do where there is no GPU, one sentence.
        with_less: what to do where memory ran out, one sentence.
        cpu_parameters: the most that its transformer may have on a CPU: more would not end in this life.
    """

    title: str
    without_gpu: str
    with_less: str
    cpu_parameters: float = 1e9


class Residence:
    """Where a transformer's blocks are, by a memory plan.

    Args:
        blocks: all of it that comes and goes.
        plan: "resident": they stay; "swapped": they come when asked for; "streamed": one by one, by themselves.
        device: where they compute.
    """

    def __init__(self, blocks: nn.ModuleList, plan: MemoryPlan, device: torch.device) -> None:
        self._device = device
        self._parked = ParkedWeights(blocks, device) if plan.name == "swapped" else None
        self._streamed = StreamedBlocks(list(blocks), device) if plan.name == "streamed" else None

    def onload(self) -> None:
        """The transformer is about to compute."""
        if self._parked is not None:
            collect(self._device)
            self._parked.onload()

    def offload(self) -> None:
        """Others are about to compute."""
        if self._parked is not None:
            self._parked.offload()
            collect(self._device)

    def close(self) -> None:
        """Leave the blocks as they are."""
        if self._streamed is not None:
            self._streamed.close()


@dataclass
class Loaded(Generic[M]):
    """A model as it is laid out.

    Attributes:
        key: what it was made from and how.
        plan: its layout.
        device: where it computes.
        model: itself.
        residence: of its transformer.
    """

    key: Hashable
    plan: MemoryPlan
    device: torch.device
    model: M
    residence: Residence


class ModelRuntime:
    """See the module. Not for several threads."""

    def __init__(self) -> None:
        self._loaded: Loaded[Any] | None = None
        #: How often a model was asked for.
        self.uses = 0

    @property
    def held(self) -> Hashable | None:
        """The key of the model that is kept, None where none is."""
        return self._loaded.key if self._loaded is not None else None

    def choose(
        self, spec: ModelSpec, candidates: Sequence[MemoryPlan], parameters: float, device: torch.device
    ) -> MemoryPlan:
        """The first layout that there is memory for; what this runtime holds makes room.

        Raises:
            ResourceError: there is too little memory, or no GPU for so many parameters of a transformer.
        """
        if device.type == "cpu":
            if parameters > spec.cpu_parameters:
                raise ResourceError(f"{spec.title} needs an NVIDIA GPU, and none is found.", spec.without_gpu)
            return MemoryPlan("resident", candidates[0].fp8, 0.0)
        parked = self._loaded.plan.ram_gib if self._loaded is not None else 0.0
        return choose_memory_plan(candidates, free_gib(device), free_ram_gib() + parked)

    def load(
        self,
        key: Hashable,
        plan: MemoryPlan,
        device: torch.device,
        build: Callable[[], tuple[M, nn.ModuleList]],
    ) -> Loaded[M]:
        """A model, the one that is kept where it has the same key; any other one goes before this one is built.

        Args:
            key: of all that decides what ``build`` makes.
            plan: its layout.
            device: where it computes.
            build: makes the model, and the blocks of its transformer where the plan wants them: on the device, or in
                main memory.
        """
        self.uses += 1
        if self._loaded is not None and self._loaded.key == key:
            return self._loaded
        self.unload()
        model, blocks = build()
        self._loaded = Loaded(key, plan, device, model, Residence(blocks, plan, device))
        collect(device)
        return self._loaded

    def unload(self) -> None:
        """Free all memory that is kept between jobs."""
        if self._loaded is None:
            return
        device = self._loaded.device
        self._loaded.residence.close()
        self._loaded = None
        collect(device)

    def run(
        self,
        spec: ModelSpec,
        plan: MemoryPlan,
        candidates: Sequence[MemoryPlan],
        device: torch.device,
        progress: Progress,
        work: Callable[[MemoryPlan], T],
    ) -> T:
        """Do some work by a layout; where memory runs out once more, with the next smaller one.

        Args:
            spec: of the model.
            plan: the layout to begin with.
            candidates: all that give the same result.
            device: where it computes.
            progress: is told of the smaller layout.
            work: the work.

        Raises:
            ResourceError: memory did not last; whatever ``work`` raises.
        """
        try:
            return work(plan)
        except torch.OutOfMemoryError as error:
            smaller = next((candidate for candidate in candidates if candidate.gib < plan.gib - 0.5), None)
            used = torch.cuda.max_memory_allocated(device) / 2**30
            self.unload()
            if smaller is None:
                raise out_of_memory(spec, used, device) from error
            progress.note(f"{used:.1f} GiB of GPU memory were not enough; going on with less: {smaller.describe()}.")
        # Only now is the failed run's own memory free: the error held on to it.
        collect(device)
        try:
            return work(smaller)
        except torch.OutOfMemoryError as error:
            used = torch.cuda.max_memory_allocated(device) / 2**30
            self.unload()
            raise out_of_memory(spec, used, device) from error


def out_of_memory(spec: ModelSpec, used: float, device: torch.device) -> ResourceError:
    """The error of a GPU of which the model used so many GiB."""
    total = torch.cuda.get_device_properties(device).total_memory / 2**30
    return ResourceError(
        f"The GPU's memory ran out: {used:.1f} of {total:.1f} GiB were in use by the model.", spec.with_less
    )


_runtime: ModelRuntime | None = None


def model_runtime() -> ModelRuntime:
    """The process's one: a GPU holds one model at a time, whichever generator it is of."""
    global _runtime  # noqa: PLW0603  a worker keeps one model
    if _runtime is None:
        _runtime = ModelRuntime()
    return _runtime
