# SPDX-License-Identifier: Apache-2.0
"""What learns: patches instead of a VAE, a small transformer of Wan's kind, and ``ex4d train``'s adapter on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from ex4d.fill.ex4d_wan.conditions import masked
from ex4d.fill.ex4d_wan.geometry import geometry_added
from ex4d.fill.ex4d_wan.quirks import mask_for_vae
from ex4d.models.wan.sizes import FRAMES_PER_LATENT
from ex4d.training.model import AdaptedTransformer, Batch

#: Sides of a patch (frames, rows, columns), and numbers that are kept of its 192.
PATCH, CHANNELS = (FRAMES_PER_LATENT, 4, 4), 32
#: 33 million parameters. The prompt is always the same.
BACKBONE = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 8,
    "attention_head_dim": 64,
    "in_channels": 2 * CHANNELS + FRAMES_PER_LATENT,
    "out_channels": CHANNELS,
    "text_dim": 32,
    "freq_dim": 256,
    "ffn_dim": 2048,
    "num_layers": 8,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
}
_PROMPT = (4, 32)


@dataclass
class PatchCodec:
    """The principal components of patches, in the place of a VAE. As there the first frame has a latent of its own.

    Attributes:
        mean: (192,) of patches.
        basis: (192, C) orthonormal.
        scale: (C,) by which components are divided: the root of their deviations, so that coarse ones still count more.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, videos: Tensor) -> PatchCodec:
        """To videos (B, 3, T, H, W) in [−1, 1]."""
        rows = _patches(videos).permute(0, 2, 3, 4, 1).reshape(-1, 3 * PATCH[0] * PATCH[1] * PATCH[2]).double()
        mean = rows.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((rows - mean).T))
        kept = vectors[:, -CHANNELS:].flip(1)
        deviation = values[-CHANNELS:].flip(0).sqrt()
        scale = deviation.sqrt() * (deviation.square().mean() / deviation.mean()).sqrt()
        return cls(mean.float(), kept.float(), scale.float())

    def encode(self, videos: Tensor) -> Tensor:
        """Latents (B, C, t, H/4, W/4) of videos (B, 3, T, H, W) in [−1, 1], T = 4(t − 1) + 1."""
        rows = _patches(videos).movedim(1, -1) - self.mean
        return (rows @ self.basis / self.scale).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Videos of latents."""
        rows = (latents.movedim(1, -1) * self.scale) @ self.basis.T + self.mean
        b, t, h, w, _ = rows.shape
        parts = rows.reshape(b, t, h, w, 3, *PATCH).permute(0, 4, 1, 5, 2, 6, 3, 7)
        frames = parts.reshape(b, 3, t * PATCH[0], h * PATCH[1], w * PATCH[2])
        first = frames[:, :, : PATCH[0]].mean(2, keepdim=True)
        return torch.cat([first, frames[:, :, PATCH[0] :]], 2).clamp(-1, 1)

    def to(self, device: torch.device) -> PatchCodec:
        """On another device."""
        return PatchCodec(self.mean.to(device), self.basis.to(device), self.scale.to(device))


def _patches(videos: Tensor) -> Tensor:
    """(B, 192, t, h, w); the first frame stands four times."""
    whole = torch.cat([videos[:, :, :1].expand(-1, -1, PATCH[0] - 1, -1, -1), videos], 2)
    b, c, frames, height, width = whole.shape
    t, h, w = frames // PATCH[0], height // PATCH[1], width // PATCH[2]
    parts = whole.reshape(b, c, t, PATCH[0], h, PATCH[1], w, PATCH[2]).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return parts.reshape(b, c * PATCH[0] * PATCH[1] * PATCH[2], t, h, w)


def backbone() -> WanTransformer3DModel:
    """Not yet trained."""
    return WanTransformer3DModel(**BACKBONE)


def conditions(codec: PatchCodec, videos: Tensor, kept: Tensor) -> Batch:
    """What the model gets of videos (B, 3, T, H, W) of which only ``kept`` (B, 1, T, H, W), bool, is to be seen; their
    first frames are whole."""
    color, mask = masked(videos, kept)
    first = torch.zeros_like(videos)
    first[:, :, 0] = videos[:, :, 0]
    latents = codec.encode(first)
    known = torch.zeros_like(latents[:, :FRAMES_PER_LATENT])
    known[:, :, 0] = 1
    return Batch(
        clips=codec.encode(videos),
        color=codec.encode(color),
        mask=codec.encode(mask_for_vae(mask.expand(-1, 3, -1, -1, -1))),
        condition=torch.cat([known, latents], 1),
        prompt=latents.new_zeros(len(videos), *_PROMPT),
        image=latents.new_zeros(len(videos), 0),
    )


def velocity(
    model: WanTransformer3DModel | AdaptedTransformer, noisy: Tensor, timestep: Tensor, batch: Batch
) -> Tensor:
    """Of noisy latents, with an adapter or without; this small model sees no embedding of the first frame."""

    def run(transformer: WanTransformer3DModel) -> Tensor:
        hidden = torch.cat([noisy, batch.condition], 1)
        return transformer(hidden, timestep, batch.prompt, return_dict=False)[0]

    if not isinstance(model, AdaptedTransformer):
        return run(model)
    with geometry_added(model.transformer, model.geometry(batch.color, batch.mask)):
        return run(model.transformer)
