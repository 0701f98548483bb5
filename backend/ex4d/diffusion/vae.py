# SPDX-License-Identifier: Apache-2.0
"""Wan's VAE faster: channels last in memory, norm and activation in one kernel, no copies for padding."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanResidualBlock
from torch import nn
from torch.nn import functional

#: Frames of the past that a causal convolution of kernel 3 looks at.
_PAST = 2


def _norm_silu_rows(rows: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """diffusers' ``WanRMS_norm`` of rows (n, C), then SiLU, in float32."""
    wide = rows.float()
    norm = wide.norm(dim=1, keepdim=True).clamp_min(1e-12)
    normalized = (wide / norm).to(rows.dtype).float()
    return functional.silu(normalized * rows.shape[1] ** 0.5 * gamma.float()).to(rows.dtype)


#: One graph for any number of rows, and one for each of the few widths.
_compiled_rows = torch.compile(_norm_silu_rows, dynamic=True)


def _norm_silu(values: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Norm and activation of (B, C, T, H, W); the result has its channels last in memory."""
    batch, channels, *rest = values.shape
    rows = values.permute(0, 2, 3, 4, 1).reshape(-1, channels)
    work = _compiled_rows if values.is_cuda else _norm_silu_rows
    return work(rows, gamma.flatten()).view(batch, *rest, channels).permute(0, 4, 1, 2, 3)


def _causal_conv(self: Any, values: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
    """``WanCausalConv3d.forward``: space is padded by the convolution itself, time by the past."""
    left, _, top, _, past, _ = self._padding
    if past:
        known = values[:, :, :0] if cache_x is None else cache_x
        if known.shape[2] < past:
            batch, channels, _, height, width = values.shape
            zeros = values.new_zeros(batch, channels, past - known.shape[2], height, width)
            known = torch.cat([zeros, known], dim=2)
        values = torch.cat([known, values], dim=2)
    return functional.conv3d(values, self.weight, self.bias, self.stride, (0, top, left))


def _residual(self: Any, x: torch.Tensor, feat_cache: Any = None, feat_idx: Any = None) -> torch.Tensor:
    """``WanResidualBlock.forward`` for the cached, frame by frame pass."""
    out = x
    for norm, conv in ((self.norm1, self.conv1), (self.norm2, self.conv2)):
        out = _norm_silu(out, norm.gamma.data)
        past = None
        if feat_cache is not None:
            index = feat_idx[0]
            past = feat_cache[index]
            recent = out[:, :, -_PAST:]
            if recent.shape[2] < _PAST and past is not None:
                recent = torch.cat([past[:, :, -1:], recent], dim=2)
            feat_cache[index] = recent
            feat_idx[0] += 1
        out = conv(out, past)
    return out + self.conv_shortcut(x)


def use_fast_vae(vae: Any) -> None:
    """Make a VAE on CUDA faster; its results differ by rounding only."""
    for module in vae.modules():
        if isinstance(module, WanCausalConv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
            module.forward = MethodType(_causal_conv, module)
        elif isinstance(module, WanResidualBlock):
            module.forward = MethodType(_residual, module)
        elif isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
