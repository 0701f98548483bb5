# SPDX-License-Identifier: Apache-2.0
"""What is trained: LoRA and geometry encoder on a frozen transformer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer as PeftLora
from torch import nn
from torch.nn import functional

from ex4d.fill.ex4d_wan.adapter import TARGETS
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder, geometry_added
from ex4d.models.wan.lora import Lora
from ex4d.models.wan.sizes import TEXT_LENGTH
from ex4d.protocol.errors import BadInputError
from ex4d.training.settings import TrainingSettings

#: peft's name for the one LoRA there is.
_NAME = "default"
#: The released transformer and encoder: Wan2.1-I2V-14B-480P, and EX-4D's checkpoint.
RELEASED_TRANSFORMER: Mapping[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 36,
    "out_channels": 16,
    "text_dim": 4096,
    "freq_dim": 256,
    "ffn_dim": 13824,
    "num_layers": 40,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "image_dim": 1280,
    "added_kv_proj_dim": 5120,
}


@dataclass
class Batch:
    """Clips as the transformer gets them, on one device.

    Attributes:
        clips: (B, 16, t, h, w) latents of the clips themselves.
        color, mask: the same of the clips without their holes, and of the coded masks.
        condition: (B, 20, t, h, w), Wan's image-to-video condition.
        prompt: (B, 512, D), padded.
        image: (B, 257, D') of the first frames.
    """

    clips: torch.Tensor
    color: torch.Tensor
    mask: torch.Tensor
    condition: torch.Tensor
    prompt: torch.Tensor
    image: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})


class AdaptedTransformer(nn.Module):
    """A frozen transformer with a trainable LoRA and a trainable geometry encoder, both in float32.

    Args:
        transformer: Wan's; it is changed in place.
        geometry: the encoder, new or trained before.
        rank, alpha: of the LoRA.
    """

    def __init__(self, transformer: WanTransformer3DModel, geometry: GeometryEncoder, rank: int, alpha: float) -> None:
        super().__init__()
        transformer.requires_grad_(False)
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(TARGETS), bias="none")
        inject_adapter_in_model(config, transformer, adapter_name=_NAME)
        self.transformer = transformer
        self.geometry = geometry.float().requires_grad_(True)
        for layer in self.lora_layers().values():
            for part in (layer.lora_A[_NAME], layer.lora_B[_NAME]):
                part.float().requires_grad_(True)

    def lora_layers(self) -> dict[str, PeftLora]:
        """peft's layers by the diffusers names of the modules that they change."""
        return {name: module for name, module in self.transformer.named_modules() if isinstance(module, PeftLora)}

    def forward(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        condition: torch.Tensor,
        color: torch.Tensor,
        mask: torch.Tensor,
        prompt: torch.Tensor,
        image: torch.Tensor,
    ) -> torch.Tensor:
        """Velocity (B, 16, t, h, w) of noisy latents; the other arguments as in ``Batch``, ``timestep`` (B,)."""
        dtype = self.transformer.patch_embedding.weight.dtype
        with geometry_added(self.transformer, self.geometry(color, mask)):
            velocity = self.transformer(
                hidden_states=torch.cat([noisy, condition], dim=1).to(dtype),
                timestep=timestep,
                encoder_hidden_states=prompt.to(dtype),
                encoder_hidden_states_image=image.to(dtype),
                return_dict=False,
            )[0]
        # No view: FSDP hangs its backward pass on what comes out, and a change in place would lose that.
        return velocity.clone()

    def predict(self, noisy: torch.Tensor, timestep: torch.Tensor, batch: Batch) -> torch.Tensor:
        """``forward`` with a batch's conditions."""
        return self(noisy, timestep, batch.condition, batch.color, batch.mask, batch.prompt, batch.image)

    # The adapter -------------------------------------------------------------------------------------------------

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Trainable parameters by name."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad)

    @torch.no_grad()
    def load_lora(self, lora: Lora) -> None:
        """Begin with a LoRA that was trained before.

        Raises:
            BadInputError: it is of another rank or for another transformer.
        """
        layers = self.lora_layers()
        if set(layers) != set(lora.layers):
            raise BadInputError(f"{lora.name} changes other layers than this run.", "Name an adapter of this model.")
        for name, layer in layers.items():
            down, up = layer.lora_A[_NAME].weight, layer.lora_B[_NAME].weight
            given = lora.layers[name]
            if given.down.shape != down.shape or given.up.shape != up.shape:
                raise BadInputError(
                    f"{lora.name} is of rank {given.down.shape[0]}, this run of {down.shape[0]}, or its layers differ.",
                    f"Use --rank {given.down.shape[0]} with an adapter of this model.",
                )
            down.copy_(given.down)
            up.copy_(given.up * (given.scale / layer.scaling[_NAME]))


def new_geometry(transformer: Any, hidden_channels: int) -> GeometryEncoder:
    """An encoder that fits a transformer, its last layer zero: training starts from the backbone as it is."""
    config = transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    return GeometryEncoder(config.out_channels, hidden_channels, width, tuple(config.patch_size))


def adapt(
    transformer: WanTransformer3DModel, settings: TrainingSettings, geometry: GeometryEncoder | None = None
) -> AdaptedTransformer:
    """A transformer with a new adapter (or a given encoder), ready to train.

    peft draws the LoRA's first matrices from torch's global generator, so that is seeded here.
    """
    torch.manual_seed(settings.seed)
    geometry = geometry or new_geometry(transformer, settings.channels)
    model = AdaptedTransformer(transformer, geometry, settings.rank, settings.alpha)
    if settings.checkpointing:
        transformer.enable_gradient_checkpointing()
    return model


def keep_activations_low(model: AdaptedTransformer) -> None:
    """Let the LoRA take its input in the backbone's dtype where autocast handles it: peft would copy it to float32."""
    for layer in model.lora_layers().values():
        layer.cast_input_dtype_enabled = False


def parameter_counts(model: AdaptedTransformer) -> dict[str, int]:
    """Parameters by part: "lora", "geometry" (both trained), "frozen"."""
    lora = sum(
        part.weight.numel()
        for layer in model.lora_layers().values()
        for part in (layer.lora_A[_NAME], layer.lora_B[_NAME])
    )
    geometry = sum(parameter.numel() for parameter in model.geometry.parameters())
    frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    return {"lora": lora, "geometry": geometry, "frozen": frozen}


def padded_prompt(embeds: torch.Tensor) -> torch.Tensor:
    """Embeddings (1, n, D) with zeros behind them up to 512 tokens."""
    return functional.pad(embeds, (0, 0, 0, TEXT_LENGTH - embeds.shape[1]))
