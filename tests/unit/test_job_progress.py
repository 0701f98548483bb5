# SPDX-License-Identifier: Apache-2.0
"""A job's progress as its worker tells it: the bar never runs backwards."""

from __future__ import annotations

from typing import Any

import pytest
from ex4d_blender.core.texts import STAGE_NAMES

from ex4d.protocol.jobs import JobSnapshot
from ex4d.server.progress import MAX_NOTE, MAX_NOTES, PARTS, STAGES, JobProgress


class Listener:
    """Keeps the job's state as clients see it."""

    def __init__(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # Every step is told.
        monkeypatch.setattr("ex4d.server.progress.REPORT_SECONDS", 0.0)
        self.snapshot = JobSnapshot("a", kind, state="running")
        self.seen: list[tuple[str, float]] = []
        self.progress = JobProgress(kind, self._changed, lambda: False)

    def _changed(self, values: dict[str, Any]) -> None:
        self.snapshot = self.snapshot.updated(values)
        self.seen.append((self.snapshot.stage, self.snapshot.fraction))

    def stage(self, name: str, count: int | None = None, *, is_ended: bool = True) -> None:
        self.progress.begin(name, count)
        for _ in range(count or 0):
            self.progress.advance()
        if is_ended:
            self.progress.end()

    def shares(self) -> list[float]:
        return [share for _, share in self.seen]


def test_each_stage_has_an_equal_share(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener("reconstruct", monkeypatch)
    for stage in STAGES["reconstruct"]:
        listener.stage(stage, 2)
    assert listener.shares() == pytest.approx(
        [(stage + step / 2) / 4 for stage in range(4) for step in range(3)], abs=1e-5
    )


def test_a_model_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are begun and ended by themselves; the stage, which nobody begins, is ended by the cache."""
    listener = Listener("generate", monkeypatch)
    listener.stage("raster", 4)
    for part in PARTS["fill"]:
        listener.stage(part, 4 if part in ("read", "denoise", "decode") else None)
    assert listener.snapshot.fraction == pytest.approx(2 / 3)
    listener.progress.end()
    listener.stage("composite", 4)
    shares = listener.shares()
    assert shares == sorted(shares)
    first = dict(reversed(listener.seen))
    assert first["read"] == pytest.approx(1 / 3)
    assert first["denoise"] == pytest.approx(1 / 3 + 0.2 / 3)
    assert first["composite"] == pytest.approx(2 / 3)
    assert shares[-1] == 1.0


def test_what_is_there_already_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener("generate", monkeypatch)
    listener.stage("raster")
    listener.stage("fill")
    listener.progress.begin("composite", 10)
    assert listener.snapshot.fraction == pytest.approx(2 / 3)


def test_nothing_sets_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener("generate", monkeypatch)
    listener.stage("raster", 3)
    listener.stage("denoise", 3)
    listener.stage("fill", 3)
    # More steps than were promised, stages and ends out of order, parts that nobody has heard of.
    listener.stage("raster", 3)
    listener.progress.end()
    listener.progress.end()
    listener.stage("polish", 3)
    listener.progress.begin("fill", 2)
    for _ in range(5):
        listener.progress.advance()
    shares = listener.shares()
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0


def test_every_stage_and_part_has_a_name_for_people() -> None:
    names = {stage for stages in STAGES.values() for stage in stages} | {
        part for parts in PARTS.values() for part in parts
    }
    assert names - set(STAGE_NAMES) <= {"free_memory"}


def test_the_parts_make_a_whole() -> None:
    for parts in PARTS.values():
        assert sum(parts.values()) == pytest.approx(1)


def test_notes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener("render", monkeypatch)
    for index in range(2 * MAX_NOTES):
        listener.progress.note(f"{index}: " + "x" * 5000)
    assert len(listener.snapshot.notes) == MAX_NOTES
    assert all(len(note) == MAX_NOTE for note in listener.snapshot.notes)
