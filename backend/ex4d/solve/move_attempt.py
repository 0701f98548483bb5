# SPDX-License-Identifier: Apache-2.0
"""The plate solved as filmed by a camera that moves, with its lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ex4d.solve.attempt import (
    BENT_ITERATIONS,
    ITERATIONS,
    LOSS,
    MEASURED_LOSS,
    Attempt,
    Task,
    explained_share,
)
from ex4d.solve.bundle import BundleOptions, Sightings
from ex4d.solve.depth_order import OrderTest, order_test
from ex4d.solve.initial import (
    LEAST_ZOOM,
    LEAST_ZOOM_GAIN,
    MOVING_ZOOM_SIGMA,
    PRIOR_SIGMA,
    cost,
    errors_of,
    sightings_of,
    span_of_focal,
    usable,
)
from ex4d.solve.kind import Numbers
from ex4d.solve.lens_effect import LensEffect, lens_effect
from ex4d.solve.lens_test import (
    HIDDEN_ZOOM_RISE,
    SURE_ZOOM_RISE,
    LensState,
    find_radial,
    find_zoom,
    fov_deg,
    is_believable,
    lens_test,
    part_spread,
    rescale_focal,
    settle_focal,
    take,
    zoom_rise,
)
from ex4d.solve.model import Model
from ex4d.solve.moving import LIMITS, bundled_frames, complete, grow, refine_whole, solve_moving
from ex4d.solve.repeat import Repeat, repeat
from ex4d.solve.reversal import have_same_order
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import angles, triangulate
from ex4d.solve.two_view import PairView

#: How often a solve is turned inside out at most.
MOST_TURNED = 2
#: Frames at least, where there are so many, in which it is compared with what it was.
LEAST_COMPARED = 10
#: The last bundle takes so many steps at most, and small ones, too: where the camera goes straight ahead the focal
#: length creeps.
LAST_ITERATIONS, LAST_CONVERGED = 40, 1e-7
#: Halves of the tracks whose focal lengths differ by more than this share tell none; up to which it is known.
MOST_FOCAL_SPREAD, SURE_FOCAL_SPREAD = 0.06, 0.03
#: So too for near and far points and parts of the picture, each of which tells less; the second where other focal
#: lengths raise the error but little.
MOST_PART_SPREAD, WEAK_PART_SPREAD, SURE_PART_SPREAD = 0.1, 0.06, 0.03
#: A camera with the expected focal length that costs no more than so many times what it does with the best one
#: is not solved anew.
AS_GOOD = 1.05
#: The expected lens is wrong where it raises the median error by so much, as a share, and its focal length is so many
#: times as far from the found one as that of parts of the tracks (both as logarithms).
WRONG_RISE, FAR_LENS = 0.1, 2.0
#: Frames that tests of a long plate look at.
MOST_TESTED = 64


@dataclass(frozen=True)
class _Settled:
    """A camera that moves, with its lens; whether it is of tracks that were measured again."""

    model: Model
    lens: LensState | None
    repeat: Repeat
    is_measured: bool
    rise: float | None = None
    parts: float | None = None
    effect: LensEffect | None = None
    zooms: bool = False
    notes: tuple[str, ...] = ()
    keeps_found: bool = False


def attempt_moving(task: Task) -> Attempt | None:
    """As a camera that moves; None where no start holds."""
    tracks, keys, focal = task.tracks, task.keys, task.focal
    prior = BundleOptions(loss=LOSS, prior=float(np.log(focal)), prior_sigma=PRIOR_SIGMA, iterations=ITERATIONS)
    options = replace(prior, focal="fixed") if task.focal_known else prior
    moving = solve_moving(
        tracks, keys, task.pairs, focal, focal_known=task.focal_known, options=options, tick=task.tick
    )
    if moving is None:
        return None
    sightings = sightings_of(tracks, _tested_frames(tracks, keys, moving.pair))
    if not len(usable(moving.model, sightings, LIMITS[-1])):
        return None
    settled = _settled(moving.model, task, options, sightings, zooms=moving.starts[0].zooms)
    settled, test = _ordered(settled, task, options, sightings)
    told = _told(settled, tracks)
    error, explained = explained_share(told, tracks)
    # A track that only a frame and its repeat have would tell of no parallax where there is some.
    angle = angles(told, sightings.picked(~np.isin(sightings.frame, task.repeats)))
    focals = [start.focal for start in moving.starts]
    numbers = Numbers(
        plane=moving.pair.plane_share,
        plane_error=moving.pair.homography_residual,
        move_error=error,
        move_explained=explained,
        angle_deg=float(np.degrees(np.median(angle[angle > 0]))) if (angle > 0).any() else 0.0,
        frames=float(settled.model.known.mean()),
        focal_spread=max(focals) / min(focals),
        repeat_path=settled.repeat.path,
        repeat_turn_deg=settled.repeat.turn_deg,
        repeat_focal=settled.repeat.focal,
        lens_rise=settled.rise,
        lens_parts=settled.parts,
        lens_path=None if settled.effect is None else settled.effect.path,
        lens_turn_deg=None if settled.effect is None else settled.effect.turn_deg,
        reversal=test.numbers.reversal,
        order=test.numbers.order,
        order_reversed=test.numbers.order_reversed,
    )
    return Attempt(settled.model, settled.lens, numbers, settled.zooms, settled.notes, settled.keeps_found)


def _settled(model: Model, task: Task, options: BundleOptions, sightings: Sightings, *, zooms: bool) -> _Settled:
    """A camera with its lens; see ``_with_lens``."""
    if task.focal_known:
        if task.is_measured:
            options = replace(options, loss=MEASURED_LOSS)
            refine_whole(model, task.tracks, bundled_frames(task.tracks, task.keys), options, LIMITS[-1:])
        return _Settled(model, None, repeat(model, sightings, options, LIMITS[-1]), task.is_measured)
    return _with_lens(model, task, options, sightings, zooms=zooms)


def _told(settled: _Settled, tracks: Tracks) -> Model:
    """The camera with points of the tracks that were followed. Those that were measured again are explained better than
    any that are followed, and gates are laid on these."""
    if not settled.is_measured:
        return settled.model
    told = settled.model.copy()
    triangulate(told, Sightings(tracks.frame, tracks.track, tracks.xy))
    return told


def _ordered(settled: _Settled, task: Task, options: BundleOptions, sightings: Sightings) -> tuple[_Settled, OrderTest]:
    """The camera with near and far the right way round, and the test that says so."""
    frames = np.unique(sightings.frame)
    some = np.intersect1d(frames, task.keys)
    if len(some) < LEAST_COMPARED:
        # A few frames are explained by anything: the points follow them.
        spread = np.linspace(0, len(frames) - 1, min(len(frames), LEAST_COMPARED)).round().astype(int)
        some = np.union1d(some, frames[spread])
    compared = sightings.picked(np.isin(sightings.frame, some))
    for _ in range(MOST_TURNED):
        task.tick()
        test = order_test(_told(settled, task.tracks), task.tracks, compared, options, task.order)
        if test.better is None:
            return settled, test
        settled = _turned(test.better, settled, task, options, compared, sightings)
    return settled, order_test(_told(settled, task.tracks), task.tracks, compared, options, task.order)


def _turned(
    better: Model, settled: _Settled, task: Task, options: BundleOptions, compared: Sightings, sightings: Sightings
) -> _Settled:
    """The whole camera from the frames in which a better one is known, with what the plate then tells of the lens,
    unless that turns it back.

    Args:
        better: solved in the frames of ``compared``, with the lens of the camera before.
        settled: the camera before.
        task: what is solved.
        options: of the bundles.
        compared: sightings of the frames that were compared.
        sightings: of all frames that tests look at.
    """
    model, held = better.copy(), replace(options, focal="fixed", radial=0)
    inside = np.isin(np.arange(len(model.known)), compared.frame)
    model.known &= inside
    grow(model, task.tracks, task.keys, held, task.tick)
    complete(model, task.tracks, task.keys, held, task.tick)
    if task.focal_known:
        return _settled(model, task, options, sightings, zooms=False)
    anew = model.copy()
    anew.radial[:] = 0
    found = _with_lens(anew, task, options, sightings, zooms=settled.zooms)
    if have_same_order(found.model, model, compared):
        return found
    effect = lens_effect(model, compared, held, LIMITS[-1], max(task.tracks.size))
    twice = repeat(model, sightings, held, LIMITS[-1])
    return replace(
        settled, model=model, lens="not observable", repeat=twice, is_measured=False, effect=effect, notes=()
    )


def _with_lens(model: Model, task: Task, options: BundleOptions, sightings: Sightings, *, zooms: bool) -> _Settled:
    """What the plate tells of the lens, and the camera with it.

    Args:
        model: solved with the expected focal length as a hint.
        task: what is solved.
        options: it was solved with.
        sightings: of the frames that tests look at.
        zooms: whether each frame has a focal length of its own from the start on.
    """
    keys = task.keys
    task, options, zooms = _shaped(model, task, options, sightings, zooms=zooms)
    tracks = task.tracks
    frames, sightings = bundled_frames(tracks, keys), sightings_of(tracks, np.unique(sightings.frame).tolist())
    of_keys = sightings.picked(np.isin(sightings.frame, keys))
    task.tick()
    settle_focal(model, of_keys, options, LIMITS[-1])
    test = lens_test(model, of_keys, options, LIMITS[-1])
    refine_whole(model, tracks, frames, options, LIMITS[-1:])
    if test.better is not None:
        refine_whole(test.better, tracks, frames, options, LIMITS)
    if test.better is not None and cost(test.better, sightings) < cost(model, sightings):
        model = test.better
        test = lens_test(model, of_keys, options, LIMITS[-1])
    task.tick()
    twice = repeat(model, sightings, options, LIMITS[-1])
    spread = part_spread(model, of_keys, options, LIMITS[-1])
    lens = repeated_state(test.state, twice.focal, spread)
    if lens == "known" and options.radial:
        # A distortion and a focal length take each other's place by a few per cent.
        lens = "within 5 %"
    side, note = max(tracks.size), None
    if lens != "not observable":
        changed = zoom_rise(model, of_keys, options, LIMITS[-1])
        note = _disbelief(float(np.median(model.focal[model.known])), side, changed, zooms=zooms)
        if note is not None or (zooms and changed < SURE_ZOOM_RISE):
            lens = "not observable"
    effect, keeps_found = None, False
    if lens == "not observable":
        held = replace(options, focal="fixed", radial=0)
        expected, still_zooms = _with_expected(model, task, held, sightings, zooms=zooms)
        found = float(np.median(model.focal[model.known]))
        keeps_found = not zooms and is_believable(found, side)
        keeps_found = keeps_found and is_expected_wrong(model, expected, sightings, max(spread, twice.focal))
        if not keeps_found:
            model, zooms = expected, still_zooms
            twice = repeat(model, sightings, held, LIMITS[-1])
    if lens != "not observable" or keeps_found:
        free = replace(options, prior_sigma=np.inf, converged=LAST_CONVERGED, iterations=LAST_ITERATIONS)
        refine_whole(model, tracks, frames, free, LIMITS[-1:])
    if lens == "not observable":
        held = replace(options, focal="fixed", radial=0)
        effect = lens_effect(model, of_keys, held, LIMITS[-1], side)
    task.tick()
    notes = () if note is None else (note,)
    return _Settled(
        model, lens, twice, task.is_measured, test.rise, spread, effect, zooms, notes, keeps_found=keeps_found
    )


def _shaped(
    model: Model, task: Task, options: BundleOptions, sightings: Sightings, *, zooms: bool
) -> tuple[Task, BundleOptions, bool]:
    """Give the model a distortion or a zoom where the plate shows one, in place, and measure the tracks again with it.
    Returns the task with these, the options of further bundles, and whether the lens zooms."""
    if zooms:
        options = replace(options, focal="each", zoom_sigma=MOVING_ZOOM_SIGMA)
    else:
        of_keys = sightings.picked(np.isin(sightings.frame, task.keys))
        options, zooms = _with_shape(model, of_keys, options, task.tracks.size)
    frames = bundled_frames(task.tracks, task.keys)
    if options.radial or zooms:
        refine_whole(model, task.tracks, frames, options, LIMITS)
    task, options = _measured(model, task, options)
    if zooms:
        # One focal length for all may have bent the start alone; now it is as good, and then there is no zoom.
        same = model.copy()
        same.log_focal[:] = np.median(same.log_focal[same.known])
        shared = replace(options, focal="shared")
        refine_whole(same, task.tracks, frames, shared, LIMITS[1:])
        of_all = sightings_of(task.tracks, frames)
        gains = cost(model, of_all) < (1 - LEAST_ZOOM_GAIN) * cost(same, of_all)
        if not gains or span_of_focal(model) < LEAST_ZOOM:
            take(model, same)
            return task, shared, False
    return task, options, zooms


def _measured(model: Model, task: Task, options: BundleOptions) -> tuple[Task, BundleOptions]:
    """Measure the tracks again and bundle the model of them, in place. Returns the task with these tracks, and the
    options of further bundles."""
    again = task.measure(model)
    if again is None:
        return task, options
    options = replace(options, loss=MEASURED_LOSS)
    refine_whole(model, again, bundled_frames(again, task.keys), options, LIMITS[1:])
    return replace(task, tracks=again, is_measured=True), options


def _disbelief(focal: float, side: float, changed: float, *, zooms: bool) -> str | None:
    """Why a lens that the plate seems to tell is not believed; None where nothing speaks against it.

    Args:
        focal: length, work pixels.
        side: the longer one, work pixels.
        changed: see ``zoom_rise``.
        zooms: whether a zoom was found.
    """
    if not is_believable(focal, side):
        return f"The plate seems to have a field of view of {fov_deg(focal, side):.0f}°, which is not believed."
    if not zooms and changed < HIDDEN_ZOOM_RISE:
        return "The lens is taken not to zoom: the camera goes so straight ahead that a zoom would look alike."
    return None


def _with_expected(
    model: Model, task: Task, held: BundleOptions, sightings: Sightings, *, zooms: bool
) -> tuple[Model, bool]:
    """The camera with the expected focal length: as it came out, scaled, or solved anew, which a solve that had bent
    everything around another focal length needs. Returns whether it zooms, too: it does only where the plate cannot be
    explained without.

    Args:
        model: solved with another focal length.
        task: what is solved.
        held: options of bundles, the focal length fixed.
        sightings: of the frames that tests look at.
        zooms: whether the model's focal length changes over time.
    """
    scaled = model.copy()
    scaled.radial[:] = 0
    # Of a zoom the frames keep their ratios.
    rescale_focal(scaled, task.focal / float(np.median(model.focal[model.known])), turns_only=False)
    refine_whole(scaled, task.tracks, bundled_frames(task.tracks, task.keys), held, LIMITS)
    if not zooms and cost(scaled, sightings) <= AS_GOOD * cost(model, sightings):
        return scaled, False
    anew = solve_moving(task.tracks, task.keys, task.pairs, task.focal, focal_known=True, options=held, tick=task.tick)
    if anew is None:
        return scaled, zooms
    share = 1 - LEAST_ZOOM_GAIN if zooms else 1.0
    if share * cost(anew.model, sightings) < cost(scaled, sightings):
        return anew.model, False
    return scaled, zooms


def is_expected_wrong(found: Model, expected: Model, sightings: Sightings, spread: float) -> bool:
    """Whether a lens that the plate does not tell surely is nearer to the truth than the expected one, which explains
    the plate worse and lies far outside of what parts of it tell.

    Args:
        found: the camera with the lens that explains the plate best.
        expected: the one with the expected lens.
        sightings: of the frames that tests look at.
        spread: share by which parts and halves of the tracks tell another focal length than all of them.
    """
    apart = abs(float(np.median(found.log_focal[found.known]) - np.median(expected.log_focal[expected.known])))
    if apart < FAR_LENS * np.log1p(spread):
        return False
    best, other = (float(np.median(errors_of(each, sightings))) for each in (found, expected))
    return other >= (1 + WRONG_RISE) * best


def _with_shape(
    model: Model, sightings: Sightings, options: BundleOptions, size: tuple[int, int]
) -> tuple[BundleOptions, bool]:
    """Give the model a distortion or a zoom where the plate shows one, in place: either can look like the other, so
    the one that explains more is taken. Returns the options of further bundles, and whether the lens zooms."""
    bent, zoomed = model.copy(), model.copy()
    is_bent = find_radial(bent, sightings, options, size, LIMITS[-1])
    zooms = find_zoom(zoomed, sightings, options)
    if zooms and (not is_bent or cost(zoomed, sightings) < cost(bent, sightings)):
        take(model, zoomed)
        return replace(options, focal="each"), True
    if is_bent:
        take(model, bent)
        return replace(options, radial=2, iterations=BENT_ITERATIONS), False
    return options, False


def _tested_frames(tracks: Tracks, keys: Sequence[int], pair: PairView) -> list[int]:
    """The frames that tests look at: those that are bundled, of long plates some around the start."""
    frames = bundled_frames(tracks, keys)
    if len(frames) <= MOST_TESTED:
        return frames
    start = max(0, min(frames.index(pair.first) - MOST_TESTED // 2, len(frames) - MOST_TESTED))
    return frames[start : start + MOST_TESTED]


def repeated_state(state: LensState, halves: float, parts: float) -> LensState:
    """What is known of the lens where each half of the tracks tells one that differs by that share, and parts of the
    picture and of the depth by that."""
    # Two signs that are weak alone count together.
    most_parts = MOST_PART_SPREAD if state == "known" else WEAK_PART_SPREAD
    if halves > MOST_FOCAL_SPREAD or parts > most_parts:
        return "not observable"
    unsure = halves > SURE_FOCAL_SPREAD or parts > SURE_PART_SPREAD
    return "within 5 %" if state == "known" and unsure else state
