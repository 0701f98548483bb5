# SPDX-License-Identifier: Apache-2.0
"""Profiles: named settings of speed and quality, and how much memory each layout of the model takes.

Known without torch, so that menus and errors come at once. Figures: docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ex4d.fill.ex4d_wan.quirks import GUIDANCE, SHIFT, STEPS
from ex4d.models.memory_plan import Footprint, MemoryPlan, memory_plans
from ex4d.models.wan.guidance import HeldGuidance


@dataclass(frozen=True)
class Profile:
    """How a take is generated.

    Attributes:
        name: as on the command line.
        label: a few words for people, which stand wherever the result is shown.
        steps, guidance, shift: of the sampler; guidance 1 = none, half the work.
        fp8: whether the transformer's linear layers are in 8 bits.
        distilled: whether a step-distillation LoRA is needed on top of the adapter.
        held_guidance: when forwards without the prompt are left out, None = never; lossy.
    """

    name: str
    label: str
    steps: int = STEPS
    guidance: float = GUIDANCE
    shift: float = SHIFT
    fp8: bool = False
    distilled: bool = False
    held_guidance: HeldGuidance | None = None


LICENCE = "Wan 2.1: Apache-2.0; EX-4D adapter: see its page, `ex4d models list`"

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("exact", "EX-4D on Wan 2.1 14B, as released"),
        Profile("fast", "EX-4D on Wan 2.1 14B, 8-bit", fp8=True),
        Profile(
            "turbo",
            "EX-4D on Wan 2.1 14B, 8-bit, guidance held between steps (lossy)",
            fp8=True,
            held_guidance=HeldGuidance(),
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

#: Of the released model, and what a forward and the VAE take beside it.
FOOTPRINT = Footprint(
    parameters=16.4e9,
    bf16_gib=30.6,
    fp8_gib=17.4,
    forward_gib=0.12,
    vae_gib=8.0,
    overhead_gib=1.6,
    shared_gib=0.02,
    streamed_share=0.16,
)


@dataclass(frozen=True)
class Plan:
    """With what and how a profile runs on this machine, as far as it changes pixels.

    Attributes:
        device: type of the torch device, "cuda" or "cpu".
        fp8: whether the transformer's linear layers are in 8 bits: also where a profile that wants 16 finds no room.
        multiplies_8_bit: whether they are multiplied in 8 bits; a GPU that cannot does it in 16.
        text: for people.
        weights: ``ModelFiles.fingerprint`` of the model.
        attention: of the transformer with itself where it is not torch's own: ``flash3``, or ``flash3-8bit``.
        sequence: GPUs that share the tokens of a forward: products of other shapes round otherwise.
    """

    device: str
    fp8: bool
    multiplies_8_bit: bool
    text: str
    weights: str
    attention: str = ""
    sequence: int = 1

    def inputs(self) -> dict[str, Any]:
        """What the machine adds to the key of a fill; nothing on the GPUs that profiles are described for."""
        found: dict[str, Any] = {} if self.device == "cuda" else {"device": self.device}
        if self.fp8 and self.device == "cuda" and not self.multiplies_8_bit:
            found["multiply"] = "bfloat16"
        if self.attention:
            found["attention"] = self.attention
            # Attention to text and image as one, and to a prompt's padding as one token: see ``ContextKeys.joined``.
            found["context"] = "joined"
        if self.sequence > 1:
            found["sequence"] = self.sequence
        return found


def profile_plans(
    profile: Profile, tokens: int, megapixels: float, parameters: float = FOOTPRINT.parameters
) -> list[MemoryPlan]:
    """All ways to lay the model out for a profile, the fastest first; 8 bits for a profile that asks for 16 come last:
    they change pixels.

    Args:
        profile: what is asked for.
        tokens: of the transformer, a quarter of the latents' pixels.
        megapixels: of a frame.
        parameters: of the transformer.
    """
    precisions = (True,) if profile.fp8 else (False, True)
    return memory_plans(FOOTPRINT, tokens, megapixels, parameters, precisions)
