# SPDX-License-Identifier: Apache-2.0
"""The plate solved as filmed by a camera that turns, with its lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ex4d.solve.attempt import (
    BENT_ITERATIONS,
    ITERATIONS,
    LOSS,
    MEASURED_LOSS,
    Attempt,
    Task,
    explained_share,
    shares_of_turns,
)
from ex4d.solve.bundle import BundleOptions, Sightings
from ex4d.solve.initial import PRIOR_SIGMA, sightings_of, usable
from ex4d.solve.kind import TURN_PLANE, Numbers, turn_error_limit
from ex4d.solve.lens_test import (
    LensState,
    find_radial,
    find_zoom,
    fov_deg,
    is_believable,
    lens_test,
    rescale_focal,
)
from ex4d.solve.model import Model
from ex4d.solve.moving import LIMITS
from ex4d.solve.tracks import Tracks
from ex4d.solve.turning import directions, finish_turning, solve_turning

#: Rise of a turn's error with other focal lengths from which its lens is believed where the expected one fails.
WEAK_TURN_RISE = 0.05
#: A turn's lens is looked for where its error is no more than so many times what a turn may leave.
NEAR_TURN = 2.0


def attempt_turning(task: Task) -> Attempt | None:
    """As a camera that turns; None where the frames do not hang together."""
    tracks, keys, focal, focal_known, tick = task.tracks, task.keys, task.focal, task.focal_known, task.tick
    prior = BundleOptions(
        loss=LOSS, prior=float(np.log(focal)), prior_sigma=PRIOR_SIGMA, turns_only=True, iterations=ITERATIONS
    )
    fixed = replace(prior, focal="fixed")
    options = fixed if focal_known else prior
    model = solve_turning(tracks, keys, focal, focal_known=focal_known, options=options, tick=tick)
    if model is None:
        return None
    sightings = sightings_of(tracks, keys)
    if not len(usable(model, sightings, LIMITS[-1])):
        return None
    notes: list[str] = []
    lens: LensState | None = None
    rise = None
    side = max(tracks.size)
    followed, is_near = tracks, explained_share(model, tracks)[0] <= NEAR_TURN * turn_error_limit(side)
    if is_near and (again := task.measure(model)) is not None:
        tracks, sightings = again, sightings_of(again, keys)
        prior, fixed, options = (replace(one, loss=MEASURED_LOSS) for one in (prior, fixed, options))
        finish_turning(model, tracks, keys, options)
    is_flat = not task.pairs or task.pairs[0].plane_share >= TURN_PLANE
    zooms = not focal_known and is_flat and find_zoom(model, sightings, prior)
    if not focal_known and (zooms or is_near):
        test = lens_test(model, sightings, options, LIMITS[-1])
        rise, lens = test.rise, test.state
        found = float(np.median(model.focal[list(keys)]))
        if lens != "not observable" and not is_believable(found, side):
            notes.append(
                f"The plate seems to have a field of view of {fov_deg(found, side):.0f}°, which is not believed."
            )
            lens = "not observable"
        if lens == "not observable" and not zooms:
            expected = model.copy()
            rescale_focal(expected, focal / found, turns_only=True)
            finish_turning(expected, tracks, keys, fixed)
            both = (_turn_told(each, tracks, followed) for each in (model, expected))
            with_found, with_expected = (explained_share(each, followed)[0] for each in both)
            # Where the expected lens is surely wrong, one that is seen weakly is nearer to the truth.
            is_wrong = with_found <= turn_error_limit(side) < with_expected
            if is_wrong and test.rise >= WEAK_TURN_RISE and is_believable(found, side):
                lens = "within 5 %"
            else:
                model = expected
        if zooms:
            finish_turning(model, tracks, keys, replace(prior, focal="each", prior_sigma=np.inf))
        elif lens != "not observable":
            free = replace(prior, prior_sigma=np.inf)
            finish_turning(model, tracks, keys, free)
            if find_radial(model, sightings, free, tracks.size, LIMITS[-1]):
                finish_turning(model, tracks, keys, replace(free, radial=2, iterations=BENT_ITERATIONS))
        tick()
    told = _turn_told(model, tracks, followed)
    error, explained = explained_share(told, followed)
    kept, shared = shares_of_turns(model, followed, keys)
    numbers = Numbers(turn_error=error, turn_explained=explained, turn_kept=kept, turn_followed=shared, lens_rise=rise)
    return Attempt(model, lens, numbers, zooms, tuple(notes))


def _turn_told(model: Model, tracks: Tracks, followed: Tracks) -> Model:
    """The camera with directions of the tracks that were followed, where the model is of measured ones."""
    if tracks is followed:
        return model
    told = model.copy()
    directions(told, Sightings(followed.frame, followed.track, followed.xy))
    return told
