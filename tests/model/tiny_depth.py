# SPDX-License-Identifier: Apache-2.0
"""Tiny random models of depth, saved as the released ones are: the same file names, tensor names and structure."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    Dinov2Config,
)

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


def video_depth_anything_tensors(channels: int = CHANNELS, seed: int = 1) -> dict[str, torch.Tensor]:
    """Random tensors under the names of the released video_depth_anything_vits.pth; smaller, structured as it is."""
    out, features, blocks = (16, 16, 32, 32), 32, 12
    shapes: dict[str, tuple[int, ...]] = {
        "pretrained.cls_token": (1, 1, channels),
        "pretrained.pos_embed": (1, 1 + 37 * 37, channels),
        "pretrained.mask_token": (1, channels),
        "pretrained.patch_embed.proj.weight": (channels, 3, 14, 14),
        "pretrained.patch_embed.proj.bias": (channels,),
    }

    def linear(name: str, columns: int, rows: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (rows, columns)
        if bias:
            shapes[f"{name}.bias"] = (rows,)

    def norm(name: str, size: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (size,)

    def convolution(name: str, columns: int, rows: int, kernel: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (rows, columns, kernel, kernel)
        if bias:
            shapes[f"{name}.bias"] = (rows,)

    for index in range(blocks):
        block = f"pretrained.blocks.{index}"
        norm(f"{block}.norm1", channels)
        linear(f"{block}.attn.qkv", channels, 3 * channels)
        linear(f"{block}.attn.proj", channels, channels)
        shapes[f"{block}.ls1.gamma"] = shapes[f"{block}.ls2.gamma"] = (channels,)
        norm(f"{block}.norm2", channels)
        linear(f"{block}.mlp.fc1", channels, 4 * channels)
        linear(f"{block}.mlp.fc2", 4 * channels, channels)
    norm("pretrained.norm", channels)
    for level, size in enumerate(out):
        convolution(f"head.projects.{level}", channels, size, 1)
        convolution(f"head.scratch.layer{level + 1}_rn", size, features, 3, bias=False)
        refine = f"head.scratch.refinenet{level + 1}"
        convolution(f"{refine}.out_conv", features, features, 1)
        for unit in ("resConfUnit1", "resConfUnit2"):
            convolution(f"{refine}.{unit}.conv1", features, features, 3)
            convolution(f"{refine}.{unit}.conv2", features, features, 3)
    convolution("head.resize_layers.0", out[0], out[0], 4)
    convolution("head.resize_layers.1", out[1], out[1], 2)
    convolution("head.resize_layers.3", out[3], out[3], 3)
    convolution("head.scratch.output_conv1", features, features // 2, 3)
    convolution("head.scratch.output_conv2.0", features // 2, 32, 3)
    convolution("head.scratch.output_conv2.2", 32, 1, 1)
    for index, size in enumerate((out[2], out[3], features, features)):
        temporal = f"head.motion_modules.{index}.temporal_transformer"
        norm(f"{temporal}.norm", size)
        linear(f"{temporal}.proj_in", size, size)
        linear(f"{temporal}.proj_out", size, size)
        block = f"{temporal}.transformer_blocks.0"
        for place in range(2):
            attention = f"{block}.attention_blocks.{place}"
            for part in ("to_q", "to_k", "to_v"):
                linear(f"{attention}.{part}", size, size, bias=False)
            linear(f"{attention}.to_out.0", size, size)
            shapes[f"{attention}.pos_encoder.pe"] = (1, 32, size)
            norm(f"{block}.norms.{place}", size)
        norm(f"{block}.ff_norm", size)
        linear(f"{block}.ff.net.0.proj", size, 8 * size)
        linear(f"{block}.ff.net.2", 4 * size, size)

    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in sorted(shapes.items()):
        values = rng.standard_normal(shape) * (0.15 if len(shape) > 1 else 0.1)
        if "norm" in name and name.endswith("weight"):
            values += 1
        tensors[name] = torch.from_numpy(values.astype(np.float32))
    for name, tensor in tensors.items():
        if name.endswith(".pe"):
            tensor.copy_(_waves(tensor.shape[-1]))
    tensors["head.scratch.output_conv2.2.bias"].fill_(20.0)
    return tensors


def _waves(size: int) -> torch.Tensor:
    """Sines and cosines of the place in the window, as the released file stores them."""
    phase = np.arange(32)[:, None] * np.exp(np.arange(0, size, 2) * (-np.log(10000.0) / size))
    return torch.from_numpy(np.stack([np.sin(phase), np.cos(phase)], axis=-1).reshape(1, 32, size)).float()


def write_video_depth_anything(models: Path, size: str = "Small", channels: int = CHANNELS) -> Path:
    """As huggingface.co/depth-anything/Video-Depth-Anything-…; returns the file."""
    folder = models / "depth" / f"Video-Depth-Anything-{size}"
    folder.mkdir(parents=True)
    path = folder / f"video_depth_anything_vit{size[0].lower()}.pth"
    torch.save(video_depth_anything_tensors(channels), path)
    return path


def write_depth_pro(models: Path) -> Path:
    """As huggingface.co/apple/DepthPro-hf, with patches of 32 pixels in place of 384; returns its folder."""
    torch.manual_seed(0)
    encoder = {
        "model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 4,
        "image_size": 32,
    }  # fmt: skip
    config = DepthProConfig(
        patch_size=32, fusion_hidden_size=16, intermediate_hook_ids=[2, 0], intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[8, 8, 8], merge_padding_value=1, use_fov_model=True, num_fov_head_layers=0,
        image_model_config=dict(encoder), patch_model_config=dict(encoder), fov_model_config=dict(encoder),
    )  # fmt: skip
    model = DepthProForDepthEstimation(config).eval()
    for name, parameter in model.named_parameters():
        if "head" in name or "fusion" in name or "neck" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.constant_(list(model.head.parameters())[-1], 0.5)
    torch.nn.init.constant_(list(model.fov_model.parameters())[-1], 55.0)
    folder = models / "depth" / "DepthPro-hf"
    model.save_pretrained(folder)
    return folder


def write_depthcrafter(models: Path) -> tuple[Path, Path]:
    """As huggingface.co/tencent/DepthCrafter and stabilityai/stable-video-diffusion-img2vid-xt; the two folders."""
    torch.manual_seed(0)
    own = models / "depth" / "DepthCrafter"
    base = models / "depth" / "stable-video-diffusion-img2vid-xt"
    UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=32, in_channels=8, out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), cross_attention_dim=32,
        num_attention_heads=4, projection_class_embeddings_input_dim=96, addition_time_embed_dim=32,
    ).save_pretrained(own)  # fmt: skip
    AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=1,
        latent_channels=4, sample_size=64,
    ).save_pretrained(base / "vae", variant="fp16")  # fmt: skip
    clip = CLIPVisionConfig(
        hidden_size=32, projection_dim=32, num_hidden_layers=1, num_attention_heads=4, image_size=224, patch_size=56,
        intermediate_size=37,
    )  # fmt: skip
    CLIPVisionModelWithProjection(clip).save_pretrained(base / "image_encoder", variant="fp16")
    EulerDiscreteScheduler(
        beta_end=0.012, beta_schedule="scaled_linear", beta_start=0.00085, interpolation_type="linear",
        prediction_type="v_prediction", sigma_max=700.0, sigma_min=0.002, steps_offset=1, timestep_spacing="leading",
        timestep_type="continuous", use_karras_sigmas=True,
    ).save_pretrained(base / "scheduler")  # fmt: skip
    return own, base
