# SPDX-License-Identifier: Apache-2.0
"""What each pixel of a gap costs, as the pixels of its colour round it find.

Pixels that are asked one by one follow the noise of their colours: beside a post whole rows of a wall take the post's
depth, and the next row does not. A mean over pixels of like colour asks them together, as stereo does with its own
costs (Yoon and Kweon: Adaptive Support-Weight Approach for Correspondence Search, PAMI 2006), here over the rows and
columns that cross in the pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

#: How far the pixels lie that have a say, as shares of the picture's width.
DISTANCES = (0.004, 0.008, 0.016)
#: Difference of colour (0..255, mean of channels) at which a pixel's say has fallen to a third.
LIKE_COLOUR = 20.0
#: How often the mean is taken: what lies between rows and columns is reached by the second and third.
ROUNDS = 3
#: Beyond this cost one surface is as unlike as another.
MOST_COST = 8.0


def as_neighbours(costs: NDArray[Any], gap: NDArray[np.intp], picture: NDArray[np.uint8]) -> Float:
    """Smoothed costs, (K, N) float32.

    Args:
        costs: (K, N) of K choices; inf = the pixel has not this one, and it stays so.
        gap: (N,) which pixels these are, row after row. Only they have a say.
        picture: (H, W, 3) uint8.
    """
    height, width = picture.shape[:2]
    colour = picture.reshape(-1, 3).astype(np.int16)
    own = colour[gap]
    place = np.full(height * width, -1, np.intp)
    place[gap] = np.arange(len(gap))
    rows, columns = np.divmod(gap, width)
    most = np.minimum(costs, MOST_COST).astype(np.float32)
    neighbours = []
    for distance in sorted({max(1, round(share * width)) for share in DISTANCES}):
        for down, right in ((-distance, 0), (distance, 0), (0, -distance), (0, distance)):
            row, column = rows + down, columns + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = np.where(inside, row * width + column, 0)
            there = np.where(inside, place[at], -1)
            unlike = np.abs(colour[at] - own).sum(axis=1).astype(np.float32)
            say = np.where(there >= 0, np.exp(unlike * np.float32(-1 / (3 * LIKE_COLOUR))), np.float32(0))
            neighbours.append((there, say))
    weight = 1 + np.sum([say for _, say in neighbours], axis=0)
    for _ in range(ROUNDS):
        most = (most + sum(say * most[:, there] for there, say in neighbours)) / weight
    return np.where(np.isfinite(costs), most, np.inf).astype(np.float32)
