# SPDX-License-Identifier: Apache-2.0
"""The feed-forward network with its GELU inside the matrix product."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn


def _forward(self: Any, values: torch.Tensor) -> torch.Tensor:
    proj = self.proj
    # cuBLAS applies the tanh form to the product before it is rounded: one pass over a large tensor less.
    out = torch._addmm_activation(proj.bias, values.flatten(0, -2), proj.weight.t(), use_gelu=True)
    return out.unflatten(0, values.shape[:-1])


def use_fused_gelu(transformer: Any) -> None:
    """Let the first layer of each block's feed-forward network apply its GELU itself. Of bfloat16 or float16 weights on
    CUDA; 8-bit layers are left as they are."""
    for block in transformer.blocks:
        layer = block.ffn.net[0]
        if isinstance(layer.proj, nn.Linear) and layer.proj.weight.is_cuda:
            layer.forward = MethodType(_forward, layer)
