# SPDX-License-Identifier: Apache-2.0
"""The adapter from its files, and whether the parts of a model belong together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from ex4d.fill.ex4d_wan.adapter import geometry_config, split_checkpoint
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder
from ex4d.fill.ex4d_wan.model_files import check_quantized, find_models, missing_roles
from ex4d.models.model_files import ModelFiles, Part
from ex4d.models.wan.component_loader import ComponentLoader
from ex4d.models.wan.load import COMPONENTS, check_tensors, load_component
from ex4d.models.wan.lora import Lora, load_lora
from ex4d.protocol.errors import BadInputError

#: What EX-4D's LoRA lies in, in our converted folder.
LORA_FOLDER = "lora"


def check_parts(models: ModelFiles) -> None:
    """Compare every part's tensors with what its component has, by name and shape; reads only the adapter's weights.

    Raises:
        BadInputError: a part or a tensor is missing or unexpected, or of another shape.
    """
    if missing := missing_roles(models):
        raise BadInputError(
            f"The model lacks its {' and '.join(missing)}.", "`ex4d models download` gets what is missing."
        )
    components: dict[str, type[nn.Module]] = {**COMPONENTS, "geometry": GeometryEncoder}
    for role, part in models.parts.items():
        if role in components:
            check_tensors(part, components[role])
    load_adapter(models, torch.float32, "cpu")


def load_adapter(
    models: ModelFiles, dtype: torch.dtype, device: torch.device | str
) -> tuple[Lora | None, GeometryEncoder]:
    """EX-4D's LoRA and geometry encoder, from its checkpoint or from our converted folder.

    Returns:
        The LoRA, None where the transformer is in 8 bits and has it in itself; and the encoder in ``dtype``.

    Raises:
        BadInputError: as ``load_component`` and ``check_quantized``.
    """
    check_quantized(models)
    if models.quantized:
        return None, _load_geometry(models.part("geometry"), dtype, device)
    if "adapter" in models.parts or "geometry" not in models.parts:
        part = models.part("adapter")
        lora, tensors = split_checkpoint(part.tensors, _alpha(part.config))
        with init_empty_weights(include_buffers=False):
            empty = GeometryEncoder(**geometry_config(tensors))
        loader = ComponentLoader(empty, models.spec.role("geometry").title, dtype, torch.device(device))
        for name, tensor in tensors.items():
            loader.put(name, tensor)
        encoder = loader.finish()
        assert isinstance(encoder, GeometryEncoder)
        return lora, encoder
    part = models.part("lora")
    return load_lora(part.tensors.files[0].path), _load_geometry(models.part("geometry"), dtype, device)


def _load_geometry(part: Part, dtype: torch.dtype, device: torch.device | str) -> GeometryEncoder:
    encoder = load_component(part, dtype, device, component=GeometryEncoder)
    assert isinstance(encoder, GeometryEncoder)
    return encoder


def _alpha(config: Mapping[str, Any]) -> float | None:
    alpha = config.get("alpha")
    return float(alpha) if isinstance(alpha, int | float) else None


def load_peft_lora(folder: Path) -> Lora:
    """EX-4D's LoRA of our converted folder.

    Raises:
        BadInputError: there is none, also because it is fused into a transformer in 8 bits; or it is damaged.
    """
    path = folder / LORA_FOLDER / "adapter_model.safetensors"
    if not path.is_file():
        if folder.is_dir():
            find_models([folder]).check_not_quantized("from_pretrained")
        raise BadInputError(f"{folder} has no {LORA_FOLDER}.", "Name a folder that `ex4d models convert` wrote.")
    return load_lora(path)


def check_lora_fits(transformer: Any, lora: Lora) -> None:
    """Raise BadInputError where EX-4D's LoRA does not change every block of the transformer."""
    changed = {name.split(".")[1] for name in lora.layers}
    if len(changed) != transformer.config.num_layers:
        raise BadInputError(
            f"{lora.name} changes {len(changed)} blocks of the transformer's {transformer.config.num_layers}.",
            "Use EX-4D's checkpoint with Wan2.1-I2V-14B-480P.",
        )


def check_fit(transformer: Any, vae: Any, geometry: GeometryEncoder, lora: Lora | None) -> None:
    """Raise BadInputError where parts of models of different sizes were put together.

    Args:
        transformer, vae, geometry: as they are loaded.
        lora: EX-4D's; None = it was fused before the transformer was loaded.
    """
    if lora is not None:
        check_lora_fits(transformer, lora)
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    if geometry.config.out_channels != width:
        raise BadInputError(
            f"The adapter is made for a transformer of width {geometry.config.out_channels}, this one's is {width}.",
            "Use EX-4D's checkpoint with Wan2.1-I2V-14B-480P.",
        )
    channels = vae.config.z_dim
    if geometry.config.latent_channels != channels or transformer.config.out_channels != channels:
        raise BadInputError(f"The VAE's {channels} channels do not fit the transformer.", "Use Wan2.1_VAE.pth.")
