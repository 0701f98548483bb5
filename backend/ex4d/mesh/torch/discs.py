# SPDX-License-Identifier: Apache-2.0
"""The rings of a pixel's neighbours that ``widths`` looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ex4d.mesh.occlusion_edges import WIDTH_STEP


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
