# SPDX-License-Identifier: Apache-2.0
"""The adapter: EX-4D's LoRA and geometry encoder, and other LoRAs that are stacked on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ex4d.diffusion.weights.tensors import TensorSet, all_finite
from ex4d.diffusion.weights.wan import transformer_module_name
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
_LORA = re.compile(r"^(?P<module>.+)\.lora_(?P<side>A|B|down|up)(\.(?P<adapter>[^.]+))?\.weight$")


@dataclass(frozen=True)
class LoraLayer:
    """A change of one linear layer's weight: ``scale · up @ down``.

    Attributes:
        down: (rank, inputs).
        up: (outputs, rank).
        scale: alpha / rank.
        bias: a change of the layer's bias, which step-distillation LoRAs have.
        weight: a change of the whole weight, where a file holds that instead.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float
    bias: torch.Tensor | None = None

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change (outputs, inputs), float32."""
        return self.scale * (self.up.to(device, torch.float32) @ self.down.to(device, torch.float32))


@dataclass(frozen=True)
class Lora:
    """A LoRA of the transformer.

    Attributes:
        layers: by the diffusers name of the module, ``blocks.0.attn1.to_q``.
        name: of its file, for messages.
    """

    layers: Mapping[str, LoraLayer]
    name: str

    @property
    def rank(self) -> int:
        """The largest of its layers."""
        return max(layer.down.shape[0] for layer in self.layers.values())

    def scaled(self, strength: float) -> Lora:
        """The same with all changes multiplied."""
        layers = {
            name: LoraLayer(layer.down, layer.up, layer.scale * strength, layer.bias)
            for name, layer in self.layers.items()
        }
        return Lora(layers, self.name)


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
    lora = parse_lora(read, tensors.name, alpha)
    blocks = 1 + max(int(name.split(".")[1]) for name in lora.layers)
    wanted = [f"blocks.{block}.{target}" for block in range(blocks) for target in TARGETS]
    _check_names(lora.layers, wanted, tensors.name, kind="layer")
    if len({layer.down.shape[0] for layer in lora.layers.values()}) != 1:
        raise BadInputError(f"The layers of {tensors.name} are of different ranks.", "Get the file again.")
    return lora, geometry


def parse_lora(tensors: Mapping[str, torch.Tensor], name: str, alpha: float | None = None) -> Lora:
    """A LoRA of Wan's transformer in any usual naming: the original's or diffusers' module names, peft's ``lora_A`` or
    kohya's ``lora_down``, with or without ``.alpha`` and bias changes (``.diff_b``).

    Raises:
        BadInputError: half a layer is missing, or a tensor is none of a LoRA.
    """
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        key = key.removeprefix("transformer.")  # noqa: PLW2901
        if match := _LORA.match(key):
            side = {"down": "A", "up": "B"}.get(match["side"], match["side"])
            module = match["module"]
        else:
            module, _, side = key.rpartition(".")
            if side not in ("alpha", "diff_b"):
                raise BadInputError(f"{name} holds «{key}», which is no part of a LoRA.", "Name a LoRA of Wan 2.1.")
        if not all_finite(tensor):
            raise BadInputError(f"The tensor «{key}» of {name} holds NaN or infinity.", "Get the file again.")
        halves.setdefault(_module_name(module), {})[side] = tensor
    layers = {}
    for module, parts in halves.items():
        if "A" not in parts or "B" not in parts:
            if set(parts) == {"diff_b"}:
                # A change of a bias alone: of a layer that no matrices change.
                layers[module] = LoraLayer(torch.zeros(1, 0), torch.zeros(0, 0), 0.0, parts["diff_b"])
                continue
            lost = "lora_A" if "A" not in parts else "lora_B"
            raise BadInputError(f"{name} lacks {lost} of the layer «{module}».", "Get the file again.")
        down, up = parts["A"], parts["B"]
        if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
            raise BadInputError(
                f"The layer «{module}» of {name} has {tuple(down.shape)} and {tuple(up.shape)}, which do not fit.",
                "Get the file again.",
            )
        rank = down.shape[0]
        layer_alpha = float(parts["alpha"]) if "alpha" in parts else rank if alpha is None else alpha
        layers[module] = LoraLayer(down, up, layer_alpha / rank, parts.get("diff_b"))
    if not layers:
        raise BadInputError(f"{name} holds no LoRA.", "Name a LoRA of Wan 2.1.")
    return Lora(layers, name)


def _module_name(name: str) -> str:
    return transformer_module_name(name) if re.search(r"self_attn|cross_attn|ffn\.\d", name) else name


def _check_names(found: Iterable[str], wanted: Iterable[str], file: str, kind: str = "tensor") -> None:
    found, wanted = set(found), set(wanted)
    for names, word in ((wanted - found, "lacks"), (found - wanted, "has the unexpected")):
        if names:
            first = sorted(names)[0]
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise BadInputError(
                f"{file} {word} {kind} «{first}»{more}.", "EX-4D's checkpoint has 800 LoRA and 8 encoder tensors."
            )


@torch.no_grad()
def fuse_lora(transformer: Any, lora: Lora) -> None:
    """Add a LoRA to a transformer's weights: the sum in float32, then back to the weights' dtype.

    Raises:
        BadInputError: it changes a layer that the transformer does not have.
    """
    modules = dict(transformer.named_modules())
    for name, layer in lora.layers.items():
        module = modules.get(name)
        if module is None or tuple(module.weight.shape) != (layer.up.shape[0], layer.down.shape[1]):
            raise BadInputError(
                f"{lora.name} changes the layer «{name}», which the transformer does not have in that size.",
                "The adapter belongs to another model.",
            )
        weight = module.weight.data
        module.weight.data = (weight.float() + layer.delta(weight.device)).to(weight.dtype)


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
