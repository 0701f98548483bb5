# SPDX-License-Identifier: Apache-2.0
"""Triton kernels for attention in 8 bits: norm over all heads together, rotary embedding, what keys have in common
taken off, rotation of each head by a Hadamard matrix, and quantization, with nothing written in between."""

from __future__ import annotations

from functools import cache

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import on_device

#: Tokens of one program: the least that the tensor cores multiply.
_TOKENS = 16
#: Values of one program of ``_scaled_kernel``.
_BLOCK = 4096
#: Largest value of float8_e4m3fn.
_MAX = tl.constexpr(448.0)


@triton.jit
def _quantized(values, inverse):
    return tl.clamp(values * inverse, -_MAX, _MAX).to(tl.float8e4nv)


@triton.jit
def _heads_fp8_kernel(
    values,
    weight,
    cos_table,
    sin_table,
    mean,
    inverse,
    hadamard,
    out,
    row_stride,
    tokens,
    rows,
    eps,
    HEADS: tl.constexpr,
    HALF: tl.constexpr,
    SMOOTH: tl.constexpr,
    TOKENS: tl.constexpr,
):
    SIZE: tl.constexpr = 2 * HALF
    N: tl.constexpr = HEADS * SIZE
    row = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    there = row[:, None] < rows
    half = tl.arange(0, HALF)[None, :]
    source = values + row[:, None] * row_stride
    squares = tl.zeros((TOKENS,), tl.float32)
    for head in range(HEADS):
        x = tl.load(source + head * SIZE + half, mask=there, other=0.0).to(tl.float32)
        y = tl.load(source + head * SIZE + HALF + half, mask=there, other=0.0).to(tl.float32)
        squares += tl.sum(x * x + y * y, axis=1)
    rstd = (1.0 / tl.sqrt(squares / N + eps))[:, None]
    # The tables repeat each value twice.
    at = (row % tokens)[:, None] * SIZE + 2 * half
    cos = tl.load(cos_table + at, mask=there, other=0.0)
    sin = tl.load(sin_table + at, mask=there, other=0.0)
    matrix = tl.load(hadamard + tl.arange(0, HALF)[:, None] * HALF + half)
    target = out + row[:, None] * N
    for head in range(HEADS):
        first = head * SIZE + half
        x = tl.load(source + first, mask=there, other=0.0).to(tl.float32)
        y = tl.load(source + first + HALF, mask=there, other=0.0).to(tl.float32)
        x *= rstd * tl.load(weight + first).to(tl.float32)
        y *= rstd * tl.load(weight + first + HALF).to(tl.float32)
        u = x * cos - y * sin
        v = x * sin + y * cos
        if SMOOTH:
            u -= tl.load(mean + first)
            v -= tl.load(mean + first + HALF)
        # A Hadamard matrix of twice the size is [[H, H], [H, -H]].
        factor = tl.load(inverse + head)
        a = tl.dot((u + v).to(tl.bfloat16), matrix)
        b = tl.dot((u - v).to(tl.bfloat16), matrix)
        tl.store(target + first, _quantized(a, factor), mask=there)
        tl.store(target + first + HALF, _quantized(b, factor), mask=there)


@triton.jit
def _scaled_kernel(
    values,
    inverse,
    out,
    row_stride,
    count,
    N: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < count
    channel = at % N
    loaded = tl.load(values + (at // N) * row_stride + channel, mask=there, other=0.0).to(tl.float32)
    tl.store(out + at, _quantized(loaded, tl.load(inverse + channel // SIZE)), mask=there)


@cache
def _matrix(size: int, device: torch.device) -> torch.Tensor:
    """Sylvester's Hadamard matrix (size, size) of ±1 in bfloat16, which holds them exactly."""
    made = torch.ones((1, 1), dtype=torch.bfloat16)
    while len(made) < size:
        made = torch.cat([torch.cat([made, made], 1), torch.cat([made, -made], 1)])
    return made.to(device)


def launch_heads_fp8(
    values: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    mean: torch.Tensor | None,
    inverse: torch.Tensor,
    heads: int,
    eps: float,
) -> torch.Tensor:
    """The operation ``heads_fp8``; see ``ops``. Half a head is at least 16 and a power of two."""
    batch, tokens, count = values.shape
    # A part of a joined projection is taken as it lies.
    if values.stride(2) != 1 or (batch > 1 and values.stride(0) != tokens * values.stride(1)):
        values = values.contiguous()
    half = count // heads // 2
    out = torch.empty((batch, tokens, heads, 2 * half), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _heads_fp8_kernel[(triton.cdiv(batch * tokens, _TOKENS),)](
            values,
            weight,
            cos.contiguous(),
            sin.contiguous(),
            mean if mean is not None else weight,
            # The matrix of ±1 makes a head sqrt(2 half) times as long.
            inverse / (2 * half) ** 0.5,
            _matrix(half, values.device),
            out,
            values.stride(1),
            tokens,
            batch * tokens,
            eps,
            HEADS=heads,
            HALF=half,
            SMOOTH=mean is not None,
            TOKENS=_TOKENS,
            num_warps=4,
        )
    return out


def launch_scaled_fp8(values: torch.Tensor, inverse: torch.Tensor, heads: int) -> torch.Tensor:
    """The operation ``scaled_fp8``; see ``ops``."""
    batch, tokens, count = values.shape
    if values.stride(2) != 1 or (batch > 1 and values.stride(0) != tokens * values.stride(1)):
        values = values.contiguous()
    out = torch.empty((batch, tokens, heads, count // heads), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _scaled_kernel[(triton.cdiv(values.numel(), _BLOCK),)](
            values,
            inverse,
            out,
            values.stride(1),
            values.numel(),
            N=count,
            SIZE=count // heads,
            BLOCK=_BLOCK,
            num_warps=8,
        )
    return out
