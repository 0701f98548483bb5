# SPDX-License-Identifier: Apache-2.0
"""What could not be measured in a frame, because something moved across it in the frames nearby, but was in others.

A guess of the surface says where to look in them. Where several have measured a surface near the guess, and it has the
pixel's colour there, that is what the pixel shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Picture = NDArray[np.uint8]

#: Frames that are looked at: so many before and after.
DISTANCES = (2, 5, 9, 14, 20)
#: By which share of the disparity a measurement may miss the guess, round by round.
NEAR_GUESS = (0.15, 0.04)
#: Grey levels (mean of channels, means over 3×3 pixels) by which the colour may differ, and frames that must agree.
LIKE_COLOUR, LEAST_FRAMES = 9.0, 2


@dataclass(frozen=True)
class Sight:
    """Another frame.

    Attributes:
        measured: (H, W) float32 disparity of what stands still; NaN = not measured.
        picture: (H, W, 3) uint8.
        passage: from the frame to it.
    """

    measured: Float
    picture: Picture
    passage: Passage


def seen_elsewhere(guess: Float, picture: Picture, sights: Sequence[Sight]) -> Float:
    """Disparities (H, W) that other frames measured; NaN where they show nothing like it.

    Args:
        guess: (H, W) disparity of what stands still.
        picture: (H, W, 3) uint8 of the frame.
    """
    colour = cv2.blur(picture, (3, 3))
    blurred = [cv2.blur(sight.picture, (3, 3)) for sight in sights]
    w = guess
    count = np.zeros(guess.shape, np.uint8)
    for share in NEAR_GUESS:
        total, count = np.zeros(guess.shape, np.float32), np.zeros(guess.shape, np.uint8)
        for sight, there in zip(sights, blurred, strict=True):
            x, y, ratio = sight.passage.positions(w)
            said = ratio * cv2.remap(
                sight.measured, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
            )
            shown = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            like = cv2.absdiff(shown, colour).sum(axis=-1, dtype=np.uint16) < 3 * LIKE_COLOUR
            with np.errstate(invalid="ignore"):
                agrees = (np.abs(said - w) < share * w) & like & (ratio > 0)
            total += np.where(agrees, said, 0)
            count += agrees
        w = np.where(count > 0, total / np.maximum(count, 1), w).astype(np.float32)
    return np.where(count >= LEAST_FRAMES, w, np.float32(np.nan))
