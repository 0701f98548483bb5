# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits that put something over the picture. Where the scene is covered its truth says that there is nothing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from tools.scenes.truth.edits.clip import Clip

#: Height of burnt-in letters, as a share of the picture's, and in pixels at least: fewer cannot be read.
LETTERS, LEGIBLE = 0.04, 7
#: Light whose grain darker pixels have.
DARKEST = 0.01


def letterboxed(clip: Clip, aspect: float) -> Clip:
    """Black bars above and below, so that the picture between them has this aspect. ``picture``: left, top, width,
    height of what is left."""
    bar = round((clip.height - clip.width / aspect) / 2)
    if not 0 < bar < clip.height / 2 - 1:
        raise ValueError("the aspect has to be wider than the picture's")
    rows = np.arange(clip.height)
    covered = np.broadcast_to(((rows < bar) | (rows >= clip.height - bar))[:, None], (clip.height, clip.width))
    pictures = np.where(covered[..., None], np.float32(0), clip.pictures)
    window = [0, bar, clip.width, clip.height - 2 * bar]
    return replace(clip.without(covered), pictures=pictures).noted(picture=window)


def burnt_in(clip: Clip) -> Clip:
    """A take's name and its running frame number below, a still logo at the upper right. ``burn_in``: true."""
    covered = np.zeros(clip.z.shape, np.uint8)
    size = max(LETTERS * clip.height, LEGIBLE) / cv2.getTextSize("0", cv2.FONT_HERSHEY_SIMPLEX, 1, 1)[0][1]
    edge = round(0.03 * clip.height)
    for index, number in enumerate(clip.camera.frame_numbers):
        for text, right, low in ((f"A007_C012  {1000 + number}", False, True), ("EX-4D", True, False)):
            (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            at = (clip.width - wide - edge if right else edge, clip.height - edge if low else edge + tall)
            cv2.putText(covered[index], text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    letters = covered.astype(bool)
    pictures = np.where(letters[..., None], np.float32(1), clip.pictures)
    return replace(clip.without(letters), pictures=pictures).noted(burn_in=True)


def grainy(clip: Clip, strength: float, seed: int = 1) -> Clip:
    """Grain, new in each frame: its deviation is ``strength`` times the root of the light, as that of photons is."""
    noise = np.random.default_rng(seed).standard_normal(clip.pictures.shape, dtype=np.float32)
    deviation = np.float32(strength) * np.sqrt(np.maximum(clip.pictures, DARKEST))
    return replace(clip, pictures=np.maximum(clip.pictures + deviation * noise, 0))
