# SPDX-License-Identifier: Apache-2.0
"""The transformer's blocks with their elementwise work in few passes over memory.

The mathematics is that of diffusers' ``WanTransformerBlock``. Three things are other: norms, residuals, quantization
and rotary embedding are the operations of ``kernels.ops``; nothing is copied in between; and keys and values of text
and image, which no step changes, may be kept for all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ex4d.diffusion.attention import attend, fuse_projections
from ex4d.diffusion.fp8 import Fp8Linear
from ex4d.diffusion.kernels import ops
from ex4d.diffusion.quirks import TEXT_LENGTH

#: Key and value of the text, then of the image, each (B, n, heads, D).
Context = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class ContextKeys:
    """Keys and values of the context, by block, for each branch of guidance. Kept within ``contexts_kept`` only.

    Attributes:
        allowed: whether memory suffices for them: 0.6 GiB a branch for the released transformer.
        branch: the branch that runs, or None while nothing is kept.
        kept: by branch and block.
    """

    def __init__(self, *, allowed: bool) -> None:
        self.allowed = allowed
        self.branch: int | None = None
        self.kept: dict[tuple[int, int], Context] = {}


@contextmanager
def contexts_kept(transformer: Any) -> Iterator[None]:
    """Within the context each branch's embeddings stay the same, so that what is made of them alone may be kept."""
    try:
        yield
    finally:
        if (keys := getattr(transformer, "context_keys", None)) is not None:
            keys.kept.clear()


@contextmanager
def branch_of(transformer: Any, number: int) -> Iterator[None]:
    """Within the context the transformer runs that branch of guidance."""
    keys = getattr(transformer, "context_keys", None)
    if keys is None or not keys.allowed:
        yield
        return
    keys.branch = number
    try:
        yield
    finally:
        keys.branch = None


def use_fast_blocks(transformer: Any, *, keep_context: bool = True) -> None:
    """Give a transformer's blocks this forward. Projections are joined (``attention.fuse_projections``).

    Args:
        transformer: diffusers' Wan image-to-video transformer; its layers may be 8-bit ones.
        keep_context: whether keys and values of the context may be kept within ``contexts_kept``.
    """
    transformer.context_keys = ContextKeys(allowed=keep_context)
    for index, block in enumerate(transformer.blocks):
        for attn in (block.attn1, block.attn2):
            fuse_projections(attn)
        block.forward = partial(_forward, block, transformer.context_keys, index)


def _forward(
    block: Any,
    keys: ContextKeys,
    index: int,
    hidden: torch.Tensor,
    embeds: torch.Tensor,
    temb: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """See ``WanTransformerBlock``."""
    context = keys.kept.get((keys.branch, index)) if keys.branch is not None else None
    if context is None:
        context = project_context(block.attn2, embeds)
        if keys.branch is not None:
            keys.kept[keys.branch, index] = context
    return block_forward(block, hidden, context, temb, rotary)


def project_context(attn: Any, embeds: torch.Tensor) -> Context:
    """Keys and values of image and text embeddings (B, n, N), the last 512 of them text."""
    image, text = embeds[:, :-TEXT_LENGTH], embeds[:, -TEXT_LENGTH:]
    parts = []
    for layer, norm, given in ((attn.to_kv, attn.norm_k, text), (attn.to_added_kv, attn.norm_added_k, image)):
        key, value = layer(given).chunk(2, dim=-1)
        parts.append(ops.heads_norm(key, norm.weight, None, None, attn.heads, norm.eps))
        # Kept without the key beside it.
        parts.append(value.contiguous().unflatten(2, (attn.heads, -1)))
    return parts[0], parts[1], parts[2], parts[3]


def block_forward(
    block: Any,
    hidden: torch.Tensor,
    context: Context,
    temb: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """One block.

    Args:
        block: ``WanTransformerBlock`` with joined projections.
        hidden: (B, S, N).
        context: of ``project_context``.
        temb: (B, 6, N), of the timestep.
        rotary: tables (1, S, 1, D) of cosines and sines.
    """
    shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (block.scale_shift_table + temb.float()).unbind(1)
    attn, cross, cos_sin = block.attn1, block.attn2, rotary

    qkv = _norm_into(attn.to_qkv, hidden, scale, shift, block.norm1.eps)
    query, key, value = qkv.chunk(3, dim=-1)
    query = ops.heads_norm(query, attn.norm_q.weight, *cos_sin, attn.heads, attn.norm_q.eps)
    key = ops.heads_norm(key, attn.norm_k.weight, *cos_sin, attn.heads, attn.norm_k.eps)
    update = attn.to_out[0](attend(query, key, value.unflatten(2, (attn.heads, -1))))
    del qkv, query, key, value

    norm = block.norm2
    hidden, query = _add_norm_into(
        cross.to_q, hidden, update, gate, norm.weight[None], norm.bias[None], norm.eps, plus_one=False
    )
    query = ops.heads_norm(query, cross.norm_q.weight, None, None, cross.heads, cross.norm_q.eps)
    update = _sum_into(cross.to_out[0], attend(query, *context[:2]), attend(query, *context[2:]))
    del query

    net = block.ffn.net
    if is_fp8(net[0].proj) and is_fp8(net[2]):
        hidden, inner = _add_norm_into(net[0].proj, hidden, update, None, ffn_scale, ffn_shift, block.norm3.eps)
        update = net[2].product(*ops.quantize(inner, None, True), inner)
        del inner
    else:
        hidden, normed = ops.add_norm(hidden, update, None, ffn_scale, ffn_shift, block.norm3.eps, True)
        update = net[2](net[0](normed))
        del normed
    return ops.add_gated(hidden, update, ffn_gate)


def is_fp8(layer: Any) -> bool:
    """Whether a layer multiplies in 8 bits."""
    return isinstance(layer, Fp8Linear) and layer.multiply


def _norm_into(layer: Any, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float) -> torch.Tensor:
    """The layer's result of the modulated norm of x."""
    if is_fp8(layer):
        return layer.product(*ops.norm_fp8(x, scale, shift, eps, True), x)
    return layer(ops.norm(x, scale, shift, eps, True))


def _add_norm_into(
    layer: Any,
    x: torch.Tensor,
    update: torch.Tensor,
    gate: torch.Tensor | None,
    scale: torch.Tensor,
    shift: torch.Tensor,
    eps: float,
    *,
    plus_one: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """x + gate · update, and the layer's result of its modulated norm."""
    if is_fp8(layer):
        x, *rows = ops.add_norm_fp8(x, update, gate, scale, shift, eps, plus_one)
        return x, layer.product(*rows, x)
    x, normed = ops.add_norm(x, update, gate, scale, shift, eps, plus_one)
    return x, layer(normed)


def _sum_into(layer: Any, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The layer's result of a sum."""
    if is_fp8(layer):
        return layer.product(*ops.quantize(one, other, False), one)
    return layer(one + other)
