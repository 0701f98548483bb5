# SPDX-License-Identifier: Apache-2.0
"""What other frames say of a frame's surfaces.

A measurement is believed where frames that were measured by themselves see the same surface. Those that do are
averaged, which takes out what the noise of one frame adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.views import Passage, Positions

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Count = NDArray[np.uint8]
Picture = NDArray[np.uint8]

#: Disparities agree within this share, or within this many of the planes' steps.
SAME_SHARE, SAME_STEPS = 0.03, 0.75
#: Frames that must agree: at least, of both sides where one of a side does not, and of a side however many see it.
LEAST_AGREEING, MANY_AGREEING, MOST_ASKED = 2, 4, 3
#: Ratio of neighbouring disparities up to which they are of one surface; how finely that is told apart; planes' steps
#: that are added to both, so that the far end is not all jumps; and the code of what was not measured.
ONE_SURFACE, LEVELS, SOFT_STEPS, UNKNOWN = 1.1, 16, 4, 32000
#: Difference of colour (0..255, mean of channels) up to which two frames may see one surface.
LIKE_COLOUR = 12.0
#: Spread of the disparities round a speck, as a share of their mean, up to which they are of one surface.
MOST_UNEVEN = 0.25


@dataclass(frozen=True)
class OtherMap:
    """Disparities of another frame.

    Attributes:
        disparity: (H, W) float32; NaN = nothing to say.
        passage: from the frame to it.
    """

    disparity: Float
    passage: Passage


def seen_at(positions: Positions, disparity: Float) -> Float:
    """What another frame says of the disparities of pixels, (H, W): those of the surfaces that it sees where these are
    in its picture; NaN outside of it.

    Args:
        positions: of the pixels in it, see ``Passage.positions``.
        disparity: (H, W) float32 of it; NaN = nothing to say.
    """
    x, y, ratio = positions
    there = cv2.remap(disparity, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
    return np.where(ratio > 0, there * ratio, np.float32(np.nan)).astype(np.float32)


@dataclass(frozen=True)
class Answers:
    """What several frames say of the disparities of one.

    Attributes:
        total: (H, W) float32, sum of the disparities that agree.
        agree: (H, W) uint8, how many those are.
        asked: (H, W) uint8, how many have something to say there.
    """

    total: Float
    agree: Count
    asked: Count

    def mean(self, own: Float) -> Float:
        """The mean of a map and of all that agree with it."""
        return mean(own, [self])


def mean(own: Float, sides: Sequence[Answers]) -> Float:
    """The mean (H, W) of a frame's disparities and of all that agree with them, of both sides in time."""
    total = np.sum([side.total for side in sides], axis=0)
    agree = np.sum([side.agree for side in sides], axis=0, dtype=np.uint8)
    return np.asarray((own + total) / (1 + agree), np.float32)


def ask(disparity: Float, others: Sequence[OtherMap], step: float, share: float = SAME_SHARE) -> Answers:
    """Ask other frames whether they see these surfaces.

    Args:
        disparity: (H, W) float32.
        others: frames that are asked.
        step: of disparity between two planes.
        share: of the disparity, by which they may differ.
    """
    total = np.zeros(disparity.shape, np.float32)
    agree, asked = np.zeros(disparity.shape, np.uint8), np.zeros(disparity.shape, np.uint8)
    limit = np.maximum(share * disparity, np.float32(SAME_STEPS * step))
    for other in others:
        said = seen_at(other.passage.positions(disparity), other.disparity)
        with np.errstate(invalid="ignore"):
            same = np.abs(said - disparity) <= limit
        total += np.where(same, said, 0)
        agree += same
        asked += np.isfinite(said)
    return Answers(total, agree, asked)


def unlike(picture: Picture, other: Picture, positions: Positions) -> Bool:
    """Where (H, W) another picture shows another colour than the pixels have: at outlines it sees the other side there.

    Args:
        picture, other: (H, W, 3) uint8.
        positions: of the pixels in the other, see ``Passage.positions``.
    """
    x, y, _ = positions
    seen = cv2.remap(other, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.absdiff(seen, picture).sum(axis=-1, dtype=np.uint16) > 3 * LIKE_COLOUR)


