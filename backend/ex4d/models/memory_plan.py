# SPDX-License-Identifier: Apache-2.0
"""How a video model is laid out on a GPU of a given memory; known without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ex4d.protocol.errors import ResourceError

#: Layouts, the fastest first.
LayoutName = Literal["resident", "swapped", "streamed"]
_LAYOUTS: dict[LayoutName, str] = {
    "resident": "everything stays on the GPU",
    "swapped": "transformer and VAE take turns on the GPU",
    "streamed": "the transformer's blocks are streamed from main memory",
}


@dataclass(frozen=True)
class Footprint:
    """What a model of one transformer and one VAE takes, measured at the size that was released.

    Attributes:
        parameters: of the transformer. Its weights scale with them.
        bf16_gib, fp8_gib: GiB of its weights, in bfloat16 and with its linear layers in 8 bits but for the sensitive
            blocks.
        forward_gib: GiB that a forward takes beside them for 1000 tokens.
        vae_gib: GiB that the VAE takes for a megapixel of a frame.
        overhead_gib: GiB that torch and CUDA take themselves.
        shared_gib: GiB that both branches of guidance share for 1000 tokens where everything is resident.
        streamed_share: the share of the weights that is on the GPU while blocks are streamed: the one that computes,
            the next, what is not in blocks, and some slack.
    """

    parameters: float
    bf16_gib: float
    fp8_gib: float
    forward_gib: float
    vae_gib: float
    overhead_gib: float
    shared_gib: float
    streamed_share: float


@dataclass(frozen=True)
class MemoryPlan:
    """How a model is laid out.

    Attributes:
        name: "resident": all parts stay on the GPU; "swapped": the VAE and the transformer take turns; "streamed": the
            transformer's blocks come from main memory as they are needed.
        fp8: whether its linear layers are stored in 8 bits.
        gib: peak of GPU memory, estimated.
        ram_gib: main memory that the weights take.
    """

    name: LayoutName
    fp8: bool
    gib: float
    ram_gib: float = 0.0

    def describe(self) -> str:
        """For a note."""
        return f"{_LAYOUTS[self.name]}, weights in {8 if self.fp8 else 16} bits, about {self.gib:.0f} GiB"


def memory_plans(
    footprint: Footprint, tokens: int, megapixels: float, parameters: float, precisions: Sequence[bool]
) -> list[MemoryPlan]:
    """All ways to lay a model out.

    Args:
        footprint: of the model.
        tokens: of the transformer.
        megapixels: of a frame.
        parameters: of the transformer.
        precisions: whether its linear layers are in 8 bits, the wanted one first.

    Returns:
        By precision in that order, then the fastest first.
    """
    scale = parameters / footprint.parameters
    forward = footprint.forward_gib * tokens / 1000 + footprint.overhead_gib
    vae = footprint.vae_gib * megapixels + footprint.overhead_gib
    found = []
    for fp8 in precisions:
        weights = scale * (footprint.fp8_gib if fp8 else footprint.bf16_gib)
        shared = footprint.shared_gib * tokens / 1000
        found += [
            MemoryPlan("resident", fp8, weights + max(forward + shared, vae)),
            MemoryPlan("swapped", fp8, max(weights + forward, vae), weights),
            MemoryPlan("streamed", fp8, max(footprint.streamed_share * weights + forward, vae), weights),
        ]
    return found


def choose_memory_plan(candidates: Sequence[MemoryPlan], free_gib: float, free_ram_gib: float | None) -> MemoryPlan:
    """The first that the free memory holds.

    Raises:
        ResourceError: none does.
    """
    for plan in candidates:
        if plan.gib <= free_gib and (free_ram_gib is None or plan.ram_gib <= free_ram_gib):
            return plan
    least = min(candidates, key=lambda plan: plan.gib)
    ram = "" if free_ram_gib is None else f" and {free_ram_gib:.0f} GiB of main memory"
    raise ResourceError(
        f"The model needs {least.gib:.0f} GiB of GPU memory and {least.ram_gib:.0f} GiB of main memory at least; "
        f"{free_gib:.1f} GiB{ram} are free.",
        "Close other programs that use the GPU, choose a smaller --fill-size or fewer frames, or use a larger GPU.",
    )
