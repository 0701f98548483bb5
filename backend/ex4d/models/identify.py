# SPDX-License-Identifier: Apache-2.0
"""What a file of weights is, told from the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum


class Kind(StrEnum):
    """Part of the model, and the layout of its tensors."""

    WAN_TRANSFORMER = "Wan transformer"
    TRANSFORMER = "diffusers transformer"
    WAN_VAE = "Wan VAE"
    VAE = "diffusers VAE"
    WAN_TEXT = "Wan text encoder"
    TEXT = "transformers text encoder"
    WAN_IMAGE = "Wan image encoder"
    IMAGE = "transformers image encoder"
    ADAPTER = "EX-4D checkpoint"
    LORA = "LoRA"
    GEOMETRY = "geometry encoder"


#: A tensor that only that kind has; shards hold any part of a model, so patterns match tensors of every block. The
#: first match wins: the adapter's names extend the transformer's.
_SIGNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Kind.LORA, r"\.lora_(A|B|down|up)\."),
        (Kind.GEOMETRY, r"^(latent_encoder\.\d|latent_patch_embedding\.)"),
        (Kind.WAN_TRANSFORMER, r"^blocks\.\d+\.(self_attn|cross_attn)\.|^head\.head\."),
        (Kind.TRANSFORMER, r"^blocks\.\d+\.attn[12]\.|^condition_embedder\."),
        (Kind.WAN_VAE, r"^(en|de)coder\.(middle|downsamples|upsamples)\.\d"),
        (Kind.VAE, r"^(en|de)coder\.(mid_block|down_blocks|up_blocks)\."),
        (Kind.WAN_TEXT, r"^blocks\.\d+\.(attn\.[qkvo]|ffn\.gate)\."),
        (Kind.TEXT, r"^encoder\.block\.\d+\.layer\.|^shared\.weight$"),
        (Kind.WAN_IMAGE, r"^visual\."),
        (Kind.IMAGE, r"^(vision_model\.)?(embeddings\.class_embedding|encoder\.layers\.\d+\.self_attn)"),
    )
)


def kind_of(names: Iterable[str]) -> Kind | None:
    """The kind of a file with tensors of these names; None = none that the model is made of."""
    found = set()
    for name in names:
        kind = next((kind for kind, sign in _SIGNS if sign.search(name)), None)
        if kind is not None:
            found.add(kind)
    if found == {Kind.LORA, Kind.GEOMETRY}:
        return Kind.ADAPTER
    return found.pop() if len(found) == 1 else None