def middle(own: Float, said: Sequence[Float]) -> Float:
    """The median of a frame's disparities (H, W), above 0, and what others say of them, NaN = nothing, the farther one
    of two in the middle; its own where nothing is said."""
    every = np.stack([own, *said])
    every[~(every > 0)] = np.nan
    every.sort(axis=0)
    last = np.maximum(np.isfinite(every).sum(axis=0) - 1, 0)
    found = np.take_along_axis(every, last[None] // 2, axis=0)[0]
    return np.where(np.isfinite(found), found, own).astype(np.float32)


def is_confirmed(sides: Sequence[Answers]) -> Bool:
    """Where a measurement is believed, (H, W): all of one side in time that see the place agree, or most of both.

    One that disagrees among those of a side sees something else there: what hides in that side comes out wrong in the
    same way in frames that lie close together, but not in those farther off.

    Args:
        sides: what earlier and what later frames say; one of them at the clip's ends.
    """
    every = [(side.agree >= np.minimum(side.asked, MOST_ASKED)) & (side.agree >= LEAST_AGREEING) for side in sides]
    agree = np.sum([side.agree for side in sides], axis=0)
    return np.asarray(np.logical_or.reduce(every) | (agree >= MANY_AGREEING))


def is_confirmed_by_the_only_one(sides: Sequence[Answers]) -> Bool:
    """Where but one frame has anything to say of a measurement, (H, W), and agrees: a strip along the picture's border
    that no other shows.

    Args:
        sides: what all frames that are nearby say.
    """
    asked, agree = (np.sum(counts, axis=0) for counts in zip(*((s.asked, s.agree) for s in sides), strict=True))
    return np.asarray((asked == 1) & (agree == 1))


def beside_jumps(disparity: Float, ratio: float, least: float, reach: int) -> Bool:
    """Pixels (H, W) within ``reach`` of a step of the disparity by more than ``ratio`` and, besides, ``least``: as good
    as infinitely far away any noise is a large ratio."""
    kernel = np.ones((3, 3), np.uint8)
    jumps = cv2.dilate(disparity, kernel) > ratio * cv2.erode(disparity, kernel) + np.float32(least)
    if reach > 1:
        size = 2 * reach - 1
        jumps = cv2.dilate(jumps.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    return np.asarray(jumps)


def without_islands(mask: Bool, least: int) -> Bool:
    """The mask without connected parts of fewer pixels than ``least``."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return np.asarray(large[labels]) if count > 1 else mask


def without_specks(disparity: Float, step: float, least: int) -> Float:
    """Disparities (H, W), NaN where a connected part of one surface has fewer pixels than ``least`` and lies, unlike an
    island, amid another surface.

    Args:
        disparity: (H, W) float32, NaN = not measured.
        step: of disparity between two planes.
        least: pixels.
    """
    known = np.isfinite(disparity)
    # In steps of the same ratio; far away, where noise is all, in steps of the same disparity.
    soft = np.where(known, np.maximum(disparity, 0), 0) + np.float32(SOFT_STEPS * step)
    levels = np.round(np.log(soft) * (LEVELS / math.log(ONE_SURFACE)))
    levels = np.where(known, np.clip(levels, -UNKNOWN + 1, UNKNOWN), -UNKNOWN).astype(np.int16)
    cv2.filterSpeckles(levels, -UNKNOWN, least - 1, LEVELS)
    kept = known & (levels > -UNKNOWN)
    specks = known & ~kept & _is_even(np.where(kept, soft, 0), kept, 2 * math.ceil(math.sqrt(least)) + 1)
    return np.where(specks, np.float32(np.nan), disparity)


def _is_even(values: Float, mask: Bool, side: int) -> Bool:
    """Where the masked values within a window are of one surface, (H, W): leaves among leaves are not specks."""
    window = (side, side)
    share = np.maximum(cv2.boxFilter(mask.astype(np.float32), cv2.CV_32F, window), np.float32(1e-6))
    mean = cv2.boxFilter(values, cv2.CV_32F, window) / share
    square = cv2.boxFilter(values * values, cv2.CV_32F, window) / share
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)) < MOST_UNEVEN * mean)
