# SPDX-License-Identifier: Apache-2.0
"""Sizes of the model and of the clip: the released ones, and a toy's to try the scripts without a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from ex4d.fill.ex4d_wan.clip import Clip
from ex4d.fill.ex4d_wan.conditioning import TAKES, token_count
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder
from ex4d.training.model import RELEASED_TRANSFORMER


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        transformer, vae, image, geometry: arguments of the components' classes.
        rank: of the LoRA.
        width, height, frames: of the clip.
    """

    transformer: Mapping[str, Any]
    vae: Mapping[str, Any]
    image: Mapping[str, Any]
    geometry: Mapping[str, Any]
    rank: int
    width: int
    height: int
    frames: int

    @property
    def tokens(self) -> int:
        """Of the transformer."""
        return token_count((self.width, self.height), self.frames)

    @cached_property
    def parameters(self) -> float:
        """Of the transformer."""
        return float(sum(parameter.numel() for parameter in self.empty("transformer").parameters()))

    def empty(self, role: str) -> nn.Module:
        """A component without weights: "transformer", "vae", "image" or "geometry"."""
        with init_empty_weights(include_buffers=False):
            match role:
                case "transformer":
                    return WanTransformer3DModel(**self.transformer)
                case "vae":
                    return AutoencoderKLWan(**self.vae)
                case "image":
                    return CLIPVisionModel(CLIPVisionConfig(**self.image))
                case _:
                    return GeometryEncoder(**self.geometry)

    def of_clip(self, text: str) -> Sizes:
        """The same model with a clip like "832x480x81": width, height, frames.

        Raises:
            ValueError: the text is no size, or not one that the model makes.
        """
        width, height, frames = (int(number) for number in text.split("x"))
        if not TAKES.size.allows((width, height)) or TAKES.frames.padded(frames) != frames:
            raise ValueError(f"the model makes no clips of {text}")
        return replace(self, width=width, height=height, frames=frames)

    def clip(self) -> Clip:
        """Moving stripes with a hole that opens."""
        width, height, frames = self.width, self.height, self.frames
        x = np.arange(width, dtype=np.float32)
        stripes = 0.5 + 0.5 * np.sin((x[None] + 3 * np.arange(frames, dtype=np.float32)[:, None]) / 17)
        color = np.broadcast_to(stripes[:, None, :, None], (frames, height, width, 3)).astype(np.float32)
        visible = np.ones((frames, height, width), np.bool_)
        for frame in range(frames):
            visible[frame, :, width - width * frame // 100 :] = False
        color[~visible] = 0
        return Clip(color, visible, visible, np.zeros_like(visible), tuple(range(frames)), 0, 255, ())


RELEASED = Sizes(
    transformer=RELEASED_TRANSFORMER,
    vae={},
    image={
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "hidden_act": "gelu",
    },
    geometry={},
    rank=16,
    width=512,
    height=512,
    frames=49,
)
#: Six blocks, so that one of them is not among those that stay in 16 bits.
TOY = Sizes(
    transformer={
        **RELEASED.transformer,
        "num_attention_heads": 4,
        "attention_head_dim": 24,
        "text_dim": 32,
        "ffn_dim": 128,
        "num_layers": 6,
        "image_dim": 32,
        "added_kv_proj_dim": 96,
    },
    vae={"base_dim": 8},
    image={
        **RELEASED.image,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 28,
    },
    geometry={"hidden_channels": 16, "out_channels": 96},
    rank=4,
    width=32,
    height=32,
    frames=5,
)


def random_values(
    name: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, generator: torch.Generator
) -> torch.Tensor:
    """A tensor of weights whose products keep their size, made on the generator's device."""
    value = torch.empty(shape, device=device, dtype=dtype)
    if value.ndim >= 2 and "table" not in name:
        value.normal_(0, value[0].numel() ** -0.5, generator=generator)
    else:
        value.normal_(0, 0.02, generator=generator)
    if ("norm" in name or "gamma" in name) and name.endswith((".weight", ".gamma")):
        value = value * 0.1 + 1
    return value
