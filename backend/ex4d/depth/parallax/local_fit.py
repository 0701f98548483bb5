# SPDX-License-Identifier: Apache-2.0
"""An estimator's disparity, bent until it agrees with what was measured round about.

One line for the whole shot brings the estimate to the world's scale. What is left is a factor that differs from place
to place; it is known where something was measured, and spreads from there over what looks like one thing.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.edge_aware import spread
from ex4d.depth.solved import fit_line

Array = NDArray[np.float64]
Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Pixels of the whole shot that the line is fitted to.
FIT_PIXELS = 20_000
#: Fewer measured pixels than this in the whole shot give no line.
LEAST_PIXELS = 200
#: Longer side of the factor's map, and how far it spreads: as a share of that, and as a difference of colour.
LONGEST, SIGMA_SPACE, SIGMA_RANGE = 192, 0.08, 0.5
#: Share of measured pixels in the neighbourhood at which the factor counts half.
HALF_TRUSTED = 0.01
#: The estimate is nowhere farther than this many times the farthest measured surface.
FARTHEST = 10.0


def shot_line(samples: Iterable[tuple[Float, Float]], count: int) -> tuple[float, float, float] | None:
    """Slope and offset from estimated to measured disparity, and the least of the result; None = too little measured.

    Args:
        samples: of each frame, estimated disparity and measured disparity (H, W), NaN where there is none.
        count: of the frames.
    """
    pairs = []
    for estimated, measured in samples:
        at = np.flatnonzero((np.isfinite(estimated) & np.isfinite(measured) & (measured > 0)).reshape(-1))
        at = at[:: max(1, len(at) * count // FIT_PIXELS)]
        pairs.append(np.stack([estimated.reshape(-1)[at], measured.reshape(-1)[at]]).astype(np.float64))
    x, y = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0))
    if len(x) < LEAST_PIXELS:
        return None
    slope, offset = fit_line(x, y)
    return slope, offset, float(np.percentile(y, 1)) / FARTHEST


def on_line(estimated: Float, line: tuple[float, float, float]) -> Float:
    """Disparities (H, W) of the estimate in the world's unit."""
    slope, offset, least = line
    return np.maximum(slope * estimated + offset, least).astype(np.float32)


def fitted_locally(estimated: Float, measured: Float, picture: NDArray[np.uint8]) -> Float:
    """The estimate (H, W), on the shot's line, times a factor that brings it to the measured surfaces nearby.

    Args:
        estimated: (H, W) disparity.
        measured: (H, W) disparity, NaN = not measured.
        picture: (H, W, 3) uint8, at whose edges the factor may change.
    """
    height, width = estimated.shape
    scale = min(1.0, LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    known = np.isfinite(measured) & (measured > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(known, np.log(measured / estimated), 0)
    weighted = np.dstack([factor, known]).astype(np.float32)
    small = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    guide = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    filled = spread(np.asarray(small, np.float32), guide, sigma_space=SIGMA_SPACE * max(size), sigma_range=SIGMA_RANGE)
    mean = filled[..., 0] / (filled[..., 1] + np.float32(HALF_TRUSTED))
    return np.asarray(estimated * np.exp(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)), np.float32)
