# SPDX-License-Identifier: Apache-2.0
"""The source camera of a plate, from its pictures alone or around cameras that were given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Lens, Trajectory
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError
from ex4d.solve import kind as gates
from ex4d.solve import result
from ex4d.solve.attempt import Attempt, Task, explained_share
from ex4d.solve.classify import angles_deg, contradicting, explain_all, track_errors
from ex4d.solve.complete_path import copy_repeated, interpolate_unknown
from ex4d.solve.depth_order import DepthOrder
from ex4d.solve.follow import Followed, follow
from ex4d.solve.given import GivenCameras, solve_around
from ex4d.solve.given_fit import fit_notes, fit_of
from ex4d.solve.ideal import IdealView, extrinsics
from ex4d.solve.initial import pairs
from ex4d.solve.keys import key_frames
from ex4d.solve.kind import Kind, Numbers
from ex4d.solve.lens_effect import OTHER_FOVS
from ex4d.solve.lens_test import fov_deg
from ex4d.solve.model import Model
from ex4d.solve.move_attempt import attempt_moving
from ex4d.solve.options import SolveOptions
from ex4d.solve.plate_facts import (
    frames_options,
    notes_of,
    shots,
    standing_share,
    standing_tracks,
    unseen_reason,
)
from ex4d.solve.remeasure import remeasure
from ex4d.solve.result import Solve, SolvedPoints
from ex4d.solve.shutter import shutter_note
from ex4d.solve.tracks import Tracks
from ex4d.solve.turn_attempt import attempt_turning
from ex4d.solve.work_picture import WorkPicture
from ex4d.stages.plate_pixels import on_plate
from ex4d.system.blas import one_blas_thread
from ex4d.system.progress import Progress

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Percentile of the depths of all sightings that is brought to 1: the near end of the shot.
NEAR_PERCENTILE = 2
#: A point is kept whose median error is no more, work pixels, and whose rays meet at so much at least, degrees.
POINT_ERROR, POINT_ANGLE = 1.5, 0.2
#: Key frames that are compared for the motion of a shot are no further apart than this.
COMPARED_KEYS = 8


def solve_camera(
    frames: FrameSource, options: SolveOptions, progress: Progress, order: DepthOrder | None = None
) -> Solve:
    """Solve a plate's camera.

    Args:
        frames: of the plate; each is read once, in order.
        options: what is known.
        progress: advances with each frame.
        order: estimates the order of depth where the plate leaves it open; None = nothing does.

    Raises:
        BadInputError: a kind of shot was asked for that the plate does not allow at all.
    """
    picture = WorkPicture.of(frames)
    return solve_tracks(picture, follow(picture, progress.advance), options, progress.check, order)


def solve_tracks(
    picture: WorkPicture,
    followed: Followed,
    options: SolveOptions,
    tick: Callable[[], None],
    order: DepthOrder | None = None,
) -> Solve:
    """As ``solve_camera``, from tracks.

    Args:
        picture: of the plate.
        followed: its tracks.
        options: what is known.
        tick: called now and then; may raise to stop.
        order: see ``solve_camera``.
    """
    with one_blas_thread():
        return _Solver(picture, followed, options, tick, order).solve()


@dataclass
class _Answer:
    """A kind of shot, with its model."""

    kind: Kind
    lens: result.Lens
    model: Model
    numbers: Numbers
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    given: Bools | None = None


class _Solver:
    def __init__(
        self,
        picture: WorkPicture,
        followed: Followed,
        options: SolveOptions,
        tick: Callable[[], None],
        order: DepthOrder | None = None,
    ) -> None:
        self.picture, self.options, self.tick, self.order = picture, options, tick, order
        self.facts = followed.facts
        self.raw = followed.tracks
        centre, focal = picture.centre, picture.focal(options.fov_deg)
        #: At the plate's pixels.
        self.given = None if options.given is None else on_plate(options.given, picture.frames)
        if self.given is not None:
            K = picture.from_plate(self.given.K)
            centre, focal = K[0, :2, 2], float(K[0, 0, 0])
        self.focal = focal
        lens = options.lens or (self.given.lens if self.given is not None else None)
        self.view = IdealView(centre, lens, focal)
        self.tracks = self.view.of(self.raw)
        self.standing = standing_tracks(self.raw)
        #: Without what stands on the screen, be it a burn-in or the far background.
        self.loose = self.tracks.picked(~self.standing[self.raw.track])
        #: A lens's coefficients count on a focal length, so that is not looked for besides.
        self.focal_known = options.fov_known or lens is not None

    def solve(self) -> Solve:
        if self.given is not None:
            return self._finished(self._around(self.given))
        return self._finished(self._found())

    def _found(self) -> _Answer:
        numbers = Numbers(motion=self._motion(), standing=standing_share(self.raw, self.standing))
        wanted = self.options.source_camera
        if wanted == "still":
            return self._still(numbers, [])
        if self.facts.breaks:
            if wanted != "auto":
                raise BadInputError(
                    f"The plate seems to cut at frame {self._number(self.facts.breaks[0])}, so it has no one camera.",
                    f"Solve one shot at a time: {frames_options(self._shots())}.",
                )
            return self._still(numbers, ["The plate cuts, so there is no one camera to solve."])
        unseen = unseen_reason(self.raw)
        if wanted == "auto" and unseen is not None:
            return self._still(numbers, [unseen])
        reason = gates.still_reason(numbers)
        if wanted == "auto" and reason is not None:
            return self._still(numbers, [reason])
        return self._moved(numbers) if wanted == "auto" else self._forced(numbers)

    def _moved(self, numbers: Numbers) -> _Answer:
        """What kind of shot it is, by the gates."""
        side, task = max(self.tracks.size), self._task()
        turning = attempt_turning(task)
        if turning is not None:
            numbers = merged(numbers, turning.numbers)
        numbers = replace(numbers, plane=task.pairs[0].plane_share if task.pairs else None)
        if turning is not None and gates.is_surely_turn(numbers, side):
            return self._as("turns", turning, numbers, [])
        moving = attempt_moving(task)
        if moving is not None:
            numbers = merged(numbers, moving.numbers)
        no_turn, no_move = gates.turn_refusal(numbers, side), gates.move_refusal(numbers)
        if no_move is None and not gates.has_parallax(numbers):
            no_move = "A move explains the plate no better than a turn: what moves by itself can look like parallax."
        if no_move is None and moving is not None and moving.zooms and moving.lens == "not observable":
            no_move = "The lens zooms while the camera moves, and the plate does not tell its focal length."
        if no_turn is None and turning is not None and no_move is not None:
            return self._as("turns", turning, numbers, [no_move])
        if no_move is None and moving is not None:
            return self._as("moves", moving, numbers, [] if no_turn is None else [no_turn])
        reasons = [reason for reason in (no_turn, no_move) if reason is not None]
        return self._still(numbers, reasons)

    def _forced(self, numbers: Numbers) -> _Answer:
        """The kind of shot that was asked for, with a note on what speaks against it."""
        wanted = self.options.source_camera
        side, unseen = max(self.tracks.size), unseen_reason(self.raw)
        attempt = None
        if unseen is None:
            attempt = (attempt_turning if wanted == "turns" else attempt_moving)(self._task())
            if wanted == "turns" and attempt is not None and attempt.lens is None and not self.focal_known:
                # So far from a turn the lens was not looked for: the one that is expected is kept.
                attempt = attempt_turning(replace(self._task(), focal_known=True)) or attempt
        if attempt is None:
            raise BadInputError(
                f"No camera that {wanted} can be solved from this plate. "
                + (unseen or "Its frames share too few tracks."),
                "Give the camera as a file, or let it stand still.",
            )
        numbers = merged(numbers, attempt.numbers)
        against = gates.turn_refusal(numbers, side) if wanted == "turns" else gates.move_refusal(numbers)
        answer = self._as("turns" if wanted == "turns" else "moves", attempt, numbers, [])
        if against is not None:
            answer.notes.append(f"The camera was solved as one that {wanted} because that was asked for. {against}")
        return answer

    def _as(self, kind: Kind, attempt: Attempt, numbers: Numbers, refused: list[str]) -> _Answer:
        numbers = replace(numbers, lens_rise=attempt.numbers.lens_rise, lens_parts=attempt.numbers.lens_parts)
        lens: result.Lens = "given" if self.focal_known else attempt.lens or "not observable"
        notes = [*attempt.notes, *self._lens_notes(attempt, lens)]
        said = (
            (gates.order_note(numbers), gates.rough_note(numbers)) if kind == "moves" else (gates.turn_note(numbers),)
        )
        notes += [note for note in said if note]
        return _Answer(kind, lens, attempt.model, numbers, refused, notes)

    def _lens_notes(self, attempt: Attempt, lens: result.Lens) -> list[str]:
        notes = []
        if lens == "not observable" and attempt.zooms and attempt.numbers.move_error is None:
            # A turn that zooms has no one focal length to put in place of what was found.
            notes.append("The plate does not tell its lens surely; the focal lengths that explain it best are kept.")
        elif lens == "not observable":
            expected, kept = f"a field of view of {self.options.fov_deg:.0f}°", "is kept"
            if attempt.keeps_found:
                found = fov_deg(float(np.median(attempt.model.focal)), max(self.tracks.size))
                kept = f"explains it worse than the {found:.0f}° that explain it best and are kept"
            notes.append(f"The plate does not tell its lens; {expected} {kept}. Give it with --fov if you know it.")
            if attempt.numbers.lens_path is not None and attempt.numbers.lens_turn_deg is not None:
                low, high = OTHER_FOVS
                notes.append(
                    f"The camera's path and turns hold for that lens: with one of {low:.0f}° to {high:.0f}° they would "
                    f"differ by up to {attempt.numbers.lens_path:.1%} of the path and "
                    f"{attempt.numbers.lens_turn_deg:.1f}°."
                )
        if self.view.lens is not None and not self.options.fov_known and self.given is None:
            notes.append("The lens's distortion counts on the focal length, so that was not solved for.")
        if attempt.zooms:
            low, high = (fov_deg(float(f), max(self.tracks.size)) for f in np.sort(attempt.model.focal)[[-1, 0]])
            notes.append(f"The lens zooms between {low:.1f}° and {high:.1f}°.")
        return notes

    def _still(self, numbers: Numbers, refused: list[str]) -> _Answer:
        model = Model.empty(self.tracks.frames, self.tracks.count, self.focal, np.array(self.tracks.size) / 2)
        model.known[:] = True
        lens: result.Lens = "given" if self.focal_known else "not observable"
        return _Answer("still", lens, model, numbers, refused)

    def _around(self, given: Trajectory) -> _Answer:
        numbers = self.picture.frames.numbers
        cameras = GivenCameras.of(given, numbers, self.picture.from_plate(given.K))
        model, kind = solve_around(cameras, self.tracks, self.tick)
        explain_all(model, self.tracks, moves=kind == "moves")
        error, explained = explained_share(model, self.tracks)
        side = "turn" if kind != "moves" else "move"
        found = Numbers(**{f"{side}_error": error, f"{side}_explained": explained})
        fit = fit_of(model, self.tracks, cameras.known, turns_only=kind != "moves")
        if fit is not None:
            found = replace(
                found, given_error=fit.error, given_explained=fit.explained, given_free_error=fit.free_error
            )
        notes = fit_notes(fit, lambda frames: ", ".join(str(self._number(frame)) for frame in frames))
        return _Answer(kind, "given", model, found, [], notes, cameras.known)

    def _finished(self, answer: _Answer) -> Solve:
        model, frames = answer.model, self.picture.frames
        given = np.zeros(self.tracks.frames, bool) if answer.given is None else answer.given
        moves = answer.kind == "moves"
        explain_all(model, self.tracks, moves=moves)
        against = contradicting(model, self.tracks)
        on_screen = against & self.standing if answer.kind != "still" else np.zeros(self.tracks.count, bool)
        moving = against & ~on_screen
        errors, angle = track_errors(model, self.tracks), angles_deg(model, self.tracks)
        notes = [*answer.notes, *notes_of(self.facts, frames.numbers)]
        if answer.kind != "still" and (note := shutter_note(model, self.tracks)):
            notes.append(note)
        interpolated = interpolate_unknown(model)
        copy_repeated(model, [frame for frame in self.facts.repeats if not given[frame]])
        if not given.any():
            self._normalise(model, moves)
        if interpolated:
            notes.append(
                f"{len(interpolated)} frames did not find their camera; it was laid between those around them."
            )
        if on_screen.any():
            notes.append(
                f"{int(on_screen.sum())} tracks stand on the screen (a burn-in, a logo, dirt) and were left out."
            )
        camera = self._trajectory(model, given)
        lengths = self.tracks.lengths()
        kept = moves & model.has_point & ~against & (errors <= POINT_ERROR) & (angle >= POINT_ANGLE) & (lengths >= 3)
        track = np.flatnonzero(kept).astype(np.int32)
        points = SolvedPoints(model.points[track], errors[track], lengths[track].astype(np.int32), angle[track], track)
        return Solve(
            answer.kind,
            answer.lens,
            camera,
            points,
            self.raw,
            moving,
            on_screen,
            tuple(map(self._number, interpolated)),
            tuple(map(self._number, np.flatnonzero(given).tolist())),
            tuple(map(self._number, self.facts.breaks)),
            tuple(map(self._number, self.facts.repeats)),
            answer.numbers,
            tuple(answer.refused),
            tuple(notes),
        )

    def _normalise(self, model: Model, moves: bool) -> None:
        """The first camera at the origin, the near end of the shot at 1."""
        R, t = model.rotation[0].copy(), model.position[0].copy()
        scale = 1.0
        if moves:
            can = model.has_point[self.tracks.track] & model.known[self.tracks.frame]
            error = model.errors(self.tracks.frame[can], self.tracks.track[can], self.tracks.xy[can])
            z = model.in_camera(self.tracks.frame[can], self.tracks.track[can])[error < gates.NEAR, 2]
            scale = 1 / float(np.percentile(z, NEAR_PERCENTILE)) if len(z) else 1.0
        model.transformed(R, t, scale)
        model.rotation[0], model.position[0] = np.eye(3), 0.0

    def _trajectory(self, model: Model, given: Bools) -> Trajectory:
        frames = self.picture.frames
        K, E = self.picture.to_plate(self.view.intrinsics(model.focal)), extrinsics(model)
        lens = self.view.lens
        if lens is None and model.radial.any():
            lens = Lens("polynomial", (float(model.radial[0]), float(model.radial[1])))
        if given.any() and self.given is not None:
            theirs = self.given
            place = {number: index for index, number in enumerate(theirs.frame_numbers or frames.numbers)}
            for frame in np.flatnonzero(given):
                at = place[frames.numbers[frame]]
                K[frame], E[frame] = theirs.K[at], theirs.E[at]
        return Trajectory(K, E, *frames.size, frame_numbers=tuple(frames.numbers), fps=frames.fps, lens=lens)

    def _number(self, index: int) -> int:
        return int(self.picture.frames.numbers[index])

    def _shots(self) -> tuple[tuple[int, int], ...]:
        return shots(self.facts.breaks, self.picture.frames.numbers)

    def _motion(self) -> float:
        """See ``Numbers.motion``."""
        keys = key_frames(self.raw, 0, self.raw.frames)
        found = [
            self.raw.motion(first, second)
            for index, first in enumerate(keys)
            for second in keys[index + 1 : index + 1 + COMPARED_KEYS]
        ]
        known = [motion for motion in found if np.isfinite(motion)]
        return max(known, default=0.0) / max(self.raw.size)

    def _task(self) -> Task:
        keys = key_frames(self.loose, 0, self.loose.frames)
        return Task(
            self.loose,
            keys,
            pairs(self.loose, keys),
            self.focal,
            self.focal_known,
            self.tick,
            self._measured,
            order=self.order,
            repeats=self.facts.repeats,
        )

    def _measured(self, model: Model) -> Tracks | None:
        """See ``Task.measure``."""
        loose = self.raw.picked(~self.standing[self.raw.track])
        found = remeasure(loose, model, self.view, self.picture.read, self.tick)
        return None if found is None else self.view.of(found[0]).picked(found[1])


def merged(numbers: Numbers, more: Numbers) -> Numbers:
    """The numbers with those that another one tells."""
    return replace(numbers, **{name: value for name, value in vars(more).items() if value is not None})
