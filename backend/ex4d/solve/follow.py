# SPDX-License-Identifier: Apache-2.0
"""The tracks of a plate: its frames read once, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ex4d.solve.bars import BarFinder
from ex4d.solve.plate_facts import PlateFacts, repeated_frames, steps
from ex4d.solve.tracker import Seen, Tracker
from ex4d.solve.tracks import Ints, Tracks, tracks_of
from ex4d.solve.work_picture import WorkPicture


@dataclass
class Gathered:
    """Collects what a tracker sees."""

    sightings: list[tuple[int, Ints, np.ndarray]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)

    def add(self, seen: Iterable[Seen]) -> None:
        """What it saw in some frames."""
        for one in seen:
            if one.is_break:
                self.breaks.append(one.index)
            if one.is_skipped:
                self.skipped.append(one.index)
            self.sightings.append((one.index, one.name, one.xy))


@dataclass(frozen=True)
class Followed:
    """Tracks and what they tell of the plate."""

    tracks: Tracks
    facts: PlateFacts


def followed(size: tuple[int, int], frames: int, gathered: Gathered, brightest: np.ndarray) -> Followed:
    """All that was gathered.

    Args:
        size: of the work picture.
        frames: of the plate.
        gathered: by rising frame.
        brightest: see ``BarFinder``.
    """
    tracks = tracks_of(size, frames, gathered.sightings)
    bars = BarFinder(size)
    bars.brightest = brightest
    facts = PlateFacts(
        tuple(gathered.breaks),
        tuple(gathered.skipped),
        repeated_frames(steps(tracks)),
        bars.box() if bars.has_bars() else None,
    )
    return Followed(tracks, facts)


def follow(picture: WorkPicture, advance: Callable[[], None]) -> Followed:
    """Follow the points of a plate.

    Args:
        picture: makes the work pictures.
        advance: called after each frame.
    """
    tracker, gathered = Tracker(picture.size), Gathered()
    count = len(picture.frames)
    for index in range(count):
        gathered.add(tracker.add(index, picture.read(index)))
        advance()
    gathered.add(tracker.finish())
    return followed(picture.size, count, gathered, tracker.brightest)
