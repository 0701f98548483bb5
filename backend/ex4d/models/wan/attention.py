# SPDX-License-Identifier: Apache-2.0
"""Attention of the transformer on the fastest kernel that torch brings along, and its projections joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ex4d.models.wan.kernels import ops

#: cuDNN's kernel is the fastest on Hopper (700 TFLOP/s against 360 of the built-in flash kernel at 13,312 tokens,
#: docs/benchmarks.md); the others take over where it does not run.
_BACKENDS = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


#: Of queries, keys and values (B, S, heads, D), → (B, S, heads·D).
Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
#: Of a layer, its projections (B, S, N) before norms, and tables (1, S, 1, D) of cosines and sines, → (B, S, N).
SelfAttention = Callable[[Any, tuple[torch.Tensor, ...], tuple[torch.Tensor, torch.Tensor]], torch.Tensor]


@contextmanager
def fastest_kernel() -> Iterator[None]:
    """Within the context, attention prefers cuDNN."""
    with sdpa_kernel(_BACKENDS, set_priority=True):
        yield


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """(B, S, heads, D) → (B, S, heads·D). The kernels take strided tensors, so nothing is copied before."""
    out = functional.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)


def self_attention(attend: Attend = attend) -> SelfAttention:
    """Self-attention in the dtype of its inputs: norms, rotary embedding, then ``attend``."""

    def attention(attn: Any, qkv: tuple[torch.Tensor, ...], rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        query, key, value = qkv
        query = ops.heads_norm(query, attn.norm_q.weight, *rotary, attn.heads, attn.norm_q.eps)
        key = ops.heads_norm(key, attn.norm_k.weight, *rotary, attn.heads, attn.norm_k.eps)
        return attend(query, key, value.unflatten(2, (attn.heads, -1)))

    return attention


@torch.no_grad()
def fuse_projections(attn: Any) -> None:
    """Join the projections of an attention's common input and drop the single ones, so that they take memory once; of
    self-attention, order query and key for rotary embedding of halves (``_split_halves``)."""
    if getattr(attn, "fused_projections", False):
        return
    if not attn.is_cross_attention:
        _split_halves(attn)
    _fuse(attn)


def _split_halves(attn: Any) -> None:
    """Reorder query and key channels so that each pair that rotary embedding turns lies in the two halves of a head.

    Both are reordered alike and only their products count, so the result is the same; reading whole halves is several
    times faster than every second channel.
    """
    size = attn.inner_dim // attn.heads
    one = torch.arange(size).unflatten(0, (-1, 2)).t().flatten()
    order = (torch.arange(attn.heads)[:, None] * size + one).flatten().to(attn.to_q.weight.device)
    for tensor in (*attn.to_q.parameters(), *attn.to_k.parameters(), attn.norm_q.weight, attn.norm_k.weight):
        tensor.data = (
            tensor.data.view(torch.uint8)[order].view(tensor.dtype)
            if tensor.element_size() == 1
            else tensor.data[order]
        )


def _fuse(attn: Any) -> None:
    """Join the projections of the same input into one, of plain or 8-bit layers, as diffusers names them."""
    joined: dict[str, tuple[str, ...]] = {"to_qkv": ("to_q", "to_k", "to_v")}
    if attn.is_cross_attention:
        joined = {"to_kv": ("to_k", "to_v")}
    if attn.added_kv_proj_dim is not None:
        joined["to_added_kv"] = ("add_k_proj", "add_v_proj")
    for name, parts in joined.items():
        layers = [getattr(attn, part) for part in parts]
        # The first one grows; its class knows what to do with the others' rows.
        for key, parameter in layers[0].named_parameters():
            rows = [layer.get_parameter(key).data for layer in layers]
            parameter.data = (
                torch.cat([row.view(torch.uint8) for row in rows]).view(parameter.dtype)
                if (parameter.element_size() == 1)
                else torch.cat(rows)
            )
        layers[0].out_features = sum(layer.out_features for layer in layers)
        for part in parts:
            setattr(attn, part, None)
        setattr(attn, name, layers[0])
    attn.fused_projections = True
