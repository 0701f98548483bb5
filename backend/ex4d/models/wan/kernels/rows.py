# SPDX-License-Identifier: Apache-2.0
"""Triton kernels over rows of channels: layer norm with modulation, residuals, 8-bit quantization.

One program works on one row, which stays in its registers: device memory sees one read and one write. A row is held in
two pieces, a power of two and the rest, because Triton's blocks are powers of two: 5120 = 4096 + 1024 wastes nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
import triton.language as tl

#: Largest value of float8_e4m3fn.
_MAX = tl.constexpr(448.0)


@triton.jit
def load_piece(pointer, offsets, N: tl.constexpr, EXACT: tl.constexpr):
    """Values in float32; 0 from ``N`` on."""
    if EXACT:
        values = tl.load(pointer + offsets)
    else:
        values = tl.load(pointer + offsets, mask=offsets < N, other=0.0)
    return values.to(tl.float32)


@triton.jit
def store_piece(pointer, offsets, values, N: tl.constexpr, EXACT: tl.constexpr):
    """Write what lies before ``N``."""
    values = values.to(pointer.dtype.element_ty)
    if EXACT:
        tl.store(pointer + offsets, values)
    else:
        tl.store(pointer + offsets, values, mask=offsets < N)


@triton.jit
def _gelu(values):
    # tanh(u) = 2 sigmoid(2u) − 1, so half of x (1 + tanh u) is x sigmoid(2u).
    inner = 1.5957691216057308 * (values + 0.044715 * values * values * values)
    return values / (1.0 + tl.exp(-inner))


@triton.jit
def _store_quantized(
    rows,
    row_scales,
    row,
    first,
    rest,
    a,
    b,
    N: tl.constexpr,
    EXACT: tl.constexpr,
):
    largest = tl.maximum(tl.max(tl.abs(a), axis=0), tl.max(tl.abs(b), axis=0))
    scale = tl.maximum(largest, 1e-12) / _MAX
    tl.store(row_scales + row, scale)
    inverse = 1.0 / scale
    store_piece(rows + row * N, first, a * inverse, N, True)
    store_piece(rows + row * N, rest, b * inverse, N, EXACT)


@triton.jit
def _norm_kernel(
    x,
    update,
    gate,
    scale,
    shift,
    total,
    out,
    row_scales,
    tokens,
    gate_stride,
    scale_stride,
    eps,
    N: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    ADD: tl.constexpr,
    GATED: tl.constexpr,
    NORM: tl.constexpr,
    PLUS_ONE: tl.constexpr,
    FP8: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    batch = row // tokens
    EXACT: tl.constexpr = MAIN + TAIL == N
    first = tl.arange(0, MAIN)
    rest = MAIN + tl.arange(0, TAIL)
    a = load_piece(x + row * N, first, N, True)
    b = load_piece(x + row * N, rest, N, EXACT)
    if ADD:
        add_a = load_piece(update + row * N, first, N, True)
        add_b = load_piece(update + row * N, rest, N, EXACT)
        if GATED:
            add_a *= load_piece(gate + batch * gate_stride, first, N, True)
            add_b *= load_piece(gate + batch * gate_stride, rest, N, EXACT)
        # The norm sees what the next residual will: the sum as it is stored.
        a = (a + add_a).to(total.dtype.element_ty)
        b = (b + add_b).to(total.dtype.element_ty)
        store_piece(total + row * N, first, a, N, True)
        store_piece(total + row * N, rest, b, N, EXACT)
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    if NORM:
        mean = (tl.sum(a, axis=0) + tl.sum(b, axis=0)) / N
        a -= mean
        b = b - mean if EXACT else tl.where(rest < N, b - mean, 0.0)
        variance = (tl.sum(a * a, axis=0) + tl.sum(b * b, axis=0)) / N
        rstd = 1.0 / tl.sqrt(variance + eps)
        scale_a = load_piece(scale + batch * scale_stride, first, N, True)
        scale_b = load_piece(scale + batch * scale_stride, rest, N, EXACT)
        if PLUS_ONE:
            scale_a += 1.0
            scale_b += 1.0
        a = a * rstd * scale_a + load_piece(shift + batch * scale_stride, first, N, True)
        b = b * rstd * scale_b + load_piece(shift + batch * scale_stride, rest, N, EXACT)
        if FP8:
            _store_quantized(out, row_scales, row, first, rest, a, b, N, EXACT)
        else:
            store_piece(out + row * N, first, a, N, True)
            store_piece(out + row * N, rest, b, N, EXACT)


@triton.jit
def _quantize_kernel(
    values,
    other,
    rows,
    row_scales,
    N: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    ADD: tl.constexpr,
    GELU: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    EXACT: tl.constexpr = MAIN + TAIL == N
    first = tl.arange(0, MAIN)
    rest = MAIN + tl.arange(0, TAIL)
    a = load_piece(values + row * N, first, N, True)
    b = load_piece(values + row * N, rest, N, EXACT)
    if ADD:
        a += load_piece(other + row * N, first, N, True)
        b += load_piece(other + row * N, rest, N, EXACT)
    if GELU:
        a = _gelu(a)
        b = _gelu(b)
    _store_quantized(rows, row_scales, row, first, rest, a, b, N, EXACT)


def pieces(count: int) -> tuple[int, int]:
    """A power of two below ``count``, and the power of two that holds the rest."""
    main: int = triton.next_power_of_2(count) // 2
    return main, triton.next_power_of_2(count - main)


def warps(count: int) -> int:
    """Of a program that holds so many values: each thread has 40 to 64 of them."""
    return 4 if count <= 8192 else 8


def on_device(tensor: torch.Tensor) -> AbstractContextManager[Any]:
    """Kernels are launched on the current device, which may be another one."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def launch_norm(
    x: torch.Tensor,
    update: torch.Tensor | None,
    gate: torch.Tensor | None,
    modulation: tuple[torch.Tensor, torch.Tensor] | None,
    eps: float,
    plus_one: bool,
    fp8: bool,
) -> tuple[torch.Tensor, ...]:
    """The operations ``norm``, ``add_norm``, ``add_gated`` and their 8-bit forms; see ``ops``.

    Returns:
        The sum where there is an ``update``, the normed where there is a ``modulation`` (scale and shift), with the
        rows' scales if ``fp8``.
    """
    count, x = x.shape[-1], x.contiguous()
    rows = x.numel() // count
    main, tail = pieces(count)
    total = torch.empty_like(x) if update is not None else x
    out, row_scales, results = x, x, [total] if update is not None else []
    scale = shift = x
    if modulation is not None:
        scale, shift = modulation
        assert scale.stride() == shift.stride()
        if fp8:
            out = torch.empty((rows, count), dtype=torch.float8_e4m3fn, device=x.device)
            row_scales = torch.empty((rows, 1), dtype=torch.float32, device=x.device)
            results += [out, row_scales]
        else:
            out = torch.empty_like(x)
            results.append(out)
    with on_device(x):
        _norm_kernel[(rows,)](
            x,
            x if update is None else update.contiguous(),
            x if gate is None else gate,
            scale,
            shift,
            total,
            out,
            row_scales,
            x.shape[-2],
            0 if gate is None or gate.shape[0] == 1 else gate.stride(0),
            0 if modulation is None or scale.shape[0] == 1 else scale.stride(0),
            eps,
            N=count,
            MAIN=main,
            TAIL=tail,
            ADD=update is not None,
            GATED=gate is not None,
            NORM=modulation is not None,
            PLUS_ONE=plus_one,
            FP8=fp8,
            num_warps=warps(count),
        )
    return tuple(results)


def launch_quantize(values: torch.Tensor, other: torch.Tensor | None, gelu: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The operation ``quantize``; see ``ops``."""
    count, values = values.shape[-1], values.contiguous()
    number = values.numel() // count
    main, tail = pieces(count)
    rows = torch.empty((number, count), dtype=torch.float8_e4m3fn, device=values.device)
    row_scales = torch.empty((number, 1), dtype=torch.float32, device=values.device)
    with on_device(values):
        _quantize_kernel[(number,)](
            values,
            values if other is None else other.contiguous(),
            rows,
            row_scales,
            N=count,
            MAIN=main,
            TAIL=tail,
            ADD=other is not None,
            GELU=gelu,
            num_warps=warps(count),
        )
    return rows, row_scales
