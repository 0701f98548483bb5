# SPDX-License-Identifier: Apache-2.0
"""The front with workers that die, lie and do not start, at the moment that is the worst for it."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from ex4d_blender.core import client as client_module
from ex4d_blender.core.client import JobClient
from stage_front import FrontThread

from ex4d.protocol import wire
from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, Ready
from ex4d.protocol.errors import ProtocolError
from ex4d.protocol.jobs import JobSnapshot, result_message
from ex4d.protocol.requests import (
    DownloadRequest,
    FreeMemoryRequest,
    MoveCamera,
    PreviewRequest,
    RenderRequest,
    TrajectoryCamera,
)
from ex4d.protocol.results import DownloadResult
from ex4d.server import front as front_module
from ex4d.server import worker_handle as lane_module
from ex4d.server.clients import MAX_CLIENTS, Clients, jobs_message
from ex4d.server.demands import DOWNLOAD_LANE, WORK_LANE
from ex4d.server.front import MAX_FAILED_STARTS, FrontSettings
from ex4d.server.logs import MAX_LINES, SECONDS, RateLimit
from ex4d.server.messages import receive
from ex4d.system.processes import process_alive
from service import Server, finish, process_group, reconstruct_request, until

if sys.platform == "win32":
    pytest.skip("these signals are POSIX", allow_module_level=True)


class Stage(FrontThread):
    """The front and its one worker."""

    def __init__(self, runtime: Path) -> None:
        super().__init__(FrontSettings(runtime, parent=None, idle_seconds=None))
        self.lane = self.front._lanes[WORK_LANE]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(lane_module, "WORKER", (str(Path(__file__).with_name("puppet.py")),))
    monkeypatch.setattr(front_module, "RESTART_SECONDS", (0.1, 0.2, 0.3))
    monkeypatch.setattr(lane_module, "END_SECONDS", 0.5)
    monkeypatch.setattr(lane_module, "KILL_SECONDS", 0.3)
    made = Stage(tmp_path)
    yield made
    made.close()


@pytest.fixture
def deadline() -> Iterator[None]:
    """What hangs is interrupted."""

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


def render(client: JobClient, camera: str) -> str:
    return client.submit(RenderRequest("/shot", MoveCamera(camera)))


# Nothing waits


def test_a_worker_that_dies_between_the_look_and_the_send(stage: Stage, deadline: None) -> None:
    """Its connection is gone already, and its death not yet seen: a send that waits would do so for ever."""
    front, lane = stage.front, stage.lane
    lane.start()
    until(lambda: front._turn() or lane.is_free)
    assert lane.process is not None
    assert lane.socket is not None
    lane.process.kill()
    socket = lane.socket
    until(lambda: not socket.poll(0, zmq.POLLOUT))
    front._queue.submit("a", RenderRequest("/shot", MoveCamera("fine")), (), "")
    task = front._queue.next(WORK_LANE)
    assert task is not None
    lane.give(task)

    def ended() -> JobSnapshot | None:
        front._turn()
        snapshot = front._queue.get("a")
        return snapshot if snapshot is not None and snapshot.is_final else None

    snapshot = until(ended)
    assert snapshot.state == "done"
    assert snapshot.result.rasterizer == "fine"
    # It has not died over this job.
    assert snapshot.notes == ()
    front._close()


def test_no_socket_of_the_front_ever_waits(stage: Stage) -> None:
    stage.open()
    until(lambda: stage.lane.is_free)
    assert stage.lane.socket is not None
    made = stage.front._context.socket(zmq.PUSH)
    for socket in (stage.front._socket, stage.lane.socket, stage.front._gate._authenticator.pipe, made):
        assert socket.sndtimeo == 0
    made.close()


def test_the_front_answers_while_a_worker_does_not_end(stage: Stage) -> None:
    (stage.runtime / "stubborn").touch()
    stage.open()
    client = stage.client()
    until(lambda: stage.lane.is_free)
    worker = stage.lane.process
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    job = client.submit(FreeMemoryRequest())
    until(lambda: client.poll(20) and client.jobs[job].state == "running")
    client.list()
    until(lambda: client.poll(20).listed)
    assert not client.jobs[job].is_final
    assert finish(client, job).state == "done"
    assert not process_alive(worker.pid)
    assert finish(client, render(client, "next")).state == "done"


def test_the_second_signal_ends_it_at_once(server: Server) -> None:
    server.start()
    server.client()
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    assert server.process is not None
    server.process.terminate()
    time.sleep(0.5)
    # In good order it waits for its worker.
    assert server.process.poll() is None
    server.process.terminate()
    assert server.process.wait(2) == 143
    assert not (server.runtime / "backend.json").exists()
    until(lambda: not process_alive(worker), 5)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it goes on")
def test_a_stopped_worker_does_not_outlive_a_killed_front(server: Server) -> None:
    server.start()
    server.client()
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    server.kill()
    until(lambda: not process_alive(worker), 5, "for the worker to end")


# Workers that do not start


def starts(stage: Stage, *how: str) -> None:
    (stage.runtime / "starts").write_text("\n".join(how), encoding="utf-8")


def test_one_death_at_the_start_costs_no_job(stage: Stage) -> None:
    starts(stage, "die", "die", "")
    stage.open()
    client = stage.client()
    jobs = [render(client, str(index)) for index in range(3)]
    states = set()
    for job in jobs:
        snapshot = finish(client, job, lambda known: states.add(known.state))
        assert snapshot.state == "done"
        assert any("SIGKILL" in note and "started again" in note for note in snapshot.notes)
    assert "queued" in states


def test_the_same_in_the_middle(stage: Stage) -> None:
    """A worker dies over its job, and its successors while they start."""
    stage.open()
    client = stage.client()
    until(lambda: stage.lane.is_free)
    starts(stage, "die", "die", "", "")
    dying, next_one = render(client, "die"), render(client, "next")
    assert finish(client, next_one).state == "done"
    # It has died over it twice by then.
    assert finish(client, dying).state == "failed"


def test_a_worker_that_never_starts(stage: Stage) -> None:
    starts(stage, *["die"] * MAX_FAILED_STARTS)
    stage.open()
    client = stage.client()
    failed = finish(client, render(client, "a"))
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.exit_code == 20
    assert f"{MAX_FAILED_STARTS} tries" in failed.error.message
    # The next job tries again.
    assert finish(client, render(client, "b")).state == "done"


def test_a_python_that_is_not_there(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module.sys, "executable", "/nowhere/python")
    stage.open()
    client = stage.client()
    failed = finish(client, render(client, "a"))
    assert failed.error is not None
    assert "No such file" in failed.error.message


def test_what_is_not_installed_is_said_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "RESTART_SECONDS", (60.0,))
    starts(stage, "ModuleNotFoundError: No module named 'cv2'", "")
    stage.open()
    client = stage.client()
    failed = finish(client, render(client, "a"))
    assert failed.error is not None
    assert "No module named 'cv2'" in failed.error.message
    assert "Install" in failed.error.hint
    # Meanwhile it has been installed.
    assert finish(client, render(client, "b")).state == "done"


def test_too_little_memory_for_a_library_is_no_missing_library(stage: Stage) -> None:
    starts(stage, "ImportError: libx.so: failed to map segment from shared object: Cannot allocate memory", "")
    stage.open()
    client = stage.client()
    assert finish(client, render(client, "a")).state == "done"


def test_a_real_worker_tells_what_it_misses(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A part that only the worker needs.
    hide = "import sys\nsys.modules['ex4d.server.warm_up'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hide, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    handshake = server.start()
    client = JobClient("test")
    client.connect(handshake)
    server.clients.append(client)
    failed = finish(client, client.submit(RenderRequest("/shot", MoveCamera("orbit:3"))))
    assert failed.error is not None
    assert "ModuleNotFoundError: import of ex4d.server.warm_up halted" in failed.error.message


# Workers that die or talk nonsense


def test_a_worker_that_dies_before_it_begins(stage: Stage) -> None:
    stage.open()
    client = stage.client()
    failed, fine = render(client, "die unbegun"), render(client, "fine")
    assert finish(client, fine).state == "done"
    snapshot = finish(client, failed)
    assert snapshot.error is not None
    assert "as soon as they are given this job" in snapshot.error.message


@pytest.mark.parametrize(
    "camera", ["nonsense", "too long", "not finite", "no result", "no progress", "very many frames"]
)
def test_a_workers_nonsense_is_its_jobs_failure(stage: Stage, camera: str) -> None:
    stage.open()
    client = stage.client()
    bad, good = render(client, camera), render(client, "good")
    failed = finish(client, bad)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.kind == "bug"
    assert finish(client, good).state == "done"


def test_a_bug_of_the_front_costs_one_job(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("ouch")

    stage.open()
    client = stage.client()
    with monkeypatch.context() as patch:
        patch.setattr(stage.front._queue, "progress", stumble)
        failed = finish(client, render(client, "a"))
    assert failed.error is not None
    assert "ouch" in failed.error.message
    assert finish(client, render(client, "b")).state == "done"


def test_a_films_result_comes_through(stage: Stage) -> None:
    stage.open()
    client = stage.client()
    film = finish(client, render(client, "film"))
    assert film.result.numbers == tuple(range(300_000))
    # A list of all jobs does not lose it, nor what was before it.
    before = finish(client, render(client, "after"))
    other = stage.client()
    other.list()
    until(lambda: other.poll(20) and len(other.jobs) == 2)
    assert other.jobs == {film.id: film, before.id: before}


def test_previews_of_one_take_replace_each_other(stage: Stage) -> None:
    stage.open()
    client = stage.client()
    render(client, "wait")
    first, second = (
        client.submit(PreviewRequest("/shot", MoveCamera(camera), take="take 1")) for camera in ("old", "new")
    )
    replaced = finish(client, first)
    assert replaced.state == "cancelled"
    assert "newer preview" in replaced.notes[0]
    (stage.runtime / "go").touch()
    assert finish(client, second).state == "done"


# Clients


class Wire:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, wire.Message]] = []

    def send_multipart(self, frames: list[bytes], _flags: int) -> None:
        self.sent.append((frames[0], wire.decode(frames[1:])))


def test_clients_that_wait_for_a_job_are_pushed_out_last() -> None:
    socket = Wire()
    clients = Clients(socket, lambda job: JobSnapshot(job, "render", state="done"))  # type: ignore[arg-type]
    clients.watch(b"A", "job")
    clients.watch_all(b"B")
    clients.flush()
    clients.watch(b"A", "job")
    for index in range(3 * MAX_CLIENTS):
        clients.reply(b"%d" % index, wire.Message("pong"))
    clients.job_changed("other")
    clients.flush()
    assert {message.job for identity, message in socket.sent if identity == b"A"} == {"job"}
    assert {message.job for identity, message in socket.sent if identity == b"B"} == {"other"}
    assert sum(message.type == "pong" for _, message in socket.sent) == MAX_CLIENTS - 2


def test_a_job_that_cannot_be_told_costs_nobody_else() -> None:
    socket = Wire()
    jobs = {
        "bad": JobSnapshot("bad", "render", state="done", result={"x": float("nan")}),
        "good": JobSnapshot("good", "render", state="done"),
    }
    clients = Clients(socket, jobs.get)  # type: ignore[arg-type]
    for job in jobs:
        clients.watch(b"A", job)
    clients.flush()
    assert [(message.type, message.job) for _, message in socket.sent] == [("error", "bad"), ("job", "good")]
    listed, others = jobs_message(list(jobs.values()))
    assert [record["id"] for record in listed.header["jobs"]] == ["good"]
    assert others == ["bad"]


def test_a_client_that_was_pushed_out_hears_of_its_job(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PING_SECONDS", 0.1)
    stage.open()
    client = stage.client()
    job = render(client, "wait")
    until(lambda: client.poll(20) and client.jobs[job].stage)
    # As if very many others had come, and waited for jobs too.
    stage.front._clients._clients.clear()
    (stage.runtime / "go").touch()
    assert finish(client, job).state == "done"


def test_a_request_that_is_too_long_is_refused_before_it_is_sent() -> None:
    client = JobClient("test")
    with pytest.raises(ProtocolError):
        client.submit(RenderRequest("x" * wire.MAX_HEADER_BYTES, MoveCamera("orbit:3")))
    with pytest.raises(ProtocolError):
        client.submit(RenderRequest("/s", TrajectoryCamera(bytes(wire.MAX_BLOB_BYTES + 1))))
    assert client.jobs == {}


def test_frames_without_number_are_dropped() -> None:
    context: zmq.Context[Any] = zmq.Context()
    here, there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    here.bind("inproc://here")
    there.connect("inproc://here")
    good = wire.encode(wire.Message("ping"))
    for frames in ([b"x"] * 1000, [*good, *[bytes(40 << 20)] * 2], good):
        there.send_multipart(frames)
    many, large, ping = (receive(here) for _ in range(3))
    assert len(many.frames) == wire.MAX_FRAMES
    with pytest.raises(ProtocolError, match="1000 frames"):
        many.message()
    assert sum(map(len, large.frames)) <= wire.MAX_HEADER_BYTES + wire.MAX_BLOB_BYTES
    with pytest.raises(ProtocolError, match="bytes"):
        large.message()
    assert ping.message().type == "ping"
    with pytest.raises(zmq.Again):
        receive(here)
    context.destroy(linger=0)


# Logs


def test_floods_do_not_push_out_what_is_needed(tmp_path: Path) -> None:
    now = [0.0]
    handler = logging.FileHandler(tmp_path / "x.log")
    handler.addFilter(RateLimit(lambda: now[0]))
    logger = logging.getLogger("flood")
    logger.propagate = False
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    for index in range(10_000):
        logger.info("refused: %s", index)
        now[0] += 1e-3
    logger.info("worker %d started", 7)
    now[0] += SECONDS
    logger.info("refused: %s", "again")
    handler.close()
    lines = (tmp_path / "x.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == MAX_LINES + 2
    assert lines[-2] == "worker 7 started"
    assert lines[-1] == f"refused: again ({10_000 - MAX_LINES} more of these were left out)"


# Counts


@pytest.mark.long
def test_three_hundred_kills_around_a_submit(server: Server, plate: Path, tmp_path: Path) -> None:
    """An idle worker is killed 0 to 50 ms after a job was sent."""
    server.start()
    client = server.client()
    request = reconstruct_request(tmp_path / "shot", plate)
    assert finish(client, client.submit(request)).state == "done"
    rng = random.Random(18)
    started, begun_anew = time.monotonic(), 0
    for _ in range(300):
        until(lambda: client.poll(5) or (client.welcome and client.welcome.ready))
        worker = server.worker()
        job = client.submit(request)
        # The client's own thread sends; what lies before and after the front's look at its worker is tried alike.
        time.sleep(rng.uniform(0, 0.05))
        os.kill(worker, signal.SIGKILL)
        snapshot = finish(client, job)
        assert snapshot.state == "done", snapshot.error
        begun_anew += any("begun anew" in note for note in snapshot.notes)
        until(lambda worker=worker: [pid for pid in process_group(server.pid) if pid != worker])
    print(f"300 kills in {time.monotonic() - started:.0f} s: 300 done, {begun_anew} begun anew, no hang")


@pytest.mark.long
def test_forty_five_kills_at_worker_start(server: Server, plate: Path, tmp_path: Path) -> None:
    """Three jobs wait while their worker is killed once or twice before it is ready."""
    server.start()
    client = server.client()
    request = reconstruct_request(tmp_path / "shot", plate)
    assert finish(client, client.submit(request)).state == "done"
    rng = random.Random(18)
    kills, jobs_done, started = 0, 0, time.monotonic()
    while kills < 45:
        # The first kill is of a worker that serves; those that follow strike its successors.
        os.kill(server.worker(), signal.SIGKILL)
        jobs = [client.submit(request) for _ in range(3)]
        for _ in range(rng.choice((1, 2))):
            before = set(process_group(server.pid))
            fresh = until(lambda before=before: set(process_group(server.pid)) - before).pop()
            time.sleep(rng.uniform(0, 0.4))
            os.kill(fresh, signal.SIGKILL)
            kills += 1
        for job in jobs:
            snapshot = finish(client, job)
            assert snapshot.state == "done", snapshot.error
            jobs_done += 1
        until(lambda: client.poll(5) or (client.welcome and client.welcome.ready))
    print(f"{kills} kills at a worker's start in {time.monotonic() - started:.0f} s: {jobs_done} jobs done, 0 lost")


# Downloads


def test_after_a_download_the_estimators_that_work_are_told(stage: Stage) -> None:
    front = stage.front
    small, learned = EstimatorInfo("small", "small", "MIT"), EstimatorInfo("moge", "learned", "MIT")
    stage.lane.ready = Ready(7, "CPU", capabilities=Capabilities((), (small,), ()))
    front._queue.submit("job", DownloadRequest("moge"), (), "Download MoGe-2")
    assert front._queue.next(WORK_LANE) is None
    assert front._queue.next(DOWNLOAD_LANE) is not None
    result = DownloadResult("moge", "/m", {}, {}, (learned, small))
    front._take_report(front._lanes[DOWNLOAD_LANE], result_message("done", "job", {}, result))
    assert front._queue.get("job") == replace(front._queue.all()[0], state="done", result=result)
    welcome = front._welcome()
    assert [info["name"] for info in welcome["capabilities"]["estimators"]] == ["moge", "small"]
    assert (welcome["device"], welcome["ready"]) == ("CPU", True)
