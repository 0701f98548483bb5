# SPDX-License-Identifier: Apache-2.0
"""What a stage is: a function from inputs to files, done in one piece or in parts.

A stage says what decides its output (``inputs``), how many steps it has and how it does them. Where its output goes,
when it is sealed and what is told of its progress is the runner's (``ex4d.stages.cache``): the work only advances.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ex4d.system.progress import PlannedStage, Progress

#: Frames of a part: where work is killed at most so many are done again. Sealing a part costs a small file, which of
#: so many small frames is less than a hundredth.
PART_FRAMES = 32


def content_key(document: Mapping[str, Any]) -> str:
    """Hash of a JSON-able document, 16 hex digits; the order of its keys does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class StageIdentity:
    """What decides a stage's output.

    Attributes:
        inputs: see ``Stage.inputs``.
        key: hash of name, version and inputs.
    """

    inputs: dict[str, Any]
    key: str


class Stage(ABC):
    """One step of the work.

    ``version`` is raised whenever the same inputs give other files. ``weight`` is its usual share of a job's time,
    against the other stages'.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    weight: ClassVar[float] = 1.0
    #: What its progress is told as; its name where it says nothing else.
    progress_name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__ and "progress_name" not in cls.__dict__:
            cls.progress_name = cls.name

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """Everything that changes the output, JSON-able; keys of former stages stand for their outputs, and what the
        machine decides (precision, device) is part of it where it changes pixels."""

    def steps(self) -> int | None:
        """How often ``run`` advances; None where only the work tells. Asked only when there is something to do."""
        return None

    @property
    def progress_parts(self) -> Mapping[str, float]:
        """Where the work begins and ends named parts inside the stage: usual shares of its time, together 1."""
        return {}

    @abstractmethod
    def run(self, out: Path, progress: Progress) -> Iterable[str]:
        """Write the output into the empty folder ``out``; returns the names of all files of it, below ``out`` with
        forward slashes."""

    @cached_property
    def identity(self) -> StageIdentity:
        """Inputs and key, found out once: inputs may be the hashes of many files."""
        inputs = self.inputs()
        return StageIdentity(inputs, content_key({"stage": self.name, "version": self.version, "inputs": inputs}))

    def key(self) -> str:
        """Hash of name, version and inputs."""
        return self.identity.key


def planned(*stages: type[Stage]) -> tuple[PlannedStage, ...]:
    """A job's plan that has these stages."""
    return tuple(PlannedStage(stage.progress_name, stage.weight) for stage in stages)


@dataclass(frozen=True, order=True)
class Part:
    """A range of a stage's frames, by index, half-open."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """As its seal is named."""
        return f"{self.start:06d}-{self.stop:06d}"

    def __len__(self) -> int:
        return self.stop - self.start


def parts_of(count: int | None) -> Iterable[Part]:
    """``count`` frames in parts of ``PART_FRAMES``, a tuple; the last one takes along what is left, where that is less
    than half a part. Parts without end where the count is None."""
    if count is None:
        return (Part(start, start + PART_FRAMES) for start in itertools.count(0, PART_FRAMES))
    whole = max(1, (count + PART_FRAMES // 2) // PART_FRAMES)
    starts = [index * PART_FRAMES for index in range(whole)]
    return tuple(Part(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True))


@dataclass(frozen=True)
class PartOutput:
    """What doing a part has given.

    Attributes:
        part: which.
        names: its files, below the stage's folder with forward slashes; no other part writes them.
        record: what ``PartedWork.finish`` wants to know of it, JSON-able.
    """

    part: Part
    names: tuple[str, ...]
    record: Mapping[str, Any] = field(default_factory=dict)


class PartedWork(ABC):
    """Work that is done in parts, each of which is sealed and kept when the next one is killed."""

    @abstractmethod
    def parts(self) -> Iterable[Part]:
        """All parts in order. A sequence; or an endless iterable where only the work tells how many there are: the last
        one then comes out shorter than it was asked for."""

    def means(self) -> dict[str, Any]:
        """What this machine does the work with, JSON-able, where that could change pixels and is not among the inputs:
        parts that were made by other means are not gone on from. Asked only when there is something to do."""
        return {}

    @abstractmethod
    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """Do the parts that are asked for, in order, and give each when its files are written. In ``out`` may lie what
        other parts have written, whole."""

    @abstractmethod
    def finish(self, out: Path, done: Sequence[PartOutput]) -> Iterable[str]:
        """Write what is of all parts, which are done; returns the names of these files."""

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Free what ``means`` and ``run_parts`` hold; called once, however they ended."""


class PartedStage(Stage, PartedWork):
    """A stage that is done in parts."""

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``: all parts at a time."""
        try:
            done = list(self.run_parts(out, self.parts(), progress))
            return [*(name for output in done for name in output.names), *self.finish(out, done)]
        finally:
            self.close()
