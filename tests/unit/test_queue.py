# SPDX-License-Identifier: Apache-2.0
"""The job queue alone: order, states, the journal."""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ex4d.protocol import wire
from ex4d.protocol.errors import CancelledError, TransientError, UsageError
from ex4d.protocol.jobs import (
    JobSnapshot,
    job_message,
)
from ex4d.protocol.requests import (
    CheckRequest,
    CleanRequest,
    ColourSpacesRequest,
    DepthRequest,
    DoctorRequest,
    FillRequest,
    GenerateRequest,
    MeshRequest,
    ModelsRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
    SolvedCamera,
    TrajectoryCamera,
    job_name,
)
from ex4d.protocol.results import GenerateResult, result_record
from ex4d.server import queue as queue_module
from ex4d.server.demands import DOCTOR_LANE, WORK_LANE
from ex4d.server.journal import Entry, Journal
from ex4d.server.queue import MAX_OVERTAKING, RETURNS, JobQueue
from ex4d.system.files import atomic_path

SLOW = GenerateRequest("/shot", MoveCamera("orbit:30"))
QUICK = PreviewRequest("/shot", MoveCamera("orbit:30"))
RESULT = GenerateResult(
    "v001",
    "/v001",
    (1,),
    "24",
    "/r",
    "/r.mp4",
    "preview",
    "fill",
    0.1,
    0.2,
    "/c",
    "/m",
    (0.9,),
    (4, 3),
    "embree",
    "CPU",
)
RECONSTRUCT = ReconstructRequest("/shot", PlateRequest("/plate.mp4"))


