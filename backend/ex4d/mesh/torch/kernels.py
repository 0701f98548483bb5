# SPDX-License-Identifier: Apache-2.0
"""The two steps of ``widths`` for which plain torch would have to write out all candidates, in Triton."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ex4d.mesh.torch.discs import Discs

#: Outputs and candidates that one program works on at once.
COLUMNS, CANDIDATES = 512, 128


@triton.jit
def _lowest_parabolas(values, out, width: tl.constexpr, columns: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * width
    x = tl.program_id(1) * columns + tl.arange(0, columns)
    best = tl.full((columns,), 2**30, tl.int32)
    for u in range(width):
        d = x - u
        best = tl.minimum(best, tl.load(values + row + u) + d * d)
    tl.store(out + row + x, best, mask=x < width)


def lowest_parabolas(values: Tensor) -> Tensor:
    """See ``widths.lowest_parabolas``."""
    rows, width = values.shape
    values, out = values.contiguous(), torch.empty_like(values, memory_format=torch.contiguous_format)
    columns = min(COLUMNS, triton.next_power_of_2(width))
    _lowest_parabolas[(rows, triton.cdiv(width, columns))](values, out, width, columns)
    return out


@triton.jit
def _widths(
    distances,
    pixels,
    largest,
    ring_widths,
    smallest,
    starts,
    rows,
    columns,
    out,
    radii,
    height,
    width,
    candidates: tl.constexpr,
):
    program = tl.program_id(0)
    pixel = tl.load(pixels + program)
    area = height * width
    frame = pixel // area
    place = (pixel % area).to(tl.int32)
    row, column = place // width, place % width
    frame_distances = distances + frame * area
    frame_largest = tl.load(largest + frame)
    lane = tl.arange(0, candidates)
    found = 0
    best = 1.0
    k = radii - 1
    # The largest radius that fits counts, so the first one does.
    while (found == 0) & (k >= 0):
        least = tl.load(smallest + k)
        if least <= frame_largest:
            at = tl.load(starts + k)
            end = tl.load(starts + k + 1)
            while (found == 0) & (at < end):
                chosen = at + lane < end
                y = row + tl.load(rows + at + lane, mask=chosen, other=0)
                x = column + tl.load(columns + at + lane, mask=chosen, other=0)
                inside = chosen & (y >= 0) & (y < height) & (x >= 0) & (x < width)
                value = tl.load(frame_distances + y * width + x, mask=inside, other=-1)
                found = tl.max((value >= least).to(tl.int32), axis=0)
                at += candidates
        if found == 1:
            best = tl.load(ring_widths + k)
        k -= 1
    tl.store(out + program, best)


def widths(distances: Tensor, pixel: Tensor, rings: Discs) -> Tensor:
    """See ``widths.widths_at``; ``distances`` (N, h, w) int32 of ``widths.squared_distances``."""
    _, height, width = distances.shape
    out = torch.ones(len(pixel), dtype=torch.float32, device=distances.device)
    if len(pixel):
        _widths[(len(pixel),)](
            distances,
            pixel,
            distances.flatten(1).amax(dim=1),
            rings.widths,
            rings.smallest,
            rings.starts,
            rings.rows,
            rings.columns,
            out,
            len(rings.widths),
            height,
            width,
            CANDIDATES,
            num_warps=4,
        )
    return out
