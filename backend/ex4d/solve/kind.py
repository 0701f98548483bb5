# SPDX-License-Identifier: Apache-2.0
"""What kind of shot a plate is: the camera moves, turns, or stands still; and the numbers that decide.

A solve always comes out, of noise and of things that move by themselves too, and its error alone tells nothing. So each
kind has to pass gates, and what passes none stands still, with the reason said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["still", "turns", "moves"]

#: Greatest median motion between key frames, as a share of the longer side, below which the camera stands still.
STILL_MOTION = 0.005
#: Share of the tracks that stay where they are from which the camera stands still, whatever else moves.
STILL_STANDING = 0.5
#: A turn explains the plate up to this median error, px: for sides up to LEAST_SIDE, and beyond by the side.
TURN_ERROR, TURN_ERROR_SIDE = 0.3, 640
#: Share of the tracks that a turn explains, within ``NEAR`` px: where a camera that moves leaves a smaller error, and
#: where it does not. Of those that it explains in one of two key frames, the share that it explains in both.
TURN_EXPLAINED, TURN_EXPLAINED_LEAST, TURN_KEPT = 0.5, 0.4, 0.45
#: A larger error, so many times as large at most, is noise of the picture, not a wrong kind of shot, where a turn
#: explains and keeps so much, and a camera that moves leaves no smaller error.
TURN_ERROR_NOISY, TURN_NOISY_EXPLAINED, TURN_NOISY_KEPT = 1.4, 0.9, 0.9
#: A turn may be wrong where so few of the tracks that two key frames share follow it.
TURN_FOLLOWED = 0.5
#: Homography's inliers by the fundamental matrix's, from which a turn is likely; and from which it is certain.
TURN_PLANE, TURN_PLANE_SURE = 0.75, 0.8
#: Share of the tracks from which a turn needs no further proof.
TURN_EXPLAINED_SURE = 0.8
#: There is parallax where a camera that moves leaves an error smaller by this factor, or explains so much more of the
#: tracks at an error that is smaller by the last: what moves by itself can be explained as parallax, but worse.
PARALLAX_GAIN, PARALLAX_MORE, PARALLAX_MORE_GAIN = 1.6, 0.15, 1.2
#: Gates of a camera that moves: share explained within ``NEAR`` px, median error px, median angle degrees, share of the
#: frames, largest ratio of the focal lengths of all starts, and of the halves' solves the distance of their paths and
#: the angle between their cameras, degrees.
MOVE_EXPLAINED, MOVE_ERROR, MOVE_ANGLE, MOVE_FRAMES = 0.72, 0.3, 0.4, 0.95
MOVE_PATH, MOVE_TURN_DEG = 0.1, 0.3
#: A larger error is noise of the picture, not a wrong camera, where so much is explained, the median angle is so large,
#: the halves' paths and turns (degrees) differ by no more, and the order of depth is not open.
MOVE_ERROR_NOISY = 0.4
NOISY_EXPLAINED, NOISY_ANGLE, NOISY_PATH, NOISY_TURN_DEG = 0.9, 3.0, 0.01, 0.1
#: With a median angle below this, degrees, the halves' paths may differ by less, in proportion.
SMALL_ANGLE = 1.0
#: Homography's inliers by the fundamental matrix's from which there is too little parallax between key frames for a
#: move: a turn, a zoom or a plane explains them.
MOVE_PLANE = 0.8
#: The order of depth is open where neither the solve turned inside out nor this one costs so many times as much as the
#: other; then the estimator's order decides where the rank correlation with it is so much at least, and by so much more
#: than the other's.
REVERSAL_SURE, ORDER_LEAST, ORDER_LEAD = 1.8, 0.15, 0.2
#: A path is said to be rough whose halves differ by so much, or where the median angle is less, degrees.
ROUGH_PATH, ROUGH_ANGLE = 0.04, 0.5
#: Error, px, up to which a sighting counts as explained.
NEAR = 2.0


@dataclass(frozen=True)
class Numbers:
    """What decided; None = not looked at.

    Attributes:
        motion: largest median motion between key frames, share of the longer side.
        standing: share of the tracks that stay where they are.
        plane: homography's inliers by the fundamental matrix's, of the start pair.
        plane_error: median distance, px, of that pair's tracks from where the homography takes them.
        turn_error: median error, work px, of a camera that only turns.
        turn_explained: share of the sightings that it explains.
        turn_kept: of the tracks that it explains in one of two key frames, one after the other, the share that it
            explains in both; the least of all.
        turn_followed: of the tracks that two key frames share, one after the other, the share that it explains in
            both; the least of all.
        move_error: median error, work px, of a camera that moves.
        move_explained: share of the sightings that it explains.
        angle_deg: median of the greatest angles at the points.
        frames: share of the frames that found their camera.
        focal_spread: largest by smallest focal length of the starts.
        repeat_path, repeat_turn_deg, repeat_focal: see ``Repeat``.
        lens_rise: rise of the error with other focal lengths.
        lens_parts: largest share by which parts of the picture and of the depth tell another focal length.
        lens_path, lens_turn_deg: see ``LensEffect``; only where the lens is not observable.
        reversal: cost of the solve turned inside out (near for far) by its own; None where that is no other solve.
        order, order_reversed: rank correlation of estimated disparity with the nearness of the points, and of those of
            the solve turned inside out; only where ``reversal`` leaves the order open.
        given_error: median error, work px, of cameras that were given, in their frames.
        given_explained: share of the sightings there that they explain.
        given_free_error: what is left of that error when these cameras and their lens may change.
    """

    motion: float | None = None
    standing: float | None = None
    plane: float | None = None
    plane_error: float | None = None
    turn_error: float | None = None
    turn_explained: float | None = None
    turn_kept: float | None = None
    turn_followed: float | None = None
    move_error: float | None = None
    move_explained: float | None = None
    angle_deg: float | None = None
    frames: float | None = None
    focal_spread: float | None = None
    repeat_path: float | None = None
    repeat_turn_deg: float | None = None
    repeat_focal: float | None = None
    lens_rise: float | None = None
    lens_parts: float | None = None
    lens_path: float | None = None
    lens_turn_deg: float | None = None
    reversal: float | None = None
    order: float | None = None
    order_reversed: float | None = None
    given_error: float | None = None
    given_explained: float | None = None
    given_free_error: float | None = None


def still_reason(numbers: Numbers) -> str | None:
    """Why the camera stands still, as a sentence; None where it does not."""
    if numbers.motion is not None and numbers.motion < STILL_MOTION:
        return f"The picture moves by no more than {numbers.motion:.2%} of its width."
    if numbers.standing is not None and numbers.standing >= STILL_STANDING:
        return f"{numbers.standing:.0%} of the tracks stay where they are."
    return None


def turn_error_limit(side: float) -> float:
    """Median error, px, up to which a turn explains a work picture of that longer side."""
    return TURN_ERROR * max(side / TURN_ERROR_SIDE, 0.85)


def turn_refusal(numbers: Numbers, side: float) -> str | None:
    """Why it is not that the camera only turns, as a sentence; None where it may be."""
    error, explained = numbers.turn_error, numbers.turn_explained
    if error is None or explained is None:
        return "The frames share too few tracks for a turn."
    limit = turn_error_limit(side) * (TURN_ERROR_NOISY if _is_noisy_turn(numbers) else 1.0)
    if error > limit:
        left, most = _apart(error, limit, "{:.{}f}", 2)
        return f"A turn leaves {left} px, more than {most}."
    least = TURN_EXPLAINED if _moves_better(numbers) else TURN_EXPLAINED_LEAST
    if explained < least:
        part, wanted = _apart(explained, least, "{:.{}%}", 0)
        return f"A turn explains {part} of the tracks, less than {wanted}."
    if numbers.turn_kept is not None and numbers.turn_kept < TURN_KEPT:
        return (
            "A turn explains now these, now other tracks: of those that it explains in one of two frames, "
            f"{numbers.turn_kept:.0%} in both."
        )
    return None


def _is_noisy_turn(numbers: Numbers) -> bool:
    """Whether a turn is told so surely that what it leaves is noise; not before a camera that moves was tried."""
    n = numbers
    return (
        n.move_error is not None
        and not _moves_better(n)
        and (n.turn_explained or 0.0) >= TURN_NOISY_EXPLAINED
        and (n.turn_kept or 0.0) >= TURN_NOISY_KEPT
    )


def _moves_better(numbers: Numbers) -> bool:
    """Whether a camera that moves leaves a smaller error than one that turns."""
    n = numbers
    return n.move_error is not None and (n.turn_error or 0.0) >= PARALLAX_MORE_GAIN * n.move_error


def is_surely_turn(numbers: Numbers, side: float) -> bool:
    """Whether there is no need to look for parallax."""
    explained, plane = numbers.turn_explained or 0.0, numbers.plane or 0.0
    return turn_refusal(numbers, side) is None and plane >= TURN_PLANE_SURE and explained >= TURN_EXPLAINED_SURE


def has_parallax(numbers: Numbers) -> bool:
    """Whether a camera that moves explains the plate so much better than one that turns that it must have moved."""
    if numbers.turn_error is None or numbers.move_error is None:
        return numbers.move_error is not None
    more = (numbers.move_explained or 0.0) - (numbers.turn_explained or 0.0)
    gain = numbers.turn_error / max(numbers.move_error, 1e-9)
    return gain >= PARALLAX_GAIN or (more >= PARALLAX_MORE and gain >= PARALLAX_MORE_GAIN)


def move_refusal(numbers: Numbers) -> str | None:
    """Why the solve of a camera that moves is not believed, as a sentence; None where it is."""
    n = numbers
    if n.move_error is None or n.move_explained is None or n.angle_deg is None or n.frames is None:
        return "No two frames give a first pose of a camera that moves."
    path, turn, plane = n.repeat_path or 0.0, n.repeat_turn_deg or 0.0, n.plane or 0.0
    most_path = MOVE_PATH * min(n.angle_deg / SMALL_ANGLE, 1.0)
    most_error = MOVE_ERROR_NOISY if _is_noisy(n) else MOVE_ERROR
    error, limit = _apart(n.move_error, most_error, "{:.{}f}", 2)
    part, wanted = _apart(n.move_explained, MOVE_EXPLAINED, "{:.{}%}", 0)
    gates = (
        (
            plane >= MOVE_PLANE,
            f"A plane, a turn or a zoom explains {plane:.0%} of what key frames share: there is too little parallax.",
        ),
        (
            n.move_explained < MOVE_EXPLAINED,
            f"A moving camera explains {part} of the tracks, less than {wanted}: much moves by itself.",
        ),
        (n.move_error > most_error, f"A moving camera leaves {error} px, more than {limit}."),
        (
            n.angle_deg < MOVE_ANGLE,
            f"The rays of half the points meet at less than {n.angle_deg:.1f}°: there is too little parallax.",
        ),
        (n.frames < MOVE_FRAMES, f"Only {n.frames:.0%} of the frames found their camera."),
        (path > most_path, f"Each half of the tracks tells another path ({path:.0%} apart)."),
        (
            n.reversal is not None and is_order_open(n.reversal) and not leads(n.order, n.order_reversed),
            "The order of depth is not observable: with near and far exchanged the plate is explained nearly as well, "
            "and the depth estimator does not tell either.",
        ),
        (turn > MOVE_TURN_DEG, f"Each half of the tracks tells other turns ({turn:.1f}° apart)."),
    )
    return next((reason for fails, reason in gates if fails), None)


def _is_noisy(numbers: Numbers) -> bool:
    """Whether a camera that moves is told so surely that what it leaves is noise."""
    n = numbers
    return (
        (n.move_explained or 0.0) >= NOISY_EXPLAINED
        and (n.angle_deg or 0.0) >= NOISY_ANGLE
        and n.repeat_path is not None
        and n.repeat_path <= NOISY_PATH
        and n.repeat_turn_deg is not None
        and n.repeat_turn_deg <= NOISY_TURN_DEG
        and not (n.reversal is not None and is_order_open(n.reversal))
    )


def _apart(value: float, limit: float, form: str, digits: int) -> tuple[str, str]:
    """Two numbers as texts, with as many digits more as tell them apart: that 0.30 is more than 0.30 says nothing."""
    for more in range(digits, digits + 4):
        texts = form.format(value, more), form.format(limit, more)
        if texts[0] != texts[1]:
            break
    return texts


def is_order_open(ratio: float) -> bool:
    """Whether the costs of a solve and of the one turned inside out, by that ratio, leave the order of depth open."""
    return 1 / REVERSAL_SURE < ratio < REVERSAL_SURE


def leads(own: float | None, other: float | None) -> bool:
    """Whether the estimator's order speaks for the first of two orders: by the rank correlations with each."""
    if own is None or other is None:
        return False
    return own >= ORDER_LEAST and own - other >= ORDER_LEAD