class Bench:
    """A queue and all that it has told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[JobSnapshot] = []
        self.queue = JobQueue(Journal(folder), self.told.append)
        self.folder = folder

    def submit(self, job: str, request: Any = SLOW, blobs: tuple[bytes, ...] = (), client: str = "one") -> JobSnapshot:
        # More blobs than one are those of a solved camera.
        if len(blobs) == 1:
            request = replace(request, camera=TrajectoryCamera(b""))
        elif blobs:
            request = replace(RECONSTRUCT, solved=SolvedCamera(b"", b""))
        return self.queue.submit(job, request, blobs, "", client)

    def path(self, job: str) -> Path:
        return self.queue.journal.path(job)

    def order(self, limit: int = 1000) -> list[str]:
        """Do all waiting jobs; returns their ids."""
        done = []
        while len(done) < limit and (task := self.queue.next(WORK_LANE)) is not None:
            done.append(task.snapshot.id)
            self.queue.done(task.snapshot.id, RESULT)
        return done

    def state(self, job: str) -> str:
        snapshot = self.queue.get(job)
        assert snapshot is not None
        return snapshot.state

    def restarted(self) -> Bench:
        bench = Bench(self.folder)
        bench.queue.restore()
        return bench


def full(path: Path) -> Any:
    raise TransientError("The disk is full.", "Free some space.")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "jobs")


def test_first_come_first_served_but_previews_overtake(bench: Bench) -> None:
    for job in "abc":
        bench.submit(job)
    bench.submit("p", QUICK)
    assert bench.order() == ["p", "a", "b", "c"]
    assert bench.queue.is_idle


def test_a_preview_waits_for_its_own_shot(bench: Bench) -> None:
    bench.submit("other")
    bench.submit("shot", RECONSTRUCT)
    bench.submit("p", QUICK)
    assert bench.order() == ["other", "shot", "p"]


def test_clients_take_turns(bench: Bench) -> None:
    for index in range(4):
        bench.submit(f"a{index}", client="A")
    for index in range(2):
        bench.submit(f"b{index}", client="B")
    bench.submit("c0", client="C")
    assert bench.order() == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_who_asks_now_and_then_does_not_wait_for_who_has_asked_for_much(bench: Bench) -> None:
    for index in range(60):
        bench.submit(f"a{index}", client="A")
    order = []
    for index in range(5):
        bench.submit(f"b{index}", client="B")
        order += bench.order(2)
    assert [order.index(f"b{index}") for index in range(5)] == pytest.approx([1, 3, 5, 7, 9], abs=1)


def test_previews_starve_nobody(bench: Bench) -> None:
    """A keeps four previews waiting, without end."""
    bench.submit("render", client="B")
    bench.submit("second", client="B")
    asked, order = 0, []
    for _ in range(2 * (MAX_OVERTAKING + 1)):
        while asked < len(order) + 4:
            bench.submit(f"p{asked}", QUICK, client="A")
            asked += 1
        order += bench.order(1)
    assert order.index("render") == MAX_OVERTAKING
    assert order.index("second") == 2 * MAX_OVERTAKING + 1


def test_ever_new_clients_starve_nobody(bench: Bench) -> None:
    """A script connects anew for each of its jobs, so that each is of a client that has had no turn yet."""
    for index in range(3):
        bench.submit(f"b{index}", client="B")
    order = []
    for index in range(40):
        bench.submit(f"new{index}", client=f"new{index}")
        bench.submit(f"too{index}", client=f"too{index}")
        order += bench.order(1)
    places = [order.index(f"b{index}") for index in range(3)]
    assert places[0] == 0
    assert places[1] <= MAX_OVERTAKING + 1
    assert places[2] <= 2 * (MAX_OVERTAKING + 1)


def test_previews_of_two_clients_take_turns(bench: Bench) -> None:
    for index in range(3):
        bench.submit(f"a{index}", QUICK, client="A")
    bench.submit("b", QUICK, client="B")
    assert bench.order() == ["a0", "b", "a1", "a2"]


def test_a_newer_preview_of_a_take_replaces_the_one_that_waits(bench: Bench) -> None:
    of_one, of_two = replace(QUICK, take="one"), replace(QUICK, take="two")
    bench.submit("running", of_one)
    assert bench.queue.next(WORK_LANE) is not None
    bench.submit("old", of_one)
    bench.submit("other take", of_two)
    bench.submit("other shot", replace(of_one, shot="/other"))
    bench.submit("other client", of_one, client="two")
    bench.submit("unnamed", QUICK)
    bench.submit("unnamed too", QUICK)
    bench.submit("full size", RenderRequest("/shot", MoveCamera("orbit:30")))
    bench.submit("new", of_one)
    old = bench.queue.get("old")
    assert old is not None
    assert old.state == "cancelled"
    assert old.notes == ("It was replaced by a newer preview of the same take.",)
    waiting = {snapshot.id for snapshot in bench.queue.all() if snapshot.state == "queued"}
    assert waiting == {"other take", "other shot", "other client", "unnamed", "unnamed too", "full size", "new"}
    assert bench.state("running") == "running"


def test_the_order_of_a_shots_jobs_is_kept_between_clients(bench: Bench) -> None:
    bench.submit("first", RECONSTRUCT, client="A")
    bench.submit("a", client="A")
    bench.submit("b", client="B")
    bench.submit("again", RECONSTRUCT, client="C")
    bench.submit("c", replace(SLOW, shot="/shot/"), client="D")
    bench.submit("elsewhere", replace(SLOW, shot="/other"), client="E")
    order = bench.order()
    assert order[0] == "first"
    assert {order.index("a"), order.index("b")} < set(range(order.index("again")))
    assert order.index("again") < order.index("c")
    assert order.index("elsewhere") <= 2


def test_the_doctor_has_its_own_lane(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("d", DoctorRequest())
    first = bench.queue.next(DOCTOR_LANE)
    assert first is not None
    assert first.snapshot.id == "d"
    assert bench.queue.next(DOCTOR_LANE) is None


@pytest.mark.parametrize("look", [ModelsRequest(), ColourSpacesRequest(), CheckRequest("/shot"), CleanRequest("/shot")])
def test_a_look_does_not_wait_for_a_job_of_its_shot(bench: Bench, look: Request) -> None:
    bench.submit("job", RECONSTRUCT)
    assert bench.queue.next(WORK_LANE) is not None
    bench.submit("look", look)
    begun = bench.queue.next(DOCTOR_LANE)
    assert begun is not None
    assert begun.snapshot.id == "look"


def test_cleaning_waits_for_the_jobs_of_its_shot(bench: Bench) -> None:
    bench.submit("job")
    assert bench.queue.next(WORK_LANE) is not None
    bench.submit("clean", CleanRequest("/shot", remove=True))
    assert bench.queue.next(WORK_LANE) is None
    assert bench.queue.next(DOCTOR_LANE) is None


def test_the_same_id_is_the_same_job(bench: Bench) -> None:
    bench.submit("a", blobs=(b"one",))
    bench.submit("a", QUICK)
    assert len(bench.queue.all()) == 1
    entry = bench.queue.next(WORK_LANE)
    assert entry is not None
    assert entry.blobs == (b"one",)
    assert entry.request == replace(SLOW, camera=TrajectoryCamera(b""))


def test_cancel_waiting_running_and_unknown(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("b")
    bench.queue.next(WORK_LANE)
    bench.queue.cancel("b")
    bench.queue.cancel("a")
    assert (bench.state("a"), bench.state("b")) == ("cancelling", "cancelled")
    assert bench.queue.cancel("nobody") is None
    bench.queue.failed("a", CancelledError())
    assert bench.state("a") == "cancelled"
    bench.queue.done("a", RESULT)
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
    assert snapshot.error.exit_code == 20
    assert snapshot.error.hint


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
    bench.queue.done("done", RESULT)
    bench.queue.cancel("cancelling")
    again = bench.restarted()
    states = {snapshot.id: snapshot.state for snapshot in again.queue.all()}
    assert states == {"done": "done", "running": "queued", "cancelling": "cancelled", "waiting": "queued"}
    done = again.queue.get("done")
    assert done is not None
    assert done.result == RESULT
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
    path = bench.path("a")
    path.write_text(damage, encoding="utf-8")
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["b"]
    # It is kept, out of the way.
    assert path.with_name(path.name + ".damaged").read_text(encoding="utf-8") == damage
    assert not path.exists()


def test_a_job_whose_blobs_nobody_has_fails_and_the_next_one_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "MAX_KEPT_BYTES", 4)
    bench.submit("a", blobs=(b"large",))
    bench.submit("b")
    shutil.rmtree(bench.folder)
    entry = bench.queue.next(WORK_LANE)
    assert entry is not None
    assert entry.snapshot.id == "b"
    failed = bench.queue.get("a")
    assert failed is not None
    assert failed.error is not None
    assert (failed.state, failed.error.exit_code) == ("failed", 30)


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
        bench.queue.done(job, RESULT)
    assert [snapshot.id for snapshot in bench.queue.all()] == ["c", "d"]
    assert set(bench.folder.iterdir()) == {bench.path("c"), bench.path("d")}


def test_a_job_that_cannot_be_written_down_is_not_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ex4d.server.journal.atomic_path", full)
    with pytest.raises(TransientError):
        bench.submit("a")
    assert bench.queue.all() == []
    monkeypatch.setattr("ex4d.server.journal.atomic_path", atomic_path)
    bench.submit("a")
    monkeypatch.setattr("ex4d.server.journal.atomic_path", full)
    # What runs already goes on.
    assert bench.queue.next(WORK_LANE) is not None
    bench.queue.done("a", RESULT)
    assert bench.state("a") == "done"


def test_progress_tells_only_what_it_may(bench: Bench) -> None:
    bench.submit("a")
    bench.queue.next(WORK_LANE)
    bench.queue.progress("a", {"stage": "fill", "step": 3, "of": 9, "state": "done", "id": "b", "notes": ["x"]})
    snapshot = bench.queue.get("a")
    assert snapshot is not None
    assert (snapshot.state, snapshot.stage, snapshot.step, snapshot.notes) == ("running", "fill", 3, ("x",))
    assert bench.told[-1] == snapshot


@pytest.mark.parametrize("values", [{"step": "3"}, {"notes": "x"}, {"eta": float("nan")}, {"stage": None}])
def test_progress_that_is_none_is_refused(bench: Bench, values: dict[str, Any]) -> None:
    bench.submit("a")
    bench.queue.next(WORK_LANE)
    before = bench.queue.get("a")
    with pytest.raises(UsageError):
        bench.queue.progress("a", values)
    assert bench.queue.get("a") == before


def test_a_job_that_was_not_begun_outlives_more_deaths(bench: Bench) -> None:
    bench.submit("a")
    for _ in range(RETURNS):
        bench.queue.next(WORK_LANE)
        bench.queue.worker_died("a", "signal SIGKILL", begun=False)
        assert bench.state("a") == "queued"
    # It still has its one death in the work itself.
    bench.queue.next(WORK_LANE)
    bench.queue.worker_died("a", "signal SIGKILL")
    assert bench.state("a") == "queued"
    bench.queue.next(WORK_LANE)
    bench.queue.worker_died("a", "signal SIGKILL", begun=False)
    assert bench.state("a") == "failed"


def test_the_last_one_to_end_is_not_the_first_one_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film that was asked for before a great many previews has yet to be heard of when it ends."""
    monkeypatch.setattr(queue_module, "MAX_ENDED", 2)
    bench.submit("film")
    bench.queue.next(WORK_LANE)
    for job in "abc":
        bench.submit(job)
        bench.queue.cancel(job)
    bench.queue.done("film", RESULT)
    assert bench.state("film") == "done"
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["film", "c"]


