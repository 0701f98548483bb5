# SPDX-License-Identifier: Apache-2.0
"""Strips along a picture's borders that soon leave it: a frame's neighbours, which lie apart by the parallax of most of
its picture, show them no more, and nearer frames do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.agreement import LEAST_AGREEING
from ex4d.depth.parallax.matcher import Match
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Pixels at the border of another picture that show nothing for sure: a window reaches over it.
RIM = 2


def shown_too_little(disparity: Float, sides: Sequence[Sequence[Passage]]) -> Bool:
    """Where (H, W) a surface is in the pictures of so few frames of each side in time that nothing could confirm it.

    Args:
        disparity: (H, W) float32.
        sides: passages to the frames of each side.
    """
    height, width = disparity.shape
    little = np.ones(disparity.shape, np.bool_)
    for side in sides:
        count = np.zeros(disparity.shape, np.uint8)
        for passage in side:
            x, y, ratio = passage.positions(disparity)
            count += (ratio > 0) & (x >= RIM) & (y >= RIM) & (x <= width - 1 - RIM) & (y <= height - 1 - RIM)
        little &= count < LEAST_AGREEING
    return little


def completed(match: Match, nearer: Match, sides: Sequence[Sequence[Passage]]) -> Match:
    """A match, with that of nearer frames where what they see is not in enough of the neighbours' pictures.

    Args:
        match: of a frame with its neighbours.
        nearer: of the same frame with frames that are nearer to it.
        sides: passages to the neighbours of each side in time.
    """
    little = shown_too_little(nearer.disparity, sides)
    return Match(
        np.where(little, nearer.disparity, match.disparity).astype(np.float32),
        np.where(little, nearer.cost, match.cost).astype(np.uint8),
    )
