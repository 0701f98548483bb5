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
#: The ground is told from a wall or a post below the foot by its slope: by so many times its disparity it would come
#: nearer over the picture's height. Rows that this is told from, as a share of that.
LEAST_SLOPE, SLOPE_ROWS = 0.5, 0.05
#: Parts of the mask within this share of the picture's width are of one thing.
ONE_THING = 0.02
#: A thing whose lowest pixels are within so many rows of the picture's end has its foot outside.
BORDER_ROWS = 3
#: Share of a thing that the former frame's covers if it is the same.
SAME_THING = 0.2
#: Frames that a card's depth is the median of, and how far away in time one is looked for where its foot is not seen in
#: any of those.
STEADY_FRAMES, REACH = 9, 24


def things(mask: Bool) -> tuple[int, Labels]:
    """How many things a mask has, and its map (H, W) of their numbers from 1 on, 0 = none."""
    side = max(1, round(ONE_THING * mask.shape[1])) | 1
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    return count - 1, np.where(mask, labels, 0).astype(np.int32)


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
    reach = max(3, round(GROUND_ROWS * height))
    under = _below(ground, lowest, columns, max(reach, round(SLOPE_ROWS * height)))
    if not _slopes(under, height):
        return float("nan")
    values = under[:reach][np.isfinite(under[:reach])]
    return float(np.median(values)) if len(values) >= LEAST_GROUND else float("nan")


def _below(ground: Float, lowest: NDArray[np.intp], columns: NDArray[np.intp], rows: int) -> Float:
    """Disparities (rows, N) below the lowest pixels of columns; NaN beyond the picture."""
    at = lowest + np.arange(1, rows + 1)[:, None]
    inside = at < len(ground)
    return np.where(inside, ground[np.where(inside, at, 0), columns], np.float32(np.nan))


def _slopes(under: Float, height: int) -> bool:
    """Whether what is below a foot comes nearer downwards."""
    known = np.isfinite(under)
    rows = np.broadcast_to(np.arange(len(under))[:, None], under.shape)[known]
    values = under[known].astype(np.float64)
    if len(values) < LEAST_GROUND or rows.min() == rows.max():
        return False
    upper, lower = rows <= np.median(rows), rows > np.median(rows)
    if not lower.any():
        upper, lower = rows < rows.max(), rows == rows.max()
    rise = np.median(values[lower]) - np.median(values[upper])
    way = rows[lower].mean() - rows[upper].mean()
    return bool(rise * height >= LEAST_SLOPE * np.median(values) * way)


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
        return [self._disparity(index, chain) for chain in self._frames[index][0]]

    def _disparity(self, index: int, chain: int) -> float:
        """Of one thing: as its foot was seen in the frames beside this one, else in the frame nearest in time."""
        for reach in (STEADY_FRAMES // 2, REACH):
            first = max(0, index - reach)
            seen = [
                (abs(frame - index), value)
                for frame, (chains, values) in enumerate(self._frames[first : index + reach + 1], first)
                for other, value in zip(chains, values, strict=True)
                if other == chain and np.isfinite(value)
            ]
            if seen and reach < REACH:
                return float(np.median([value for _, value in seen]))
            if seen:
                return min(seen)[1]
        return float("nan")


def placed(disparity: Float, mask: Bool, depths: list[float], estimate: Float) -> Float:
    """Disparities (H, W) with the things as cards; those without a foot have the estimate's shape. None is behind what
    it covers.

    Args:
        disparity: (H, W) of what stands still, behind the things too.
        mask: (H, W), of all things.
        depths: their disparities, see ``Cards.disparities``.
    """
    out = disparity.copy()
    _, labels = things(mask)
    for number, depth in enumerate(depths, 1):
        thing = labels == number
        if not thing.any():
            continue
        if np.isfinite(depth):
            out[thing] = max(depth, float(np.median(disparity[thing])))
        else:
            out[thing] = np.maximum(estimate[thing], disparity[thing])
    return out
