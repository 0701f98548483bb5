# SPDX-License-Identifier: Apache-2.0
"""Linear layers in 8-bit floating point: weights and activations scaled row by row.

Weights take half the memory of bfloat16 everywhere; the matrix product itself runs in 8 bits where the GPU can (compute
capability 8.9 and above), else the weight is widened first.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ex4d.models.wan.kernels import ops
from ex4d.models.wan.kernels.ops import quantized

#: Blocks that stay in bfloat16: the first and last ones lose most by coarse weights (arXiv 2606.00957, for the
#: text-to-video model of the same size: blocks 0, 1 and the last three).
SENSITIVE_FIRST, SENSITIVE_LAST = 2, 3


def has_fp8(device: torch.device | str) -> bool:
    """Whether the GPU multiplies in 8 bits."""
    device = torch.device(device)
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)


class Fp8Linear(nn.Module):
    """A linear layer with weights in 8 bits. Made without weights; ``put`` or a state dict fills it.

    Attributes:
        multiply: whether activations are quantized and the product is done in 8 bits; else the weight is widened.
    """

    def __init__(self, linear: nn.Linear, *, multiply: bool) -> None:
        super().__init__()
        rows, columns = linear.weight.shape
        meta = torch.empty((rows, columns), dtype=torch.float8_e4m3fn, device="meta")
        self.weight = nn.Parameter(meta, requires_grad=False)
        self.scale = nn.Parameter(torch.empty((rows, 1), device="meta"), requires_grad=False)
        self.bias = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.multiply = multiply

    def put(self, weight: torch.Tensor, device: torch.device | None = None) -> None:
        """Quantize a weight (out, in) and keep it, on its own device or another."""
        values, scale = quantized(weight)
        self.weight = nn.Parameter(values.to(device), requires_grad=False)
        self.scale = nn.Parameter(scale.to(device), requires_grad=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(…, in) → (…, out) in the dtype of ``values``."""
        if not self.multiply:
            weight = (self.weight.to(values.dtype) * self.scale.to(values.dtype)).to(values.dtype)
            return functional.linear(values, weight, self.bias)
        rows, scale = ops.quantize(values, None, False)
        return self.product(rows, scale, values)

    def product(self, rows: torch.Tensor, scale: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Quantized rows (n, in) and their scales → (…, out) in shape and dtype of ``like`` (…, any)."""
        out = torch._scaled_mm(
            rows,
            self.weight.t(),
            scale_a=scale,
            scale_b=self.scale.t(),
            bias=self.bias.to(like.dtype),
            out_dtype=like.dtype,
            use_fast_accum=True,
        )
        return out.unflatten(0, like.shape[:-1])


def sensitive_blocks(count: int) -> set[int]:
    """Indices of the blocks that stay in bfloat16, of so many; none of a transformer too small to have any."""
    if count <= SENSITIVE_FIRST + SENSITIVE_LAST:
        return set()
    return {*range(SENSITIVE_FIRST), *range(count - SENSITIVE_LAST, count)}


def use_fp8(transformer: Any, *, keep: Collection[int] | None = None, multiply: bool = True) -> None:
    """Turn the linear layers of a transformer's blocks into ``Fp8Linear``. Of an empty one (on "meta") the new layers
    are empty, too.

    Args:
        transformer: diffusers' Wan transformer.
        keep: blocks left alone; None = ``sensitive_blocks``.
        multiply: see ``Fp8Linear``.
    """
    kept = sensitive_blocks(len(transformer.blocks)) if keep is None else keep
    for index, block in enumerate(transformer.blocks):
        if index in kept:
            continue
        for name, module in list(block.named_modules()):
            owner, _, last = name.rpartition(".")
            if isinstance(module, nn.Linear):
                layer = Fp8Linear(module, multiply=multiply)
                if not module.weight.is_meta:
                    layer.put(module.weight.data)
                setattr(block.get_submodule(owner), last, layer)
