# SPDX-License-Identifier: Apache-2.0
"""The solve of a camera that turns and stays where it is: rotations, and the lens where the turn is wide enough.

The points are directions. What one frame sees of them is what another sees, turned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import FOCAL_SHARES, PRIOR_SIGMA, cost, sightings_of, usable
from ex4d.solve.model import Model
from ex4d.solve.resect import LEAST_POINTS, refine_cameras
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import parts_of_tracks
from ex4d.solve.turn_links import chosen_turns, link

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Errors, px, above which sightings are dropped, round by round.
LIMITS = (8.0, 3.0, 2.0)


def solve_turning(
    tracks: Tracks,
    keys: Sequence[int],
    focal: float,
    *,
    focal_known: bool,
    options: BundleOptions,
    tick: Callable[[], None],
) -> Model | None:
    """Solve a camera that turns; None where the frames do not hang together.

    Args:
        tracks: of one shot without a cut.
        keys: its key frames.
        focal: work pixels: the one that is known, or expected.
        focal_known: whether it is known.
        options: of the last bundle; ``turns_only`` is set here.
        tick: called now and then; may raise to stop.
    """
    side = max(tracks.size)
    focals = [focal] if focal_known else [share * side for share in FOCAL_SHARES]
    first = BundleOptions(
        turns_only=True,
        focal="fixed" if focal_known else "shared",
        prior=float(np.log(focal)),
        prior_sigma=PRIOR_SIGMA,
        iterations=10,
    )
    sightings = sightings_of(tracks, keys)
    tried: list[tuple[float, int, Model]] = []
    for start in focals:
        model = chained(tracks, keys, start)
        if model is None:
            return None
        improve(model, sightings, first, LIMITS[:1])
        tried.append((cost(model, sightings), len(tried), model))
        tick()
    model = min(tried)[2]
    finish_turning(model, tracks, keys, replace(options, turns_only=True))
    return model


def finish_turning(model: Model, tracks: Tracks, keys: Sequence[int], options: BundleOptions) -> None:
    """The last bundles of the key frames, and all other frames and directions from these, in place."""
    sightings = sightings_of(tracks, keys)
    improve(model, sightings, options, LIMITS[1:])
    others = np.ones(tracks.frames, bool)
    others[list(keys)] = False
    model.known &= ~others
    # Where the focal length changes, frames between have what lies between.
    model.log_focal[others] = np.interp(np.flatnonzero(others), keys, model.log_focal[keys])
    everything = Sightings(tracks.frame, tracks.track, tracks.xy)
    place_turns(model, everything)
    bundled = np.zeros(tracks.count, bool)
    bundled[sightings.track] = True
    directions(model, everything, ~bundled)


def chained(tracks: Tracks, keys: Sequence[int], focal: float) -> Model | None:
    """Rotations of the key frames, each against the one before, and directions of the points in them."""
    model = Model.empty(tracks.frames, tracks.count, focal, np.array(tracks.size) / 2)
    links = []
    for before, frame in pairwise(keys):
        common, a, b = tracks.common(before, frame)
        if len(common) < LEAST_POINTS:
            return None
        at = np.full(len(common), frame, np.int32)
        links.append(link(common, unit_rays(model, at, a), unit_rays(model, at, b), 1.0 / focal))
    model.known[keys[0]] = True
    for (before, frame), turn in zip(pairwise(keys), chosen_turns(links), strict=True):
        model.rotation[frame] = turn @ model.rotation[before]
        model.known[frame] = True
    directions(model, sightings_of(tracks, keys))
    return model


def unit_rays(model: Model, frame: NDArray[np.int32], xy: Array) -> Array:
    """(N, 3) rays of length 1, camera axes, of what is seen at these pixels."""
    rays = np.concatenate([model.rays(frame, xy), np.ones((len(xy), 1))], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def directions(model: Model, sightings: Sightings, chosen: Bools | None = None) -> None:
    """Find the directions of tracks that known cameras see, in place: the mean of their rays.

    Args:
        model: its cameras are known where ``known`` says so.
        sightings: of any frames; those of unknown cameras are not looked at.
        chosen: (M,) tracks whose directions are found; None = all.
    """
    use = model.known[sightings.frame]
    if chosen is not None:
        use &= chosen[sightings.track]
    s = sightings.picked(use)
    if not len(s):
        return
    s = s.picked(np.argsort(s.track, kind="stable"))
    for part in parts_of_tracks(s):
        _directions(model, part)


def _directions(model: Model, s: Sightings) -> None:
    """Find the directions of sightings by rising track."""
    tracks, starts = np.unique(s.track, return_index=True)
    rays = np.einsum("nji,nj->ni", model.rotation[s.frame], unit_rays(model, s.frame, s.xy))
    mean = np.add.reduceat(rays, starts, axis=0)
    model.points[tracks] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    model.has_point[tracks] = True


def improve(model: Model, sightings: Sightings, options: BundleOptions, limits: Sequence[float]) -> None:
    """Bundles of key frames with falling limits of what is explained, in place."""
    for limit in limits:
        directions(model, sightings)
        bundle(model, usable(model, sightings, limit), options)


def place_turns(model: Model, sightings: Sightings) -> None:
    """Find the rotations of all frames that are not known from the directions, in place."""
    known = np.flatnonzero(model.known)
    missing = np.flatnonzero(~model.known)
    if not len(missing):
        return
    nearest = known[np.argmin(np.abs(missing[:, None] - known[None, :]), axis=1)]
    model.rotation[missing] = model.rotation[nearest]
    refine_cameras(model, sightings.picked(~model.known[sightings.frame]), turns_only=True)
    count = np.bincount(sightings.frame[model.has_point[sightings.track]], minlength=len(model.known))
    model.known |= count >= LEAST_POINTS