def test_long_results_are_kept_within_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_ENDED_BYTES", 30_000)
    for job in "abcd":
        bench.submit(job)
        bench.queue.next(WORK_LANE)
        bench.queue.done(job, replace(RESULT, label="x" * 12_000))
    assert [snapshot.id for snapshot in bench.queue.all()] == ["c", "d"]


# The journal


def test_the_order_is_not_the_clocks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is set back an hour between two jobs, and the backend is killed."""
    now = time.time()
    monkeypatch.setattr("ex4d.server.queue.time.time", lambda: now)
    bench.submit("shot", RECONSTRUCT)
    monkeypatch.setattr("ex4d.server.queue.time.time", lambda: now - 3600)
    for index in range(12):
        bench.submit(f"take{index}")
    again = bench.restarted()
    again.submit("last")
    expected = ["shot", *(f"take{index}" for index in range(12)), "last"]
    last = again.restarted()
    assert [snapshot.id for snapshot in last.queue.all()] == expected
    assert last.order() == expected


def _former(folder: Path, job: str, **changes: Any) -> Path:
    """A record as 0f2baa4 wrote them."""
    snapshot = {"id": job, "kind": "generate", "state": "queued", "created": 1.0, "title": "Wide", "notes": []}
    record = {
        "job": {**snapshot, **changes},
        "params": {"shot": "/shot", "camera": None, "profile": "preview"},
        "blobs": [base64.b64encode(b"camera of " + job.encode()).decode()],
    }
    path = folder / f"{job}.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "params", "blobs", "request_now"),
    [
        (
            "reconstruct",
            {
                "shot": "/shot",
                "plate": {"path": "/p.mp4", "frames": "1001-1004", "fps": None, "first_frame": 1001},
                "depth": {"source": "auto", "kind": None, "scale": None, "camera": None, "fov": 50.0},
                "mesh": {"min_angle": None, "max_depth_ratio": 1.2, "max_grid_side": None, "thickness": None},
                "viewport_side": 128,
            },
            2,
            ReconstructRequest(
                "/shot",
                PlateRequest("/p.mp4", "1001-1004"),
                DepthRequest(fov=50.0),
                MeshRequest(max_depth_ratio=1.2),
                SolvedCamera(b"", b""),
                128,
            ),
        ),
        (
            "render",
            {
                "shot": "/shot",
                "camera": "orbit:3",
                "size": [64, 48],
                "frames": None,
                "raster": "auto",
                "preview": False,
            },
            0,
            RenderRequest("/shot", MoveCamera("orbit:3"), (64, 48)),
        ),
        (
            "render",
            {"shot": "/shot", "camera": None, "frames": "1001", "raster": "embree", "preview": True, "take": "t"},
            1,
            PreviewRequest("/shot", TrajectoryCamera(b""), None, "1001", "embree", "t"),
        ),
        (
            "generate",
            {"shot": "/shot", "camera": None, "profile": "fast", "seed": 3, "prompt": None, "title": "Wide"},
            1,
            GenerateRequest("/shot", TrajectoryCamera(b""), fill=FillRequest("fast", {"seed": 3}), title="Wide"),
        ),
        ("doctor", {}, 0, DoctorRequest()),
    ],
)
def test_a_job_of_the_former_protocol_still_waits(
    bench: Bench, kind: str, params: dict[str, Any], blobs: int, request_now: Request
) -> None:
    record = {
        "job": {"id": "a", "kind": kind, "state": "queued", "created": 1.0, "title": "", "notes": [], "look": ""},
        "params": params,
        "blob_count": blobs,
        "order": 1,
        "client": "one",
    }
    path = bench.path("a")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    for index in range(blobs):
        path.with_name(f"{path.stem}.{index}.blob").write_bytes(b"blob %d" % index)
    task = bench.restarted().queue.next(DOCTOR_LANE if kind == "doctor" else WORK_LANE)
    assert task is not None
    assert task.request == request_now
    assert task.snapshot.kind == job_name(request_now)
    assert task.blobs == tuple(b"blob %d" % index for index in range(blobs))


def test_a_former_job_with_a_camera_file_is_set_aside(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    path = _former(bench.folder, "a")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["params"]["camera"], record["blobs"] = "/cam.json", []
    path.write_text(json.dumps(record), encoding="utf-8")
    assert bench.restarted().queue.all() == []
    assert "camera is a file" in caplog.text
    assert path.with_name(path.name + ".damaged").exists()


def test_records_of_former_versions_are_read_and_written_anew(bench: Bench) -> None:
    _former(bench.folder, "b", created=20.0)
    _former(bench.folder, "a", created=10.0, state="running", started=11.0)
    _former(bench.folder, "c", created=5.0, state="done", result=result_record(RESULT), finished=6.0)
    again = bench.restarted()
    again.submit("new", blobs=(b"its own",), client="")
    for journal in (again, again.restarted()):
        names = {path.name for path in bench.folder.glob("*.json")}
        assert names == {journal.path(job).name for job in ("a", "b", "c", "new")}
    last = again.restarted()
    done = last.queue.get("c")
    assert done is not None
    assert done.result == RESULT
    for job in ("a", "b"):
        task = last.queue.next(WORK_LANE)
        assert task is not None
        assert (task.snapshot.id, task.blobs) == (job, (b"camera of " + job.encode(),))
        last.queue.done(job, RESULT)


def test_records_of_former_versions_on_a_full_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _former(bench.folder, "a")
    monkeypatch.setattr("ex4d.server.journal.atomic_path", full)
    again = bench.restarted()
    assert path.exists()
    monkeypatch.setattr("ex4d.server.journal.atomic_path", atomic_path)
    task = again.queue.next(WORK_LANE)
    assert task is not None
    assert task.blobs == (b"camera of a",)
    again.queue.done("a", RESULT)
    assert not path.exists()
    assert [snapshot.state for snapshot in again.restarted().queue.all()] == ["done"]


@pytest.mark.parametrize(
    "changes",
    [
        {"created": "x"},
        {"created": None},
        {"created": math.nan},
        {"eta": math.inf},
        {"finished": math.nan},
        {"state": "done", "result": {**result_record(RESULT), "coverage": [math.nan]}},
        {"state": "done", "result": {"take": "v001"}},
        {"state": "dancing"},
        {"notes": [3]},
        {"id": "../x"},
        {"error": []},
        {"step": 1 << 70},
    ],
)
@pytest.mark.parametrize("is_former", [True, False])
def test_a_hostile_record_stops_nothing(bench: Bench, changes: dict[str, Any], is_former: bool) -> None:
    bench.submit("good")
    if is_former:
        path = _former(bench.folder, "bad", **changes)
    else:
        bench.submit("bad")
        path = bench.path("bad")
        record = json.loads(path.read_text(encoding="utf-8"))
        record["job"].update(changes)
        path.write_text(json.dumps(record), encoding="utf-8")
    again = bench.restarted()
    assert [snapshot.id for snapshot in again.queue.all()] == ["good"]
    for snapshot in again.queue.all():
        wire.encode(job_message(snapshot))
    assert path.with_name(path.name + ".damaged").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_things_in_the_journal_that_are_no_files(bench: Bench) -> None:
    bench.submit("a")
    os.mkfifo(bench.folder / "pipe.json")
    (bench.folder / "folder.json").mkdir()
    (bench.folder / "zero.json").symlink_to("/dev/zero")
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["a"]
    assert [path.name for path in bench.folder.glob("*.json")] == [bench.path("a").name]


def test_deep_json_in_the_journal(bench: Bench) -> None:
    bench.submit("a")
    for text in ("[" * 100_000, '{"job":' * 900 + "1" + "}" * 900):
        bench.path("a").write_text(text, encoding="utf-8")
        assert bench.restarted().queue.all() == []


def test_names_that_file_systems_take_for_one(bench: Bench) -> None:
    for job in ("A", "a", "CON", "nul"):
        bench.submit(job, blobs=(job.encode(),))
    names = [path.name for path in bench.folder.glob("*.json")]
    assert len({name.lower() for name in names}) == 4
    assert not any(name.lower().startswith(("con.", "nul.")) for name in names)
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["A", "a", "CON", "nul"]


def test_the_folder_of_jobs_is_taken_away(bench: Bench) -> None:
    """A cleaner of temporary folders comes by while very many jobs wait."""
    for index in range(300):
        bench.submit(f"j{index}", blobs=(b"%d" % index,))
    shutil.rmtree(bench.folder)
    task = bench.queue.next(WORK_LANE)
    assert task is not None
    assert (task.snapshot.id, task.blobs) == ("j0", (b"0",))
    bench.queue.mend_journal()
    again = bench.restarted()
    assert len(again.queue.all()) == 300
    shutil.rmtree(bench.folder)
    task = again.queue.next(WORK_LANE)
    assert task is not None
    assert task.blobs == (b"0",)
    again.submit("one more")
    assert again.path("one more").is_file()


def test_a_waiting_job_that_cannot_be_written_anew_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_KEPT_BYTES", 0)
    bench.submit("a", blobs=(b"camera",))
    shutil.rmtree(bench.folder)
    bench.queue.mend_journal()
    assert bench.state("a") == "failed"


def test_blobs_go_with_the_end_and_leave_no_orphans(bench: Bench) -> None:
    bench.submit("a", blobs=(b"one", b"two"))
    assert len(list(bench.folder.glob("*.blob"))) == 2
    bench.queue.next(WORK_LANE)
    bench.queue.done("a", RESULT)
    assert list(bench.folder.glob("*.blob")) == []
    (bench.folder / "0123.0.blob").write_bytes(b"of nobody")
    bench.restarted()
    assert list(bench.folder.glob("*.blob")) == []


def test_blobs_that_wait_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_WAITING_BYTES", 10)
    bench.submit("a", blobs=(b"123456",))
    with pytest.raises(TransientError):
        bench.submit("b", blobs=(b"123456",))
    assert [snapshot.id for snapshot in bench.restarted().queue.all()] == ["a"]


def test_who_waits_for_a_worker_is_told_why(bench: Bench) -> None:
    bench.submit("a")
    bench.submit("d", DoctorRequest())
    for _ in range(2):
        bench.queue.note_waiting(WORK_LANE, "It is started again.")
    snapshot, doctor = bench.queue.get("a"), bench.queue.get("d")
    assert snapshot is not None
    assert doctor is not None
    assert (snapshot.state, snapshot.notes, doctor.notes) == ("queued", ("It is started again.",), ())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_record_that_another_user_has_put_there_or_linked_is_no_job(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs")
    for name in ("theirs", "linked", "ours"):
        journal.write(Entry(JobSnapshot(name, "doctor"), DoctorRequest()))
    os.chown(journal.path("theirs"), 12345, 12345)
    moved = journal.path("linked").rename(tmp_path / "elsewhere.json")
    journal.path("linked").symlink_to(moved)
    assert [entry.snapshot.id for entry, _ in journal.entries()] == ["ours"]
