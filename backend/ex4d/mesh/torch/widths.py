# SPDX-License-Identifier: Apache-2.0
"""How wide the things are whose outlines the depth jumps are: ``ex4d.mesh.occlusion_edges.local_width``, batched and
only where it is asked for.

A pixel beside a jump belongs to a thing at least 2·r wide where a disc of radius r that covers it crosses no jump.
Such a disc's centre lies between r − 0.5 and r from the pixel, because the pixel is itself beside a jump; so of the
squared distance map, which is computed once, only a ring of values is looked at for each radius.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ex4d.mesh.torch.discs import discs

try:
    from ex4d.mesh.torch import kernels
except ImportError:  # triton comes with torch's CUDA builds for Linux only
    kernels = None  # type: ignore[assignment]

#: Squared distance where there is no jump at all; with a grid's own squared size added it still fits 32 bits.
NONE_FOUND = 2**29
#: Values that one step of the plain torch versions may hold at once.
STEP_VALUES = 2**24


def lowest_parabolas(values: Tensor) -> Tensor:
    """out[r, x] = min over u of values[r, u] + (x − u)², of (R, W) int32: one direction of a distance transform.

    Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, 2012; here each minimum is looked for
    among all u, which a GPU does faster than their scan.
    """
    if kernels is not None and values.is_cuda:
        return kernels.lowest_parabolas(values)
    rows, width = values.shape
    at = torch.arange(width, dtype=torch.int32, device=values.device)
    parabolas = (at[:, None] - at).square()
    step = max(1, STEP_VALUES // width**2)
    return torch.cat([(values[i : i + step, None] + parabolas).amin(dim=2) for i in range(0, rows, step)])


def squared_distances(edge: Tensor) -> Tensor:
    """(N, h, w) int32 squared distance of each pixel to the nearest one in ``edge`` (N, h, w) bool."""
    count, height, width = edge.shape
    start = torch.where(edge, 0, NONE_FOUND).to(torch.int32)
    down = lowest_parabolas(start.transpose(1, 2).reshape(count * width, height)).unflatten(0, (count, width))
    across = lowest_parabolas(down.transpose(1, 2).reshape(count * height, width))
    return across.unflatten(0, (count, height))


def widths_at(edge: Tensor, pixel: Tensor) -> Tensor:
    """Width in grid steps of the thing that each of some pixels belongs to, (M,) float32.

    Args:
        edge: (N, h, w) bool, the pixels next to a depth jump, on both of its sides.
        pixel: (M,) int64 indices into all N·h·w, of pixels in ``edge``.
    """
    distances = squared_distances(edge)
    rings = discs(edge.shape[2], edge.shape[1], edge.device)
    if kernels is not None and edge.is_cuda:
        return kernels.widths(distances, pixel, rings)
    _, height, width = edge.shape
    frame, place = pixel // (height * width), pixel % (height * width)
    row, column = place // width, place % width
    flat = distances.flatten()
    out = torch.ones(len(pixel), dtype=torch.float32, device=edge.device)
    step = max(1, STEP_VALUES // max(len(pixel), 1))
    starts = rings.starts.tolist()
    for k, (start, end) in enumerate(pairwise(starts)):
        for first in range(start, end, step):
            part = slice(first, min(first + step, end))
            y, x = row[:, None] + rings.rows[part], column[:, None] + rings.columns[part]
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            found = flat[torch.where(inside, (frame[:, None] * height + y) * width + x, 0)]
            fits = (inside & (found >= rings.smallest[k])).any(dim=1)
            out = torch.where(fits, rings.widths[k], out)
    return out
