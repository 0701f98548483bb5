# SPDX-License-Identifier: Apache-2.0
"""The geometry encoder: what the rendered colour and mask add to the transformer's patch embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from ex4d.fill.ex4d_wan.conditioning import TAKES


class GeometryEncoder(ModelMixin, ConfigMixin):
    """Latents of colour and mask → an addition to the patch embeddings.

    Pointwise in time and, before the last layer, in space: three 1x1x1 convolutions with SiLU between them, then a
    convolution over the transformer's patches, zero at the start of training. Parameter names are those of the
    released checkpoint. Source: diffsynth/models/camera.py of the released code.

    Args:
        latent_channels: of the VAE; the encoder gets those of the colour and of the mask.
        hidden_channels: of the middle layers.
        out_channels: width of the transformer.
        patch_size: of the transformer (t, h, w).
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        hidden_channels: int = 1024,
        out_channels: int = 5120,
        patch_size: tuple[int, int, int] = (1, 2, 2),
    ) -> None:
        super().__init__()
        self.latent_encoder = nn.Sequential(
            nn.Conv3d(latent_channels + TAKES.mask_channels(latent_channels), hidden_channels, 1),
            nn.SiLU(),
            nn.Conv3d(hidden_channels, hidden_channels, 1),
            nn.SiLU(),
            nn.Conv3d(hidden_channels, hidden_channels, 1),
        )
        self.latent_patch_embedding = nn.Conv3d(hidden_channels, out_channels, patch_size, patch_size)
        nn.init.zeros_(self.latent_patch_embedding.weight)
        nn.init.zeros_(self.latent_patch_embedding.bias)

    def forward(self, color: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Latents (B, 16, t, h, w) of the colour and of the coded mask → (B, C, t, h/2, w/2)."""
        latents = torch.cat([color, mask], dim=1).to(self.dtype)
        return self.latent_patch_embedding(self.latent_encoder(latents))


@contextmanager
def geometry_added(transformer: nn.Module, embeds: torch.Tensor) -> Iterator[None]:
    """Within the context, add ``embeds`` (B, C, t, h, w) to the transformer's patch embeddings: once, before its
    first block, in both branches of guidance alike. Outside compiled blocks, so nothing is compiled again."""

    def add(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output + embeds.to(output.dtype)

    handle = transformer.patch_embedding.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
