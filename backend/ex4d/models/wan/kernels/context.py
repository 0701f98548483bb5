# SPDX-License-Identifier: Apache-2.0
"""Triton kernel for attention to the context: to the text and to the image apart, and the sum of both, in one pass over
the queries. Contexts are short, so reading queries and writing results is most of the work of two calls."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import on_device

#: Queries of one program, keys that it takes at a time, its warps, and steps whose loads are under way.
_QUERIES, _KEYS, _WARPS, _STAGES = 64, 64, 4, 2
#: exp(x) = exp2(x · this).
_LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def _attended(
    query,
    keys,
    values,
    bias,
    count,
    row_stride,
    factor,
    SIZE: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    """Of queries (QUERIES, SIZE) to ``count`` keys, float32; Milakov and Gimelshein's softmax in one pass. The last,
    whose score has the bias added, comes first and by itself: the image has a power of two before it."""
    channel = tl.arange(0, SIZE)
    others = count - 1
    last = tl.load(keys + others * row_stride + channel)[None, :].to(tl.float32)
    largest = tl.sum(query.to(tl.float32) * last, axis=1) * factor + bias
    weight = tl.full((QUERIES,), 1.0, tl.float32)
    total = tl.load(values + others * row_stride + channel)[None, :].to(tl.float32)
    total = tl.broadcast_to(total, (QUERIES, SIZE))
    for begin in range(0, others, KEYS):
        at = begin + tl.arange(0, KEYS)
        there = at < others
        key = tl.load(keys + at[None, :] * row_stride + channel[:, None], mask=there[None, :], other=0.0)
        score = tl.dot(query, key) * factor
        score = tl.where(there[None, :], score, float("-inf"))
        above = tl.maximum(largest, tl.max(score, axis=1))
        share = tl.exp2(score - above[:, None])
        kept = tl.exp2(largest - above)
        weight = weight * kept + tl.sum(share, axis=1)
        value = tl.load(values + at[:, None] * row_stride + channel[None, :], mask=there[:, None], other=0.0)
        total = tl.dot(share.to(value.dtype), value, total * kept[:, None])
        largest = above
    return total / weight[:, None]


@triton.jit
def _context_kernel(
    query,
    text_key,
    text_value,
    text_bias,
    image_key,
    image_value,
    out,
    tokens,
    texts,
    images,
    factor,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    ROW: tl.constexpr = HEADS * SIZE
    head = tl.program_id(1) % HEADS
    batch = (tl.program_id(1) // HEADS).to(tl.int64)
    token = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    there = token[:, None] < tokens
    at = (batch * tokens + token[:, None]) * ROW + head * SIZE + tl.arange(0, SIZE)[None, :]
    own = tl.load(query + at, mask=there, other=0.0)
    text, image = batch * texts * ROW + head * SIZE, batch * images * ROW + head * SIZE
    one = _attended(own, text_key + text, text_value + text, text_bias, texts, ROW, factor, SIZE, QUERIES, KEYS)
    other = _attended(own, image_key + image, image_value + image, 0.0, images, ROW, factor, SIZE, QUERIES, KEYS)
    tl.store(out + at, (one + other).to(out.dtype.element_ty), mask=there)


def fits_context(size: int) -> bool:
    """Whether the kernel takes heads of such a size."""
    return size in (32, 64, 128)


def launch_context_attention(
    query: torch.Tensor,
    text_key: torch.Tensor,
    text_value: torch.Tensor,
    text_bias: float,
    image_key: torch.Tensor,
    image_value: torch.Tensor,
) -> torch.Tensor:
    """The operation ``context_attention``; see ``ops``."""
    batch, tokens, heads, size = query.shape
    query, text_key, text_value, image_key, image_value = (
        each.contiguous() for each in (query, text_key, text_value, image_key, image_value)
    )
    out = torch.empty((batch, tokens, heads * size), dtype=query.dtype, device=query.device)
    with on_device(query):
        _context_kernel[(triton.cdiv(tokens, _QUERIES), batch * heads)](
            query,
            text_key,
            text_value,
            text_bias * _LOG2_E.value,
            image_key,
            image_value,
            out,
            tokens,
            text_key.shape[1],
            image_key.shape[1],
            size**-0.5 * _LOG2_E.value,
            HEADS=heads,
            SIZE=size,
            QUERIES=_QUERIES,
            KEYS=_KEYS,
            num_warps=_WARPS,
            num_stages=_STAGES,
        )
    return out
