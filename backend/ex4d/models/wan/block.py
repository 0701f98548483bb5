# SPDX-License-Identifier: Apache-2.0
"""The transformer's blocks with their elementwise work in few passes over memory.

The mathematics is that of diffusers' ``WanTransformerBlock``. Four things are other: norms, residuals, quantization
and rotary embedding are the operations of ``kernels.ops``; nothing is copied in between; keys and values of text and
image, which no step changes, may be kept for all steps; and what the first block does before it sees them, the same in
both branches of guidance, may be done once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import torch

from ex4d.models.wan.attention import SelfAttention, attend, fuse_projections, self_attention
from ex4d.models.wan.fp8 import Fp8Linear
from ex4d.models.wan.kernels import ops
from ex4d.models.wan.sizes import TEXT_LENGTH


@dataclass(frozen=True, eq=False)
class Context:
    """What a block attends to.

    Attributes:
        text, image: their keys and values, each (B, n, heads, D).
        text_bias: for the score of the text's last token.
    """

    text: tuple[torch.Tensor, torch.Tensor]
    image: tuple[torch.Tensor, torch.Tensor]
    text_bias: float = 0.0


class ContextKeys:
    """Keys and values of the context, by block, for each branch of guidance. Kept within ``contexts_kept`` only.

    Attributes:
        joined: whether text and image are attended to by one kernel, and a text's padding as one token. Rounds
            otherwise than two calls with all of it.
        allowed: whether memory suffices for them: 0.6 GiB a branch for the released transformer, and 0.3 for ``start``.
        branch: the branch that runs, or None while nothing is kept.
        branches: how many run one after the other from the same latents at the same timestep.
        kept: by branch and block.
        text: tokens of the branch's text before its padding, or None where that is not known.
        start: hidden states and queries of the first block at its cross-attention, of those latents.
    """

    def __init__(self, *, allowed: bool, joined: bool = False) -> None:
        self.allowed, self.joined = allowed, joined
        self.branch: int | None = None
        self.branches = 1
        self.kept: dict[tuple[int, int], Context] = {}
        self.text: int | None = None
        self.start: tuple[torch.Tensor, torch.Tensor] | None = None


@contextmanager
def contexts_kept(transformer: Any) -> Iterator[None]:
    """Within the context each branch's embeddings stay the same, so that what is made of them alone may be kept."""
    try:
        yield
    finally:
        if (keys := getattr(transformer, "context_keys", None)) is not None:
            keys.kept.clear()
            keys.start = None


@contextmanager
def branch_of(transformer: Any, number: int, of: int = 1, text: int | None = None) -> Iterator[None]:
    """Within the context the transformer runs that branch of guidance.

    Args:
        transformer: with ``use_fast_blocks``, or any other, of which nothing is kept.
        number: of the branch.
        of: how many branches there are. Where there is more than one, branch 0 runs first, and the others follow from
            the same latents at the same timestep.
        text: tokens of its text before the padding, None = unknown.
    """
    keys = getattr(transformer, "context_keys", None)
    if keys is None:
        yield
        return
    keys.text = text
    if keys.allowed:
        keys.branch, keys.branches = number, of
    try:
        yield
    finally:
        keys.branch = keys.text = None
        if number + 1 == of:
            keys.start = None


def use_fast_blocks(
    transformer: Any,
    *,
    keep_context: bool = True,
    attention: Callable[[Any], SelfAttention] | None = None,
    join_contexts: bool = False,
) -> None:
    """Give a transformer's blocks this forward. Projections are joined (``attention.fuse_projections``).

    Args:
        transformer: diffusers' Wan image-to-video transformer; its layers may be 8-bit ones.
        keep_context: whether keys and values of the context may be kept within ``contexts_kept``.
        attention: the self-attention of a block, None = ``self_attention`` of all.
        join_contexts: see ``ContextKeys.joined``.
    """
    chosen = attention or (lambda _block: self_attention())
    transformer.context_keys = ContextKeys(allowed=keep_context, joined=join_contexts)
    for index, block in enumerate(transformer.blocks):
        for attn in (block.attn1, block.attn2):
            fuse_projections(attn)
        block.forward = partial(_forward, block, transformer.context_keys, index, chosen(block))


