# SPDX-License-Identifier: Apache-2.0
"""Semi-global matching: a surface for each pixel of a volume of costs, smooth but for jumps at the picture's edges.

Source: Hirschmüller, Stereo Processing by Semiglobal Matching and Mutual Information, PAMI 2008, §II.B, over eight
paths. In bytes, row by row, with all planes and all pixels of a row at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Sums = NDArray[np.uint16]

#: Of a byte's 255, what a cost may be at most, and the penalty of a jump; the rest is for a step to the next plane.
MOST_COST = 180
MOST_JUMP = 65
#: What a step to the next plane costs, and a larger one where the picture has no edge; an edge of so many grey levels
#: (0..255 a pixel) halves that.
STEP, JUMP, EDGE = 10, 50.0, 12.0
#: Paths that run along rows, down and up: so many columns aside each row.
_SLANTS = (-1, 0, 1)


@dataclass(frozen=True)
class Surface:
    """What was chosen.

    Attributes:
        plane: (H, W) float32, the plane's index with a share of a step.
        cost: (H, W) uint8, that of the chosen plane before smoothing.
    """

    plane: Float
    cost: Bytes


def _step(former: Bytes, cost: Bytes, out: Bytes, small: int, jump: Bytes) -> None:
    """One step along a path: costs (D, N) of the former pixels' paths and of these pixels; ``jump`` (N,)."""
    least = former.min(axis=0)
    np.minimum(former, least + jump, out=out)
    np.minimum(out[1:], former[:-1] + np.uint8(small), out=out[1:])
    np.minimum(out[:-1], former[1:] + np.uint8(small), out=out[:-1])
    out -= least
    out += cost


def _shifted(values: Bytes, slant: int, out: Bytes) -> Bytes:
    """The former row (…, N) as the pixels of this row see it; the path begins anew at the picture's side."""
    if slant == 0:
        return values
    if slant > 0:
        out[..., slant:] = values[..., :-slant]
        out[..., :slant] = 0
    else:
        out[..., :slant] = values[..., -slant:]
        out[..., slant:] = 0
    return out


def _sweep_rows(
    costs: Bytes, total: Sums, small: int, jumps: Bytes, slants: Iterable[int], rows: Iterable[int]
) -> None:
    """Add the paths that run over the rows in this order to ``total`` (H, D, W)."""
    _, planes, width = costs.shape
    paths = {slant: np.zeros((planes, width), np.uint8) for slant in slants}
    spare, aside = np.empty((planes, width), np.uint8), np.empty((planes, width), np.uint8)
    for row in rows:
        cost, jump = costs[row], jumps[row]
        for slant, path in list(paths.items()):
            _step(_shifted(path, slant, aside), cost, spare, small, jump)
            total[row] += spare
            paths[slant], spare = spare, path


def _choose(costs: Bytes, total: Sums) -> Surface:
    height, planes, width = costs.shape
    plane, chosen = np.empty((height, width), np.float32), np.empty((height, width), np.uint8)
    columns = np.arange(width)
    for row in range(height):
        sums = total[row]
        least = sums.min(axis=0)
        at = (sums == least).argmax(axis=0)
        inner = np.clip(at, 1, planes - 2)
        below, middle, above = (sums[inner + k, columns].astype(np.float32) for k in (-1, 0, 1))
        bend = below - 2 * middle + above
        share = np.where((bend > 0) & (at == inner), (below - above) / np.maximum(2 * bend, 1), 0)
        plane[row] = at + np.clip(share, -0.5, 0.5)
        chosen[row] = costs[row][at, columns]
    return Surface(plane, chosen)


def jump_costs(grey: Float) -> Bytes:
    """What a jump into each pixel (H, W) of a picture costs.

    Args:
        grey: (H, W) float32 in 0..1.
    """
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) * np.float32(255 / 8)
    return np.clip(JUMP / (1 + slope / EDGE), STEP + 2, MOST_JUMP).astype(np.uint8)


def semi_global(costs: Bytes, jumps: Bytes, pool: Executor, small: int = STEP) -> Surface:
    """The surface of least cost.

    Args:
        costs: (H, D, W) uint8, at most ``MOST_COST``; D >= 3.
        jumps: (H, W) uint8, what a step to any but the next plane costs into a pixel, at most ``MOST_JUMP``.
        pool: runs the paths down, up and across.
        small: what a step to the next plane costs.
    """
    height, _, width = costs.shape

    def over_rows(rows: Sequence[int]) -> Sums:
        total = np.zeros(costs.shape, np.uint16)
        _sweep_rows(costs, total, small, jumps, _SLANTS, rows)
        return total

    def over_columns() -> Sums:
        turned = np.ascontiguousarray(costs.transpose(2, 1, 0))
        across, jumps_across = np.zeros(turned.shape, np.uint16), np.ascontiguousarray(jumps.T)
        for columns in (range(width), range(width - 1, -1, -1)):
            _sweep_rows(turned, across, small, jumps_across, (0,), columns)
        return across

    down, up = pool.submit(over_rows, range(height)), pool.submit(over_rows, range(height - 1, -1, -1))
    across = pool.submit(over_columns)
    total = down.result()
    total += up.result()
    total += across.result().transpose(2, 1, 0)
    return _choose(costs, total)
