# SPDX-License-Identifier: Apache-2.0
"""The backend under load and abuse. Each test prints its figures (``pytest -rP``); docs/reliability.md quotes them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ex4d.protocol import wire
from ex4d.protocol.jobs import FINAL_STATES
from ex4d.protocol.requests import DoctorRequest, Request
from ex4d.server.journal import Journal
from service import (
    Server,
    finish,
    generate_request,
    leftovers,
    make_sequence,
    open_files,
    preview_request,
    reconstruct_request,
    render_request,
    resident_mib,
    until,
    wait_for_stage,
)

#: A request that may be sent again and again.
SOME = {"shot": "/s", "camera": {"trajectory": {"blob": 0}}}
STAGES = {
    "reconstruct": ("plate", "depth", "mesh", "viewport"),
    "generate": ("raster", "fill", "composite"),
}


def _dealer(server: Server) -> tuple[zmq.Context[Any], zmq.Socket[bytes]]:
    handshake = server.handshake
    context: zmq.Context[Any] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = handshake.server_public.encode()
    socket.curve_publickey = handshake.client_public.encode()
    socket.curve_secretkey = handshake.client_secret.encode()
    socket.connect(handshake.endpoint)
    return context, socket


# Messages

_GOOD = [
    wire.encode(wire.Message("hello", "", {"client": "x", "pid": 1})),
    wire.encode(wire.Message("submit", "job", {"kind": "render", "request": SOME, "title": "t"}, (b"{}",))),
    wire.encode(wire.Message("cancel", "job")),
    wire.encode(wire.Message("watch", "job")),
    wire.encode(wire.Message("list")),
    wire.encode(wire.Message("ping")),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _mutated(draw: st.DrawFn) -> list[bytes]:
    """A good message with a frame replaced, cut, doubled, dropped, or with bytes turned over."""
    frames = list(draw(st.sampled_from(_GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(frames) - 1))
        frame = frames[index]
        change = draw(st.sampled_from(["replace", "cut", "double", "drop", "flip", "json"]))
        if change == "replace":
            frames[index] = draw(st.binary(max_size=40))
        elif change == "cut":
            frames[index] = frame[: draw(st.integers(0, len(frame)))]
        elif change == "double":
            frames.insert(index, frame)
        elif change == "drop" and len(frames) > 1:
            del frames[index]
        elif change == "flip" and frame:
            at = draw(st.integers(0, len(frame) - 1))
            frames[index] = frame[:at] + bytes([frame[at] ^ (1 << draw(st.integers(0, 7)))]) + frame[at + 1 :]
        elif change == "json" and len(frames) > 3:
            frames[3] = json.dumps(draw(_JSON)).encode()
    return frames


_MESSAGES = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=9) | _mutated(), min_size=50, max_size=50)


def test_ten_thousand_random_and_mutated_messages(server: Server) -> None:
    server.start()
    server.client()
    context, socket = _dealer(server)
    memory, files = resident_mib(server.pid), open_files(server.pid)
    sent, answered, started = 0, 0, time.monotonic()

    def drain() -> int:
        count = 0
        while True:
            try:
                socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            count += 1

    def is_shutdown(frames: list[bytes]) -> bool:
        return len(frames) > 1 and frames[1] == b"shutdown"

    @settings(max_examples=205, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_MESSAGES)
    def attack(batch: list[list[bytes]]) -> None:
        nonlocal sent, answered
        for frames in batch:
            if not is_shutdown(frames):
                socket.send_multipart(frames)
                sent += 1
        answered += drain()

    attack()
    seconds = time.monotonic() - started
    socket.send_multipart(wire.encode(wire.Message("ping")))
    until(lambda: socket.poll(100) and b"pong" in socket.recv_multipart(), 20, "for the pong")
    assert sent >= 10_000
    assert answered > 0
    grown = resident_mib(server.pid) - memory
    print(f"{sent} messages in {seconds:.0f} s, {answered} answers, memory +{grown:.1f} MiB from {memory:.0f} MiB")
    assert grown < 30
    context.destroy(linger=0)
    until(lambda: open_files(server.pid) <= files, 10, "for closed connections")
    assert server.process is not None
    assert server.process.poll() is None
    # The worker has not noticed anything.
    client = server.client("after")
    assert finish(client, client.submit(DoctorRequest())).state == "done"


def test_connections_that_come_and_go_leave_nothing(server: Server) -> None:
    server.start()
    server.client()
    files, memory = open_files(server.pid), resident_mib(server.pid)
    for _ in range(150):
        context, socket = _dealer(server)
        socket.send_multipart(wire.encode(wire.Message("list")))
        assert socket.poll(5000)
        context.destroy(linger=0)
    until(lambda: open_files(server.pid) <= files + 2, 20, "for closed connections")
    print(f"150 connections, memory +{resident_mib(server.pid) - memory:.1f} MiB")
    assert resident_mib(server.pid) - memory < 20


# Load


def test_two_hundred_jobs(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    clients = [server.client("one"), server.client("two")]
    shots = [tmp_path / f"shot{index}" for index in range(4)]
    rng = random.Random(5)
    jobs: dict[str, int] = {}
    started = time.monotonic()
    for index in range(200):
        client = clients[index % 2]
        shot = shots[index % 4]
        if index < 4:
            job = client.submit(reconstruct_request(shot, plate))
        else:
            kind = rng.choice(["render", "render", "preview", "generate", "doctor"])
            move = f"orbit:{rng.randint(1, 30)}"
            asked = {"render": render_request, "preview": preview_request, "generate": generate_request}
            job = client.submit(asked[kind](shot, move) if kind in asked else DoctorRequest())
        jobs[job] = index % 2
    cancelled = rng.sample(list(jobs)[8:], 30)
    for job in cancelled:
        clients[jobs[job]].cancel(job)

    def all_ended() -> bool:
        for client in clients:
            client.poll(10)
        return all(clients[owner].jobs[job].is_final for job, owner in jobs.items())

    until(all_ended, 240, "for all jobs")
    states = [clients[owner].jobs[job].state for job, owner in jobs.items()]
    counts = {state: states.count(state) for state in sorted(set(states))}
    print(f"200 jobs in {time.monotonic() - started:.0f} s: {counts}")
    assert counts.get("failed", 0) == 0, [
        clients[owner].jobs[job].error for job, owner in jobs.items() if clients[owner].jobs[job].state == "failed"
    ]
    for job in set(jobs) - set(cancelled):
        assert clients[jobs[job]].jobs[job].state == "done"
    # The journal and the backend say the same.
    for job, owner in jobs.items():
        record = json.loads(Journal(server.runtime / "jobs").path(job).read_text(encoding="utf-8"))
        assert record["job"]["state"] == clients[owner].jobs[job].state
    assert leftovers(tmp_path) == []


# Death


@pytest.mark.parametrize("stage", STAGES["reconstruct"])
def test_a_worker_killed_in_any_stage_of_a_reconstruction(
    server: Server, long_plate: Path, tmp_path: Path, stage: str
) -> None:
    shot = tmp_path / "shot"
    _kill_in_stage(server, shot, stage, reconstruct_request(shot, long_plate, viewport_side=256))


@pytest.mark.parametrize("stage", STAGES["generate"])
def test_a_worker_killed_in_any_stage_of_a_take(server: Server, long_shot: Path, stage: str) -> None:
    # Embree takes its time with a few frames too.
    options = {"raster": "embree", "frames": "1001-1016"} if stage == "raster" else {}
    _kill_in_stage(server, long_shot, stage, generate_request(long_shot, "orbit:20", **options))


def _kill_in_stage(server: Server, shot: Path, stage: str, request: Request) -> None:
    server.start()
    client = server.client()
    front = server.pid
    job = client.submit(request)
    wait_for_stage(client, job, stage)
    before = {path: path.stat().st_ino for path in (shot / "cache").glob("[a-z]*-*")}
    os.kill(server.worker(), signal.SIGKILL)
    snapshot = finish(client, job)
    assert snapshot.state == "done", snapshot.error
    assert any("SIGKILL" in note for note in snapshot.notes)
    assert server.pid == front
    assert {path: path.stat().st_ino for path in before} == before
    assert leftovers(shot) == []


def test_a_worker_killed_twice_fails_its_job_and_serves_the_next(
    server: Server, long_plate: Path, plate: Path, tmp_path: Path
) -> None:
    server.start()
    client = server.client()
    job = client.submit(reconstruct_request(tmp_path / "shot", long_plate))
    for _ in range(2):
        wait_for_stage(client, job, "depth")
        os.kill(server.worker(), signal.SIGKILL)
        until(lambda: client.poll(20) or client.jobs[job].stage != "depth", 30)
    snapshot = finish(client, job)
    assert snapshot.state == "failed"
    assert snapshot.error is not None
    assert snapshot.error.exit_code == 20
    assert "twice" in snapshot.error.message
    assert "memory" in snapshot.error.hint
    assert finish(client, client.submit(reconstruct_request(tmp_path / "b", plate))).state == "done"


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, or a skip where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(server: Server, small_disk: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    plate = make_sequence(tmp_path / "plate", 16, 200, 150)
    request = reconstruct_request(small_disk / "shot", plate)
    snapshot = finish(client, client.submit(request))
    assert snapshot.state == "failed"
    assert snapshot.error is not None
    assert snapshot.error.exit_code == 30
    assert "full" in snapshot.error.message
    assert "space" in snapshot.error.hint
    assert leftovers(small_disk) == []
    # With some room the same job goes on.
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    assert finish(client, client.submit(request)).state == "done"


def test_a_full_runtime_disk(server: Server, small_disk: Path, plate: Path, tmp_path: Path) -> None:
    server.runtime = small_disk / "run"
    server.start()
    client = server.client()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    # What cannot be written down is not taken.
    refused = finish(client, client.submit(reconstruct_request(tmp_path / "shot", plate)))
    assert refused.state == "failed"
    assert refused.error is not None
    assert refused.error.exit_code == 30
    assert "full" in refused.error.message
    ballast.unlink()
    assert finish(client, client.submit(reconstruct_request(tmp_path / "shot", plate))).state == "done"


def test_a_read_only_shot_folder(server: Server, small_disk: Path, plate: Path) -> None:
    server.start()
    client = server.client()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    snapshot = finish(client, client.submit(reconstruct_request(small_disk / "shot", plate)))
    assert snapshot.state == "failed"
    assert snapshot.error is not None
    assert snapshot.error.exit_code == 30
    assert "Read-only" in snapshot.error.message
    assert snapshot.error.hint
    subprocess.run(["mount", "-o", "remount,rw,size=100m", str(small_disk)], check=True)
    assert finish(client, client.submit(reconstruct_request(small_disk / "shot", plate))).state == "done"


def test_states_are_final(server: Server, plate: Path, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    job = client.submit(reconstruct_request(tmp_path / "shot", plate))
    assert finish(client, job).state in FINAL_STATES
    client.cancel(job)
    time.sleep(0.3)
    client.poll(200)
    assert client.jobs[job].state == "done"
