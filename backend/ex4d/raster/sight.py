# SPDX-License-Identifier: Apache-2.0
"""What a take's camera sees of the plate, in words: a camera of another world looks like any other until it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ex4d.camera import Trajectory
from ex4d.media.sequences import format_ranges
from ex4d.protocol.errors import BadInputError

#: Shares of a frame's pixels that show the plate: up to these it sees nothing, or hardly anything, of it.
NOTHING, LITTLE = 0.001, 0.02
_WORLD = (
    "Its world must be the shot's: without solved poses the source camera at the origin, x right, y down, z forward. "
    "Where its file has a world of its own, give the source camera of that world with --source-camera."
)


def sight_notes(trajectory: Trajectory, source: Trajectory, coverage: Sequence[float]) -> tuple[str, ...]:
    """Sentences for the report where a take shows little of the plate, or shows it upside down.

    Args:
        trajectory: the take camera.
        source: the source camera.
        coverage: share of each frame's pixels that show real source surface, 0..1.
    """
    notes = []
    blind = [number for number, share in zip(trajectory.frame_numbers, coverage, strict=True) if share <= NOTHING]
    if len(blind) == len(coverage):
        notes.append(f"The camera sees nothing of the plate in any frame. {_WORLD}")
    elif max(coverage) <= LITTLE:
        notes.append(f"The camera sees {max(coverage):.1%} of the plate at most. {_WORLD}")
    elif blind:
        notes.append(f"The camera sees nothing of the plate in frame {format_ranges(list(_runs(blind)))}.")
    # The way down of the first take camera, along the source camera's.
    if len(blind) < len(coverage) and float(np.dot(trajectory.E[0, 1, :3], source.E[0, 1, :3])) < -0.5:
        notes.append(f"The camera stands on its head beside the source camera. {_WORLD}")
    return tuple(notes)


def check_sight(name: str, coverage: Sequence[float]) -> None:
    """Raise BadInputError for the trajectory file ``name`` whose camera sees nothing of the plate in any frame."""
    if max(coverage) <= NOTHING:
        raise BadInputError(f"The camera of {name} sees nothing of the plate in any frame.", _WORLD)


def _runs(numbers: Iterable[int]) -> Iterator[range]:
    """Rising numbers as half-open runs without a gap."""
    start = last = None
    for number in numbers:
        if start is None or last is None or number != last + 1:
            if start is not None and last is not None:
                yield range(start, last + 1)
            start = number
        last = number
    if start is not None and last is not None:
        yield range(start, last + 1)
