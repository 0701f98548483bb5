# SPDX-License-Identifier: Apache-2.0
"""Profiles: named settings of speed and quality. And fits: how a model is laid out on a GPU of a given memory.

Known without torch, so that menus and errors come at once. Figures: docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ex4d.fill.ex4d_wan.quirks import GUIDANCE, SHIFT, STEPS
from ex4d.protocol.errors import ResourceError


@dataclass(frozen=True)
class Profile:
    """How a take is generated.

    Attributes:
        name: as on the command line.
        label: a few words for people, which stand wherever the result is shown.
        steps, guidance, shift: of the sampler; guidance 1 = none, half the work.
        fp8: whether the transformer's linear layers are in 8 bits.
        distilled: whether a step-distillation LoRA is needed on top of the adapter.
        holds_guidance: whether forwards without the prompt are left out (``guidance.HeldGuidance``).
    """

    name: str
    label: str
    steps: int = STEPS
    guidance: float = GUIDANCE
    shift: float = SHIFT
    fp8: bool = False
    distilled: bool = False
    holds_guidance: bool = False


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("exact", "EX-4D on Wan 2.1 14B, as released"),
        Profile("fast", "EX-4D on Wan 2.1 14B, 8-bit", fp8=True),
        Profile(
            "turbo", "EX-4D on Wan 2.1 14B, 8-bit, guidance held between steps (lossy)", fp8=True, holds_guidance=True
        ),
        Profile(
            "draft",
            "EX-4D on Wan 2.1 14B, 8-bit, 4 distilled steps",
            steps=4,
            guidance=1.0,
            fp8=True,
            distilled=True,
        ),
    )
}

#: GiB of the released transformer's weights: in bfloat16, and with its linear layers in 8 bits but for the sensitive
#: blocks. Both scale with the number of parameters.
_BF16_GIB, _FP8_GIB = 30.6, 17.4
_RELEASED_PARAMETERS = 16.4e9
#: GiB that a forward takes beside them for 1000 tokens; that the VAE takes for a megapixel of a frame; and that torch
#: and CUDA take themselves.
_FORWARD_GIB, _VAE_GIB, _OVERHEAD_GIB = 0.12, 8.0, 1.6
#: GiB that both branches of guidance share for 1000 tokens where everything is resident (``block.ContextKeys.start``).
_SHARED_GIB = 0.02
#: The share of the weights that is on the GPU while blocks are streamed: the one that computes, the next, what is not
#: in blocks, and some slack.
_STREAMED_SHARE = 0.16


@dataclass(frozen=True)
class MemoryPlan:
    """How the model is laid out.

    Attributes:
        name: "resident": all parts stay on the GPU; "swapped": the VAE and the transformer take turns; "streamed": the
            transformer's blocks come from main memory as they are needed.
        fp8: whether its linear layers are stored in 8 bits.
        gib: peak of GPU memory, estimated.
        ram_gib: main memory that the weights take.
    """

    name: str
    fp8: bool
    gib: float
    ram_gib: float = 0.0

    def describe(self) -> str:
        """For a note."""
        how = {
            "resident": "everything stays on the GPU",
            "swapped": "transformer and VAE take turns on the GPU",
            "streamed": "the transformer's blocks are streamed from main memory",
        }[self.name]
        return f"{how}, weights in {8 if self.fp8 else 16} bits, about {self.gib:.0f} GiB"


@dataclass(frozen=True)
class Plan:
    """How a profile runs on this machine, as far as it changes pixels.

    Attributes:
        device: type of the torch device, "cuda" or "cpu".
        fp8: whether the transformer's linear layers are in 8 bits: also where a profile that wants 16 finds no room.
        multiplies_8_bit: whether they are multiplied in 8 bits; a GPU that cannot does it in 16.
        text: for people.
    """

    device: str
    fp8: bool
    multiplies_8_bit: bool
    text: str

    def inputs(self) -> dict[str, Any]:
        """What it adds to the key of a fill; nothing on the GPUs that profiles are described for."""
        found: dict[str, Any] = {} if self.device == "cuda" else {"device": self.device}
        if self.fp8 and self.device == "cuda" and not self.multiplies_8_bit:
            found["multiply"] = "bfloat16"
        return found


def fits(
    profile: Profile, tokens: int, megapixels: float, parameters: float = _RELEASED_PARAMETERS
) -> list[MemoryPlan]:
    """All ways to lay the model out, the fastest first.

    Args:
        profile: what is asked for.
        tokens: of the transformer, a quarter of the latents' pixels.
        megapixels: of a frame.
        parameters: of the transformer.
    """
    scale = parameters / _RELEASED_PARAMETERS
    forward, vae = _FORWARD_GIB * tokens / 1000 + _OVERHEAD_GIB, _VAE_GIB * megapixels + _OVERHEAD_GIB
    found = []
    for fp8 in (True,) if profile.fp8 else (False, True):
        weights = scale * (_FP8_GIB if fp8 else _BF16_GIB)
        found.append(MemoryPlan("resident", fp8, weights + max(forward + _SHARED_GIB * tokens / 1000, vae)))
        found.append(MemoryPlan("swapped", fp8, max(weights + forward, vae), weights))
        found.append(MemoryPlan("streamed", fp8, max(_STREAMED_SHARE * weights + forward, vae), weights))
    # 8 bits for a profile that asks for 16 only where nothing else fits: they change pixels.
    order = {"resident": 0, "swapped": 1, "streamed": 2}
    return sorted(found, key=lambda fit: (fit.fp8 and not profile.fp8, order[fit.name]))


def choose_memory_plan(candidates: list[MemoryPlan], free_gib: float, free_ram_gib: float | None) -> MemoryPlan:
    """The first that the free memory holds.

    Raises:
        ResourceError: none does.
    """
    for fit in candidates:
        if fit.gib <= free_gib and (free_ram_gib is None or fit.ram_gib <= free_ram_gib):
            return fit
    least = min(candidates, key=lambda fit: fit.gib)
    ram = "" if free_ram_gib is None else f" and {free_ram_gib:.0f} GiB of main memory"
    raise ResourceError(
        f"The model needs {least.gib:.0f} GiB of GPU memory and {least.ram_gib:.0f} GiB of main memory at least; "
        f"{free_gib:.1f} GiB{ram} are free.",
        "Close other programs that use the GPU, choose a smaller --fill-size or fewer frames, or use a larger GPU.",
    )