def order_note(numbers: Numbers) -> str | None:
    """That the plate does not tell near from far by itself, as a sentence; None where it does."""
    if (
        numbers.reversal is None
        or not is_order_open(numbers.reversal)
        or not leads(numbers.order, numbers.order_reversed)
    ):
        return None
    return (
        "The order of depth is not observable from the plate's motion: with near and far exchanged it is explained "
        "nearly as well. The order that the depth estimator sees was taken."
    )


def turn_note(numbers: Numbers) -> str | None:
    """That a turn which is believed may be wrong between some frames, as a sentence; None where nothing says so."""
    followed = numbers.turn_followed
    if followed is None or followed >= TURN_FOLLOWED:
        return None
    return (
        f"Between some frames only {followed:.0%} of the tracks follow the turn: much moves by itself, and the turn "
        "may be wrong there."
    )


def rough_note(numbers: Numbers) -> str | None:
    """That a path which is believed is not exact, as a sentence; None where nothing says so."""
    path, angle = numbers.repeat_path or 0.0, numbers.angle_deg
    if path >= ROUGH_PATH:
        return f"The camera's path is rough: each half of the tracks tells another one ({path:.0%} apart)."
    if angle is not None and angle < ROUGH_ANGLE:
        return f"The path may be some per cent off: the rays of half the points meet at less than {angle:.1f}°."
    return None
