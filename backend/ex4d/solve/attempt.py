# SPDX-License-Identifier: Apache-2.0
"""What is solved of a plate as one kind of shot, what comes out, and the shares that tell whether it is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ex4d.solve.bundle import Sightings
from ex4d.solve.depth_order import DepthOrder
from ex4d.solve.initial import errors_of
from ex4d.solve.kind import NEAR, Numbers
from ex4d.solve.lens_test import LensState
from ex4d.solve.model import Model
from ex4d.solve.tracks import Tracks
from ex4d.solve.two_view import PairView

#: Residual, px, from which a sighting counts less in the last bundles, and their steps at most.
LOSS, ITERATIONS = 0.6, 15
#: Steps where distortion is solved for: it changes places with the focal length slowly.
BENT_ITERATIONS = 30
#: Residual, px, from which a sighting that was measured again counts less.
MEASURED_LOSS = 0.2
#: Two key frames tell whether the same tracks are explained in both where so many are in either.
LEAST_KEPT = 20


@dataclass(frozen=True)
class Attempt:
    """What came out.

    Attributes:
        model: cameras and points.
        lens: what is known of the focal length.
        numbers: those that this attempt tells; the others None.
        zooms: whether the focal length changes over time.
        notes: sentences for the report.
        keeps_found: the lens is not observable, but the expected one is surely wrong, so that was kept which explains
            the plate best.
    """

    model: Model
    lens: LensState | None
    numbers: Numbers
    zooms: bool = False
    notes: tuple[str, ...] = ()
    keeps_found: bool = False


@dataclass(frozen=True)
class Task:
    """What is solved.

    Attributes:
        tracks: of a pinhole with its principal point in the middle; none that stands on the screen.
        keys: key frames.
        pairs: of them, the best start first.
        focal: work pixels: known, or expected.
        focal_known: whether it is known.
        tick: called now and then; may raise to stop.
        measure: gives the tracks measured again, with a model of them; None where the pictures show too little.
        is_measured: whether these tracks are.
        order: estimates the order of depth where the tracks leave it open; None = nothing does.
        repeats: frames that repeat the one before.
    """

    tracks: Tracks
    keys: Sequence[int]
    pairs: Sequence[PairView]
    focal: float
    focal_known: bool
    tick: Callable[[], None]
    measure: Callable[[Model], Tracks | None]
    is_measured: bool = False
    order: DepthOrder | None = None
    repeats: Sequence[int] = ()


def shares_of_turns(model: Model, tracks: Tracks, keys: Sequence[int]) -> tuple[float | None, float | None]:
    """How well tracks follow a model from key frame to key frame; the least of all, None where no two have tracks
    enough.

    Returns:
        Of those that it explains in one of two key frames, one after the other, the share that it explains in both:
        little where it follows now one thing and now another. And of all that two share the part that it explains in
        both: little where it follows next to nothing.
    """
    near = errors_of(model, Sightings(tracks.frame, tracks.track, tracks.xy)) < NEAR
    kept, followed = [], []
    for first, second in pairwise(keys):
        a, b = tracks.in_frame(first), tracks.in_frame(second)
        _, i, j = np.intersect1d(tracks.track[a], tracks.track[b], assume_unique=True, return_indices=True)
        one, other = near[a][i], near[b][j]
        both, either = int((one & other).sum()), int((one | other).sum())
        if either >= LEAST_KEPT:
            kept.append(both / either)
        if len(i) >= LEAST_KEPT:
            followed.append(both / len(i))
    return min(kept, default=None), min(followed, default=None)


def explained_share(model: Model, tracks: Tracks) -> tuple[float, float]:
    """Median error, px, of the sightings that a model explains, and the share of all that these are."""
    can = model.known[tracks.frame] & model.has_point[tracks.track]
    error = np.full(len(tracks), np.inf)
    error[can] = model.errors(tracks.frame[can], tracks.track[can], tracks.xy[can])
    near = error < NEAR
    return float(np.median(error[near])) if near.any() else np.inf, float(near.mean()) if len(error) else 0.0
