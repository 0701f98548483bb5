# SPDX-License-Identifier: Apache-2.0
"""The adapter: EX-4D's LoRA and geometry encoder in one checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ex4d.models.tensors import TensorSet
from ex4d.models.wan.lora import Lora, LoraScaling, parse_lora
from ex4d.protocol.errors import BadInputError

#: Tensors of the released checkpoint: 40 blocks, 10 linear layers each, two matrices a layer; and the encoder's.
RELEASED_LORA_TENSORS, RELEASED_GEOMETRY_TENSORS = 800, 8
RELEASED_BLOCKS = 40
#: The layers of a block that the adapter changes, as diffusers names them. The keys and values of the image
#: (k_img, v_img) are not among them: peft matches names by their last part.
TARGETS = (
    *(f"attn{attention}.{layer}" for attention in (1, 2) for layer in ("to_q", "to_k", "to_v", "to_out.0")),
    "ffn.net.0.proj",
    "ffn.net.2",
)
_GEOMETRY_NAMES = (
    *(f"latent_encoder.{index}.{kind}" for index in (0, 2, 4) for kind in ("weight", "bias")),
    "latent_patch_embedding.weight",
    "latent_patch_embedding.bias",
)
_LORA = re.compile(r"^.+\.lora_(A|B)(\.[^.]+)?\.weight$")


def split_checkpoint(tensors: TensorSet, alpha: float | None = None) -> tuple[Lora, dict[str, torch.Tensor]]:
    """The LoRA and the geometry encoder's tensors of an EX-4D checkpoint.

    Args:
        tensors: of the checkpoint.
        alpha: of the LoRA; None = its rank, as in the released one, which does not say.

    Raises:
        BadInputError: a tensor is missing, unexpected, of another shape than its fellows or not finite.
    """
    read = dict(tensors.tensors())
    geometry = {name: read.pop(name) for name in list(read) if not _LORA.match(name)}
    _check_names(geometry, _GEOMETRY_NAMES, tensors.name)
    lora = parse_lora(read, tensors.name, LoraScaling(alpha))
    blocks = 1 + max(int(name.split(".")[1]) for name in lora.layers)
    wanted = [f"blocks.{block}.{target}" for block in range(blocks) for target in TARGETS]
    _check_names(lora.layers, wanted, tensors.name, kind="layer")
    if len({layer.down.shape[0] for layer in lora.layers.values()}) != 1:
        raise BadInputError(f"The layers of {tensors.name} are of different ranks.", "Get the file again.")
    return lora, geometry


def _check_names(found: Iterable[str], wanted: Iterable[str], file: str, kind: str = "tensor") -> None:
    found, wanted = set(found), set(wanted)
    for names, word in ((wanted - found, "lacks"), (found - wanted, "has the unexpected")):
        if names:
            first = sorted(names)[0]
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise BadInputError(
                f"{file} {word} {kind} «{first}»{more}.", "EX-4D's checkpoint has 800 LoRA and 8 encoder tensors."
            )


def geometry_config(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Arguments of ``GeometryEncoder`` for these tensors."""
    hidden, inputs = tensors["latent_encoder.0.weight"].shape[:2]
    out, _, *patch = tensors["latent_patch_embedding.weight"].shape
    return {
        "latent_channels": inputs // 2,
        "hidden_channels": hidden,
        "out_channels": out,
        "patch_size": tuple(patch),
    }
