# SPDX-License-Identifier: Apache-2.0
"""How wide the things are whose outlines the depth jumps are: ``ex4d.mesh.occlusion_edges.local_width``, batched and
only where it is asked for.

A pixel beside a jump belongs to a thing at least 2·r wide where a disc of radius r that covers it crosses no jump.
Such a disc's centre lies between r − 0.5 and r from the pixel, because the pixel is itself beside a jump; so of the
squared distance map, which is computed once, only a ring of values is looked at for each radius.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ex4d.mesh.occlusion_edges import WIDTH_STEP

try:
    from ex4d.mesh.torch import kernels
except ImportError:  # triton comes with torch's CUDA builds for Linux only
    kernels = None  # type: ignore[assignment]

#: Squared distance where there is no jump at all; with a grid's own squared size added it still fits 32 bits.
NONE_FOUND = 2**29
#: Values that one step of the plain torch versions may hold at once.
STEP_VALUES = 2**24


@dataclass(frozen=True, eq=False)
class Discs:
    """Rings around a pixel for each radius.

    Attributes:
        widths: (K,) float32, 2·radius.
        smallest: (K,) int32, squared distance that a centre must at least have from the next pixel beside a jump.
        starts: (K + 1,) int32, where each radius' ring starts in ``rows`` and ``columns``.
        rows, columns: (O,) int32, the rings' pixels relative to the middle.
    """

    widths: Tensor
    smallest: Tensor
    starts: Tensor
    rows: Tensor
    columns: Tensor


@lru_cache(maxsize=4)
def discs(width: int, height: int, device: torch.device) -> Discs:
    """The radii that can occur in a grid of that size. Distances are compared in float32, as OpenCV gives them."""
    radii, smallest, rings = [], [], []
    radius, largest = 1.0, np.float32(np.hypot(width - 1, height - 1)) + np.float32(0.5)
    while radius <= largest:
        # The smallest square whose root is far enough; the jump runs half a pixel outside the pixels beside it.
        around = np.arange(max(0, int((radius - 0.5) ** 2) - 2), int((radius - 0.5) ** 2) + 3)
        far_enough = np.sqrt(around.astype(np.float32)) + np.float32(0.5) >= np.float32(radius)
        low = int(around[far_enough][0])
        reach = np.arange(-int(radius) - 1, int(radius) + 2)
        square = reach[:, None] ** 2 + reach**2
        ring = (square >= low) & (np.sqrt(square.astype(np.float32)) <= np.float32(radius))
        radii.append(radius)
        smallest.append(low)
        rings.append(np.argwhere(ring) - len(reach) // 2)
        radius *= WIDTH_STEP
    offsets = np.concatenate(rings).astype(np.int32)
    starts = np.cumsum([0, *(len(ring) for ring in rings)])

    def on_device(values: Any, dtype: type) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=dtype)).to(device)

    return Discs(
        on_device([2 * radius for radius in radii], np.float32),
        on_device(smallest, np.int32),
        on_device(starts, np.int32),
        on_device(offsets[:, 0], np.int32),
        on_device(offsets[:, 1], np.int32),
    )


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
