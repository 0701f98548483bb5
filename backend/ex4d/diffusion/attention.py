# SPDX-License-Identifier: Apache-2.0
"""Attention of the transformer without extra copies, on the fastest kernel that torch brings along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ex4d.diffusion.quirks import TEXT_LENGTH

#: cuDNN's kernel is the fastest on Hopper (700 TFLOP/s against 360 of the built-in flash kernel at 13,312 tokens,
#: docs/benchmarks.md); the others take over where it does not run.
_BACKENDS = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


@contextmanager
def fastest_kernel() -> Iterator[None]:
    """Within the context, attention prefers cuDNN. Blocks must be compiled within it, too."""
    with sdpa_kernel(_BACKENDS, set_priority=True):
        yield


def _rotate(values: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, halves: bool) -> torch.Tensor:
    """Rotary position embedding of (B, S, heads, D); ``cos`` and ``sin`` (1, S, 1, D/2), float32. The pairs that turn
    are neighbours, or the first and second half of a head where its channels are ordered so (``_split_halves``)."""
    if halves:
        x, y = values.float().chunk(2, dim=-1)
        return torch.cat((x * cos - y * sin, x * sin + y * cos), dim=-1).type_as(values)
    x, y = values.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((x * cos - y * sin, x * sin + y * cos), dim=-1).flatten(-2).type_as(values)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """(B, S, heads, D) → (B, S, heads·D). The kernels take strided tensors, so nothing is copied before."""
    out = functional.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)


class WanAttention:
    """Attention processor for diffusers' ``WanAttention``: the same mathematics as its own processor, without copies
    before the kernel and with one matrix product for query, key and value where projections are fused."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See diffusers' ``WanAttnProcessor``; masks are not used by this model."""
        fused = getattr(attn, "fused_projections", False)
        image = None
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if attn.added_kv_proj_dim is not None:
            image, context = context[:, :-TEXT_LENGTH], context[:, -TEXT_LENGTH:]
        if fused and encoder_hidden_states is None:
            query, key, value = attn.to_qkv(hidden_states).chunk(3, dim=-1)
        elif fused:
            query = attn.to_q(hidden_states)
            key, value = attn.to_kv(context).chunk(2, dim=-1)
        else:
            query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        heads = (attn.heads, -1)
        query, key = attn.norm_q(query).unflatten(2, heads), attn.norm_k(key).unflatten(2, heads)
        if rotary_emb is not None:
            # diffusers repeats each value twice; one of each pair is enough.
            cos, sin = rotary_emb[0][..., 0::2], rotary_emb[1][..., 1::2]
            halves = getattr(attn, "rope_halves", False)
            query, key = _rotate(query, cos, sin, halves=halves), _rotate(key, cos, sin, halves=halves)
        out = _attend(query, key, value.unflatten(2, heads))
        if image is not None:
            if fused:
                key, value = attn.to_added_kv(image).chunk(2, dim=-1)
            else:
                key, value = attn.add_k_proj(image), attn.add_v_proj(image)
            key = attn.norm_added_k(key).unflatten(2, heads)
            out = out + _attend(query, key, value.unflatten(2, heads))
        return attn.to_out[0](out)


def use_fast_attention(transformer: Any, *, fuse: bool = True) -> None:
    """Give a transformer this attention; ``fuse`` joins the projections' weights and drops the single ones, so that
    they take memory once."""
    for module in transformer.modules():
        if hasattr(module, "fuse_projections") and hasattr(module, "set_processor"):
            if fuse:
                if not module.is_cross_attention:
                    _split_halves(module)
                _fuse(module)
            module.set_processor(WanAttention())


@torch.no_grad()
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
    attn.rope_halves = True


@torch.no_grad()
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
