# SPDX-License-Identifier: Apache-2.0
"""Smooth hole filling by a weighted pull-push pyramid (after Gortler et al., The Lumigraph, SIGGRAPH 1996, §3.4.3)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

#: Smoothing steps per level. Pull-push alone turns to the mean of everything within a few pixels of a hole's border;
#: these bring it near the membrane (Laplace's equation), which keeps each border's own colour before it.
RELAXATIONS = 8


def pull_push(color: Float, weight: Float, say: Float) -> Float:
    """A smooth picture through the known pixels.

    Args:
        color: (H, W, C) float32.
        weight: (H, W) float32 in 0..1, how surely a pixel is known; 0 = hole. Decides how far its colour reaches.
        say: (H, W) float32 in 0..1, how much its colour counts against others where several reach.

    Returns:
        (H, W, C) float32, everywhere; all zero where nothing is known at all.
    """
    voice = weight * say
    stack = np.dstack([color * voice[..., None], voice, weight]).astype(np.float32)
    levels = [stack]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), dtype=np.float32))
    filled: Float | None = None
    for level in reversed(levels):
        own = np.divide(level[..., :-2], np.maximum(level[..., -2:-1], np.finfo(np.float32).tiny), dtype=np.float32)
        if filled is None:
            filled = np.asarray(own, dtype=np.float32)
            continue
        size = (level.shape[1], level.shape[0])
        larger = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        filled = np.asarray(larger, dtype=np.float32).reshape(own.shape)
        # A level speaks for itself where its neighbourhood holds half a pixel of full weight.
        share = np.minimum(2 * level[..., -1:], 1)
        for _ in range(RELAXATIONS):
            smooth = np.asarray(cv2.blur(filled, (3, 3), borderType=cv2.BORDER_REPLICATE)).reshape(own.shape)
            filled = np.asarray(smooth + share * (own - smooth), dtype=np.float32)
    assert filled is not None
    return filled
