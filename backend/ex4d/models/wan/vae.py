# SPDX-License-Identifier: Apache-2.0
"""Wan's VAE faster: channels last in memory throughout, and few passes between its convolutions.

The convolutions are cuDNN's, without their bias, which cuDNN adds in a pass of its own: the next norm or residual adds
it instead. Norm and activation write straight behind the past frames that a causal convolution looks at, so nothing is
padded or joined; and pictures are doubled in size in their own dtype while they are reordered.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    WanCausalConv3d,
    WanDecoder3d,
    WanEncoder3d,
    WanResample,
    WanResidualBlock,
)
from torch import nn
from torch.nn import functional

from ex4d.models.wan.kernels import has_triton

#: Frames of the past that a causal convolution of kernel 3 looks at.
_PAST = 2


def norm_silu(
    values: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, past: torch.Tensor | None, before: int
) -> torch.Tensor:
    """diffusers' ``WanRMS_norm`` of ``values + bias``, then SiLU, behind past frames.

    Args:
        values: (B, C, T, H, W).
        bias, gamma: (C,).
        past: (B, C, before, H, W) as they are; None = zeros.
        before: number of the past frames.

    Returns:
        (B, C, before + T, H, W), channels last in memory.
    """
    if values.is_cuda and has_triton():
        from ex4d.models.wan.kernels.video import launch_norm_silu

        return launch_norm_silu(values, bias, gamma, past, before)
    wide = values.float()
    if bias is not None:
        wide = wide + bias.float().view(-1, 1, 1, 1)
    normed = functional.normalize(wide, dim=1) * values.shape[1] ** 0.5 * gamma.float().view(-1, 1, 1, 1)
    out = functional.silu(normed).to(values.dtype)
    if past is None:
        past = out.new_zeros((*out.shape[:2], before, *out.shape[3:]))
    return torch.cat([past, out], dim=2).contiguous(memory_format=torch.channels_last_3d)


def add_bias(values: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """values + bias + other, of (B, C, T, H, W) and (C,)."""
    if values.is_cuda and has_triton():
        from ex4d.models.wan.kernels.video import launch_add_bias

        return launch_add_bias(values, bias, other)
    return (values.float() + bias.float().view(-1, 1, 1, 1) + other.float()).to(values.dtype)


def _convolve(conv: Any, values: torch.Tensor, *, bias: bool = False) -> torch.Tensor:
    """A causal convolution of values whose past is in front of them already; space is padded by the convolution."""
    _, right, _, bottom, *_ = conv._padding
    return functional.conv3d(values, conv.weight, conv.bias if bias else None, conv.stride, (0, bottom, right))


def _causal_conv(self: Any, values: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
    """``WanCausalConv3d.forward``: space is padded by the convolution itself, time by the past."""
    past = self._padding[4]
    if past:
        known = values[:, :, :0] if cache_x is None else cache_x
        batch, channels, _, height, width = values.shape
        zeros = values.new_zeros((batch, channels, past - known.shape[2], height, width))
        parts = [part for part in (zeros, known, values) if part.shape[2]]
        values = torch.cat([part.contiguous(memory_format=torch.channels_last_3d) for part in parts], dim=2)
    return _convolve(self, values, bias=True)


def _normed_conv(
    norm: Any, conv: Any, values: torch.Tensor, bias: torch.Tensor | None, feat_cache: Any, feat_idx: Any
) -> torch.Tensor:
    """Norm, activation and a causal convolution without its bias; ``bias`` is the last convolution's."""
    index = feat_idx[0]
    past = feat_cache[index] if feat_cache is not None else None
    framed = norm_silu(values, bias, norm.gamma.flatten(), past, _PAST)
    if feat_cache is not None:
        # Its own memory: a view would keep all frames.
        feat_cache[index] = framed[:, :, -_PAST:].clone()
        feat_idx[0] += 1
    return _convolve(conv, framed)


def _residual(self: Any, x: torch.Tensor, feat_cache: Any = None, feat_idx: Any = (0,)) -> torch.Tensor:
    """``WanResidualBlock.forward``."""
    out = _normed_conv(self.norm1, self.conv1, x, None, feat_cache, feat_idx)
    out = _normed_conv(self.norm2, self.conv2, out, self.conv1.bias, feat_cache, feat_idx)
    bias = self.conv2.bias
    if isinstance(self.conv_shortcut, WanCausalConv3d):
        x, bias = _convolve(self.conv_shortcut, x), bias + self.conv_shortcut.bias
    return add_bias(out, bias, x)


