# SPDX-License-Identifier: Apache-2.0
"""How long work reports where it is, whoever listens.

A job has one ``Progress``. Whoever runs a job says which stages it will have (``expect``), whoever runs a stage opens
and ends it (``stage``), and the work itself only advances. A stage may be divided into named parts, which the work
begins and ends inside it. From all this follows one share of the whole job, which only grows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    # The service's front process stays small.
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a job will have.

    Attributes:
        name: see ``Stage.name``.
        weight: its usual share of the job's time, above 0, in any unit that all stages of a plan share.
    """

    name: str
    weight: float = 1.0


@dataclass
class OpenStage:
    """A stage, or a part of one, that has begun and not ended.

    Attributes:
        name: as begun.
        of: how many steps it has, None where that is not known.
        weight: its share of what it is a part of: of the job's plan, or of the stage, 0..1.
        started: seconds of ``time.monotonic``.
        parts: shares of the parts that it will be divided into, by name; together 1.
        step: how many steps are done.
        found: how many of them were done before it began, by an earlier try.
        done: share of it that its ended parts were.
    """

    name: str
    of: int | None
    weight: float
    started: float
    parts: Mapping[str, float] = field(default_factory=dict)
    step: int = 0
    found: int = 0
    done: float = 0.0

    def eta(self, now: float) -> float | None:
        """Seconds until it ends, as its steps up to ``now`` (``time.monotonic``) tell; None where they do not: before
        the first, and after the last, for what a stage does then has no steps."""
        own = self.step - self.found
        if not self.of or own <= 0 or self.step >= self.of:
            return None
        return round((now - self.started) / own * (self.of - self.step), 1)


class Progress:
    """Where one job is. This one keeps count and tells nobody; those who listen override the methods that begin with
    ``on_``, ``note`` and ``thumbnail``. Any method may raise to stop the work."""

    def __init__(self) -> None:
        self._plan: tuple[PlannedStage, ...] = ()
        #: Index in the plan of the first stage that has not ended.
        self._place = 0
        self._open: list[OpenStage] = []
        self._share = 0.0
        self._is_whole = False

    # What whoever runs a job or a stage calls --------------------------------------------------------------------

    def expect(self, plan: Iterable[PlannedStage]) -> None:
        """The stages that the job will have, in order; one may come more than once. A stage that comes unplanned counts
        for nothing."""
        if not self._is_whole:
            self._plan, self._place, self._share = tuple(plan), 0, 0.0

    @contextmanager
    def whole(self, plan: Iterable[PlannedStage]) -> Iterator[None]:
        """Several jobs for the block, which are one to who listens: ``plan`` has the stages of all, and what each job
        expects is part of it."""
        self.expect(plan)
        self._is_whole = True
        try:
            yield
        finally:
            self._is_whole = False

    @contextmanager
    def stage(self, name: str, of: int | None = None, parts: Mapping[str, float] | None = None) -> Iterator[None]:
        """Open a stage for the block; it has ended when the block ends well.

        Args:
            name: of the stage.
            of: how many steps it has, None where that is not known.
            parts: where it is divided, usual shares of its time by the name of the part; together 1.
        """
        depth = len(self._open)
        self.begin(name, of)
        if parts and len(self._open) > depth:
            self._open[-1].parts = parts
        try:
            yield
        except BaseException:
            del self._open[depth:]
            raise
        del self._open[depth + 1 :]
        self.end()

    def begin(self, name: str, of: int | None, *, found: int = 0) -> None:
        """Begin a stage, or inside a stage one of its parts; as ``stage``, for work that is no block. ``found``: steps
        that an earlier try has done."""
        weight = self._open[-1].parts.get(name, 0.0) if self._open else self._planned(name)
        self._open.append(OpenStage(name, of, weight, time.monotonic(), step=found, found=found))
        self.on_begin(self._open[-1])

    def advance(self) -> None:
        """One step is done of the stage or part that was begun last."""
        if self._open:
            self._open[-1].step += 1
            self.on_step(self._open[-1])

    def end(self, *, cached: bool = False) -> None:
        """What was begun last is done; ``cached`` when its output was there already. Nothing where all has ended."""
        if not self._open:
            return
        ended = self._open.pop()
        if self._open:
            self._open[-1].done += ended.weight
        elif ended.weight:
            self._place += 1
        self.on_end(ended, cached=cached)

    def check(self) -> None:
        """Nothing has got on, but this is a place to stop at."""

    def note(self, text: str) -> None:
        """A sentence that the user should read: an assumption, a fallback, a label."""

    def thumbnail(self, picture: NDArray[np.uint8]) -> None:
        """A quick look (h, w, 3) RGB at what is being made; may be shown, or not."""

    # What whoever listens overrides or asks ----------------------------------------------------------------------

    def on_begin(self, stage: OpenStage) -> None:
        """A stage or a part has begun."""

    def on_step(self, stage: OpenStage) -> None:
        """A step of it is done."""

    def on_end(self, stage: OpenStage, *, cached: bool) -> None:
        """It has ended."""

    @property
    def plan(self) -> tuple[PlannedStage, ...]:
        """What ``expect`` was told."""
        return self._plan

    @property
    def place(self) -> int:
        """Index in the plan of the stage that is open or comes next; that of the last one when all have ended."""
        return max(0, min(self._place, len(self._plan) - 1))

    @property
    def share(self) -> float:
        """How much of the whole job is done, 0..1; never less than it was."""
        whole = sum(stage.weight for stage in self._plan)
        if whole:
            done = sum(stage.weight for stage in self._plan[: self._place])
            current = self._open[0].weight * self._inside(0) if self._open else 0.0
            self._share = max(self._share, min((done + current) / whole, 1.0))
        return self._share

    def _planned(self, name: str) -> float:
        """The weight of the next stage of that name; those before it are passed over. What is begun once more, or was
        not planned, has none."""
        for index in range(self._place, len(self._plan)):
            if self._plan[index].name == name:
                self._place = index
                return self._plan[index].weight
        return 0.0

    def _inside(self, level: int) -> float:
        """How much is done of what is open at this level, 0..1."""
        stage = self._open[level]
        steps = stage.step / stage.of if stage.of else 0.0
        if level + 1 < len(self._open):
            steps = max(steps, stage.done + self._open[level + 1].weight * self._inside(level + 1))
        return min(max(steps, stage.done), 1.0)


class Silent(Progress):
    """A ``Progress`` that nobody listens to."""


def steps(progress: Progress, items: Iterable[T]) -> Iterator[T]:
    """Iterate and report a step after each item."""
    for item in items:
        yield item
        progress.advance()
