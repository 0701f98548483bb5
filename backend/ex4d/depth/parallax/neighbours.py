# SPDX-License-Identifier: Apache-2.0
"""Which frames a frame is compared with, and over which depths.

Neighbours are chosen by the parallax that they show, not by their distance in time: a slow camera needs frames that lie
far apart, and a fast one frames next to each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.parallax.agreement import LEAST_AGREEING
from ex4d.depth.parallax.sightings import Sightings, sightings
from ex4d.depth.parallax.views import Passage

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Median parallax to the neighbours of each side, as shares of the picture's width.
PARALLAX = (0.02, 0.045, 0.09)
#: A shot of which no frame shows this share to another one is not measured: all that is wanted falls on one neighbour
#: a side, and nothing confirms it. Frames that are looked at for it.
LEAST_OF_SHOT, LOOKED_AT = PARALLAX[0], 16
#: Less median parallax than this many pixels shows nothing.
LEAST_PARALLAX_PX = 0.5
#: A side in time is left out whose farthest neighbour shows less than this share of the other side's parallax: on a
#: short base everything looks alike.
LEAST_SIDE = 0.5
#: Frames before and after one that may be its neighbours, and points in it that tell which.
REACH, LEAST_POINTS = 60, 12
#: A neighbour shows at least this share of the points.
LEAST_OVERLAP = 0.4
#: Nearer frames are asked besides for what fewer than two neighbours of a side show, from this share of the picture on;
#: each of them shows most of it. Cells along the longer side in which that is told, and percentiles of the points'
#: disparities that may be seen in each.
LEAST_UNSHOWN, MOST_OF_IT, CELLS, CELL_PERCENTILES = 0.02, 0.75, 32, (10, 50, 90)
#: Percentiles of the points' disparities that count as far and near, and by what the planes go beyond these.
FAR_PERCENTILE, NEAR_PERCENTILE, FARTHER, NEARER = 1, 99, 0.6, 1.35
#: Planes begin infinitely far away where the far end has less than this share of the near end's disparity.
FROM_INFINITY = 0.25
#: Pixels of parallax from plane to plane to the farthest neighbour at the 90th percentile, and how many planes.
STEP_PX, LEAST_PLANES, MOST_PLANES = 0.75, 32, 96


@dataclass(frozen=True)
class Choice:
    """What a frame is compared with.

    Attributes:
        indices: of the neighbours, ascending; may be empty.
        disparities: (D,) of the planes, ascending, even.
        parallax_px: median over the points, to the farthest neighbour.
        nearer: frames that show what leaves the picture before two neighbours of a side show it; None = there is little
            of it.
    """

    indices: tuple[int, ...]
    disparities: Array
    parallax_px: float
    nearer: Choice | None = None


def choose(cameras: Trajectory, index: int, seen: Sightings) -> Choice:
    """Neighbours and planes of a frame.

    Args:
        cameras: of all frames.
        index: of the frame.
        seen: points in it; where there are too few of them it has no neighbours.
    """
    if len(seen.at) < LEAST_POINTS:
        return Choice((), np.linspace(0, 1, LEAST_PLANES), 0.0)
    chosen, parallax = _by_parallax(cameras, index, seen)
    far, near = np.percentile(seen.disparity, [FAR_PERCENTILE, NEAR_PERCENTILE])
    far, near = far * FARTHER, near * NEARER
    if far < FROM_INFINITY * near:
        far = 0.0
    planes = _planes(cameras, index, chosen, seen, (far, near))
    return Choice(chosen, planes, parallax, _nearer(cameras, index, chosen, seen, (far, near)))


def parallax_share(cameras: Trajectory, points: Array) -> float:
    """Median parallax from a frame to its farthest neighbour, as a share of the width: the largest of the frames that
    are looked at, the first and the last among them.

    Args:
        cameras: of all frames.
        points: (N, 3) in their world.
    """
    count = len(cameras)
    looked_at = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).round().astype(int))
    shown = [choose(cameras, int(index), sightings(points, cameras, int(index))).parallax_px for index in looked_at]
    return max(shown, default=0.0) / cameras.width


def _by_parallax(
    cameras: Trajectory,
    index: int,
    seen: Sightings,
    shares: Sequence[float] = PARALLAX,
    least_overlap: float = LEAST_OVERLAP,
    least: int = 1,
) -> tuple[tuple[int, ...], float]:
    """Neighbours of a frame, ascending, and the median parallax to the farthest of them, pixels.

    Args:
        seen: points that they are for.
        shares: of the width, median parallax to those of each side.
        least_overlap: share of the points that each shows.
        least: how many of each side are taken if there are as many, though they show as little parallax.
    """
    sides = []
    earlier = range(index - 1, max(-1, index - 1 - REACH), -1)
    later = range(index + 1, min(len(cameras), index + 1 + REACH))
    wanted = [share * cameras.width for share in shares]
    for side in (earlier, later):
        shown = {other: _median_parallax(cameras, index, other, seen, least_overlap) for other in side}
        offered = {other: px for other, px in shown.items() if px > LEAST_PARALLAX_PX}
        if offered:
            nearest = {_nearest(offered, px) for px in wanted}
            while len(nearest) < min(least, len(offered)):
                nearest.add(_nearest({other: px for other, px in offered.items() if other not in nearest}, wanted[-1]))
            sides.append((max(offered[other] for other in nearest), nearest))
    parallax = max((most for most, _ in sides), default=0.0)
    return tuple(sorted(other for most, side in sides for other in side if most >= LEAST_SIDE * parallax)), parallax


def _nearer(
    cameras: Trajectory, index: int, chosen: tuple[int, ...], seen: Sightings, ends: tuple[float, float]
) -> Choice | None:
    """Frames for those parts of the picture that too few of the chosen ones show."""
    cells = _all_over(cameras.width, cameras.height, seen)
    unshown = np.ones(len(cells.at), np.bool_)
    for later in (False, True):
        side = [other for other in chosen if (other > index) is later]
        unshown &= np.sum([_inside(cameras, index, other, cells) for other in side], axis=0) < LEAST_AGREEING
    if unshown.reshape(len(CELL_PERCENTILES), -1).any(axis=0).mean() < LEAST_UNSHOWN:
        return None
    left = Sightings(cells.at[unshown], cells.disparity[unshown])
    found, parallax = _by_parallax(cameras, index, left, PARALLAX[1:], MOST_OF_IT, LEAST_AGREEING)
    return None if set(found) <= set(chosen) else Choice(found, _planes(cameras, index, found, left, ends), parallax)


def _all_over(width: int, height: int, seen: Sightings) -> Sightings:
    """Array positions evenly over the picture, each at several disparities that the points have: few of them are
    followed near its borders."""
    side = max(width, height) / CELLS
    x, y = (np.arange(side / 2, length, side) - 0.5 for length in (width, height))
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    disparities = np.percentile(seen.disparity, CELL_PERCENTILES)
    return Sightings(np.tile(at, (len(disparities), 1)), np.repeat(disparities, len(at)))


def _nearest(offered: Mapping[int, float], wanted: float) -> int:
    """The frame whose parallax comes nearest to the wanted one, as a ratio."""
    return min(offered, key=lambda other: abs(math.log(offered[other] / wanted)))


def _median_parallax(cameras: Trajectory, index: int, other: int, seen: Sightings, least_overlap: float) -> float:
    """Pixels; 0 where too few of the points are seen there."""
    passage = Passage.between(cameras, index, other)
    if _inside(cameras, index, other, seen).mean() < least_overlap:
        return 0.0
    return float(np.nan_to_num(np.nanmedian(passage.parallax(seen.at, seen.disparity))))


def _inside(cameras: Trajectory, index: int, other: int, seen: Sightings) -> Bool:
    """Which of the points (N,) are in another frame's picture."""
    passage = Passage.between(cameras, index, other)
    there = np.column_stack([seen.at, np.ones(len(seen.at))]) @ passage.A.T + seen.disparity[:, None] * passage.b
    with np.errstate(divide="ignore", invalid="ignore"):
        at = there[:, :2] / there[:, 2:]
    return np.asarray((there[:, 2] > 0) & (at >= 0).all(axis=1) & (at < (cameras.width, cameras.height)).all(axis=1))


def _planes(
    cameras: Trajectory, index: int, chosen: tuple[int, ...], seen: Sightings, ends: tuple[float, float]
) -> Array:
    """Disparities (D,) between a far and a near end, so close that no match is missed."""
    spread = [_spread(cameras, index, other, seen, ends) for other in chosen]
    count = int(np.clip(math.ceil(max(spread, default=0.0) / STEP_PX) + 1, LEAST_PLANES, MOST_PLANES))
    return np.linspace(*ends, count)


def _spread(cameras: Trajectory, index: int, other: int, seen: Sightings, ends: tuple[float, float]) -> float:
    """Pixels from the farthest to the nearest plane, at most of the points."""
    passage = Passage.between(cameras, index, other)
    far, near = (passage.parallax(seen.at, np.full(len(seen.at), end)) for end in ends)
    spread = np.abs(near - far)
    return float(np.nanpercentile(spread, 90)) if np.isfinite(spread).any() else 0.0
