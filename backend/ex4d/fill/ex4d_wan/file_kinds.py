# SPDX-License-Identifier: Apache-2.0
"""The files of the EX-4D model: Wan 2.1's parts and its own; known without torch."""

from __future__ import annotations

from math import ceil

from ex4d.fill.ex4d_wan.conditioning import TAKES, token_count
from ex4d.fill.ex4d_wan.profiles import PROFILES, profile_plans
from ex4d.models.file_spec import FileKind, FileRole, FileSpec
from ex4d.models.hub import Source
from ex4d.models.locations import LORA_CONFIG
from ex4d.models.wan.kinds import IMAGE_TO_VIDEO_ROLES, WAN_KINDS
from ex4d.protocol.models import MemoryNeed

#: Other LoRAs may lie about; EX-4D's in peft's format has its configuration beside it.
LORA = FileKind("LoRA", "lora", r"\.lora_(A|B|down|up)\.", beside=LORA_CONFIG)
GEOMETRY = FileKind("geometry encoder", "geometry", r"^(latent_encoder\.\d|latent_patch_embedding\.)")
ADAPTER = FileKind("EX-4D checkpoint", "adapter", made_of=(LORA.label, GEOMETRY.label))

#: What `ex4d models download` gets.
SOURCES = (
    Source(
        "Wan-AI/Wan2.1-I2V-14B-480P",
        (
            "config.json",
            "diffusion_pytorch_model*.safetensors",
            "Wan2.1_VAE.pth",
            "models_t5_umt5-xxl-enc-bf16.pth",
            "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
            "google/umt5-xxl/*",
            "LICENSE*",
        ),
        "Wan 2.1 image-to-video 14B",
    ),
    Source("yihouxiang/EX-4D", ("*ex4d.ckpt", "LICENSE*"), "the EX-4D adapter"),
)


def _memory() -> tuple[MemoryNeed, ...]:
    """By the plans that jobs choose from, at the size that the adapter was trained for; profiles that need the same
    together."""
    side = TAKES.size.trained_side
    tokens, megapixels = token_count((side, side), TAKES.frames.trained), side * side / 1e6
    found: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for profile in PROFILES.values():
        plans = [plan for plan in profile_plans(profile, tokens, megapixels) if plan.fp8 == profile.fp8]
        least = min(plans, key=lambda plan: plan.gib)
        need = (round(max(plan.gib for plan in plans)), round(least.gib), ceil(least.ram_gib))
        found[need] = (*found.get(need, ()), profile.name)
    return tuple(MemoryNeed(profiles, *need) for need, profiles in found.items())


#: The adapter's names extend the transformer's, so they come first.
EX4D_FILES = FileSpec(
    roles=(
        *IMAGE_TO_VIDEO_ROLES,
        FileRole("adapter", "EX-4D checkpoint", section="lora"),
        FileRole("lora", "EX-4D LoRA"),
        FileRole("geometry", "EX-4D geometry encoder"),
    ),
    kinds=(LORA, GEOMETRY, ADAPTER, *WAN_KINDS),
    fused="EX-4D's LoRA",
    quantized_use="this folder is for the profiles fast and turbo, and for load_pipeline",
    sources=SOURCES,
    name="ex4d",
    title="EX-4D on Wan 2.1 14B",
    label="fills what a move reveals: the profiles exact, fast, turbo, draft; needs an NVIDIA GPU",
    licence="Wan 2.1: Apache-2.0; EX-4D's adapter: as its page says",
    megabytes=80_000,
    memory=_memory(),
)
