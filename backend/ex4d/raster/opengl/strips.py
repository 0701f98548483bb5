# SPDX-License-Identifier: Apache-2.0
"""The grid's faces as triangle strips, and how a face is known from the vertex that its triangle ends with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def grid_strips(width: int, height: int, parity: int) -> NDArray[np.int32]:
    """Indices of the even or odd rows of quads of a row-major grid as one triangle strip.

    Each row zigzags between its upper and lower vertices; two repeated indices lead to the next row. A strip needs a
    third of the vertex work of separate triangles.
    """
    index = np.arange(width * height, dtype=np.int32).reshape(height, width)
    upper, lower = index[:-1][parity::2], index[1:][parity::2]
    rows = np.empty((len(upper), 2 * width + 2), dtype=np.int32)
    rows[:, 0:-2:2], rows[:, 1:-2:2] = upper, lower
    rows[:, -2] = lower[:, -1]
    rows[:-1, -1], rows[-1:, -1] = upper[1:, 0], lower[-1:, -1]
    return rows.reshape(-1)


def vertex_places(width: int, height: int, parity: int) -> NDArray[np.uint8]:
    """(V,) which triangle ends with each vertex when the even or odd rows of quads are drawn, as the shader is told.

    In rows of the draw's parity a vertex ends the first triangle of a quad below it (1), else the second of one above
    (0). Draws of odd rows have 2 added.
    """
    below = np.arange(height) % 2 == parity
    return np.repeat((below + 2 * parity).astype(np.uint8), width)
