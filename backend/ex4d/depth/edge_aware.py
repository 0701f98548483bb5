# SPDX-License-Identifier: Apache-2.0
"""Two edge-aware filters: one that spreads sparse values over a whole region, one that follows the picture's edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def spread(values: Float, guide: Float, *, sigma_space: float, sigma_range: float, passes: int = 3) -> Float:
    """Recursive domain-transform filter: smooth along and across, stopping where the guide's colour changes.

    Source: Gastal and Oliveira, Domain Transform for Edge-Aware Image and Video Processing, SIGGRAPH 2011, §4.3
    (recursive filtering) and eq. 14 (the passes' standard deviations). The unit of ``sigma_space`` is pixels; spread a
    value times its confidence and the confidence, and divide, to let the confident values fill a region.

    Args:
        values: (H, W, C) float32.
        guide: (H, W, 3) float32 in 0..1.
        sigma_range: colour distance, summed over channels, that stops the filter as much as ``sigma_space`` pixels.
    """
    out = np.ascontiguousarray(values, dtype=np.float32)
    scale = sigma_space / sigma_range
    steps = [1 + scale * np.abs(np.diff(guide, axis=axis)).sum(axis=-1) for axis in (0, 1)]
    for index in range(passes):
        sigma = sigma_space * np.sqrt(3) * 2 ** (passes - index - 1) / np.sqrt(4**passes - 1)
        decay = np.float32(np.exp(-np.sqrt(2) / sigma))
        for axis in (1, 0):
            weights = (decay ** steps[axis]).astype(np.float32)
            lines = np.ascontiguousarray(out.swapaxes(0, axis))
            feedback = np.ascontiguousarray(weights.swapaxes(0, axis))[..., None]
            for i in range(1, len(lines)):
                lines[i] += feedback[i - 1] * (lines[i - 1] - lines[i])
            for i in range(len(lines) - 2, -1, -1):
                lines[i] += feedback[i] * (lines[i + 1] - lines[i])
            out = np.ascontiguousarray(lines.swapaxes(0, axis))
    return out


def crisp(values: Float, *, radius: int, step: float) -> Float:
    """Turn soft ramps of at least ``step`` into jumps: each pixel takes the lower or upper end of its neighbourhood,
    whichever is nearer (toggle contrast, Kramer and Bruckner 1975). A mesh tears at a jump and smears over a ramp.

    Args:
        values: (H, W) float32.
        radius: of the neighbourhood in pixels.
    """
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    high, low = cv2.dilate(values, kernel), cv2.erode(values, kernel)
    toggled = np.where(values - low > high - values, high, low).astype(np.float32)
    return np.where(high - low > step, cv2.medianBlur(toggled, 5), values).astype(np.float32)


def follow_edges(values: Float, guide: Float, fine_guide: Float, *, radius: int, epsilon: float) -> Float:
    """Guided filter with a colour guide, computed small and evaluated large.

    Sources: He, Sun and Tang, Guided Image Filtering, ECCV 2010, eq. 14-16; He and Sun, Fast Guided Filter,
    arXiv 1505.00996 (evaluating the small coefficients on the large guide).

    Args:
        values: (h, w) float32.
        guide: (h, w, 3) float32 in 0..1.
        fine_guide: (H, W, 3) float32 in 0..1, the same picture at the wanted size.
        radius: of the window, in small pixels.
        epsilon: colour variance below which an edge is not followed.

    Returns:
        (H, W) float32.
    """

    def mean(x: NDArray[np.floating]) -> Float:
        size = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(cv2.blur(x, size, borderType=cv2.BORDER_REFLECT), dtype=np.float32)

    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    variance = np.empty((*values.shape, 3, 3), dtype=np.float32)
    for i in range(3):
        for j in range(i, 3):
            variance[..., i, j] = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
            variance[..., j, i] = variance[..., i, j]
    variance += np.float32(epsilon) * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(variance, covariance[..., None])[..., 0]
    offset = mean_values - np.einsum("ijk,ijk->ij", slope, mean_guide)
    size = (fine_guide.shape[1], fine_guide.shape[0])
    slope_fine = cv2.resize(mean(slope), size, interpolation=cv2.INTER_LINEAR)
    offset_fine = cv2.resize(mean(offset), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.einsum("ijk,ijk->ij", slope_fine, fine_guide) + offset_fine, dtype=np.float32)
