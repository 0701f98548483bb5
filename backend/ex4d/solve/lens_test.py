# SPDX-License-Identifier: Apache-2.0
"""Whether a solve tells the focal length, and a radial distortion.

A bundle gives a focal length whether there is one to be seen or not: a slow move along a wall fits any. So the solve is
made again with other ones, held; where that explains the plate as well, the lens is not observable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import LEAST_ZOOM, LEAST_ZOOM_GAIN, usable
from ex4d.solve.model import Model, rotation_vectors, rotations

Array = NDArray[np.float64]

LensState = Literal["known", "within 5 %", "not observable"]

#: Other focal lengths that are tried, as multiples: of cameras that move, and of those that only turn.
MOVING_FACTORS, TURNING_FACTORS = (0.6, 1.6), (0.9, 1.1)
#: Rise of the error, on the flatter side, below which the lens is not observable, and from which it is known.
MOVING_RISES, TURNING_RISES = (0.07, 0.3), (0.1, 0.2)
#: Share of the cost with the focal length that came out, below which another one's is better: the solve had run into a
#: side valley.
LEAST_BETTER = 0.97
#: Fields of view over the longer side, degrees, beyond which a lens that came out is not believed.
LEAST_FOV, MOST_FOV = 18.0, 110.0
#: A distortion is believed that moves the corners by so many work pixels, lowers the cost by that share, and in both
#: halves of the tracks differs by no more than that share.
LEAST_BEND, LEAST_GAIN, MOST_BEND_SPREAD = 0.6, 0.02, 0.4
#: The focal length is settled in steps of these shares, the next one once the least cost lies between; tries at most.
SETTLE_STEPS, MOST_SETTLES = (0.12, 0.04), 8
#: Change of the log focal length over the shot that another zoom is tried with; rise of the error below which a zoom
#: may be hidden, and from which one that was found is believed while the camera moves.
ZOOM_TRIAL, HIDDEN_ZOOM_RISE, SURE_ZOOM_RISE = 0.15, 0.15, 0.6
#: Error, px, above which sightings are not looked at for a zoom: without it they are explained badly.
ZOOM_LIMIT = 6.0
#: Parts of the picture and of the depth have each so many sightings at least, or are not asked; steps of their bundles.
LEAST_PART, PART_ITERATIONS = 150, 10


@dataclass(frozen=True)
class LensTest:
    """What came out.

    Attributes:
        state: of the lens.
        rise: of the median error with other focal lengths, on the flatter side, as a share.
        better: a model with another focal length that explains more than the one that was tested; None = there is none.
    """

    state: LensState
    rise: float
    better: Model | None = None


def lens_test(model: Model, sightings: Sightings, options: BundleOptions, limit: float) -> LensTest:
    """Try other focal lengths.

    Args:
        model: solved; stays as it is.
        sightings: of the frames that are to be bundled.
        options: of the bundles; ``turns_only`` tells which test it is.
        limit: error, px, above which sightings are not looked at.
    """
    factors, (lowest, sure) = (TURNING_FACTORS, TURNING_RISES) if options.turns_only else (MOVING_FACTORS, MOVING_RISES)
    s = usable(model, sightings, limit)
    held = replace(options, focal="fixed", iterations=8)
    base = model.copy()
    least = LEAST_BETTER * bundle(base, s, held)
    error = median_error(base, s)
    rise = np.inf
    better = None
    for factor in factors:
        other = base.copy()
        # In two steps, each from where the same picture would be seen with such a lens from far away.
        for _ in range(2):
            rescale_focal(other, factor**0.5, turns_only=options.turns_only)
            cost = bundle(other, s, held)
        if cost < least:
            least, better = cost, other
        rise = min(rise, median_error(other, s) / max(error, 1e-6) - 1)
    rise = float(max(rise, 0.0))
    state: LensState = "not observable" if rise < lowest else "known" if rise >= sure else "within 5 %"
    return LensTest(state, rise, better)


def settle_focal(model: Model, sightings: Sightings, options: BundleOptions, limit: float) -> None:
    """Move the focal length to where the plate is explained best, in place.

    A bundle creeps along the valley in which the focal length and all depths grow together, and ends anywhere in it.
    So other focal lengths are held, and the least cost is looked for.

    Args:
        model: solved.
        sightings: of the frames that are to be bundled.
        options: of the bundles.
        limit: error, px, above which sightings are not looked at.
    """
    s = usable(model, sightings, limit)
    if not len(s):
        return
    held = replace(options, focal="fixed", iterations=6)

    def at(origin: Model, share: float) -> tuple[float, Model]:
        other = origin.copy()
        rescale_focal(other, float(np.exp(share)), turns_only=options.turns_only)
        return bundle(other, s, held), other

    least, best = at(model, 0.0)
    tries = 0
    for step in SETTLE_STEPS:
        below, above = at(best, -step), at(best, step)
        while min(below[0], above[0]) < least and tries < MOST_SETTLES:
            tries += 1
            if below[0] < above[0]:
                (least, best), above = below, (least, best)
                below = at(best, -step)
            else:
                (least, best), below = above, (least, best)
                above = at(best, step)
        bow = below[0] + above[0] - 2 * least
        if bow > 0:
            shift = float(np.clip(0.5 * step * (below[0] - above[0]) / bow, -step / 2, step / 2))
            cost, moved = at(best, shift)
            if cost < least:
                least, best = cost, moved
    model.rotation, model.position, model.points = best.rotation, best.position, best.points
    # Frames outside of the bundle change by as much as those in it.
    change = float(np.median(best.log_focal[s.frame] - model.log_focal[s.frame]))
    model.radial, model.log_focal = best.radial, model.log_focal + change


def parts(model: Model, sightings: Sightings) -> list[Sightings]:
    """The sightings of near and of far points, of the left and right, upper and lower parts of the picture. A lens that
    is really seen is the same in all of them; one that makes up for something else is not."""
    count = np.maximum(np.bincount(sightings.track, minlength=len(model.points)), 1)
    z = model.in_camera(sightings.frame, sightings.track)[:, 2]
    found = []
    for value, share in ((z, 0.6), (sightings.xy[:, 0], 0.5), (sightings.xy[:, 1], 0.5)):
        mean = (np.bincount(sightings.track, value, minlength=len(model.points)) / count)[sightings.track]
        low, high = np.quantile(mean, [1 - share, share])
        found += [sightings.picked(mean <= high), sightings.picked(mean >= low)]
    return [part for part in found if len(part) >= LEAST_PART]


def part_spread(model: Model, sightings: Sightings, options: BundleOptions, limit: float) -> float:
    """Largest share by which the focal length of one of the ``parts`` differs from that of all of them, or that of all
    of them with a distortion of one coefficient, which may have taken its place.

    Args:
        model: solved; stays as it is.
        sightings: of the frames that are to be bundled.
        options: of the bundles.
        limit: error, px, above which sightings are not looked at.
    """
    s = usable(model, sightings, limit)
    spread = 0.0
    free = replace(options, prior_sigma=np.inf, iterations=PART_ITERATIONS)
    trials = [(part, free) for part in parts(model, s)]
    if options.focal == "shared":
        trials.append((s, replace(free, radial=1, iterations=2 * PART_ITERATIONS)))
    for part, trial in trials:
        own = model.copy()
        if trial.radial == 1:
            own.radial[1] = 0
        bundle(own, part, trial)
        frames = np.unique(part.frame)
        spread = max(spread, abs(float(np.median(own.log_focal[frames] - model.log_focal[frames]))))
    return float(np.expm1(spread))


def zoom_rise(model: Model, sightings: Sightings, options: BundleOptions, limit: float) -> float:
    """Rise of the median error, as a share, with a focal length that grows or shrinks over the shot besides, on the
    flatter side: where it is little, a zoom looks like the camera's way, and nothing tells which it is.

    Args:
        model: solved; stays as it is.
        sightings: of the frames that are to be bundled.
        options: of the bundles.
        limit: error, px, above which sightings are not looked at.
    """
    s = usable(model, sightings, limit)
    held = replace(options, focal="fixed", iterations=8)
    frames = np.unique(s.frame)
    if len(frames) < 2:
        return 0.0
    base = model.copy()
    bundle(base, s, held)
    error = median_error(base, s)
    ramp = (np.arange(len(model.known)) - frames[0]) / float(frames[-1] - frames[0]) - 0.5
    rise = np.inf
    for share in (-ZOOM_TRIAL, ZOOM_TRIAL):
        other = base.copy()
        other.log_focal += share * ramp
        bundle(other, s, replace(held, iterations=16))
        rise = min(rise, median_error(other, s) / max(error, 1e-6) - 1)
    return float(max(rise, 0.0))


def median_error(model: Model, sightings: Sightings) -> float:
    """Median error, px, of sightings."""
    return float(np.median(model.errors(sightings.frame, sightings.track, sightings.xy)))


def rescale_focal(model: Model, factor: float, *, turns_only: bool) -> None:
    """Multiply the focal length and change cameras and points so that nearly the same is seen, in place: turns shrink,
    depths grow."""
    frame = int(np.flatnonzero(model.known)[0])
    R, t = model.rotation[frame].copy(), model.position[frame].copy()
    if turns_only:
        t[:] = 0
    stretch = np.array([1.0, 1.0, factor])
    centres = (model.centres() @ R.T + t) * stretch
    vectors = rotation_vectors(model.rotation @ R.T) / [factor, factor, 1.0]
    model.rotation = rotations(vectors) @ R
    model.points = ((model.points @ R.T + t) * stretch - t) @ R
    if turns_only:
        model.points /= np.maximum(np.linalg.norm(model.points, axis=1, keepdims=True), 1e-12)
    else:
        world = (centres - t) @ R
        model.position = -np.einsum("tij,tj->ti", model.rotation, world)
    model.log_focal += np.log(factor)


def fov_deg(focal: float, side: float) -> float:
    """Field of view, degrees, over a side of so many pixels."""
    return float(np.degrees(2 * np.arctan(side / 2 / focal)))


def is_believable(focal: float, side: float) -> bool:
    """Whether a lens of that field of view over the longer side, px, is one that films are made with."""
    return LEAST_FOV <= fov_deg(focal, side) <= MOST_FOV


def halves(sightings: Sightings) -> tuple[Sightings, Sightings]:
    """The sightings of every other track, and the rest."""
    odd = (sightings.track % 2).astype(bool)
    return sightings.picked(odd), sightings.picked(~odd)


def bend(model: Model, radial: Array, size: tuple[int, int]) -> float:
    """How far, work pixels, distortion moves a corner of the picture outwards."""
    focal = float(np.median(model.focal[model.known]))
    r = float(np.hypot(*size)) / 2 / focal
    return focal * r**3 * float(radial[0] + radial[1] * r * r)


def find_radial(
    model: Model, sightings: Sightings, options: BundleOptions, size: tuple[int, int], limit: float
) -> bool:
    """Give the model a radial distortion where it is observable, in place; returns whether it was."""
    s = usable(model, sightings, limit)
    bent = model.copy()
    before = bundle(bent, s, replace(options, iterations=3))
    with_radial = replace(options, radial=2, iterations=8)
    after = bundle(bent, s, with_radial)
    found = bend(bent, bent.radial, size)
    if abs(found) < LEAST_BEND or after > (1 - LEAST_GAIN) * before:
        return False
    each = []
    for half in halves(s):
        part = bent.copy()
        bundle(part, half, with_radial)
        each.append(bend(part, part.radial, size))
    if abs(each[0] - each[1]) > MOST_BEND_SPREAD * abs(found):
        return False
    model.radial, model.log_focal = bent.radial, bent.log_focal
    model.rotation, model.position, model.points = bent.rotation, bent.position, bent.points
    return True


def find_zoom(model: Model, sightings: Sightings, options: BundleOptions) -> bool:
    """Give each frame a focal length of its own where the lens zooms, in place; returns whether it does."""
    s = usable(model, sightings, ZOOM_LIMIT)
    free = model.copy()
    before = bundle(free, s, replace(options, iterations=4))
    after = bundle(free, s, replace(options, focal="each", iterations=20))
    frames = np.unique(s.frame)
    span = float(np.ptp(free.log_focal[frames]))
    if span < LEAST_ZOOM or after > (1 - LEAST_ZOOM_GAIN) * before:
        return False
    take(model, free)
    others = np.setdiff1d(np.arange(len(model.known)), frames)
    model.log_focal[others] = np.interp(others, frames, model.log_focal[frames])
    return True


def take(model: Model, other: Model) -> None:
    """Change a model into another one of the same frames and tracks, in place."""
    for name, value in vars(other).items():
        setattr(model, name, value)
