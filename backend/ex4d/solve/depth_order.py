# SPDX-License-Identifier: Apache-2.0
"""Whether a solve has near and far the right way round: by the cost of the solve turned inside out, and only where
that does not tell by the order of depth that an estimator sees in single pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings
from ex4d.solve.kind import NEAR, Numbers, is_order_open, leads
from ex4d.solve.model import Model
from ex4d.solve.reversal import rank_correlation, reversal
from ex4d.solve.tracks import Tracks

Array = NDArray[np.float64]

#: Points that a frame needs to tell, and frames that are looked at.
LEAST_POINTS, LOOKED_AT = 50, 5
#: A solve that fell back to the same order but costs no more than this share of the first is taken in its place.
MUCH_BETTER = 0.9


@dataclass(frozen=True)
class DepthOrder:
    """What estimates the order of depth in single frames.

    Attributes:
        disparity: gives ln disparity (h, w) of the frame with an index, at any size, up to a constant.
        weights: hash of what it was trained to; another one may decide otherwise.
    """

    disparity: Callable[[int], NDArray[np.float32]]
    weights: str


@dataclass(frozen=True)
class OrderTest:
    """What came out.

    Attributes:
        numbers: ``reversal`` of the solve that was tested, and where that does not tell what the estimator says.
        better: a model of the bundled frames to be taken in its place; None = the tested one stays.
    """

    numbers: Numbers
    better: Model | None = None


def order_test(
    model: Model,
    tracks: Tracks,
    sightings: Sightings,
    options: BundleOptions,
    order: DepthOrder | None,
) -> OrderTest:
    """Test the order of depth of a camera that moves.

    Args:
        model: solved; stays as it is.
        tracks: of the plate.
        sightings: of the frames that are compared.
        options: of the bundles; the lens is held.
        order: the estimator; None = there is none.
    """
    turned = reversal(model, sightings, options)
    if turned is None:
        return OrderTest(Numbers())
    if not turned.is_reversed:
        return OrderTest(Numbers(), turned.model if turned.ratio < MUCH_BETTER else None)
    numbers = Numbers(reversal=turned.ratio)
    if order is None or not is_order_open(turned.ratio):
        return OrderTest(numbers, turned.model if turned.ratio < 1 else None)
    frames = np.unique(sightings.frame).tolist()
    own, other = (order_agreement(each, tracks, frames, order) for each in (model, turned.model))
    numbers = Numbers(reversal=turned.ratio, order=own, order_reversed=other)
    if leads(other, own) or (turned.ratio < 1 and not leads(own, other)):
        return OrderTest(numbers, turned.model)
    return OrderTest(numbers)


def order_agreement(model: Model, tracks: Tracks, frames: Sequence[int], order: DepthOrder) -> float | None:
    """Median over some frames of the rank correlation between estimated disparity and solved nearness, -1 to 1; None
    where no frame has points enough.

    Args:
        model: solved.
        tracks: of the plate.
        frames: those that may be looked at.
        order: the estimator.
    """
    if not frames:
        return None
    picked = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), LOOKED_AT)).round().astype(int))
    found = []
    for frame in (frames[index] for index in picked):
        part = tracks.in_frame(frame)
        track, xy = tracks.track[part], tracks.xy[part]
        at = np.full(len(track), frame, np.int32)
        known = model.has_point[track] & model.known[frame]
        near = np.zeros(len(track), bool)
        near[known] = model.errors(at[known], track[known], xy[known]) < NEAR
        if near.sum() < LEAST_POINTS:
            continue
        disparity = order.disparity(frame)
        height, width = disparity.shape
        column, row = np.clip((xy[near] / tracks.size * [width, height]).astype(int), 0, [width - 1, height - 1]).T
        depth = model.in_camera(at[near], track[near])[:, 2]
        found.append(rank_correlation(disparity[row, column].astype(np.float64), -depth))
    return float(np.median(found)) if found else None
