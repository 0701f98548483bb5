# SPDX-License-Identifier: Apache-2.0
"""Triton kernels of the VAE, for videos whose channels lie last in memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from ex4d.models.wan.kernels.rows import load_piece, on_device, pieces

#: Values of a program: enough to keep memory busy, few enough to stay in registers.
_VALUES = 8192


@triton.jit
def _norm_silu_kernel(
    values,
    bias,
    gamma,
    past,
    out,
    pixels,
    frames,
    ROWS: tl.constexpr,
    C: tl.constexpr,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    PAST: tl.constexpr,
    KNOWN: tl.constexpr,
    BIAS: tl.constexpr,
):
    frame = tl.program_id(1) % (frames + PAST)
    batch = (tl.program_id(1) // (frames + PAST)).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    inside = row < pixels
    first = tl.arange(0, MAIN)[None, :]
    rest = MAIN + tl.arange(0, TAIL)[None, :]
    # Of MAIN + TAIL channels the last may not exist.
    whole = inside & (rest < C)
    target = out + (batch * (frames + PAST) + frame) * pixels * C + row * C
    if frame < PAST:
        if KNOWN:
            source = past + (batch * PAST + frame) * pixels * C + row * C
            tl.store(target + first, tl.load(source + first, mask=inside, other=0.0), mask=inside)
            tl.store(target + rest, tl.load(source + rest, mask=whole, other=0.0), mask=whole)
        else:
            tl.store(target + first, tl.zeros((ROWS, MAIN), out.dtype.element_ty), mask=inside)
            tl.store(target + rest, tl.zeros((ROWS, TAIL), out.dtype.element_ty), mask=whole)
    else:
        source = values + (batch * frames + frame - PAST) * pixels * C + row * C
        a = tl.load(source + first, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(source + rest, mask=whole, other=0.0).to(tl.float32)
        EXACT: tl.constexpr = MAIN + TAIL == C
        if BIAS:
            a += load_piece(bias, first, C, True)
            b += load_piece(bias, rest, C, EXACT)
        squares = tl.sum(a * a, axis=1) + tl.sum(b * b, axis=1)
        factor = (1.0 / tl.maximum(tl.sqrt(squares / C), 1e-13))[:, None]
        a = a * factor * load_piece(gamma, first, C, True)
        b = b * factor * load_piece(gamma, rest, C, EXACT)
        a = a / (1.0 + tl.exp(-a))
        b = b / (1.0 + tl.exp(-b))
        tl.store(target + first, a.to(out.dtype.element_ty), mask=inside)
        tl.store(target + rest, b.to(out.dtype.element_ty), mask=whole)


@triton.jit
def _add_bias_kernel(values, bias, other, out, count, C: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    at = start + tl.arange(0, BLOCK)
    inside = at < count
    channel = ((start % C).to(tl.int32) + tl.arange(0, BLOCK)) % C
    total = tl.load(values + at, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(other + at, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(bias + channel).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=inside)


def _last(values: torch.Tensor) -> torch.Tensor:
    return values.contiguous(memory_format=torch.channels_last_3d)


def launch_norm_silu(
    values: torch.Tensor,
    bias: torch.Tensor | None,
    gamma: torch.Tensor,
    past: torch.Tensor | None,
    frames_before: int,
) -> torch.Tensor:
    """See ``vae.norm_silu``."""
    batch, channels, frames, height, width = values.shape
    values = _last(values)
    main, tail = pieces(channels)
    rows = max(1, _VALUES // triton.next_power_of_2(channels))
    out = torch.empty(
        (batch, channels, frames + frames_before, height, width),
        dtype=values.dtype,
        device=values.device,
        memory_format=torch.channels_last_3d,
    )
    with on_device(values):
        _norm_silu_kernel[(triton.cdiv(height * width, rows), batch * (frames + frames_before))](
            values,
            gamma if bias is None else bias,
            gamma,
            values if past is None else _last(past),
            out,
            height * width,
            frames,
            ROWS=rows,
            C=channels,
            MAIN=main,
            TAIL=tail,
            PAST=frames_before,
            KNOWN=past is not None,
            BIAS=bias is not None,
            num_warps=8,
        )
    return out


def launch_add_bias(values: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """See ``vae.add_bias``."""
    values, other = _last(values), _last(other)
    out = torch.empty_like(values)
    count, block = values.numel(), 2048
    with on_device(values):
        _add_bias_kernel[(triton.cdiv(count, block),)](
            values, bias, other, out, count, C=values.shape[1], BLOCK=block, num_warps=4
        )
    return out
