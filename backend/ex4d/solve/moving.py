# SPDX-License-Identifier: Apache-2.0
"""The solve of a camera that moves: from a start to all key frames, from these to all frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import (
    FOCAL_SHARES,
    MOVING_ZOOM_SIGMA,
    PRIOR_SIGMA,
    Start,
    place,
    sightings_of,
    starts,
    usable,
)
from ex4d.solve.model import Model
from ex4d.solve.resect import LEAST_SHARE, fit_shares, refine_cameras
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import triangulate
from ex4d.solve.two_view import PairView

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Plates of no more frames than this are bundled whole; of longer ones the key frames are.
WHOLE = 64
#: Key frames that a new one is bundled with, and those before them that are held.
LOCAL, HELD = 8, 4
#: New key frames until all known ones are bundled together.
GLOBAL_EVERY = 12
#: Errors, px, above which sightings are dropped, round by round.
LIMITS = (6.0, 3.0, 2.0)
#: A frame outside of the bundle is lost of whose tracks less than so many times the share is explained that usually is
#: in the frames around it, so many on each side.
LOST, AROUND = 0.75, 3


@dataclass(frozen=True)
class Moving:
    """What came out.

    Attributes:
        model: cameras and points.
        pair: that the solve began with.
        starts: all starts that were followed to their end, the best first.
    """

    model: Model
    pair: PairView
    starts: tuple[Start, ...]


def bundled_frames(tracks: Tracks, keys: Sequence[int]) -> list[int]:
    """The frames that the last bundles are of."""
    return list(range(tracks.frames)) if tracks.frames <= WHOLE else list(keys)


def solve_moving(
    tracks: Tracks,
    keys: Sequence[int],
    ranked: Sequence[PairView],
    focal: float,
    *,
    focal_known: bool,
    options: BundleOptions,
    tick: Callable[[], None],
) -> Moving | None:
    """Solve a camera that moves; None where no start holds.

    Args:
        tracks: of one shot without a cut.
        keys: its key frames.
        ranked: pairs of them, the best start first.
        focal: work pixels: the one that is known, or expected.
        focal_known: whether it is known.
        options: of the last bundles.
        tick: called now and then; may raise to stop.
    """
    if not ranked:
        return None
    side = max(tracks.size)
    focals = [focal] if focal_known else [*(share * side for share in FOCAL_SHARES)]
    if focal_known:
        first = BundleOptions(focal="fixed", iterations=8)
    else:
        first = BundleOptions(prior=float(np.log(focal)), prior_sigma=PRIOR_SIGMA, iterations=8)
    found = starts(tracks, keys, ranked, focals, first)
    tick()
    if not found:
        return None
    model = found[0].model.copy()
    if found[0].zooms:
        first, options = (replace(one, focal="each", zoom_sigma=MOVING_ZOOM_SIGMA) for one in (first, options))
    grow(model, tracks, keys, first, tick)
    complete(model, tracks, keys, options, tick)
    return Moving(model, found[0].pair, tuple(found))


def grow(model: Model, tracks: Tracks, keys: Sequence[int], options: BundleOptions, tick: Callable[[], None]) -> None:
    """From the known key frames to the others, outwards on both sides, in place."""
    sightings = sightings_of(tracks, keys)
    fixed_options = replace(options, focal="fixed", iterations=8)
    since = 0
    for forwards in (True, False):
        order = list(keys) if forwards else list(reversed(keys))
        known = [index for index, frame in enumerate(order) if model.known[frame]]
        for at in range(max(known) + 1, len(order)):
            frame = order[at]
            tick()
            if not place(model, sightings, frame):
                continue
            around = [other for other in order[max(0, at - LOCAL - HELD) : at + 1] if model.known[other]]
            near = sightings_of(tracks, around)
            triangulate(model, near, ~model.has_point)
            held = np.zeros(tracks.frames, bool)
            held[around[:HELD]] = True
            bundle(model, usable(model, near, LIMITS[0]), fixed_options, held)
            since += 1
            if since >= GLOBAL_EVERY:
                since = 0
                _round(model, sightings, LIMITS[0], replace(options, iterations=5))


def complete(
    model: Model, tracks: Tracks, keys: Sequence[int], options: BundleOptions, tick: Callable[[], None]
) -> None:
    """All frames from the key frames, and the last bundles, in place."""
    place_between(model, Sightings(tracks.frame, tracks.track, tracks.xy))
    tick()
    refine_whole(model, tracks, bundled_frames(tracks, keys), options, LIMITS)


def refine_whole(
    model: Model, tracks: Tracks, frames: Sequence[int], options: BundleOptions, limits: Sequence[float]
) -> None:
    """Bundles of these frames with falling limits of what is explained, and from them all other frames and points, in
    place."""
    everything = Sightings(tracks.frame, tracks.track, tracks.xy)
    sightings = sightings_of(tracks, frames)
    for limit in limits:
        _round(model, sightings, limit, options)
    others = np.ones(tracks.frames, bool)
    others[list(frames)] = False
    if others.any():
        # Where the focal length changes, frames between have what lies between.
        bundled = np.array([frame for frame in frames if model.known[frame]])
        model.log_focal[others] = np.interp(np.flatnonzero(others), bundled, model.log_focal[bundled])
        refine_cameras(model, everything.picked(others[everything.frame] & model.known[everything.frame]))
        _place_lost(model, everything, others)
    place_between(model, everything)
    triangulate(model, everything, ~model.has_point)


def _place_lost(model: Model, sightings: Sightings, others: Bools) -> None:
    """Place frames outside of the bundle anew, in place, that are explained far less than those around them: the key
    frames had moved from under them. One that cannot be placed is not known any more."""
    frames = np.arange(len(model.known), dtype=np.int32)
    shares = fit_shares(model, sightings, frames)
    around = np.array([np.median(shares[max(0, frame - AROUND) : frame + AROUND + 1]) for frame in frames])
    lost = np.flatnonzero(others & model.known & (shares < LOST * around))
    if not len(lost):
        return
    old = model.copy()
    model.known[lost] = False
    place_between(model, sightings)
    worse = lost[fit_shares(model, sightings, frames)[lost] < shares[lost]]
    model.rotation[worse], model.position[worse] = old.rotation[worse], old.position[worse]
    model.log_focal[lost] = old.log_focal[lost]
    model.known[worse] = shares[worse] >= LEAST_SHARE


def _round(model: Model, sightings: Sightings, limit: float, options: BundleOptions) -> None:
    triangulate(model, sightings)
    bundle(model, usable(model, sightings, limit), options)


def place_between(model: Model, sightings: Sightings) -> None:
    """Place the frames that are not known from those around them, and improve those outside of bundles."""
    frames = np.arange(len(model.known), dtype=np.int32)
    known = np.flatnonzero(model.known)
    missing = np.flatnonzero(~model.known)
    if not len(missing):
        return
    nearest = known[np.argmin(np.abs(missing[:, None] - known[None, :]), axis=1)]
    model.rotation[missing], model.position[missing] = model.rotation[nearest], model.position[nearest]
    model.log_focal[missing] = model.log_focal[nearest]
    refine_cameras(model, sightings.picked(~model.known[sightings.frame]))
    shares = fit_shares(model, sightings, frames)
    model.known |= shares >= LEAST_SHARE
