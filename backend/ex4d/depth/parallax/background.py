# SPDX-License-Identifier: Apache-2.0
"""What other frames measured, laid over a frame: what lies there of all that stands still, and where something that is
not of it stands before it.

Where a frame could not measure, beside a post and behind someone who walks by, others could: what they measured is
carried over by their cameras. Several that carry the same surface to a pixel know what is to be seen there. If the
pixel has its colour, that is what it shows, however near the post beside it looks; and where all of them show another
colour, something has come in between that was not there at their times.
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
#: Disparities within this share are of one surface.
SAME_SURFACE = 0.05
#: Grey levels (mean of channels, means over 3×3 pixels) up to which a colour is the pixel's, and beyond which it is
#: not.
LIKE_COLOUR, UNLIKE_COLOUR = 9.0, 20.0
#: Frames that must agree on what is shown, and on what is hidden.
LEAST_SHOWING, LEAST_HIDDEN = 2, 3


@dataclass(frozen=True)
class Sight:
    """Another frame.

    Attributes:
        measured: (H, W) float32 disparity of what stands still; NaN = not measured.
        picture: (H, W, 3) uint8.
        here: from it to the frame.
        there: from the frame to it.
    """

    measured: Float
    picture: Picture
    here: Passage
    there: Passage


@dataclass(frozen=True)
class Background:
    """What other frames say of one.

    Attributes:
        shown: (H, W) float32 disparity of what the pixel shows; NaN = not known.
        hidden: (H, W), where something stands before what is known to lie there.
    """

    shown: Float
    hidden: Bool


def laid_over(sight: Sight) -> Float:
    """What a frame measured as the other sees it, (H, W) disparity; of several on a pixel the nearest, NaN = none."""
    height, width = sight.measured.shape
    at = np.flatnonzero(np.isfinite(sight.measured))
    w = sight.measured.reshape(-1)[at]
    column, row, ratio = (values.reshape(-1)[at] for values in sight.here.positions(np.nan_to_num(sight.measured)))
    nearer = np.full(height * width, -1, np.float32)
    ahead = ratio > 0
    w_here = np.where(ahead, w / np.where(ahead, ratio, np.float32(1)), np.float32(0))
    left, top = np.floor(column), np.floor(row)
    ahead &= (left >= -1) & (left < width) & (top >= -1) & (top < height)
    left, top = np.where(ahead, left, 0).astype(np.intp), np.where(ahead, top, 0).astype(np.intp)
    # Onto the four pixels around, or cracks would open where the surface is seen larger.
    for down in (0, 1):
        for right in (0, 1):
            x, y = left + right, top + down
            inside = ahead & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            np.maximum.at(nearer, (y * width + x)[inside], w_here[inside])
    return np.where(nearer >= 0, nearer, np.float32(np.nan)).reshape(height, width)


def seen_behind(picture: Picture, sights: Sequence[Sight], wanted: Bool) -> Background:
    """What other frames know of some pixels.

    Args:
        picture: (H, W, 3) uint8 of the frame.
        wanted: (H, W), of which pixels.
    """
    shape = wanted.shape
    shown, hidden = np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
    at = np.flatnonzero(wanted)
    if not len(at) or not sights:
        return Background(shown, hidden)
    own = cv2.blur(picture, (3, 3)).astype(np.int16).reshape(-1, 3)[at]
    surfaces, apart, colours = [], [], []
    for sight in sights:
        surface = laid_over(sight)
        x, y, _ = sight.there.positions(np.nan_to_num(surface))
        seen = cv2.remap(cv2.blur(sight.picture, (3, 3)), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        colour = seen.astype(np.int16).reshape(-1, 3)[at]
        surfaces.append(surface.reshape(-1)[at])
        apart.append(np.abs(colour - own).sum(axis=1))
        colours.append(colour)
    w, differs, seen_there = np.array(surfaces), np.array(apart), np.array(colours)
    known = np.isfinite(w)
    like = known & (differs < 3 * LIKE_COLOUR)
    total, count = np.zeros(len(at), np.float32), np.zeros(len(at), np.int16)
    for first in range(len(sights)):
        agree = _same(w, first) & like & like[first]
        more = agree.sum(axis=0) > count
        total = np.where(more, np.where(agree, w, 0).sum(axis=0), total)
        count = np.where(more, agree.sum(axis=0), count)
    sure = count >= LEAST_SHOWING
    shown.reshape(-1)[at] = np.where(sure, total / np.maximum(count, 1), np.float32(np.nan))
    never = np.flatnonzero((~known | (differs > 3 * UNLIKE_COLOUR)).all(axis=0) & (known.sum(axis=0) >= LEAST_HIDDEN))
    w, seen_there = w[:, never], seen_there[:, never]
    behind = np.zeros(len(never), bool)
    for first in range(len(sights)):
        alike = np.abs(seen_there - seen_there[first]).sum(axis=2) < 3 * LIKE_COLOUR
        behind |= (_same(w, first) & alike).sum(axis=0) >= LEAST_HIDDEN
    hidden.reshape(-1)[at[never]] = behind
    return Background(shown, hidden)


def _same(w: Float, first: int) -> Bool:
    """Which of the disparities (K, N) are of the surface of the one with that index."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(w - w[first]) <= SAME_SURFACE * w[first])
