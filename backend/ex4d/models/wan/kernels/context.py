# SPDX-License-Identifier: Apache-2.0
"""Triton kernel for attention to the context: to the text and to the image apart, and the sum of both, in one pass over
the queries. Contexts are short, so reading queries and writing results is most of the work of two calls."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import on_device

#: Queries of one program, keys that it takes at a time, and its warps.
_QUERIES, _KEYS, _WARPS = 128, 64, 8
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
    BIAS: tl.constexpr,
):
    """Of queries (QUERIES, SIZE) to ``count`` keys, float32; Milakov and Gimelshein's softmax in one pass."""
    channel = tl.arange(0, SIZE)
    largest = tl.full((QUERIES,), float("-inf"), tl.float32)
    weight = tl.zeros((QUERIES,), tl.float32)
    total = tl.zeros((QUERIES, SIZE), tl.float32)
    for begin in range(0, count, KEYS):
        at = begin + tl.arange(0, KEYS)
        there = at < count
        key = tl.load(keys + at[None, :] * row_stride + channel[:, None], mask=there[None, :], other=0.0)
        score = tl.dot(query, key) * factor
        if BIAS:
            score += tl.load(bias + at, mask=there, other=0.0)[None, :] * _LOG2_E
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
    BIAS: tl.constexpr,
):
    ROW: tl.constexpr = HEADS * SIZE
    head = tl.program_id(1) % HEADS
    batch = (tl.program_id(1) // HEADS).to(tl.int64)
    token = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    there = token[:, None] < tokens
    at = (batch * tokens + token[:, None]) * ROW + head * SIZE + tl.arange(0, SIZE)[None, :]
    own = tl.load(query + at, mask=there, other=0.0)
    text, image = batch * texts * ROW + head * SIZE, batch * images * ROW + head * SIZE
    one = _attended(own, text_key + text, text_value + text, text_bias, texts, ROW, factor, SIZE, QUERIES, KEYS, BIAS)
    other = _attended(
        own, image_key + image, image_value + image, text_bias, images, ROW, factor, SIZE, QUERIES, KEYS, False
    )
    tl.store(out + at, (one + other).to(out.dtype.element_ty), mask=there)


def fits_context(size: int) -> bool:
    """Whether the kernel takes heads of such a size."""
    return size in (32, 64, 128)


def launch_context_attention(
    query: torch.Tensor,
    text_key: torch.Tensor,
    text_value: torch.Tensor,
    text_bias: torch.Tensor | None,
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
            text_bias if text_bias is not None else query,
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
            BIAS=text_bias is not None,
            num_warps=_WARPS,
        )
    return out
