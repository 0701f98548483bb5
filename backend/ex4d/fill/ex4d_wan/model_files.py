# SPDX-License-Identifier: Apache-2.0
"""Finding the EX-4D model's files, and what must lie beside what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ex4d.fill.ex4d_wan.file_kinds import EX4D_FILES
from ex4d.models.model_files import QUANTIZATION_KEY, ModelFiles, find_parts
from ex4d.protocol.errors import BadInputError


def find_models(places: Sequence[Path]) -> ModelFiles:
    """The parts of EX-4D's model in folders or files; raises as ``find_parts``."""
    return find_parts(places, EX4D_FILES)


def check_quantized(models: ModelFiles) -> None:
    """Raise BadInputError where a transformer in 8 bits is not known to have EX-4D's LoRA in it, or another LoRA lies
    beside it."""
    if not models.quantized:
        return
    transformer = models.parts["transformer"]
    if not transformer.marked:
        raise BadInputError(
            f"The 8-bit transformer in {transformer.folder} was not written by `ex4d models convert`, so it has no "
            "LoRA of EX-4D.",
            f"Name the original files; where it was, its config.json has lost «{QUANTIZATION_KEY}».",
        )
    for role in ("adapter", "lora"):
        if role in models.parts:
            raise BadInputError(
                f"{models.parts[role].folder} holds a LoRA, and EX-4D's is fused into the 8-bit transformer in "
                f"{transformer.folder} already.",
                "Name the folder of the 8-bit model alone, or the original files with the LoRA.",
            )


def needed_roles(models: ModelFiles) -> list[str]:
    """Roles of the parts that a take needs, given what was found: EX-4D's own come in three layouts."""
    needed = ["transformer", "vae", "text", "image"]
    if models.quantized:
        return [*needed, "geometry"]
    return [*needed, *(["lora", "geometry"] if "geometry" in models.parts else ["adapter"])]


def missing_roles(models: ModelFiles) -> list[str]:
    """Names of parts that a take needs and that were not found."""
    missing = [models.spec.role(role).title for role in needed_roles(models) if role not in models.parts]
    return missing + (["tokenizer"] if models.tokenizer is None else [])
