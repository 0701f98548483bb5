# SPDX-License-Identifier: Apache-2.0
"""Things that move, as cards: each stands across the view where its foot meets the ground.

Their own parallax says nothing of how far away they are; the ground below their lowest pixels was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Labels = NDArray[np.int32]

#: Share of a thing's height, from below, whose pixels are its foot.
FOOT = 0.06
#: Rows below a foot that are looked at, as a share of the picture's height, and how many ground pixels are enough.
GROUND_ROWS, LEAST_GROUND = 0.02, 4
#: A thing whose lowest pixels are within so many rows of the picture's end has its foot outside.
BORDER_ROWS = 3
#: Share of a thing that the former frame's covers if it is the same.
SAME_THING = 0.2
#: Frames that a card's depth is the median of.
STEADY_FRAMES = 9


def things(mask: Bool) -> tuple[int, Labels]:
    """How many connected parts a mask has, and its map (H, W) of their numbers from 1 on, 0 = none."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count - 1, np.asarray(labels, np.int32)


def foot_disparity(thing: Bool, ground: Float) -> float:
    """Disparity of the ground where a thing stands; NaN where that is not seen.

    Args:
        thing: (H, W).
        ground: (H, W) disparity of what stands still; NaN = not known.
    """
    height = len(thing)
    rows = np.flatnonzero(thing.any(axis=1))
    bottom = int(rows[-1])
    if bottom >= height - BORDER_ROWS:
        return float("nan")
    foot = thing[bottom - max(1, round(FOOT * len(rows))) : bottom + 1]
    columns = np.flatnonzero(foot.any(axis=0))
    lowest = height - 1 - np.argmax(thing[::-1, columns], axis=0)
    rows_below = [lowest + step for step in range(1, max(3, round(GROUND_ROWS * height))) if bottom + step < height]
    values = np.concatenate([ground[row, columns] for row in rows_below])
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) >= LEAST_GROUND else float("nan")


@dataclass
class Cards:
    """Depths of the things of a shot, frame by frame, the same thing's made steady over time."""

    _former: Labels | None = None
    _former_chains: list[int] = field(default_factory=list)
    #: By frame: of each thing its chain and disparity.
    _frames: list[tuple[list[int], list[float]]] = field(default_factory=list)
    _chains: int = 0

    def add(self, mask: Bool, ground: Float) -> None:
        """The next frame's things; see ``foot_disparity``."""
        count, labels = things(mask)
        chains, values = [], []
        for number in range(1, count + 1):
            thing = labels == number
            values.append(foot_disparity(thing, ground))
            chains.append(self._chain(thing))
        self._former, self._former_chains = labels, chains
        self._frames.append((chains, values))

    def _chain(self, thing: Bool) -> int:
        """The number that a thing had in the former frame, or a new one."""
        if self._former is not None:
            counts = np.bincount(self._former[thing], minlength=len(self._former_chains) + 1)
            counts[0] = 0
            if counts.max() > SAME_THING * thing.sum():
                return self._former_chains[int(counts.argmax()) - 1]
        self._chains += 1
        return self._chains

    def disparities(self, index: int) -> list[float]:
        """Of each thing of a frame, in the order of ``things``; NaN = its foot is not seen in any frame nearby."""
        out = []
        reach = STEADY_FRAMES // 2
        for chain in self._frames[index][0]:
            near = [
                value
                for chains, values in self._frames[max(0, index - reach) : index + reach + 1]
                for other, value in zip(chains, values, strict=True)
                if other == chain and np.isfinite(value)
            ]
            out.append(float(np.median(near)) if near else float("nan"))
        return out


def placed(disparity: Float, mask: Bool, depths: list[float], estimate: Float) -> Float:
    """Disparities (H, W) with the things as cards; those without a foot have the estimate's shape.

    Args:
        mask: (H, W), of all things.
        depths: their disparities, see ``Cards.disparities``.
    """
    out = disparity.copy()
    _, labels = things(mask)
    for number, depth in enumerate(depths, 1):
        thing = labels == number
        out[thing] = depth if np.isfinite(depth) else estimate[thing]
    return out
