# SPDX-License-Identifier: Apache-2.0
"""Whether cameras that were given fit the plate's tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import usable
from ex4d.solve.kind import NEAR
from ex4d.solve.model import Model
from ex4d.solve.resect import LEAST_POINTS
from ex4d.solve.tracks import Tracks

Bools = NDArray[np.bool_]

#: Median error, work pixels, above which given cameras do not fit the plate; and a lesser one, which they must leave
#: and which must fall by this factor once they may change.
MISFIT, LESS_MISFIT, FREE_GAIN = 2.0, 0.4, 1.6
#: Frames that may change in that test, evenly spread, and its steps; error, px, up to which a sighting is looked at.
TESTED, STEPS, LIMIT = 24, 12, 12.0


@dataclass(frozen=True)
class Fit:
    """How given cameras fit.

    Attributes:
        error: median, work px, of the sightings in their frames.
        sightings: how many those are.
        explained: share of them that is explained within ``NEAR`` px.
        free_error: as ``error``, once cameras and lens may change.
        wrong: indices of the frames that do not fit while most do.
    """

    error: float
    sightings: int
    explained: float
    free_error: float
    wrong: tuple[int, ...]

    @property
    def contradicts(self) -> bool:
        """Whether the plate speaks against the cameras."""
        return self.error > MISFIT or (self.error > LESS_MISFIT and self.error > FREE_GAIN * self.free_error)


def fit_of(model: Model, tracks: Tracks, given: Bools, *, turns_only: bool) -> Fit | None:
    """How given cameras fit; None where there are too few tracks to tell.

    Args:
        model: with the given cameras as they are, and points.
        tracks: of its pinhole.
        given: (T,) frames whose camera was given.
        turns_only: points are directions.
    """
    own = tracks.picked(given[tracks.frame] & model.has_point[tracks.track])
    if len(own) < LEAST_POINTS:
        return None
    error = model.errors(own.frame, own.track, own.xy)
    each = {int(frame): error[own.in_frame(int(frame))] for frame in np.unique(own.frame)}
    wrong = tuple(frame for frame, one in each.items() if len(one) >= LEAST_POINTS and float(np.median(one)) > MISFIT)
    median = float(np.median(error))
    return Fit(
        median,
        len(own),
        float((error < NEAR).mean()),
        min(median, _free_error(model, own, turns_only=turns_only)),
        () if median > MISFIT else wrong,
    )


def _free_error(model: Model, own: Tracks, *, turns_only: bool) -> float:
    frames = np.unique(own.frame)
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, min(TESTED, len(frames))).round().astype(int))]
    part = own.picked(np.isin(own.frame, chosen))
    everything = Sightings(part.frame, part.track, part.xy)
    free = model.copy()
    if turns_only:
        # Directions from the one place in which all cameras stand.
        free.points = free.points - free.centres()[chosen[0]]
        free.position[:] = 0
    s = usable(free, everything, LIMIT)
    bundle(free, s, BundleOptions(turns_only=turns_only, iterations=STEPS))
    error = free.errors(everything.frame, everything.track, everything.xy)
    return float(np.median(error))


def fit_notes(fit: Fit | None, named: Callable[[Sequence[int]], str]) -> list[str]:
    """Sentences for the report.

    Args:
        fit: of given cameras.
        named: the numbers of frames with these indices, as words.
    """
    if fit is None:
        return ["The given cameras could not be checked: the plate shows too little to follow in their frames."]
    notes = [
        f"The given cameras leave a median error of {fit.error:.2f} work pixels in {fit.sightings} sightings and "
        f"explain {fit.explained:.0%} of them."
    ]
    if fit.contradicts:
        notes.append(
            f"The given cameras do not fit the plate ({fit.free_error:.2f} work pixels are left once they may "
            "change): check frame numbers, lens and picture size."
        )
    if fit.wrong:
        notes.append(f"The given cameras of these frames do not fit the plate: {named(fit.wrong)}.")
    return notes
