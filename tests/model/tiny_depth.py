# SPDX-License-Identifier: Apache-2.0
"""Tiny random models of depth, saved as the released ones are: the same file names, tensor names and structure."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

CHANNELS = 64


def pictures(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """A textured pan, RGB (height, width, 3) uint8."""
    rng = np.random.default_rng(3)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (height, width + 3 * count, 3), np.uint8), (0, 0), 2)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    return [np.ascontiguousarray(wide[:, 2 * index : 2 * index + width]) for index in range(count)]


def vision_config(channels: int = CHANNELS, **options: object) -> Dinov2Config:
    return Dinov2Config(
        image_size=518, patch_size=14, hidden_size=channels, num_hidden_layers=12, num_attention_heads=channels // 64,
        out_indices=[3, 6, 9, 12], reshape_hidden_states=False, apply_layernorm=True, **options,
    )  # fmt: skip


def depth_anything_config(channels: int = CHANNELS) -> DepthAnythingConfig:
    return DepthAnythingConfig(
        backbone_config=vision_config(channels), reassemble_hidden_size=channels, neck_hidden_sizes=[16, 16, 32, 32],
        fusion_hidden_size=32,
    )  # fmt: skip


def depth_anything(channels: int = CHANNELS) -> DepthAnythingForDepthEstimation:
    """With biases that keep the last ReLU open."""
    torch.manual_seed(0)
    model = DepthAnythingForDepthEstimation(depth_anything_config(channels)).eval()
    for name, parameter in model.named_parameters():
        if "head." in name or "projection" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.constant_(model.head.conv3.bias, 5.0)
    return model


def write_depth_anything(models: Path, size: str = "Small", channels: int = CHANNELS) -> Path:
    """As huggingface.co/depth-anything/Depth-Anything-V2-…-hf."""
    folder = models / "depth" / f"Depth-Anything-V2-{size}-hf"
    depth_anything(channels).save_pretrained(folder)
    return folder
