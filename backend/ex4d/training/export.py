# SPDX-License-Identifier: Apache-2.0
"""The trained adapter as files: the released checkpoint's names, and our converted folder's parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ex4d.fill.ex4d_wan.adapter import geometry_config
from ex4d.fill.ex4d_wan.convert import save_lora
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder
from ex4d.fill.ex4d_wan.weights import LORA_FOLDER
from ex4d.models.wan.layout import transformer_module_name
from ex4d.models.wan.lora import Lora, LoraLayer
from ex4d.system.files import make_folder, remove_tree, temporary_sibling, writing

_ORIGINAL = (
    *(f"{attention}.{layer}" for attention in ("self_attn", "cross_attn") for layer in "qkvo"),
    "ffn.0",
    "ffn.2",
)
#: Names of a block's layers: diffusers' -> the released checkpoint's.
_LAYERS = {transformer_module_name(f"blocks.0.{name}").removeprefix("blocks.0."): name for name in _ORIGINAL}
#: The first matrix of a trained layer, by its name in a checkpoint.
_TRAINED = re.compile(r"transformer\.(.+)\.lora_A\.default\.weight")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


def released_tensors(lora: Lora, geometry: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An adapter by the names of ``ex4d.ckpt``, float32.

    The released code takes alpha for the rank, so another scale is multiplied into the second matrices.
    """
    tensors = {}
    for name, layer in lora.layers.items():
        match = _BLOCK.fullmatch(name)
        assert match is not None
        stem = f"blocks.{match[1]}.{_LAYERS[match[2]]}"
        tensors[f"{stem}.lora_A.default.weight"] = layer.down.float().contiguous()
        tensors[f"{stem}.lora_B.default.weight"] = (layer.scale * layer.up.float()).contiguous()
    return tensors | {name: value.detach().cpu().float().contiguous() for name, value in geometry.items()}


def adapter_of(tensors: Mapping[str, torch.Tensor], settings: Mapping[str, Any]) -> tuple[Lora, GeometryEncoder]:
    """The adapter that a checkpoint holds.

    Args:
        tensors: by the names of ``AdaptedTransformer.trainable``.
        settings: of the run.
    """
    geometry = {
        name.removeprefix("geometry."): value for name, value in tensors.items() if name.startswith("geometry.")
    }
    encoder = GeometryEncoder(**geometry_config(geometry))
    encoder.load_state_dict(geometry)
    scale = settings["alpha"] / settings["rank"]
    layers = {}
    for name, down in tensors.items():
        if match := _TRAINED.fullmatch(name):
            layers[match[1]] = LoraLayer(down, tensors[name.replace(".lora_A.", ".lora_B.")], scale)
    return Lora(layers, "the trained LoRA"), encoder


def export(lora: Lora, geometry: GeometryEncoder, folder: Path) -> tuple[Path, Path]:
    """Write ``released/ex4d.ckpt`` and ``adapter/`` (``lora`` and ``geometry_encoder``); they replace earlier ones.

    Both load beside Wan's files: ``--models WAN --models FOLDER/adapter``. The released code takes the first.

    Returns:
        The checkpoint, and the folder of the adapter.
    """
    make_folder(folder)
    temporary = temporary_sibling(folder / "export")
    try:
        with writing(folder):
            make_folder(temporary / "released")
            torch.save(released_tensors(lora, geometry.state_dict()), temporary / "released" / "ex4d.ckpt")
            save_lora(lora, temporary / "adapter" / LORA_FOLDER)
            geometry.save_pretrained(temporary / "adapter" / "geometry_encoder")
            for name in ("released", "adapter"):
                remove_tree(folder / name)
                (temporary / name).rename(folder / name)
    finally:
        remove_tree(temporary)
    return folder / "released" / "ex4d.ckpt", folder / "adapter"
