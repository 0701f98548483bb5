# SPDX-License-Identifier: Apache-2.0
"""What keeps and lays out a model, whichever it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ex4d.models.memory_plan import Footprint, LayoutName, MemoryPlan, memory_plans
from ex4d.models.runtime import ModelRuntime, ModelSpec
from ex4d.protocol.errors import ResourceError
from ex4d.system.progress import Progress

CPU = torch.device("cpu")
SPEC = ModelSpec("The toy model", "Get a GPU.", "Take less.", cpu_parameters=100)
FOOTPRINT = Footprint(
    parameters=1e9,
    bf16_gib=20.0,
    fp8_gib=10.0,
    forward_gib=0.5,
    vae_gib=4.0,
    overhead_gib=1.0,
    shared_gib=0.0,
    streamed_share=0.2,
)


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            values = block(values)
        return values


@pytest.mark.parametrize("name", ["resident", "swapped", "streamed"])
def test_a_model_gives_the_same_in_every_layout(name: LayoutName) -> None:
    runtime, toy, values = ModelRuntime(), Toy(), torch.randn(2, 4)
    expected = toy(values)
    loaded = runtime.load("toy", MemoryPlan(name, False, 1.0), CPU, lambda: (toy, toy.blocks))
    for _ in range(2):
        loaded.residence.onload()
        assert torch.equal(loaded.model(values), expected)
        loaded.residence.offload()
    runtime.unload()
    assert not toy.blocks[0]._forward_pre_hooks


def test_one_model_is_kept_and_goes_for_another() -> None:
    runtime, built = ModelRuntime(), []

    def load(key: str) -> Toy:
        def build() -> tuple[Toy, nn.ModuleList]:
            built.append(key)
            return (toy := Toy()), toy.blocks

        return runtime.load(key, MemoryPlan("resident", False, 1.0), CPU, build).model

    first = load("one")
    assert load("one") is first
    load("other")
    assert load("one") is not first
    assert built == ["one", "other", "one"]
    runtime.unload()
    load("one")
    assert len(built) == 4


def test_layouts_of_a_footprint_in_the_order_of_their_speed() -> None:
    plans = memory_plans(FOOTPRINT, 2000, 1.0, 2e9, (False, True))
    assert [(plan.name, plan.fp8) for plan in plans] == [
        *((name, False) for name in ("resident", "swapped", "streamed")),
        *((name, True) for name in ("resident", "swapped", "streamed")),
    ]
    # Twice the parameters, twice the weights; a forward takes 2 GiB and the VAE 5.
    assert [plan.gib for plan in plans] == pytest.approx([45.0, 42.0, 10.0, 25.0, 22.0, 6.0])
    assert [plan.ram_gib for plan in plans] == pytest.approx([0, 40, 40, 0, 20, 20])


def test_large_models_need_a_gpu_and_say_what_to_do() -> None:
    plans = memory_plans(FOOTPRINT, 1000, 1.0, 1e9, (True, False))
    assert ModelRuntime().choose(SPEC, plans, 100, CPU) == MemoryPlan("resident", True, 0.0)
    with pytest.raises(ResourceError, match="The toy model needs an NVIDIA GPU") as failure:
        ModelRuntime().choose(SPEC, plans, 101, CPU)
    assert failure.value.hint == "Get a GPU."


def test_memory_that_runs_out_is_met_with_a_smaller_layout_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        total_memory = 24 << 30

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 23 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    notes: list[str] = []

    class Listener(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    plans = memory_plans(FOOTPRINT, 1000, 1.0, 1e9, (False,))
    tried: list[str] = []

    def work(plan: MemoryPlan) -> str:
        tried.append(plan.name)
        if len(tried) <= failures:
            raise torch.OutOfMemoryError
        return "done"

    def run(plan: MemoryPlan) -> Any:
        return ModelRuntime().run(SPEC, plan, plans, CPU, Listener(), work)

    failures = 1
    assert run(plans[1]) == "done"
    assert tried == ["swapped", "streamed"]
    assert "23.0 GiB of GPU memory were not enough" in notes[0]
    tried.clear()
    failures = 2
    with pytest.raises(ResourceError, match=r"23.0 of 24.0 GiB were in use") as failure:
        run(plans[1])
    assert failure.value.hint == "Take less."
    tried.clear()
    with pytest.raises(ResourceError):
        run(plans[2])
    assert tried == ["streamed"], "there is no smaller one"
