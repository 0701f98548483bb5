# SPDX-License-Identifier: Apache-2.0
"""Triton kernels for attention in 8 bits: norm over all heads together, rotary embedding, what keys have in common
taken off, rotation of each head by a Hadamard matrix, and quantization, each tensor read and written once; and what a
sample of tokens tells of keys and values."""

from __future__ import annotations

from functools import cache

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import load_piece, on_device, pieces, store_piece, warps

#: Largest value of float8_e4m3fn.
_MAX = tl.constexpr(448.0)
#: Of a program that turns a token's heads: with more they wait for each other.
_WARPS = 2
#: Rows of the smallest matrix that is multiplied as one.
_DOT_ROWS = 16


@triton.jit
def _turned(x, y, cos, sin, mean, at, N: tl.constexpr, EXACT: tl.constexpr, HALF: tl.constexpr, SMOOTH: tl.constexpr):
    """The halves of heads after rotary embedding, less the mean."""
    u = x * cos - y * sin
    v = x * sin + y * cos
    if SMOOTH:
        u -= load_piece(mean, at, N, EXACT)
        v -= load_piece(mean, at + HALF, N, EXACT)
    return u, v


@triton.jit
def _store_heads(
    out, at, u, v, matrix, inverse, head, length, N: tl.constexpr, HALF: tl.constexpr, EXACT: tl.constexpr
):
    """Heads by a Hadamard matrix of twice the size, [[H, H], [H, -H]], in 8 bits."""
    factor = length * load_piece(inverse, head, N // (2 * HALF), EXACT)
    a = tl.dot((u + v).to(tl.bfloat16), matrix) * factor
    b = tl.dot((u - v).to(tl.bfloat16), matrix) * factor
    store_piece(out, at, tl.clamp(a, -_MAX, _MAX), N, EXACT)
    store_piece(out, at + HALF, tl.clamp(b, -_MAX, _MAX), N, EXACT)


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
    eps,
    length,
    HEADS: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    HALF: tl.constexpr,
    SMOOTH: tl.constexpr,
):
    SIZE: tl.constexpr = 2 * HALF
    N: tl.constexpr = HEADS * SIZE
    # Of heads that are fewer than the blocks have rows, and of those that are no power of two.
    ALL: tl.constexpr = MAIN <= HEADS
    EXACT: tl.constexpr = MAIN + TAIL == HEADS
    row = tl.program_id(0).to(tl.int64)
    half = tl.arange(0, HALF)[None, :]
    main, tail = tl.arange(0, MAIN)[:, None], MAIN + tl.arange(0, TAIL)[:, None]
    first, rest = main * SIZE + half, tail * SIZE + half
    source, target = values + row * row_stride, out + row * N
    x0 = load_piece(source, first, N, ALL)
    y0 = load_piece(source, first + HALF, N, ALL)
    x1 = load_piece(source, rest, N, EXACT)
    y1 = load_piece(source, rest + HALF, N, EXACT)
    # The tables repeat each value twice.
    at = (row % tokens) * SIZE + 2 * half
    cos = tl.load(cos_table + at)
    sin = tl.load(sin_table + at)
    matrix = tl.load(hadamard + tl.arange(0, HALF)[:, None] * HALF + half)
    squares = tl.sum(tl.sum(x0 * x0 + y0 * y0, axis=1), axis=0) + tl.sum(tl.sum(x1 * x1 + y1 * y1, axis=1), axis=0)
    rstd = 1.0 / tl.sqrt(squares / N + eps)
    x0 *= rstd * load_piece(weight, first, N, ALL)
    y0 *= rstd * load_piece(weight, first + HALF, N, ALL)
    x1 *= rstd * load_piece(weight, rest, N, EXACT)
    y1 *= rstd * load_piece(weight, rest + HALF, N, EXACT)
    u, v = _turned(x0, y0, cos, sin, mean, first, N, ALL, HALF, SMOOTH)
    _store_heads(target, first, u, v, matrix, inverse, main, length, N, HALF, ALL)
    u, v = _turned(x1, y1, cos, sin, mean, rest, N, EXACT, HALF, SMOOTH)
    _store_heads(target, rest, u, v, matrix, inverse, tail, length, N, HALF, EXACT)


