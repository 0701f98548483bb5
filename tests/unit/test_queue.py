# SPDX-License-Identifier: Apache-2.0
"""The job queue alone: order, states, the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ex4d.files import atomic_path
from ex4d.protocol.errors import TransientError
from ex4d.protocol.jobs import DoctorParams, GenerateParams, JobSnapshot, PlateParams, ReconstructParams, RenderParams
from ex4d.server import queue as queue_module
from ex4d.server.journal import Journal
from ex4d.server.queue import DOCTOR_LANE, WORK_LANE, JobQueue

SLOW = GenerateParams("/shot", camera="orbit:30")
QUICK = RenderParams("/shot", camera="orbit:30", preview=True)


class Bench:
    """A queue and all that it has told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[JobSnapshot] = []
        self.queue = JobQueue(Journal(folder), self.told.append)
        self.folder = folder

    def submit(self, job: str, params: Any = SLOW, blobs: tuple[bytes, ...] = ()) -> JobSnapshot:
        kind = {GenerateParams: "generate", RenderParams: "render", DoctorParams: "doctor"}[type(params)]
        return self.queue.submit(job, kind, params, blobs, "")

    def state(self, job: str) -> str:
        snapshot = self.queue.get(job)
        assert snapshot is not None
        return snapshot.state

    def restarted(self) -> Bench:
        bench = Bench(self.folder)
        bench.queue.restore()
        return bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "jobs")


def test_first_come_first_served_but_previews_overtake(bench: Bench) -> None:
    for job in "abc":
        bench.submit(job)
    bench.submit("p", QUICK)
    order = []
    while entry := bench.queue.next(WORK_LANE):
        order.append(entry.snapshot.id)
        bench.queue.done(entry.snapshot.id, {})
    assert order == ["p", "a", "b", "c"]
    assert bench.queue.is_idle


def test_a_preview_waits_for_its_own_shot(bench: Bench) -> None:
    bench.submit("other")
    bench.queue.submit("shot", "reconstruct", ReconstructParams("/shot", PlateParams("/plate.mp4")), (), "")
    bench.submit("p", QUICK)
    order = []
    while entry := bench.queue.next(WORK_LANE):
        order.append(entry.snapshot.id)
        bench.queue.done(entry.snapshot.id, {})
    assert order == ["other", "shot", "p"]


