# SPDX-License-Identifier: Apache-2.0
"""Triton kernel for attention's inputs: norm over all heads together, then rotary embedding."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import load_piece, on_device, pieces, store_piece, warps


@triton.jit
def _heads_kernel(
    values,
    weight,
    cos_table,
    sin_table,
    out,
    row_stride,
    tokens,
    eps,
    HEADS: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    HALF: tl.constexpr,
    ROTATE: tl.constexpr,
):
    N: tl.constexpr = HEADS * 2 * HALF
    EXACT: tl.constexpr = MAIN + TAIL == HEADS
    row = tl.program_id(0).to(tl.int64)
    half = tl.arange(0, HALF)[None, :]
    # x and y are the halves of a head whose channels turn together; of the first heads, and of the rest.
    first = tl.arange(0, MAIN)[:, None] * (2 * HALF) + half
    rest = (MAIN + tl.arange(0, TAIL)[:, None]) * (2 * HALF) + half
    source = values + row * row_stride
    x0 = load_piece(source, first, N, True)
    y0 = load_piece(source, first + HALF, N, True)
    x1 = load_piece(source, rest, N, EXACT)
    y1 = load_piece(source, rest + HALF, N, EXACT)
    squares = tl.sum(tl.sum(x0 * x0 + y0 * y0, axis=1), axis=0) + tl.sum(tl.sum(x1 * x1 + y1 * y1, axis=1), axis=0)
    rstd = 1.0 / tl.sqrt(squares / N + eps)
    x0 *= rstd * load_piece(weight, first, N, True)
    y0 *= rstd * load_piece(weight, first + HALF, N, True)
    x1 *= rstd * load_piece(weight, rest, N, EXACT)
    y1 *= rstd * load_piece(weight, rest + HALF, N, EXACT)
    target = out + row * N
    if ROTATE:
        # The tables repeat each value twice.
        at = (row % tokens) * (2 * HALF) + 2 * half
        cos = tl.load(cos_table + at)
        sin = tl.load(sin_table + at)
        store_piece(target, first, x0 * cos - y0 * sin, N, True)
        store_piece(target, first + HALF, x0 * sin + y0 * cos, N, True)
        store_piece(target, rest, x1 * cos - y1 * sin, N, EXACT)
        store_piece(target, rest + HALF, x1 * sin + y1 * cos, N, EXACT)
    else:
        store_piece(target, first, x0, N, True)
        store_piece(target, first + HALF, y0, N, True)
        store_piece(target, rest, x1, N, EXACT)
        store_piece(target, rest + HALF, y1, N, EXACT)


def fits_heads(heads: int, size: int) -> bool:
    """Whether the kernel takes so many heads of such a size: half a head is a block."""
    return heads > 1 and size >= 4 and size & (size - 1) == 0


def launch_heads_norm(
    values: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor | None,
    sin: torch.Tensor | None,
    heads: int,
    eps: float,
) -> torch.Tensor:
    """The operation ``heads_norm``; see ``ops``."""
    batch, tokens, count = values.shape
    # A part of a joined projection is taken as it lies.
    if values.stride(2) != 1 or (batch > 1 and values.stride(0) != tokens * values.stride(1)):
        values = values.contiguous()
    main, tail = pieces(heads)
    out = torch.empty((batch, tokens, heads, count // heads), dtype=values.dtype, device=values.device)
    rotate = cos is not None and sin is not None
    with on_device(values):
        _heads_kernel[(batch * tokens,)](
            values,
            weight,
            cos.contiguous() if cos is not None else values,
            sin.contiguous() if sin is not None else values,
            out,
            values.stride(1),
            tokens,
            eps,
            HEADS=heads,
            MAIN=main,
            TAIL=tail,
            HALF=count // heads // 2,
            ROTATE=rotate,
            num_warps=warps(count),
        )
    return out