@triton.jit
def _scaled_kernel(
    values,
    inverse,
    out,
    row_stride,
    N: tl.constexpr,
    SIZE: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
):
    EXACT: tl.constexpr = MAIN + TAIL == N
    row = tl.program_id(0).to(tl.int64)
    first = tl.arange(0, MAIN)
    rest = MAIN + tl.arange(0, TAIL)
    source, target = values + row * row_stride, out + row * N
    a = load_piece(source, first, N, True)
    b = load_piece(source, rest, N, EXACT)
    a *= load_piece(inverse, first // SIZE, N // SIZE, True)
    b *= load_piece(inverse, rest // SIZE, N // SIZE, EXACT)
    store_piece(target, first, tl.clamp(a, -_MAX, _MAX), N, True)
    store_piece(target, rest, tl.clamp(b, -_MAX, _MAX), N, EXACT)


@triton.jit
def _sample_rstd_kernel(
    values, out, row_stride, eps, samples, tokens, every, N: tl.constexpr, MAIN: tl.constexpr, TAIL: tl.constexpr
):
    EXACT: tl.constexpr = MAIN + TAIL == N
    sample = tl.program_id(0)
    row = (sample // samples).to(tl.int64) * tokens + sample % samples * every
    a = load_piece(values + row * row_stride, tl.arange(0, MAIN), N, True)
    b = load_piece(values + row * row_stride, MAIN + tl.arange(0, TAIL), N, EXACT)
    squares = tl.sum(a * a, axis=0) + tl.sum(b * b, axis=0)
    tl.store(out + sample, 1.0 / tl.sqrt(squares / N + eps))


@triton.jit
def _sample_kernel(
    keys,
    values,
    rstds,
    weight,
    cos_table,
    sin_table,
    mean,
    scale,
    inverse,
    key_stride,
    value_stride,
    count,
    samples,
    tokens,
    every,
    room,
    HALF: tl.constexpr,
    ROWS: tl.constexpr,
):
    """One head of each program: the same sums in the same order every time."""
    SIZE: tl.constexpr = 2 * HALF
    head = tl.program_id(0)
    half = tl.arange(0, HALF)[None, :]
    first = head * SIZE + half
    weight_x = tl.load(weight + first).to(tl.float32)
    weight_y = tl.load(weight + first + HALF).to(tl.float32)
    sum_u = tl.zeros((HALF,), tl.float32)
    sum_v = tl.zeros((HALF,), tl.float32)
    largest = tl.zeros((HALF,), tl.float32)
    for begin in range(0, count, ROWS):
        sample = begin + tl.arange(0, ROWS)[:, None]
        there = sample < count
        token = sample % samples * every
        row = (sample // samples).to(tl.int64) * tokens + token
        rstd = tl.load(rstds + sample, mask=there, other=0.0)
        source = keys + row * key_stride + first
        x = tl.load(source, mask=there, other=0.0).to(tl.float32) * rstd * weight_x
        y = tl.load(source + HALF, mask=there, other=0.0).to(tl.float32) * rstd * weight_y
        cos = tl.load(cos_table + token * SIZE + 2 * half, mask=there, other=0.0)
        sin = tl.load(sin_table + token * SIZE + 2 * half, mask=there, other=0.0)
        sum_u += tl.sum(x * cos - y * sin, axis=0)
        sum_v += tl.sum(x * sin + y * cos, axis=0)
        source = values + row * value_stride + first
        x = tl.abs(tl.load(source, mask=there, other=0.0).to(tl.float32))
        y = tl.abs(tl.load(source + HALF, mask=there, other=0.0).to(tl.float32))
        largest = tl.maximum(largest, tl.max(tl.maximum(x, y), axis=0))
    at = head * SIZE + tl.arange(0, HALF)
    tl.store(mean + at, sum_u / count)
    tl.store(mean + at + HALF, sum_v / count)
    found = tl.maximum(tl.max(largest, axis=0), 1e-6) * (room / _MAX)
    tl.store(scale + head, found)
    tl.store(inverse + head, 1.0 / found)


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
    half = count // heads // 2
    main, tail = (max(_DOT_ROWS, rows) for rows in pieces(heads))
    out = torch.empty((batch, tokens, heads, 2 * half), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _heads_fp8_kernel[(batch * tokens,)](
            values,
            weight,
            cos.contiguous(),
            sin.contiguous(),
            mean if mean is not None else weight,
            inverse,
            _matrix(half, values.device),
            out,
            values.stride(1),
            tokens,
            eps,
            # The matrix of ±1 makes a head sqrt(2 half) times as long.
            (2 * half) ** -0.5,
            HEADS=heads,
            MAIN=main,
            TAIL=tail,
            HALF=half,
            SMOOTH=mean is not None,
            num_warps=_WARPS,
        )
    return out


def launch_scaled_fp8(values: torch.Tensor, inverse: torch.Tensor, heads: int) -> torch.Tensor:
    """The operation ``scaled_fp8``; see ``ops``."""
    values = _rows_apart(values)
    batch, tokens, count = values.shape
    main, tail = pieces(count)
    out = torch.empty((batch, tokens, heads, count // heads), dtype=torch.float8_e4m3fn, device=values.device)
    with on_device(values):
        _scaled_kernel[(batch * tokens,)](
            values,
            inverse,
            out,
            values.stride(1),
            N=count,
            SIZE=count // heads,
            MAIN=main,
            TAIL=tail,
            num_warps=warps(count),
        )
    return out


def launch_heads_sample(
    key: torch.Tensor,
    value: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    heads: int,
    eps: float,
    every: int,
    room: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The operation ``heads_sample``; see ``ops``. Half a head is a power of two."""
    key, value = _rows_apart(key), _rows_apart(value)
    batch, tokens, count = key.shape
    samples = -(-tokens // every)
    main, tail = pieces(count)
    rstds = torch.empty(batch * samples, dtype=torch.float32, device=key.device)
    mean = torch.empty((heads, count // heads), dtype=torch.float32, device=key.device)
    scale, inverse = (torch.empty(heads, dtype=torch.float32, device=key.device) for _ in range(2))
    with on_device(key):
        _sample_rstd_kernel[(batch * samples,)](
            key,
            rstds,
            key.stride(1),
            eps,
            samples,
            tokens,
            every,
            N=count,
            MAIN=main,
            TAIL=tail,
            num_warps=warps(count),
        )
        _sample_kernel[(heads,)](
            key,
            value,
            rstds,
            weight,
            cos.contiguous(),
            sin.contiguous(),
            mean,
            scale,
            inverse,
            key.stride(1),
            value.stride(1),
            batch * samples,
            samples,
            tokens,
            every,
            room,
            HALF=count // heads // 2,
            ROWS=32,
            num_warps=8,
        )
    return mean, scale, inverse


def _rows_apart(values: torch.Tensor) -> torch.Tensor:
    """(B, S, N) whose rows lie one stride apart, as those of a part of a joined projection do."""
    batch, tokens, _ = values.shape
    if values.stride(2) != 1 or (batch > 1 and values.stride(0) != tokens * values.stride(1)):
        return values.contiguous()
    return values