def _first_conv(conv: Any, x: torch.Tensor, feat_cache: Any, feat_idx: Any) -> torch.Tensor:
    if feat_cache is None:
        return conv(x)
    index = feat_idx[0]
    past, recent = feat_cache[index], x[:, :, -_PAST:].clone()
    if recent.shape[2] < _PAST and past is not None:
        recent = torch.cat([past[:, :, -1:], recent], dim=2)
    feat_cache[index] = recent
    feat_idx[0] += 1
    return conv(x, past)


def _encoder(self: Any, x: torch.Tensor, feat_cache: Any = None, feat_idx: Any = (0,)) -> torch.Tensor:
    """``WanEncoder3d.forward``."""
    x = _first_conv(self.conv_in, x, feat_cache, feat_idx)
    for layer in self.down_blocks:
        x = layer(x, feat_cache=feat_cache, feat_idx=feat_idx)
    x = self.mid_block(x, feat_cache=feat_cache, feat_idx=feat_idx)
    return _head(self, x, feat_cache, feat_idx)


def _decoder(
    self: Any, x: torch.Tensor, feat_cache: Any = None, feat_idx: Any = (0,), first_chunk: bool = False
) -> torch.Tensor:
    """``WanDecoder3d.forward``."""
    x = _first_conv(self.conv_in, x, feat_cache, feat_idx)
    x = self.mid_block(x, feat_cache=feat_cache, feat_idx=feat_idx)
    for layer in self.up_blocks:
        x = layer(x, feat_cache=feat_cache, feat_idx=feat_idx, first_chunk=first_chunk)
    return _head(self, x, feat_cache, feat_idx)


def _head(self: Any, x: torch.Tensor, feat_cache: Any, feat_idx: Any) -> torch.Tensor:
    out = _normed_conv(self.norm_out, self.conv_out, x, None, feat_cache, feat_idx)
    return out + self.conv_out.bias.view(-1, 1, 1, 1)


def _doubled(frames: torch.Tensor) -> torch.Tensor:
    """(n, C, H, W) → (n, C, 2H, 2W), each pixel four times; channels last in memory."""
    number, channels, height, width = frames.shape
    pixels = frames.permute(0, 2, 3, 1)[:, :, None, :, None].expand(number, height, 2, width, 2, channels)
    return pixels.reshape(number, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _upsample(self: Any, x: torch.Tensor, feat_cache: Any = None, feat_idx: Any = (0,)) -> torch.Tensor:
    """``WanResample.forward`` where it enlarges."""
    batch, channels, count, height, width = x.shape
    if self.mode == "upsample3d" and feat_cache is not None:
        index = feat_idx[0]
        feat_idx[0] += 1
        known = feat_cache[index]
        if known is None:
            # The first frame of a clip stays one. The next chunk sees zeros before it, not this frame.
            feat_cache[index] = "Rep"
        else:
            past = None if isinstance(known, str) else known
            recent = x[:, :, -_PAST:].clone()
            if recent.shape[2] < _PAST:
                before = torch.zeros_like(recent) if past is None else past[:, :, -1:]
                recent = torch.cat([before, recent], dim=2)
            feat_cache[index] = recent
            # Twice the channels are twice the frames.
            x = self.time_conv(x, past).unflatten(1, (2, channels)).permute(0, 3, 1, 4, 5, 2)
            count *= 2
            x = x.reshape(batch, count, height, width, channels).permute(0, 4, 1, 2, 3)
    frames = x.permute(0, 2, 1, 3, 4).reshape(batch * count, channels, height, width)
    frames = self.resample[1](_doubled(frames))
    return frames.unflatten(0, (batch, count)).permute(0, 2, 1, 3, 4)


def use_fast_vae(vae: Any) -> None:
    """Make a VAE faster; its results differ by rounding only."""
    forwards: dict[type, Any] = {
        WanResidualBlock: _residual,
        WanEncoder3d: _encoder,
        WanDecoder3d: _decoder,
        WanCausalConv3d: _causal_conv,
    }
    for module in vae.modules():
        if type(module) in forwards:
            module.forward = MethodType(forwards[type(module)], module)
        elif isinstance(module, WanResample) and module.mode.startswith("upsample"):
            module.forward = MethodType(_upsample, module)
        if isinstance(module, WanCausalConv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
        elif isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
