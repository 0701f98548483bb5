# SPDX-License-Identifier: Apache-2.0
"""The backend's life and its jobs, over real sockets with real processes."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zmq
from ex4d_blender.core.backend_process import BackendProcess
from ex4d_blender.core.client import JobClient

from ex4d.camera import json_bytes, read_trajectory
from ex4d.protocol import wire
from ex4d.protocol.errors import ResourceError, TransientError
from ex4d.protocol.requests import (
    CheckRequest,
    DoctorRequest,
    ExportRequest,
    FillMoviesRequest,
    FreeMemoryRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    RunRequest,
    TrajectoryCamera,
    ViewportRequest,
)
from ex4d.protocol.results import (
    CheckResult,
    ExportResult,
    FillMoviesResult,
    ReconstructResult,
    RunResult,
    ViewportResult,
)
from ex4d.protocol.runtime import read_handshake
from ex4d.server.front import Front, FrontSettings
from ex4d.server.journal import Journal
from ex4d.server.logs import start_log
from ex4d.system.processes import process_alive
from service import (
    Server,
    finish,
    generate_request,
    leftovers,
    preview_request,
    process_group,
    reconstruct_request,
    render_request,
    submit_record,
    until,
    wait_for_stage,
)

# Life


def test_the_handshake_is_the_users_alone_and_goes_with_the_backend(server: Server) -> None:
    server.start()
    path = server.runtime / "backend.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.handshake.endpoint.startswith(f"ipc://{server.runtime}/")
    client = server.client()
    assert client.welcome is not None
    assert client.welcome.protocol == "ex4d/2"
    assert server.stop() == 0
    assert not path.exists()


def test_one_backend_per_folder(server: Server) -> None:
    server.start()
    command = [sys.executable, "-m", "ex4d", "serve", "--runtime-dir", str(server.runtime)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 30
    assert "runs in" in second.stderr
    assert "Connect to it" in second.stderr
    assert server.handshake.pid == server.pid


def test_it_ends_with_the_process_that_started_it(server: Server) -> None:
    parent = subprocess.Popen(["sleep", "600"])
    server.start("--parent", str(parent.pid))
    worker = server.worker()
    parent.kill()
    parent.wait()
    assert server.process is not None
    assert server.process.wait(20) == 0
    until(lambda: not process_alive(worker), 10)


def test_it_stays_for_a_client_when_its_starter_goes(server: Server) -> None:
    parent = subprocess.Popen(["sleep", "600"])
    server.start("--parent", str(parent.pid))
    client = server.client()
    parent.kill()
    parent.wait()
    time.sleep(1.5)
    client.submit(FreeMemoryRequest(), job="still-here")
    assert finish(client, "still-here").state == "done"


def test_it_ends_when_there_is_nothing_to_do(server: Server) -> None:
    server.start("--idle", "0.02")
    assert server.process is not None
    assert server.process.wait(30) == 0


def test_keep_means_keep(server: Server) -> None:
    parent = subprocess.Popen(["sleep", "600"])
    server.start("--keep", "--idle", "0.01", "--parent", str(parent.pid))
    parent.kill()
    parent.wait()
    time.sleep(2.5)
    assert server.process is not None
    assert server.process.poll() is None


def test_an_orderly_end_cancels_what_runs_and_says_goodbye(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    running = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    waiting = client.submit(reconstruct_request(tmp_path / "other", long_plate))
    wait_for_stage(client, running, "depth")
    assert server.stop() == 0
    seen = {"left": False}

    def ended() -> bool:
        seen["left"] |= client.poll(20).left
        return seen["left"]

    until(ended, 5)
    assert {client.jobs[job].state for job in (running, waiting)} == {"cancelled"}
    assert leftovers(tmp_path / "shot") == []
    # What was cancelled does not begin again by itself.
    server.start()
    again = server.client()
    again.list()
    until(lambda: again.poll(20) or again.jobs, 5)
    time.sleep(0.5)
    again.poll(100)
    assert {job.state for job in again.jobs.values()} == {"cancelled"}


def test_a_worker_does_not_outlive_a_killed_front(server: Server) -> None:
    server.start()
    server.client()
    worker = server.worker()
    server.kill()
    until(lambda: not process_alive(worker), 5, "for the worker to notice")


def test_logs_rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    former, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    monkeypatch.setattr("ex4d.server.logs.MAX_BYTES", 2000)
    try:
        start_log(tmp_path / "x.log")
        for index in range(500):
            logging.getLogger("test").info(f"line {index}")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
        assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    finally:
        for handler in list(root.handlers):
            root.removeHandler(handler)
            handler.close()
        for handler in former:
            root.addHandler(handler)
        root.setLevel(level)
        logging.raiseExceptions = raising


# Jobs


def test_all_jobs(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    # Now there is one only; the doctor gets another.
    worker = server.worker()
    shot = tmp_path / "shot"
    seen: list[tuple[str, int, int]] = []
    done = finish(
        client,
        client.submit(reconstruct_request(shot, plate), title="One"),
        lambda job: seen.append((job.stage, job.step, job.of)),
    )
    assert done.state == "done", done.error
    assert done.title == "One"
    assert list(dict.fromkeys(stage for stage, _, _ in seen if stage)) == ["plate", "depth", "mesh", "viewport"]
    assert (done.fraction, done.stage_count) == (1.0, 4)
    record = done.result
    assert isinstance(record, ReconstructResult)
    assert record.plate.numbers == tuple(range(1001, 1007))
    assert (Path(record.viewport) / "mesh.pc2").is_file()
    source = read_trajectory(Path(record.source))

    before = {path: path.stat().st_mtime_ns for path in (shot / "cache").rglob("*") if path.is_file()}
    stages: set[str] = set()
    preview = finish(
        client,
        client.submit(PreviewRequest(str(shot), TrajectoryCamera(json_bytes(source)))),
        lambda job: stages.add(job.stage),
    )
    assert preview.result is not None, preview.error
    assert preview.result.coverage == pytest.approx([1.0] * 6, abs=0.02)
    assert stages <= {"", "raster"}
    assert {path: path.stat().st_mtime_ns for path in before} == before

    some = finish(client, client.submit(render_request(shot, "orbit:20", "1002-1003")))
    assert some.result is not None, some.error
    assert some.result.numbers == (1002, 1003)
    assert some.result.size == (96, 64)
    assert 0.5 < some.result.coverage[1] < 1

    take = finish(client, client.submit(generate_request(shot, "orbit:20", title="Wide")))
    assert take.result is not None, take.error
    assert (take.result.take, take.result.reused) == ("v001", False)
    assert (Path(take.result.result) / "result.1006.png").is_file()
    again = finish(client, client.submit(generate_request(shot, "orbit:20", title="Wide")))
    assert again.result is not None
    assert (again.result.take, again.result.reused) == ("v001", True)

    doctor = finish(client, client.submit(DoctorRequest()))
    assert doctor.result is not None
    assert doctor.result.usable is True
    freed = finish(client, client.submit(FreeMemoryRequest()))
    assert freed.result is not None
    assert freed.result.freed_mib > 50
    until(lambda: not process_alive(worker), 5)
    assert client.submit(FreeMemoryRequest(), job="x") == "x"


def test_what_the_command_line_does_the_service_does_too(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    client, shot, out = server.client(), tmp_path / "shot", tmp_path / "out"
    reconstruct = ReconstructRequest(str(shot), PlateRequest(str(plate), "1001-1002"), viewport_side=None)
    takes = tuple(generate_request(shot, move) for move in ("orbit:10", "orbit:20"))
    ran = finish(client, client.submit(RunRequest(reconstruct, takes))).result
    assert isinstance(ran, RunResult)
    assert ran.reconstruction.plate.numbers == (1001, 1002)
    assert [take.take for take in ran.takes] == ["v001", "v002"]

    export = ExportRequest(str(shot), str(out), ("ply",), (MoveCamera("orbit:10"),))
    exported = finish(client, client.submit(export)).result
    assert isinstance(exported, ExportResult)
    assert Path(exported.meshes["ply"]).is_file()

    movies = FillMoviesRequest(exported.renders[0].color, exported.renders[0].mask, str(out / "filled.mp4"))
    filled = finish(client, client.submit(movies)).result
    assert isinstance(filled, FillMoviesResult)
    assert Path(filled.movie).is_file()

    viewport = finish(client, client.submit(ViewportRequest(str(shot), 32))).result
    assert isinstance(viewport, ViewportResult)
    assert (Path(viewport.viewport) / "mesh.pc2").is_file()
    checked = finish(client, client.submit(CheckRequest(str(shot)))).result
    assert isinstance(checked, CheckResult)
    assert checked.whole


MOVE = {"move": "orbit:20"}


@pytest.mark.parametrize(
    ("kind", "record", "code", "words"),
    [
        ("reconstruct", {"shot": "/nowhere/shot", "plate": {"path": "/nowhere/plate.mp4"}}, 10, "plate.mp4"),
        ("reconstruct", {"shot": "here", "plate": {"path": "/p.mp4"}}, 2, "absolute"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p.mp4"}, "viewport_side": 1}, 2, "viewport"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p.mp4", "frames": "9-1"}}, 2, "backwards"),
        ("render", {"shot": "/nowhere", "camera": {"move": "orbit:20"}}, 10, "no reconstructed plate"),
        ("render", {"shot": "/nowhere"}, 2, "camera is missing"),
        ("render", {"shot": "/nowhere", "camera": {"move": "dance"}}, 2, "dance"),
        ("generate", {"shot": "/nowhere", "camera": MOVE, "fill": {"generator": "magic"}}, 2, "magic"),
        ("generate", {"shot": "/nowhere", "camera": MOVE, "fill": {"options": {"seed": 3}}}, 2, "seed"),
        ("generate", {"shot": "/nowhere", "camera": MOVE, "fill": {"options": {"prompt": "a cat"}}}, 2, "prompt"),
        ("generate", {"shot": "/nowhere", "camera": MOVE, "speed": 3}, 2, "speed"),
        ("dance", {}, 2, "dance"),
    ],
)
def test_wrong_requests(shared_server: Server, kind: str, record: dict[str, Any], code: int, words: str) -> None:
    client = shared_server.clients[0]
    job = finish(client, submit_record(client, kind, record))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.exit_code == code
    assert words in job.error.message
    assert job.error.message.endswith(".")
    assert job.error.hint


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Server(tmp_path_factory.mktemp("shared") / "run")
    made.start()
    made.client()
    yield made
    made.close()


def test_a_damaged_trajectory_is_refused_and_leaves_nothing(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    shot = tmp_path / "shot"
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"
    job = finish(client, client.submit(RenderRequest(str(shot), TrajectoryCamera(b'{"format": "ex4d-trajectory"}'))))
    assert job.error is not None
    assert job.error.exit_code == 10
    assert list(shot.glob("cameras/*")) == []


def test_the_same_id_is_one_job_for_two_clients(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    one, two = server.client("one"), server.client("two")
    request = reconstruct_request(tmp_path / "shot", plate)
    for client in (one, two, one):
        client.submit(request, job="same")
    first, second = finish(one, "same"), finish(two, "same")
    assert first.result == second.result
    assert first.finished == second.finished
    two.list()
    until(lambda: two.poll(50) or len(two.jobs) == 1, 5)
    assert list(two.jobs) == ["same"]


def test_a_client_that_vanishes_gets_its_job_when_it_is_back(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client("before")
    job = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    wait_for_stage(client, job, "depth")
    client.disconnect()
    time.sleep(0.3)
    back = server.client("after")
    back.resume(job)
    snapshot = until(lambda: back.poll(20) and back.jobs[job].stage and back.jobs[job], 10)
    assert snapshot.state == "running"
    assert snapshot.stage in ("depth", "mesh", "viewport")
    assert finish(back, job).state == "done"
    late = server.client("late")
    late.resume(job)
    assert finish(late, job).result == back.jobs[job].result


def test_a_job_that_nobody_knows(server: Server) -> None:
    server.start()
    client = server.client()
    client.resume("long-gone")
    snapshot = finish(client, "long-gone")
    assert (snapshot.state, snapshot.kind) == ("failed", "")


def test_the_doctor_does_not_wait_and_previews_overtake(server: Server, long_shot: Path) -> None:
    server.start()
    client = server.client()
    shot = long_shot
    slow = client.submit(generate_request(shot, "orbit:30"))
    wait_for_stage(client, slow, "raster")
    later = client.submit(generate_request(shot, "orbit:31"))
    quick = client.submit(preview_request(shot, "orbit:30"))
    doctor = client.submit(DoctorRequest())
    assert finish(client, doctor).state == "done"
    assert not client.jobs[slow].is_final
    for job in (slow, later, quick):
        assert finish(client, job).state == "done"
    finished = {job: client.jobs[job].finished or 0 for job in (slow, later, quick)}
    assert finished[slow] < finished[quick] < finished[later]


def test_the_doctor_works_after_an_idle_while_and_its_worker_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ex4d.server.front.DOCTOR_IDLE_SECONDS", 0.5)
    others = set(process_group(os.getpid()))
    front = Front(FrontSettings(tmp_path, parent=None, idle_seconds=None))
    thread = threading.Thread(target=front.run)
    thread.start()
    client = JobClient("test")
    try:
        client.connect(until(lambda: read_handshake(tmp_path)))
        until(lambda: client.poll(20) and client.welcome and client.welcome.ready)
        working = set(process_group(os.getpid()))
        assert len(working - others) == 1
        time.sleep(1.0)
        for _ in range(2):
            assert finish(client, client.submit(DoctorRequest())).state == "done"
            until(lambda: set(process_group(os.getpid())) <= working, what="for the doctor to go")
    finally:
        client.disconnect()
        front.stop("the test is over")
        thread.join(30)
    assert not thread.is_alive()


# Cancelling


def test_cancel_waiting_and_running(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    running = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    waiting = client.submit(reconstruct_request(tmp_path / "other", long_plate))
    wait_for_stage(client, running, "depth")
    worker = server.worker()
    client.cancel(waiting)
    client.cancel(running)
    for job in (waiting, running):
        snapshot = finish(client, job)
        assert snapshot.state == "cancelled"
        assert snapshot.error is not None
        assert snapshot.error.exit_code == 130
    # Cooperatively: the worker is still the same, and the finished stage is kept.
    assert server.worker() == worker
    assert leftovers(tmp_path) == []
    assert [path.name.partition("-")[0] for path in (tmp_path / "shot" / "cache").iterdir()] == ["plate"]
    assert not (tmp_path / "other").exists()


def test_a_worker_that_does_not_listen_is_killed(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    job = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    wait_for_stage(client, job, "depth")
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    client.cancel(job)
    assert finish(client, job).state == "cancelled"
    until(lambda: not process_alive(worker), 5)
    again = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    assert finish(client, again).state == "done"
    assert leftovers(tmp_path) == []


# Others


def _raw(server: Server, **keys: bytes) -> tuple[Any, Any]:
    handshake = server.handshake
    context: zmq.Context[Any] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    values = {
        "curve_serverkey": handshake.server_public.encode(),
        "curve_publickey": handshake.client_public.encode(),
        "curve_secretkey": handshake.client_secret.encode(),
        **keys,
    }
    for name, value in values.items():
        if value:
            setattr(socket, name, value)
    socket.connect(handshake.endpoint)
    return context, socket


@pytest.mark.parametrize(("version", "answered", "words"), [(1, 1, "Update the client"), (3, 2, "Install the backend")])
def test_another_version_is_told_so_in_a_form_that_it_reads(
    server: Server, version: int, answered: int, words: str
) -> None:
    server.start()
    context, socket = _raw(server)
    # Who waits for a job hears of that job's end alone.
    for kind, job in ((b"hello", b""), (b"submit", b"job-1"), (b"watch", b"no id!")):
        socket.send_multipart([b"ex4d/%d" % version, kind, job, b"{}"])
        assert socket.poll(5000)
        frames = socket.recv_multipart()
        assert frames[:3] == [b"ex4d/%d" % answered, b"error", job if b" " not in job else b""]
        answer = json.loads(frames[3])
        assert answer["kind"] == "protocol"
        assert f"ex4d/{version}" in answer["message"]
        assert "ex4d/2" in answer["message"]
        assert words in answer["hint"]
    context.destroy(linger=0)


def test_wrong_keys_hear_nothing(server: Server) -> None:
    server.start()
    public, secret = zmq.curve_keypair()
    wrong = [
        {"curve_publickey": public, "curve_secretkey": secret},
        {"curve_serverkey": public},
        {"curve_serverkey": b"", "curve_publickey": b"", "curve_secretkey": b""},
    ]
    for keys in wrong:
        context, socket = _raw(server, **keys)
        socket.send_multipart(wire.encode(wire.Message("ping")))
        assert not socket.poll(700)
        context.destroy(linger=0)
    assert server.client().welcome


def test_oversize_frames_are_dropped_and_the_front_lives(server: Server) -> None:
    server.start()
    context, socket = _raw(server)
    socket.send_multipart([*wire.encode(wire.Message("submit", "big")), bytes(wire.MAX_BLOB_BYTES + 1)])
    assert not socket.poll(2000)
    context.destroy(linger=0)
    client = server.client()
    client.list()
    client.poll(300)
    assert client.jobs == {}


# After a crash


def test_a_killed_backend_goes_on_where_it_was(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    shot = tmp_path / "shot"
    running = client.submit(reconstruct_request(shot, long_plate))
    waiting = client.submit(preview_request(shot, "orbit:15"))
    wait_for_stage(client, running, "mesh")
    kept = {path: path.stat().st_ino for path in (shot / "cache").glob("[pd]*-*")}
    assert {path.name.partition("-")[0] for path in kept} == {"plate", "depth"}
    server.kill()
    server.start()
    client.connect(server.handshake)
    first, second = finish(client, running), finish(client, waiting)
    assert (first.state, second.state) == ("done", "done"), (first.error, second.error)
    # Not done again.
    assert {path: path.stat().st_ino for path in kept} == kept
    assert leftovers(shot) == []


# The add-on's side of it


def test_starting_from_the_other_side(tmp_path: Path) -> None:
    backend = BackendProcess(tmp_path / "run", Path(sys.executable))
    assert backend.find() is None
    backend.start()
    try:
        handshake = backend.wait()
        assert backend.find() == handshake
        assert handshake.pid in process_group(os.getpid())
    finally:
        client = JobClient("test")
        handshake_now = read_handshake(tmp_path / "run")
        if handshake_now is not None:
            client.connect(handshake_now)
            client.shutdown()
            until(lambda: client.poll(20).left, 10)
            client.disconnect()
    until(lambda: backend.find() is None, 10)


def test_what_starting_says_when_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="No backend is installed"):
        BackendProcess(tmp_path / "run", None).start()
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho there is no ex4d here\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    backend = BackendProcess(tmp_path / "run", broken)
    backend.start()
    with pytest.raises(TransientError, match="there is no ex4d here"):
        backend.wait()
    with pytest.raises(TransientError, match="just failed"):
        backend.start()


def test_waiting_ends_when_the_backend_is_gone(server: Server, long_plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    job = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    wait_for_stage(client, job, "depth")
    backend = BackendProcess(server.runtime, None)
    server.kill()
    with pytest.raises(TransientError, match="in the middle"):
        client.wait(job, alive=lambda: backend.find() is not None)


def test_the_journal_is_readable_json(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    finish(client, client.submit(reconstruct_request(tmp_path / "shot", plate), job="one"))
    record = json.loads(Journal(server.runtime / "jobs").path("one").read_text(encoding="utf-8"))
    assert record["job"]["state"] == "done"
