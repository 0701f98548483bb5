# SPDX-License-Identifier: Apache-2.0
"""Depth maps at another pixel size, without inventing surfaces between near and far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Neighbours whose depths differ by no more than this ratio lie on one surface and are interpolated.
SAME_SURFACE = 1.05


def resample_depth(depth: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """z-depth at another size of the same view.

    Between four neighbours on one surface disparity is interpolated, because it is linear over a plane's picture; at
    an edge, at the sky and where something was not measured the nearest pixel's value is taken.

    Args:
        depth: (h, w) float32; NaN = not measured, inf = sky. Pixel centres at i+0.5 on both grids.
        width, height: wanted size.

    Returns:
        (height, width) float32.
    """
    rows, row_near, row_weight = _taps(depth.shape[0], height)
    columns, column_near, column_weight = _taps(depth.shape[1], width)
    corners = [depth[np.ix_(rows[i], columns[j])] for i in (0, 1) for j in (0, 1)]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)  # NaN stays NaN
    weights = [np.outer(row_weight[i], column_weight[j]) for i in (0, 1) for j in (0, 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        disparity = np.add.reduce([weight / corner for weight, corner in zip(weights, corners, strict=True)])
        smooth = np.isfinite(high) & (high <= SAME_SURFACE * low)
        blended = (1 / disparity).astype(np.float32)
    return np.where(smooth, blended, depth[np.ix_(row_near, column_near)])


def _taps(
    size: int, wanted: int
) -> tuple[
    tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.intp], tuple[NDArray[np.float64], NDArray[np.float64]]
]:
    """Per wanted pixel: the indices of the two pixels around its centre, of the nearest one, and their weights."""
    position = (np.arange(wanted) + 0.5) * (size / wanted) - 0.5
    low = np.clip(np.floor(position), 0, max(size - 2, 0)).astype(np.intp)
    weight = np.clip(position - low, 0, 1)
    high = np.minimum(low + 1, size - 1)
    return (low, high), np.where(weight < 0.5, low, high), (1 - weight, weight)