def _forward(
    block: Any,
    keys: ContextKeys,
    index: int,
    attention: SelfAttention,
    hidden: torch.Tensor,
    embeds: torch.Tensor,
    temb: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """See ``WanTransformerBlock``."""
    context = keys.kept.get((keys.branch, index)) if keys.branch is not None else None
    if context is None:
        context = project_context(block.attn2, embeds, keys.text if keys.joined else None)
        if keys.branch is not None:
            keys.kept[keys.branch, index] = context
    parts = _modulation(block, temb)
    shared = index == 0 and keys.branch is not None and keys.branches > 1
    if shared and keys.branch and keys.start is not None:
        started = keys.start
    else:
        started = _before_context(block, hidden, parts, rotary, attention)
        if shared:
            keys.start = started
    return _after_context(block, *started, context, parts, joined=keys.joined)


def project_context(attn: Any, embeds: torch.Tensor, words: int | None = None) -> Context:
    """Keys and values of image and text embeddings (B, n, N), the last 512 of them text.

    Args:
        attn: the layer.
        embeds: of image and text.
        words: tokens of the text before its padding, whose embeddings are equal: one of them stands for all. A key that
            is there k times weighs as much as one whose score is larger by log k. None = all are taken as they are.
    """
    image, text = embeds[:, :-TEXT_LENGTH], embeds[:, -TEXT_LENGTH:]
    times = 1 if words is None else max(1, TEXT_LENGTH - words)
    text = text[:, : TEXT_LENGTH - times + 1]
    parts = []
    for layer, norm, given in ((attn.to_kv, attn.norm_k, text), (attn.to_added_kv, attn.norm_added_k, image)):
        key, value = layer(given).chunk(2, dim=-1)
        parts.append(ops.heads_norm(key, norm.weight, None, None, attn.heads, norm.eps))
        # Kept without the key beside it.
        parts.append(value.contiguous().unflatten(2, (attn.heads, -1)))
    return Context((parts[0], parts[1]), (parts[2], parts[3]), log(times))


def _modulation(block: Any, temb: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Shift, scale and gate of self-attention, then of the feed-forward network, each (B, N), of temb (B, 6, N)."""
    return (block.scale_shift_table + temb.float()).unbind(1)


def _before_context(
    block: Any,
    hidden: torch.Tensor,
    modulation: tuple[torch.Tensor, ...],
    rotary: tuple[torch.Tensor, torch.Tensor],
    attention: SelfAttention,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Self-attention, and the queries to the context.

    Args:
        block: ``WanTransformerBlock`` with joined projections.
        hidden: (B, S, N).
        modulation: see ``_modulation``.
        rotary: tables (1, S, 1, D) of cosines and sines.
        attention: of the block with itself.

    Returns:
        Hidden states (B, S, N), queries (B, S, heads, D).
    """
    shift, scale, gate, *_ = modulation
    attn, cross, norm = block.attn1, block.attn2, block.norm2
    qkv = _norm_into(attn.to_qkv, hidden, scale, shift, block.norm1.eps)
    update = attn.to_out[0](attention(attn, qkv.chunk(3, dim=-1), rotary))
    del qkv
    hidden, query = _add_norm_into(
        cross.to_q, hidden, update, gate, norm.weight[None], norm.bias[None], norm.eps, plus_one=False
    )
    return hidden, ops.heads_norm(query, cross.norm_q.weight, None, None, cross.heads, cross.norm_q.eps)


def _after_context(
    block: Any,
    hidden: torch.Tensor,
    query: torch.Tensor,
    context: Context,
    modulation: tuple[torch.Tensor, ...],
    *,
    joined: bool,
) -> torch.Tensor:
    """Cross-attention and the feed-forward network; arguments of ``_before_context``, ``project_context`` and
    ``ContextKeys``."""
    *_, shift, scale, gate = modulation
    cross, net = block.attn2, block.ffn.net
    if joined:
        update = cross.to_out[0](ops.context_attention(query, *context.text, context.text_bias, *context.image))
    else:
        update = _sum_into(cross.to_out[0], attend(query, *context.text), attend(query, *context.image))
    del query
    if is_fp8(net[0].proj) and is_fp8(net[2]):
        hidden, inner = _add_norm_into(net[0].proj, hidden, update, None, scale, shift, block.norm3.eps)
        update = net[2].product(*ops.quantize(inner, None, True), inner)
        del inner
    else:
        hidden, normed = ops.add_norm(hidden, update, None, scale, shift, block.norm3.eps, True)
        update = net[2](net[0](normed))
        del normed
    return ops.add_gated(hidden, update, gate)


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
