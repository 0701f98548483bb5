# SPDX-License-Identifier: Apache-2.0
"""The first cameras of a solve: a start pair, and around it the key frames of a window, for several focal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.model import Model
from ex4d.solve.resect import LEAST_SHARE, fit_shares, refine_cameras, resect
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import triangulate
from ex4d.solve.two_view import PairView, compare, relative_pose

Array = NDArray[np.float64]

#: Key frames of a start, and start pairs that are tried, with several focal lengths or with the one that is known; so
#: many starts are followed to their end.
WINDOW, PAIRS, KNOWN_PAIRS, FOLLOWED = 9, 2, 4, 3
#: Focal lengths that are tried besides the expected one, as shares of the longer side: 78, 53 and 32 degrees.
FOCAL_SHARES = (0.62, 1.0, 1.75)
#: Error, px, at which a sighting counts as unexplained.
UNEXPLAINED = 4.0
#: From this limit on, px, tracks are left out whose mean error is more than so many times the median track's, and more
#: than so many px.
STRICT, WORSE, WORSE_LEAST = 3.0, 3.0, 0.3
#: How sure an expected focal length is while the start is looked for.
PRIOR_SIGMA = 0.35
#: A zoom is believed that changes the focal length by this share and lowers the cost by that share.
LEAST_ZOOM, LEAST_ZOOM_GAIN = 0.03, 0.15
#: Change of the log focal length from frame to frame that a start expects of a zoom, and that the bundles after it do:
#: where the camera moves, too, a path takes the place of a zoom that is expected to be slower than it is.
ZOOM_SIGMA, MOVING_ZOOM_SIGMA = 0.02, 0.05


@dataclass(frozen=True)
class Start:
    """One start that was tried.

    Attributes:
        model: its cameras and points.
        cost: mean squared error of all sightings, px², none above ``UNEXPLAINED``².
        pair: that it began with.
        zooms: whether each of its frames has a focal length of its own.
    """

    model: Model
    cost: float
    pair: PairView
    zooms: bool = False

    @property
    def focal(self) -> float:
        """Of its first known camera, work pixels."""
        return float(self.model.focal[np.flatnonzero(self.model.known)[0]])


def pairs(tracks: Tracks, keys: Sequence[int]) -> list[PairView]:
    """Pairs of key frames no more than a window apart, the best start first."""
    found = []
    for i, first in enumerate(keys):
        for second in keys[i + 1 : i + WINDOW]:
            view = compare(tracks, first, second)
            if view is not None:
                found.append(view)
    return sorted(found, key=lambda view: -view.score)


def window(keys: Sequence[int], pair: PairView) -> list[int]:
    """The key frames of the start around a pair."""
    first, last = keys.index(pair.first), keys.index(pair.second)
    spare = WINDOW - (last - first + 1)
    start = max(0, min(first - spare // 2, len(keys) - WINDOW))
    return list(keys[start : start + WINDOW])


def starts(
    tracks: Tracks, keys: Sequence[int], ranked: Sequence[PairView], focals: Sequence[float], options: BundleOptions
) -> list[Start]:
    """Starts of the best pairs with all focal lengths, the best one first.

    Args:
        tracks: of the plate.
        keys: its key frames.
        ranked: pairs of them, the best first.
        focals: work pixels.
        options: of the bundle that ends each.
    """
    found: list[tuple[float, int, Start, Model]] = []
    for pair in ranked[: PAIRS if len(focals) > 1 else KNOWN_PAIRS]:
        frames = window(keys, pair)
        sightings = sightings_of(tracks, frames)
        for focal in focals:
            model = _start(tracks, sightings, frames, pair, focal)
            if model is None:
                continue
            unimproved = model.copy()
            _improve(model, sightings, options)
            found.append((cost(model, sightings), len(found), Start(model, 0.0, pair), unimproved))
    found.sort(key=lambda one: one[:2])
    best: list[Start] = []
    zoomed: list[Start] = []
    for _, _, start, unimproved in found[:FOLLOWED]:
        sightings = sightings_of(tracks, window(keys, start.pair))
        _improve(start.model, sightings, replace(options, iterations=2 * options.iterations))
        best.append(replace(start, cost=cost(start.model, sightings)))
        if options.focal == "shared":
            # From before one focal length for all has bent the cameras.
            _zoom(unimproved, sightings, options)
            zoomed.append(Start(unimproved, cost(unimproved, sightings), start.pair, zooms=True))
    best.sort(key=lambda start: start.cost)
    zoomed.sort(key=lambda start: start.cost)
    gains = bool(zoomed) and zoomed[0].cost < (1 - LEAST_ZOOM_GAIN) * best[0].cost
    if gains and span_of_focal(zoomed[0].model) >= LEAST_ZOOM:
        return zoomed
    return best


def _zoom(model: Model, sightings: Sightings, options: BundleOptions) -> None:
    each = replace(options, focal="each", zoom_sigma=ZOOM_SIGMA)
    for iterations in (options.iterations, options.iterations, 2 * options.iterations):
        _improve(model, sightings, replace(each, iterations=iterations))


def span_of_focal(model: Model) -> float:
    """How much the focal length changes over the known frames, as a share."""
    return float(np.expm1(np.ptp(model.log_focal[model.known])))


def sightings_of(tracks: Tracks, frames: Sequence[int]) -> Sightings:
    """The sightings in these frames, of tracks that at least two of them have."""
    is_in = np.zeros(tracks.frames, bool)
    is_in[list(frames)] = True
    use = is_in[tracks.frame]
    use &= np.bincount(tracks.track[use], minlength=tracks.count)[tracks.track] >= 2
    return Sightings(tracks.frame[use], tracks.track[use], tracks.xy[use])


def errors_of(model: Model, sightings: Sightings) -> Array:
    """(N,) errors, px, of sightings: ``UNEXPLAINED`` at most, and where there is no camera or no point."""
    can = model.known[sightings.frame] & model.has_point[sightings.track]
    error = np.full(len(sightings), UNEXPLAINED)
    error[can] = model.errors(sightings.frame[can], sightings.track[can], sightings.xy[can])
    return np.minimum(error, UNEXPLAINED)


def cost(model: Model, sightings: Sightings) -> float:
    """See ``Start.cost``."""
    return float((errors_of(model, sightings) ** 2).mean()) if len(sightings) else np.inf


def usable(model: Model, sightings: Sightings, limit: float) -> Sightings:
    """The sightings that a bundle may see: of known cameras and points, explained up to so many px, of tracks that
    still have two of them; where the limit is ``STRICT`` or less, no tracks that are explained much worse than most."""
    good = model.known[sightings.frame] & model.has_point[sightings.track]
    error = model.errors(sightings.frame[good], sightings.track[good], sightings.xy[good])
    if limit <= STRICT and len(error):
        # What moves by itself along with the camera is explained half: each of its sightings could be a static point's.
        track = sightings.track[good]
        seen = np.bincount(track, minlength=len(model.points))
        squares = np.bincount(track, np.minimum(error, limit) ** 2, minlength=len(model.points))
        mean = np.sqrt(squares / np.maximum(seen, 1))
        usual = float(np.median(mean[seen > 0]))
        error = np.where(mean[track] > max(WORSE * usual, WORSE_LEAST), np.inf, error)
    good[good] = error < limit
    count = np.bincount(sightings.track[good], minlength=len(model.points))
    return sightings.picked(good & (count[sightings.track] >= 2))


def _improve(model: Model, sightings: Sightings, options: BundleOptions) -> None:
    triangulate(model, sightings)
    bundle(model, usable(model, sightings, 3 * UNEXPLAINED), options)
    triangulate(model, sightings)


def _start(tracks: Tracks, sightings: Sightings, frames: Sequence[int], pair: PairView, focal: float) -> Model | None:
    model = Model.empty(tracks.frames, tracks.count, focal, np.array(tracks.size) / 2)
    common, a, b = tracks.common(pair.first, pair.second)
    first = np.full(len(common), pair.first, np.int32)
    pose = relative_pose(model.rays(first, a), model.rays(first, b), focal)
    if pose is None:
        return None
    model.rotation[pair.second], model.position[pair.second] = pose
    model.known[[pair.first, pair.second]] = True
    triangulate(model, sightings)
    # The nearest frames first: what they see is known already.
    for frame in sorted(frames, key=lambda frame: min(abs(frame - pair.first), abs(frame - pair.second))):
        if not model.known[frame]:
            place(model, sightings, frame)
            triangulate(model, sightings)
    return model if model.known[list(frames)].sum() >= min(3, len(frames)) else None


def place(model: Model, sightings: Sightings, frame: int) -> bool:
    """Find the camera of one frame, beginning with that of the nearest known one, in place; returns whether that went
    well."""
    known = np.flatnonzero(model.known)
    near = known[np.argmin(np.abs(known - frame))]
    model.rotation[frame], model.position[frame] = model.rotation[near], model.position[near]
    model.log_focal[frame] = model.log_focal[near]
    own = sightings.picked(sightings.frame == frame)
    refine_cameras(model, own)
    share = float(fit_shares(model, own, np.array([frame], np.int32))[0])
    if share < 2 * LEAST_SHARE:
        kept = model.rotation[frame].copy(), model.position[frame].copy()
        found = resect(model, own, frame)
        if not found or float(fit_shares(model, own, np.array([frame], np.int32))[0]) < share:
            model.rotation[frame], model.position[frame] = kept
    model.known[frame] = float(fit_shares(model, own, np.array([frame], np.int32))[0]) >= LEAST_SHARE
    return bool(model.known[frame])
