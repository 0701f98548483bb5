# SPDX-License-Identifier: Apache-2.0
"""Triton kernels for attention in 8 bits: norm over all heads together, rotary embedding, what keys have in common
taken off, rotation of each head by a Hadamard matrix, and quantization, with nothing written in between."""

from __future__ import annotations

from functools import cache
from math import gcd

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import on_device

#: Tokens and heads of one program, and its warps, the fastest of those tried on an H200.
_TOKENS, _HEADS, _WARPS = 32, 8, 2
#: Largest value of float8_e4m3fn.
_MAX = tl.constexpr(448.0)


@triton.jit
def _quantized(values, inverse):
    return tl.clamp(values * inverse, -_MAX, _MAX).to(tl.float8e4nv)


@triton.jit
def _rstd_kernel(values, out, row_stride, eps, N: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    loaded = tl.load(values + row * row_stride + at, mask=at < N, other=0.0).to(tl.float32)
    tl.store(out + row, 1.0 / tl.sqrt(tl.sum(loaded * loaded, axis=0) / N + eps))


@triton.jit
def _heads_fp8_kernel(
    values,
    rstds,
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
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HALF: tl.constexpr,
    SMOOTH: tl.constexpr,
    TOKENS: tl.constexpr,
):
    SIZE: tl.constexpr = 2 * HALF
    row = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    there = row[:, None] < rows
    half = tl.arange(0, HALF)[None, :]
    rstd = tl.load(rstds + row, mask=row < rows, other=0.0)[:, None]
    # The tables repeat each value twice.
    at = (row % tokens)[:, None] * SIZE + 2 * half
    cos = tl.load(cos_table + at, mask=there, other=0.0)
    sin = tl.load(sin_table + at, mask=there, other=0.0)
    matrix = tl.load(hadamard + tl.arange(0, HALF)[:, None] * HALF + half)
    source = values + row[:, None] * row_stride
    target = out + row[:, None] * (HEADS * SIZE)
    for number in range(GROUP):
        head = tl.program_id(1) * GROUP + number
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
def _scaled_kernel(values, inverse, out, row_stride, N: tl.constexpr, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    there = channel < N
    loaded = tl.load(values + row * row_stride + channel, mask=there, other=0.0).to(tl.float32)
    factor = tl.load(inverse + channel // SIZE, mask=there, other=0.0)
    tl.store(out + row * N + channel, _quantized(loaded, factor), mask=there)


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
    values = _rows_apart(values)
    batch, tokens, count = values.shape
    rows, half, group = batch * tokens, count // heads // 2, gcd(heads, _HEADS)
    rstds = torch.empty(rows, dtype=torch.float32, device=values.device)
    out = torch.empty((batch, tokens, heads, 2 * half), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _rstd_kernel[(rows,)](
            values, rstds, values.stride(1), eps, N=count, BLOCK=triton.next_power_of_2(count), num_warps=8
        )
        _heads_fp8_kernel[(triton.cdiv(rows, _TOKENS), heads // group)](
            values,
            rstds,
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
            rows,
            HEADS=heads,
            GROUP=group,
            HALF=half,
            SMOOTH=mean is not None,
            TOKENS=_TOKENS,
            num_warps=_WARPS,
        )
    return out


def launch_scaled_fp8(values: torch.Tensor, inverse: torch.Tensor, heads: int) -> torch.Tensor:
    """The operation ``scaled_fp8``; see ``ops``."""
    values = _rows_apart(values)
    batch, tokens, count = values.shape
    out = torch.empty((batch, tokens, heads, count // heads), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _scaled_kernel[(batch * tokens,)](
            values,
            inverse,
            out,
            values.stride(1),
            N=count,
            SIZE=count // heads,
            BLOCK=triton.next_power_of_2(count),
            num_warps=8,
        )
    return out


def _rows_apart(values: torch.Tensor) -> torch.Tensor:
    """(B, S, N) whose rows lie one stride apart, as those of a part of a joined projection do."""
    batch, tokens, _ = values.shape
    if values.stride(2) != 1 or (batch > 1 and values.stride(0) != tokens * values.stride(1)):
        return values.contiguous()
    return values
