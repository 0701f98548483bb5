# SPDX-License-Identifier: Apache-2.0
"""Geometry between frames of known cameras. Disparity is 1/z, in the world's unit; 0 is infinitely far away.

Arrays are indexed by row and column; positions in them count from the centre of the first pixel, as OpenCV's do, and
not from its corner, as K does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory

Array = NDArray[np.float64]
Float = NDArray[np.float32]
#: Where a frame's pixels are in another picture: column and row, and depth there by depth here, (H, W) each.
Positions = tuple[Float, Float, Float]

#: From array positions to the pixel positions that K counts in.
_TO_CENTRES = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_FROM_CENTRES = np.linalg.inv(_TO_CENTRES)


@dataclass(frozen=True)
class Passage:
    """From one frame's pixels to another's: a pixel p of disparity w is seen at A·p + w·b, homogeneous, and there
    lies (A·p + w·b)₃ times as far away, as its depth counts.

    Attributes:
        A: (3, 3) float64.
        b: (3,) float64, times the world's unit.
    """

    A: Array
    b: Array

    @classmethod
    def between(cls, cameras: Trajectory, start: int, end: int) -> Passage:
        """From frame ``start`` to frame ``end`` (indices)."""
        relative = cameras.E[end] @ np.linalg.inv(cameras.E[start])
        K, inverse = _FROM_CENTRES @ cameras.K[end], np.linalg.inv(cameras.K[start]) @ _TO_CENTRES
        return cls(K @ relative[:3, :3] @ inverse, K @ relative[:3, 3])

    def homography(self, disparity: float) -> Array:
        """3x3, array positions to array positions, of the plane of this disparity across the first camera's axis."""
        return self.A + disparity * np.outer(self.b, [0.0, 0.0, 1.0])

    def positions(self, disparity: Float) -> Positions:
        """Where the pixels of a map (H, W) of disparities are seen: column, row, and depth there by depth here, each
        (H, W) float32. What lies behind the other camera has a ratio of 0 or less, and any position."""
        height, width = disparity.shape
        A, b = self.A.astype(np.float32), self.b.astype(np.float32)
        x = np.arange(width, dtype=np.float32)
        y = np.arange(height, dtype=np.float32)[:, None]
        ratio = (A[2, 0] * x + A[2, 2]) + A[2, 1] * y + b[2] * disparity
        over = 1 / np.where(np.abs(ratio) > 1e-6, ratio, np.float32(1e-6))
        column = ((A[0, 0] * x + A[0, 2]) + A[0, 1] * y + b[0] * disparity) * over
        row = ((A[1, 0] * x + A[1, 2]) + A[1, 1] * y + b[1] * disparity) * over
        return column, row, ratio

    def parallax(self, at: Array, disparity: Array) -> Array:
        """Pixels (N,) by which array positions (N, 2) of those disparities (N,) are seen away from where they would be
        if they were infinitely far away."""
        far = np.column_stack([at, np.ones(len(at))]) @ self.A.T
        near = far + disparity[:, None] * self.b
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.linalg.norm(near[:, :2] / near[:, 2:] - far[:, :2] / far[:, 2:], axis=1)
        return np.where((near[:, 2] > 0) & (far[:, 2] > 0), shift, np.nan)
