# SPDX-License-Identifier: Apache-2.0
"""What moves by itself: pixels whose optical flow is not that of a still surface at the measured depth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import flow_between
from ex4d.depth.parallax.agreement import without_islands
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Grey = NDArray[np.uint8]

#: Frames before and after that the flow is taken to.
FLOW_FRAMES = 2
#: Pixels beyond which a residual is motion: at least these, this share of the width, and this share of the flow.
LEAST_PX, LEAST_SHARE, OF_FLOW = 1.5, 0.004, 0.07
#: Of the picture: smaller parts are noise.
LEAST_AREA = 4e-4
#: A part grows into what looks like it (mean difference of channels, 0..255) and is not where the estimate would have
#: it (ratio of disparities), over this many pixels (share of the width).
LIKE_COLOUR, UNLIKE_RATIO, GROWTH = 18.0, 1.3, 0.06


def flow_residual(grey: Grey, others: Sequence[tuple[Grey, Passage]], disparity: Float) -> Float:
    """By how many pixels (H, W) the flow misses that of a still scene, less what it may; the least of all others, since
    what a neighbour hides has no flow to it. Above 0 = it moves."""
    height, width = disparity.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    residual = np.full(disparity.shape, np.inf, np.float32)
    floor = max(LEAST_PX, LEAST_SHARE * width)
    for other, passage in others:
        flow = flow_between(grey, other)
        x, y, ratio = passage.positions(disparity)
        off = np.hypot(columns + flow[..., 0] - x, rows + flow[..., 1] - y)
        excess = off - OF_FLOW * np.hypot(flow[..., 0], flow[..., 1]) - np.float32(floor)
        residual = np.minimum(residual, np.where(ratio > 0, excess, -1))
    return np.where(np.isfinite(residual), residual, -1).astype(np.float32)


def moving_parts(residual: Float, picture: NDArray[np.uint8], disparity: Float, estimate: Float) -> Bool:
    """Masks (H, W) of what moves.

    Args:
        residual: see ``flow_residual``.
        picture: (H, W, 3) uint8.
        disparity: (H, W) measured, NaN = not measured.
        estimate: (H, W) the estimator's, fitted to the measured ones.
    """
    height, width = residual.shape
    seeds = cv2.morphologyEx((residual > 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    mask = without_islands(seeds, round(LEAST_AREA * height * width))
    if not mask.any():
        return mask
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = disparity / estimate
        astray = ~((ratio < UNLIKE_RATIO) & (ratio > 1 / UNLIKE_RATIO))
    smooth = cv2.blur(picture, (3, 3)).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(round(GROWTH * width)):
        weight = cv2.blur(mask.astype(np.float32), (9, 9))
        beside = cv2.blur(smooth * mask[..., None].astype(np.float32), (9, 9)) / np.maximum(weight, 1e-3)[..., None]
        like = np.abs(beside - smooth).mean(axis=-1) < LIKE_COLOUR
        grown = mask | ((cv2.dilate(mask.astype(np.uint8), kernel) > 0) & like & astray)
        if (grown == mask).all():
            break
        mask = grown
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(closed > 0)