def test_the_doctor_has_its_own_lane(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("d", DoctorParams())
    first = bench.queue.next(DOCTOR_LANE)
    assert first is not None
    assert first.snapshot.id == "d"
    assert bench.queue.next(DOCTOR_LANE) is None


def test_the_same_id_is_the_same_job(bench: Bench) -> None:
    bench.submit("a", blobs=(b"one",))
    bench.submit("a", QUICK)
    assert len(bench.queue.all()) == 1
    entry = bench.queue.next(WORK_LANE)
    assert entry is not None
    assert entry.blobs == (b"one",)
    assert entry.params == SLOW


def test_cancel_waiting_running_and_unknown(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("b")
    bench.queue.next(WORK_LANE)
    bench.queue.cancel("b")
    bench.queue.cancel("a")
    assert (bench.state("a"), bench.state("b")) == ("cancelling", "cancelled")
    assert bench.queue.cancel("nobody") is None
    bench.queue.failed("a", {"kind": "cancelled", "exit_code": 130, "message": "Cancelled.", "hint": "."})
    assert bench.state("a") == "cancelled"
    bench.queue.done("a", {"late": True})
    assert bench.state("a") == "cancelled"


def test_a_job_outlives_one_death_of_its_worker(bench: Bench) -> None:
    bench.submit("a", blobs=(b"x",))
    bench.queue.next(WORK_LANE)
    bench.queue.worker_died("a", "signal SIGKILL")
    assert bench.state("a") == "queued"
    again = bench.queue.next(WORK_LANE)
    assert again is not None
    assert again.blobs == (b"x",)
    assert "SIGKILL" in again.snapshot.notes[0]
    bench.queue.worker_died("a", "signal SIGKILL")
    snapshot = bench.queue.get("a")
    assert snapshot is not None
    assert snapshot.error is not None
    assert snapshot.state == "failed"
    assert snapshot.error["exit_code"] == 20
    assert snapshot.error["hint"]


def test_a_worker_that_dies_while_cancelling_has_cancelled(bench: Bench) -> None:
    bench.submit("a")
    bench.queue.next(WORK_LANE)
    bench.queue.cancel("a")
    bench.queue.worker_died("a", "signal SIGKILL")
    assert bench.state("a") == "cancelled"


def test_after_a_crash_unfinished_jobs_wait_again(bench: Bench) -> None:
    for job in ("done", "running", "cancelling", "waiting"):
        bench.submit(job, blobs=(job.encode(),))
    for _ in range(3):
        bench.queue.next(WORK_LANE)
    bench.queue.done("done", {"take": "v001"})
    bench.queue.cancel("cancelling")
    again = bench.restarted()
    states = {snapshot.id: snapshot.state for snapshot in again.queue.all()}
    assert states == {"done": "done", "running": "queued", "cancelling": "cancelled", "waiting": "queued"}
    done = again.queue.get("done")
    assert done is not None
    assert done.result == {"take": "v001"}
    entry = again.queue.next(WORK_LANE)
    assert entry is not None
    assert (entry.snapshot.id, entry.blobs) == ("running", (b"running",))


def test_after_an_orderly_stop_nothing_starts_again(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("b")
    bench.queue.next(WORK_LANE)
    bench.queue.stop()
    assert [snapshot.state for snapshot in bench.restarted().queue.all()] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"job": {"id": "a", "kind": "generate"}}', "\0\0"])
def test_a_damaged_journal_entry_is_left_out(bench: Bench, damage: str) -> None:
    bench.submit("a")
    bench.submit("b")
    (bench.folder / "a.json").write_text(damage, encoding="utf-8")
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["b"]


def test_a_job_whose_file_is_gone_fails_and_the_next_one_runs(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("b")
    (bench.folder / "a.json").unlink()
    entry = bench.queue.next(WORK_LANE)
    assert entry is not None
    assert entry.snapshot.id == "b"
    assert bench.state("a") == "failed"


def test_a_full_queue_refuses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_WAITING", 3)
    for job in "abc":
        bench.submit(job)
    with pytest.raises(TransientError):
        bench.submit("d")
    assert len(bench.queue.all()) == 3


def test_ended_jobs_are_forgotten_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_ENDED", 2)
    for job in "abcd":
        bench.submit(job)
        bench.queue.next(WORK_LANE)
        bench.queue.done(job, {})
    assert [snapshot.id for snapshot in bench.queue.all()] == ["c", "d"]
    assert sorted(path.stem for path in bench.folder.glob("*.json")) == ["c", "d"]


def test_a_job_that_cannot_be_written_down_is_not_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> Any:
        raise TransientError("The disk is full.", "Free some space.")

    monkeypatch.setattr("ex4d.server.journal.atomic_path", full)
    with pytest.raises(TransientError):
        bench.submit("a")
    assert bench.queue.all() == []
    monkeypatch.setattr("ex4d.server.journal.atomic_path", atomic_path)
    bench.submit("a")
    monkeypatch.setattr("ex4d.server.journal.atomic_path", full)
    # What runs already goes on.
    assert bench.queue.next(WORK_LANE) is not None
    bench.queue.done("a", {"fine": True})
    assert bench.state("a") == "done"


def test_progress_tells_only_what_it_may(bench: Bench) -> None:
    bench.submit("a")
    bench.queue.next(WORK_LANE)
    bench.queue.progress("a", {"stage": "fill", "step": 3, "of": 9, "state": "done", "id": "b", "notes": ["x"]})
    snapshot = bench.queue.get("a")
    assert snapshot is not None
    assert (snapshot.state, snapshot.stage, snapshot.step, snapshot.notes) == ("running", "fill", 3, ("x",))
    assert bench.told[-1] == snapshot
