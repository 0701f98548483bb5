# SPDX-License-Identifier: Apache-2.0
"""Which of the free workers does a job: the one that holds what the job needs. No sockets, no processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ex4d.protocol.requests import Request
from ex4d.server.demands import model_key, shot_of


@dataclass(frozen=True)
class Seat:
    """A worker that is free.

    Attributes:
        name: of the worker.
        number: that people call it by; None = there is but one.
        gpu: number of its GPU; None = it has none of its own.
        holds: keys of models that it holds (``demands.model_key``).
        shares: names of the workers on whose GPUs its last job has left ranks.
        shot: of its last job.
        since: when it became free, monotonic seconds.
    """

    name: str
    number: int | None = None
    gpu: int | None = None
    holds: frozenset[str] = frozenset()
    shares: frozenset[str] = frozenset()
    shot: PurePath | None = None
    since: float = 0.0


def choose_seats(free: Sequence[Seat], request: Request, count: int) -> tuple[Seat, ...]:
    """So many of the free workers for a job, the one that leads it first.

    It is the one that holds the job's model; else one that holds none, so that nobody's model has to go; else the one
    that has been free for longest. Of several the one that did the same shot last, which has its files in memory.
    """
    key, shot = model_key(request), shot_of(request)

    def worth(seat: Seat) -> tuple[bool, bool, bool, float]:
        return not (key and key in seat.holds), bool(seat.holds), shot is None or seat.shot != shot, seat.since

    lead = min(free, key=worth)
    others = sorted(
        (seat for seat in free if seat is not lead),
        key=lambda seat: (seat.name not in lead.shares, bool(seat.holds), seat.since),
    )
    return (lead, *others[: count - 1])
