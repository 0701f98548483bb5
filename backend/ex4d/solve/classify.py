# SPDX-License-Identifier: Apache-2.0
"""Which tracks contradict a solve: what they show moves by itself, or stands on the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import Sightings
from ex4d.solve.kind import NEAR
from ex4d.solve.model import Model
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import angles, triangulate
from ex4d.solve.turning import directions

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A track contradicts a solve where more than this share of its sightings is not explained.
CONTRADICTED = 0.3
#: And it is one of its points where it is seen in so many frames at least.
LEAST_SIGHTINGS = 3


def explain_all(model: Model, tracks: Tracks, *, moves: bool) -> None:
    """Find the points of tracks that have none yet, in place.

    Args:
        model: solved.
        tracks: of its pinhole, all of them.
        moves: whether the camera moves: otherwise points are directions.
    """
    sightings = Sightings(tracks.frame, tracks.track, tracks.xy)
    (triangulate if moves else directions)(model, sightings, ~model.has_point)


def contradicting(model: Model, tracks: Tracks) -> Bools:
    """(count,) tracks that contradict the solve."""
    can = model.known[tracks.frame]
    bad = np.zeros(len(tracks), bool)
    bad[can] = ~(model.errors(tracks.frame[can], tracks.track[can], tracks.xy[can]) < NEAR)
    seen = np.bincount(tracks.track[can], minlength=tracks.count)
    share = np.bincount(tracks.track, bad, minlength=tracks.count) / np.maximum(seen, 1)
    return (seen >= LEAST_SIGHTINGS) & ((share > CONTRADICTED) | ~model.has_point)


def track_errors(model: Model, tracks: Tracks) -> Array:
    """(count,) median error, px, of each track's sightings; inf where it has no point."""
    can = model.known[tracks.frame] & model.has_point[tracks.track]
    error, track = model.errors(tracks.frame[can], tracks.track[can], tracks.xy[can]), tracks.track[can]
    order = np.lexsort((error, track))
    names, start, count = np.unique(track[order], return_index=True, return_counts=True)
    out = np.full(tracks.count, np.inf)
    out[names] = error[order][start + (count - 1) // 2]
    return out


def angles_deg(model: Model, tracks: Tracks) -> Array:
    """(count,) greatest angle between the rays of each track's point, degrees."""
    return np.degrees(angles(model, Sightings(tracks.frame, tracks.track, tracks.xy)))
