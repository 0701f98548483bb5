# SPDX-License-Identifier: Apache-2.0
"""Several workers: who gets which job, who lends its GPU, and what the others do when one dies. Puppets for workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ex4d_blender.core.client import JobClient
from stage_front import FrontThread

from ex4d.protocol.capabilities import Welcome
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import (
    FillRequest,
    FreeMemoryRequest,
    GenerateRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
)
from ex4d.protocol.runtime import read_handshake
from ex4d.server import front as front_module
from ex4d.server import worker_handle as lane_module
from ex4d.server.front import FrontSettings
from ex4d.server.places import WorkerPlace
from ex4d.system.machine import Gpu
from ex4d.system.processes import process_alive
from service import Server, finish, generate_request, make_sequence, reconstruct_request, until, wait_for_stage

if sys.platform == "win32":
    pytest.skip("these signals are POSIX", allow_module_level=True)

#: A host of four GPUs, of which three are the backend's.
GPUS = tuple(WorkerPlace(number, Gpu(gpu, "H200", 143771, 143000)) for number, gpu in enumerate((0, 2, 3)))


class Crew:
    """A front with three puppets, and a client of it."""

    def __init__(self, front: FrontThread) -> None:
        self.thread, self.runtime = front, front.runtime
        front.open()
        self.client: JobClient = front.client()
        until(lambda: all(worker.is_free for worker in self.workers))

    @property
    def workers(self) -> Any:
        return self.thread.front._crew.workers

    def submit(self, request: Request) -> str:
        return self.client.submit(request)

    def take(self, camera: str, generator: str = "fast", gpus: int | None = None, shot: str = "/shot") -> str:
        options: dict[str, Any] = {"gpus": gpus} if gpus else {}
        return self.submit(GenerateRequest(shot, MoveCamera(camera), fill=FillRequest(generator, options)))

    def running(self, job: str) -> JobSnapshot:
        """Wait until it runs."""

        def there() -> JobSnapshot | None:
            self.client.poll(5)
            snapshot = self.client.jobs[job]
            return snapshot if snapshot.state == "running" and snapshot.stage else None

        return until(there, 20, f"for {job} to run")

    def state(self, job: str) -> str:
        self.client.poll(5)
        return self.client.jobs[job].state

    def done(self, job: str) -> JobSnapshot:
        snapshot = finish(self.client, job, seconds=20)
        assert snapshot.state == "done", snapshot.error
        return snapshot

    def allow(self, *names: str) -> None:
        """Let the jobs that wait for these names end."""
        for name in names:
            (self.runtime / name).touch()

    def said(self) -> list[list[str]]:
        """What the puppets were given and asked for, in order."""
        path = self.runtime / "said"
        return [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def given(self, camera: str) -> tuple[str, tuple[int, ...]]:
        """Which worker was given a job, and its GPUs."""
        words = next(words for words in self.said() if words[1] == "run" and words[2] == camera)
        return words[0], tuple(map(int, words[3:]))


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr(lane_module, "WORKER", (str(Path(__file__).with_name("puppet.py")),))
    monkeypatch.setattr(front_module, "RESTART_SECONDS", (0.1, 0.2, 0.3))
    monkeypatch.setattr(lane_module, "END_SECONDS", 0.5)
    monkeypatch.setattr(lane_module, "KILL_SECONDS", 0.3)
    made = FrontThread(FrontSettings(tmp_path, parent=None, idle_seconds=None, places=GPUS))
    yield Crew(made)
    made.close()


def all_ready(client: JobClient) -> Welcome:
    """Wait until all workers are."""

    def told() -> Welcome | None:
        client.poll(20)
        welcome = client.welcome
        return welcome if welcome is not None and all(info.ready for info in welcome.workers) else None

    return until(told, what="for all workers")


def test_jobs_run_side_by_side_each_on_its_gpu(crew: Crew) -> None:
    jobs = [crew.take(f"until:{name}", shot=f"/{name}") for name in "abc"]
    places = [(snapshot.worker, snapshot.gpus) for snapshot in map(crew.running, jobs)]
    assert sorted(places) == [(0, (0,)), (1, (2,)), (2, (3,))]
    waiting = crew.take("d", shot="/d")
    assert crew.state(waiting) == "queued"
    assert crew.client.jobs[waiting].worker is None
    crew.allow("b")
    # The fourth gets the place of the one that has ended, and that is still told when both have.
    assert crew.done(waiting).gpus == crew.done(jobs[1]).gpus
    crew.allow("a", "c")
    for job in jobs:
        crew.done(job)


def test_the_welcome_tells_of_each_worker(crew: Crew) -> None:
    welcome = all_ready(crew.client)
    assert [(info.number, info.gpu, info.name, info.ready) for info in welcome.workers] == [
        (0, 0, "H200, 143771 MiB", True),
        (1, 2, "H200, 143771 MiB", True),
        (2, 3, "H200, 143771 MiB", True),
    ]


def test_a_job_goes_to_the_worker_that_holds_its_model(crew: Crew) -> None:
    for camera, generator in (("f1", "fast"), ("e1", "exact"), ("f2", "fast"), ("e2", "exact"), ("f3", "fast")):
        crew.done(crew.take(camera, generator))
    crew.done(crew.submit(RenderRequest("/shot", MoveCamera("r"))))
    assert crew.given("f1")[0] == crew.given("f2")[0] == crew.given("f3")[0]
    assert crew.given("e1")[0] == crew.given("e2")[0] != crew.given("f1")[0]
    # What needs no model goes where none has to make room.
    assert crew.given("r")[0] not in (crew.given("f1")[0], crew.given("e1")[0])


def test_who_holds_the_model_is_busy_and_another_one_is_idle(crew: Crew) -> None:
    crew.done(crew.take("f1"))
    busy = crew.take("until:go")
    crew.running(busy)
    crew.done(crew.take("f2", shot="/other"))
    assert crew.given("until:go")[0] == crew.given("f1")[0] != crew.given("f2")[0]
    crew.allow("go")
    crew.done(busy)


def test_a_worker_that_dies_ends_its_own_job_alone(crew: Crew) -> None:
    other = crew.take("until:go", shot="/other")
    crew.running(other)
    dying = crew.take("die")
    failed = finish(crew.client, dying, seconds=20)
    assert failed.state == "failed"
    assert failed.error is not None
    # Of what it has said just before its death something may be lost.
    assert failed.error.exit_code == 20
    assert crew.state(other) == "running"
    crew.allow("go")
    assert crew.done(other).notes == ()


def test_a_job_on_two_gpus_takes_two_workers(crew: Crew) -> None:
    shared = crew.take("until:go", gpus=2)
    snapshot = crew.running(shared)
    assert snapshot.gpus == tuple(sorted(snapshot.gpus))
    (rest,) = {0, 2, 3} - set(snapshot.gpus)
    first, second = crew.take("until:first", shot="/b"), crew.take("until:second", shot="/c")
    # The third worker does one of them; the second one waits for a GPU of its own.
    assert crew.running(first).gpus == (rest,)
    assert crew.state(second) == "queued"
    crew.allow("go")
    crew.done(shared)
    assert crew.running(second).gpus[0] in snapshot.gpus
    crew.allow("first", "second")
    crew.done(first)
    crew.done(second)


def test_lent_gpus_are_let_go_of_and_come_back(crew: Crew) -> None:
    holders = [crew.take(f"until:{name}", "exact", shot=f"/{name}") for name in "abc"]
    for job in holders:
        crew.running(job)
    crew.allow("a", "b", "c")
    for job in holders:
        crew.done(job)
    crew.done(crew.take("w1", gpus=3))
    lead = crew.given("w1")[0]
    asked = {words[0] for words in crew.said() if words[1] == "let_go"}
    # All but the leader, which makes room itself, and before the job began.
    assert asked == {"work", "work1", "work2"} - {lead}
    order = [words[1] for words in crew.said()]
    assert order.index("run", order.index("let_go")) > max(i for i, word in enumerate(order) if word == "let_go")
    # The ranks stay for the next such job …
    crew.done(crew.take("w2", gpus=3))
    assert crew.given("w2")[0] == lead
    assert [words[1] for words in crew.said()].count("let_go") == 2
    # … and for a preview, which loads no model …
    crew.done(crew.submit(PreviewRequest("/shot", MoveCamera("p"))))
    assert [words[1] for words in crew.said()].count("let_go") == 2
    # … but not for a take on one of their GPUs.
    crew.done(crew.take("n1"))
    assert crew.given("n1")[0] != lead
    assert [words for words in crew.said() if words[1] == "let_go"][2:] == [[lead, "let_go"]]


def test_more_gpus_than_there_are_is_the_jobs_own_mistake(crew: Crew) -> None:
    other = crew.take("until:go", shot="/other")
    crew.running(other)
    # It begins at once on one of them, knowing all; a real worker refuses it.
    crew.done(crew.take("many", gpus=8))
    assert crew.given("many")[1] == (0, 2, 3)
    crew.allow("go")
    crew.done(other)


def test_a_job_on_all_gpus_does_not_wait_for_ever(crew: Crew) -> None:
    """Others that need one GPU come without end."""
    blocker = crew.take("until:go", shot="/blocker")
    crew.running(blocker)
    wide = crew.take("wide", gpus=3, shot="/wide")
    others = [crew.take(f"n{index}", shot=f"/n{index}") for index in range(6)]
    crew.done(others[0])
    crew.done(others[1])
    assert crew.state(wide) == "queued"
    # Two have passed it; the rest waits with it, though two workers are idle …
    preview = crew.submit(PreviewRequest("/shot", MoveCamera("p")))
    crew.done(preview)
    assert {crew.state(job) for job in others[2:]} == {"queued"}
    # … but for the preview, which went beside the long job.
    crew.allow("go")
    crew.done(blocker)
    crew.done(wide)
    for job in others:
        crew.done(job)
    order = [words[2] for words in crew.said() if words[1] == "run"]
    assert order.index("wide") < order.index("n2")


def test_nothing_runs_beside_a_reconstruction_of_its_shot(crew: Crew) -> None:
    reconstruct = ReconstructRequest("/shot", PlateRequest("/plate.mp4"))
    take = crew.take("until:go")
    crew.running(take)
    made_anew = crew.submit(reconstruct)
    later = crew.take("later")
    elsewhere = crew.take("elsewhere", shot="/other")
    crew.done(elsewhere)
    assert (crew.state(made_anew), crew.state(later)) == ("queued", "queued")
    crew.client.cancel(made_anew)
    crew.done(later)
    crew.allow("go")
    crew.done(take)


def test_cancel_before_the_others_have_let_go(crew: Crew) -> None:
    crew.done(crew.take("e1", "exact"))
    crew.done(crew.take("f1", "fast"))
    crew.done(crew.take("t1", "turbo"))
    stopped = [worker for worker in crew.workers if worker.holds]
    for worker in stopped:
        os.kill(worker.process.pid, signal.SIGSTOP)
    wide = crew.take("wide", gpus=3)
    until(lambda: crew.state(wide) == "running")
    crew.client.cancel(wide)
    assert finish(crew.client, wide, seconds=20).state == "cancelled"
    for worker in stopped:
        os.kill(worker.process.pid, signal.SIGCONT)
    # All three are free again.
    crew.done(crew.take("after", gpus=3))
    assert "wide" not in [words[2] for words in crew.said() if words[1] == "run"]


def test_a_worker_that_does_not_let_go_is_ended(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "LET_GO_SECONDS", 0.3)
    crew.done(crew.take("e1", "exact"))
    crew.done(crew.take("f1", "fast"))
    holder = next(worker for worker in crew.workers if worker.name == crew.given("e1")[0])
    pid = holder.process.pid
    os.kill(pid, signal.SIGSTOP)
    # The job goes on as soon as nothing holds the GPU any more.
    crew.done(crew.take("wide", "fast", gpus=3))
    assert not process_alive(pid)


def test_cancel_on_several_gpus_frees_them(crew: Crew) -> None:
    wide, waiting = crew.take("until:never", gpus=3), crew.take("next", gpus=3)
    crew.running(wide)
    crew.client.cancel(wide)
    assert finish(crew.client, wide, seconds=20).state == "cancelled"
    crew.done(waiting)


def test_a_leader_that_dies_gives_the_gpus_back(crew: Crew) -> None:
    failed = finish(crew.client, crew.take("die", gpus=3), seconds=20)
    assert failed.state == "failed"
    crew.done(crew.take("next", gpus=3))


def test_a_worker_that_cannot_start_costs_no_job(crew: Crew) -> None:
    starts = crew.runtime / "starts"
    starts.write_text("\n".join(["ModuleNotFoundError: No module named 'cv2'"] * 50), encoding="utf-8")
    gone = crew.workers[1].process.pid
    os.kill(gone, signal.SIGKILL)
    until(lambda: crew.workers[1].name in crew.thread.front._crew.broken)
    jobs = [crew.take(f"n{index}", shot=f"/n{index}") for index in range(4)]
    for job in jobs:
        crew.done(job)
    starts.unlink()
    jobs = [crew.take(f"until:m{index}", shot=f"/m{index}") for index in range(3)]
    for job in jobs:
        crew.running(job)
    crew.allow("m0", "m1", "m2")
    for job in jobs:
        crew.done(job)


def test_memory_is_freed_in_all_workers(crew: Crew) -> None:
    former = [worker.process.pid for worker in crew.workers]
    busy = crew.take("until:go")
    crew.running(busy)
    freed = crew.submit(FreeMemoryRequest())
    assert crew.state(freed) == "queued"
    crew.allow("go")
    result = crew.done(freed).result
    assert result.freed_mib is None or result.freed_mib > 0
    assert not any(map(process_alive, former))
    crew.done(crew.take("next"))


def test_it_ends_with_jobs_in_all_workers(crew: Crew) -> None:
    jobs = [crew.take(f"until:{name}", shot=f"/{name}") for name in "abc"]
    for job in jobs:
        crew.running(job)
    pids = [worker.process.pid for worker in crew.workers]
    crew.thread.close()
    until(lambda: not any(map(process_alive, pids)))
    assert read_handshake(crew.runtime) is None


# Real workers


@pytest.mark.skipif(sys.platform != "linux", reason="the helpers read /proc")
def test_two_takes_of_one_shot_at_once(server: Server, tmp_path: Path) -> None:
    server.start("--workers", "2")
    client = server.client()
    welcome = client.welcome
    assert welcome is not None
    assert [(info.number, info.gpu) for info in welcome.workers] == [(0, None), (1, None)]
    shot, plate = tmp_path / "shot", make_sequence(tmp_path / "plate", 12, 192, 128)
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"
    all_ready(client)
    # Two that are the same, and one that shares nothing but the mesh.
    jobs = [client.submit(generate_request(shot, move)) for move in ("orbit:20", "orbit:20", "orbit:-20")]
    wait_for_stage(client, jobs[1], "raster")
    done = [finish(client, job) for job in jobs]
    assert [snapshot.state for snapshot in done] == ["done"] * 3, [snapshot.error for snapshot in done]
    assert {snapshot.worker for snapshot in done} == {0, 1}
    takes = [snapshot.result.folder for snapshot in done]
    assert takes[0] == takes[1] != takes[2]
    assert sorted(path.name for path in (shot / "takes").glob("v*")) == ["v001", "v002"]
    assert sum(path.name.startswith("raster-") for path in (shot / "cache").iterdir()) == 2
    assert not any(path.name.startswith(".t") for path in shot.rglob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="the helpers read /proc")
def test_gpus_without_a_gpu_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "ex4d", "serve", "--runtime-dir", str(tmp_path / "run"), "--gpus", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 20
    assert "shows no NVIDIA GPU" in done.stderr
    assert not (tmp_path / "run").exists()
