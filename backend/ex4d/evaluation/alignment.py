# SPDX-License-Identifier: Apache-2.0
"""Misalignment between a render and the true picture, to a hundredth of a pixel.

The picture is cut into tiles. In each the shift between the two is estimated by Gauss-Newton steps (Lucas and Kanade,
1981), with gain and offset of the brightness as unknowns beside it, because highlights and noise must not pass for
motion. Tiles that say nothing (flat, or textured in one direction only) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import Picture, check_shapes, unit

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

TILE_PX = 32
#: Share of a tile that must be comparable.
TILE_SHARE = 0.5
#: Both pictures are smoothed by this many pixels first: finer detail differs by resampling, not by alignment.
SMOOTH_PX = 1.0
#: Least root of the smaller eigenvalue of a tile's structure tensor, in unit brightness a pixel.
LEAST_TEXTURE = 0.004
STEPS = 12
SETTLED_PX = 1e-3
#: Shifts above this are no alignment errors but other things altogether.
LARGEST_PX = 4.0


@dataclass(frozen=True)
class Alignment:
    """Shifts of the tiles of one frame or more.

    Attributes:
        shifts: (N, 2) pixels, result relative to truth, across and down.
        rejected: tiles with texture whose shift could not be found.
    """

    shifts: NDArray[np.float64]
    rejected: int

    @property
    def median_px(self) -> float:
        """Median length of the shifts."""
        return float(np.median(np.linalg.norm(self.shifts, axis=1))) if len(self.shifts) else float("nan")

    @property
    def bias_px(self) -> float:
        """Length of the mean shift: half-pixel errors and wrong cameras show here."""
        return float(np.linalg.norm(self.shifts.mean(axis=0))) if len(self.shifts) else float("nan")

    @staticmethod
    def pooled(parts: list[Alignment]) -> Alignment:
        """Of several frames together."""
        shifts = [part.shifts for part in parts] or [np.zeros((0, 2))]
        return Alignment(np.concatenate(shifts), sum(part.rejected for part in parts))


def _grey(picture: Picture) -> Float:
    grey = np.asarray(cv2.cvtColor(unit(picture), cv2.COLOR_RGB2GRAY))
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), SMOOTH_PX), np.float32)


def _slopes(grey: Float) -> tuple[Float, Float]:
    across = cv2.filter2D(grey, -1, np.array([[-0.5, 0, 0.5]], np.float32))
    down = cv2.filter2D(grey, -1, np.array([[-0.5], [0], [0.5]], np.float32))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def alignment(result: Picture, truth: Picture, where: Bool) -> Alignment:
    """Compare a frame.

    Args:
        result, truth: (H, W, 3).
        where: (H, W) bool, pixels that show the same surface in both.

    Raises:
        BadInputError: sizes differ.
    """
    check_shapes(result, truth, where)
    # Smoothing mixes neighbours in, so those of pixels that do not count must not be looked at.
    reach = 2 * round(3 * SMOOTH_PX) + 1
    inner = cv2.erode(where.astype(np.uint8), np.ones((reach, reach), np.uint8), borderValue=0) > 0
    a, b = _grey(result), _grey(truth)
    slopes_a, slopes_b = _slopes(a), _slopes(b)
    height, width = where.shape
    shifts: list[NDArray[np.float64]] = []
    rejected = 0
    for top in range(0, height - TILE_PX + 1, TILE_PX):
        for left in range(0, width - TILE_PX + 1, TILE_PX):
            tile = np.s_[top : top + TILE_PX, left : left + TILE_PX]
            if inner[tile].mean() < TILE_SHARE:
                continue
            gx, gy = slopes_b[0][tile][inner[tile]], slopes_b[1][tile][inner[tile]]
            tensor = np.array([[np.mean(gx * gx), np.mean(gx * gy)], [np.mean(gx * gy), np.mean(gy * gy)]])
            if np.sqrt(max(np.linalg.eigvalsh(tensor)[0], 0)) < LEAST_TEXTURE:
                continue
            shift = _tile_shift(a, slopes_a, b, slopes_b, inner, (left, top))
            if shift is None:
                rejected += 1
            else:
                shifts.append(shift)
    return Alignment(np.array(shifts).reshape(-1, 2), rejected)


def _shifted(values: Float, corner: tuple[int, int], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tile's values at positions moved by ``shift``, by Catmull-Rom interpolation.

    All pixels of a tile share the fraction, so this is a filter of four by four. OpenCV's remap rounds fractions to
    1/32 of a pixel.
    """
    whole = np.floor(shift).astype(int)
    weights = []
    for t in shift - whole:
        weights.append(
            0.5 * np.array([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2])
        )
    rows = np.clip(corner[1] + whole[1] - 1 + np.arange(TILE_PX + 3), 0, values.shape[0] - 1)
    columns = np.clip(corner[0] + whole[0] - 1 + np.arange(TILE_PX + 3), 0, values.shape[1] - 1)
    block = values[np.ix_(rows, columns)].astype(np.float64)
    across = sum(w * block[:, k : k + TILE_PX] for k, w in enumerate(weights[0]))
    return np.asarray(sum(w * across[k : k + TILE_PX] for k, w in enumerate(weights[1])))


def _tile_shift(
    a: Float,
    slopes_a: tuple[Float, Float],
    b: Float,
    slopes_b: tuple[Float, Float],
    inner: Bool,
    corner: tuple[int, int],
) -> NDArray[np.float64] | None:
    """Shift (2,) with a(x + shift) = gain·b(x) + offset, or None."""
    tile = np.s_[corner[1] : corner[1] + TILE_PX, corner[0] : corner[0] + TILE_PX]
    use = inner[tile]
    true = b[tile][use].astype(np.float64)
    shift, gain, offset = np.zeros(2), 1.0, 0.0
    for _ in range(STEPS):
        seen = _shifted(a, corner, shift)[use]
        # The mean of both pictures' slopes makes the estimate the same whichever is called the truth.
        sx, sy = (
            0.5 * (_shifted(own, corner, shift)[use] + gain * other[tile][use])
            for own, other in zip(slopes_a, slopes_b, strict=True)
        )
        residual = gain * true + offset - seen
        matrix = np.stack([sx, sy, -true, -np.ones_like(true)], axis=1)
        step = np.linalg.lstsq(matrix, residual, rcond=None)[0]
        shift, gain, offset = shift + step[:2], gain + step[2], offset + step[3]
        if np.abs(shift).max() > LARGEST_PX or not np.isfinite(shift).all():
            return None
        if np.abs(step[:2]).max() < SETTLED_PX:
            return shift
    return None
