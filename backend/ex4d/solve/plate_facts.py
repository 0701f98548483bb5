# SPDX-License-Identifier: Apache-2.0
"""What the tracks tell of the plate itself: cuts, repeated and unreadable frames, bars, points that stand on the
screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.tracks import LEAST_COMMON, Tracks

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A frame repeats the one before where its points move by less than this, px, and less than this share of what they
#: move by around it, over so many frames on each side, where that is at least so much, px.
REPEAT_MOTION, REPEAT_SHARE, REPEAT_AROUND, REPEAT_LEAST = 0.1, 0.12, 4, 0.4
#: A point stands on the screen that stays within this share of the longer side, over so many frames at least.
STANDING, STANDING_FRAMES = 0.0012, 8


@dataclass(frozen=True)
class PlateFacts:
    """What was noticed; frames by their index.

    Attributes:
        breaks: frames into which nothing could be followed: the plate cuts there.
        skipped: unreadable frames that were stepped over.
        repeats: frames that repeat the one before.
        bars: left, top, right and bottom of the picture between black bars, half-open, work pixels; None = no bars.
    """

    breaks: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    bars: tuple[int, int, int, int] | None = None


def steps(tracks: Tracks) -> Array:
    """(frames,) median motion, px, from the frame before; NaN where there is none to tell."""
    out = np.full(tracks.frames, np.nan)
    for index in range(1, tracks.frames):
        motion = tracks.motion(index - 1, index)
        out[index] = motion if np.isfinite(motion) else np.nan
    return out


def repeated_frames(motions: Array) -> tuple[int, ...]:
    """Frames that repeat the one before.

    Args:
        motions: (frames,) see ``steps``.
    """
    found = []
    for index in np.flatnonzero(motions < REPEAT_MOTION):
        around = motions[max(0, index - REPEAT_AROUND) : index + REPEAT_AROUND + 1]
        usual = float(np.nanmax(around))
        if usual >= REPEAT_LEAST and motions[index] < REPEAT_SHARE * usual:
            found.append(int(index))
    return tuple(found)


def standing_tracks(tracks: Tracks) -> Bools:
    """(count,) tracks that stand on the screen: of a burn-in, of a still camera, or of what is far away."""
    limit = max(STANDING * max(tracks.size), 0.3)
    return (tracks.extents() < limit) & (tracks.lengths() >= min(STANDING_FRAMES, tracks.frames))


def standing_share(tracks: Tracks, standing: Bools) -> float:
    """Share of the sightings, of tracks long enough to tell, that are of standing ones."""
    long = tracks.lengths() >= min(STANDING_FRAMES, tracks.frames)
    count = int(long[tracks.track].sum())
    return float(standing[tracks.track].sum()) / count if count else 0.0


def unseen_reason(tracks: Tracks) -> str | None:
    """Why the tracks cannot tell how the camera moves, as a sentence; None where they may."""
    if tracks.frames == 1:
        return "The plate has one frame, so nothing tells how its camera moves."
    if len(tracks) < LEAST_COMMON * tracks.frames:
        return "The plate shows nothing to follow: it is flat, dark, too small or too blurred."
    return None


def shots(breaks: Sequence[int], numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Numbers of the first and the last frame of each shot.

    Args:
        breaks: indices of the frames at which the plate cuts, rising.
        numbers: of all frames.
    """
    starts = [0, *breaks]
    stops = [*breaks, len(numbers)]
    return tuple((numbers[start], numbers[stop - 1]) for start, stop in zip(starts, stops, strict=True))


def frames_options(ranges: Sequence[tuple[int, int]]) -> str:
    """The option of the command line for each shot, as words: "--frames 1-15 or --frames 16-40"."""
    # A value that begins with a minus is no other option only behind an equals sign.
    words = [f"--frames{'=' if first < 0 else ' '}{first}-{last}" for first, last in ranges]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def notes_of(facts: PlateFacts, numbers: Sequence[int]) -> list[str]:
    """Sentences for the report.

    Args:
        facts: of the plate.
        numbers: of its frames.
    """
    notes = []
    if facts.breaks:
        starts = ", ".join(str(numbers[index]) for index in facts.breaks)
        option = frames_options(shots(facts.breaks, numbers))
        notes.append(
            f"The plate seems to cut at frame {starts}; solve one shot at a time: {option}. With --split-cuts each is "
            "made a shot of its own."
        )
    if facts.skipped:
        shown = ", ".join(str(numbers[index]) for index in facts.skipped)
        notes.append(f"Frame {shown} shows nothing of the frames around it (a flash, a drop-out) and was stepped over.")
    if facts.repeats:
        number, first = len(facts.repeats), numbers[facts.repeats[0]]
        notes.append(
            f"{number} of {len(numbers)} frames repeat the one before (the first is {first}): they have its camera."
        )
    if facts.bars is not None:
        notes.append("The plate has black bars; only the picture between them was looked at.")
    return notes
