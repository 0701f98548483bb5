# SPDX-License-Identifier: Apache-2.0
"""Who gets in, whose code runs, and what happens when nobody answers."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ex4d_blender.core import backend_process, client
from ex4d_blender.core.backend_process import BackendProcess
from ex4d_blender.core.client import JobClient, SilentBackendError
from ex4d_blender.core.versions import version_difference

from ex4d.protocol.errors import TransientError
from ex4d.protocol.identity import identity_of
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import DoctorRequest, MoveCamera, RenderRequest
from ex4d.protocol.runtime import Handshake, private_folder, read_handshake, running_backend, write_handshake
from ex4d.server.journal import Entry, Journal
from service import (
    Server,
    finish,
    generate_request,
    leftovers,
    process_group,
    reconstruct_request,
    until,
    wait_for_stage,
)

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as other users")
KEYS = ("a" * 40, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs")


# Whose code runs


@pytest.mark.parametrize("how", ["-m", "-P -m"])
def test_nothing_of_the_current_folder_is_run(tmp_path: Path, how: str) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    names = ["cv2", "zmq", "json", "numpy", "logging", "typing", "signal", "sitecustomize", "av", "moderngl"]
    # Without -P Python itself looks for the program in the current folder; the command `ex4d` does not.
    for name in [*names, "ex4d"] if "-P" in how else names:
        (evil / f"{name}.py").write_text(f"open({str(evil / 'RUN')!r}, 'a').write({name!r})")
    run = tmp_path / "run"
    command = [sys.executable, *how.split(), "ex4d", "serve", "--runtime-dir", str(run)]
    backend = subprocess.Popen(command, cwd=evil, stdout=subprocess.DEVNULL)
    caller = JobClient("test")
    try:
        caller.connect(until(lambda: read_handshake(run)))
        until(lambda: caller.poll(20) and caller.welcome and caller.welcome.ready, what="for the worker")
        assert finish(caller, caller.submit(DoctorRequest())).state == "done"
        (worker, *_) = process_group(backend.pid)
        assert Path(f"/proc/{worker}/cwd").resolve() == run
    finally:
        caller.disconnect()
        backend.terminate()
        backend.wait(30)
    assert not (evil / "RUN").exists()


def test_nor_by_the_processes_of_a_pool(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "multiprocessing.py").write_text(f"open({str(evil / 'RUN')!r}, 'w').close()")
    # As the command `ex4d`, whose own folder is the first on its path; `train prepare` starts such a pool.
    script = tmp_path / "command.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "if __name__ == '__main__':\n"
        "    from ex4d.__main__ import main\n"
        "    sys.argv[1:] = ['--version']\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "    process = multiprocessing.get_context('spawn').Process(target=abs, args=(-7,))\n"
        "    process.start(); process.join(); print('ended with', process.exitcode)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=evil, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.endswith("ended with 0\n"), done.stderr
    assert not (evil / "RUN").exists()


# The runtime folder


def test_all_that_a_backend_writes_is_the_users_alone_and_shots_are_as_the_user_wants(
    server: Server, plate: Path, tmp_path: Path
) -> None:
    # As an earlier version left it.
    server.runtime.mkdir()
    (server.runtime / "backend.log").write_text("")
    server.runtime.chmod(0o755)
    former = os.umask(0o027)
    try:
        server.start()
    finally:
        os.umask(former)
    caller = server.client()
    shot = tmp_path / "shot"
    assert finish(caller, caller.submit(reconstruct_request(shot, plate))).state == "done"
    assert finish(caller, caller.submit(generate_request(shot, "orbit:20"))).state == "done"
    assert "is the user's alone now" in (server.runtime / "backend.log").read_text()
    there = [server.runtime, *server.runtime.rglob("*")]
    assert {path.suffix for path in there} >= {".json", ".lock", ".log", ".sock", ".stderr"}
    assert [str(path) for path in there if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    written = [path for path in shot.rglob("*") if path.suffix in (".png", ".json", ".mp4")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o640}
    server.stop()
    assert list(server.runtime.glob("*.sock")) == []


def _hostile(folder: Path, kind: str, victim: Path) -> Path:
    """A runtime folder with another user's job, log, lock and handshake in it."""
    folder.mkdir()
    request = RenderRequest(str(victim / "shot"), MoveCamera("orbit:10"))
    Journal(folder / "jobs").write(Entry(JobSnapshot("planted", "render"), request))
    for name in ("start.log", "backend.log", "backend.lock", "worker.stderr"):
        (folder / name).symlink_to(victim / name)
    write_handshake(folder, Handshake("tcp://127.0.0.1:9", *KEYS, os.getpid(), "0.1.0", "ex4d/2"))
    if kind == "theirs":
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        folder.chmod(0o777)
    elif kind == "a link":
        folder.rename(folder.with_name("behind"))
        folder.symlink_to(folder.with_name("behind"))
    elif kind == "the group's":
        os.chown(folder, -1, STRANGER)
        folder.chmod(0o770)
    else:
        folder.chmod(0o777)
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("theirs", marks=needs_root),
        "a link",
        pytest.param("the group's", marks=needs_root),
        "everybody's",
    ],
)
def test_a_hostile_runtime_folder_is_refused_and_nothing_of_it_used(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("start.log", "backend.log"):
        (victim / name).write_text("precious")
    run = _hostile(tmp_path / "run", kind, victim)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ex4d", "serve", "--runtime-dir", str(run)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 30, done.stderr
    assert "runtime folder" in done.stderr
    backend = BackendProcess(run, Path(sys.executable))
    assert backend.find() is None
    with pytest.raises(TransientError, match="runtime folder"):
        backend.start()
    assert {path.name: path.read_text() for path in victim.iterdir()} == {
        "start.log": "precious",
        "backend.log": "precious",
    }
    record = json.loads(next((run / "jobs").glob("*.json")).read_text())
    assert record["job"]["state"] == "queued"


@needs_root
def test_another_user_cannot_even_knock() -> None:
    # Not below pytest's own folder, which is closed to others.
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    server = Server(place / "run")
    try:
        endpoint = server.start().endpoint
        assert endpoint.startswith("ipc://")
        code = (
            "import socket, sys\n"
            "for _ in range(1100):\n"
            "    try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
            "    except PermissionError: continue\n"
            "    print('in')\n"
        )
        command = ["/usr/bin/env", "python3", "-c", code, endpoint.removeprefix("ipc://")]
        tried = subprocess.run(command, user=STRANGER, capture_output=True, text=True, check=False, cwd="/")
        if tried.returncode == 127:
            pytest.skip("the other user has no Python")
        assert (tried.returncode, tried.stdout, tried.stderr) == (0, "", "")
        assert server.client().welcome
    finally:
        server.close()
        shutil.rmtree(place)


def test_a_killed_backends_handshake_and_sockets_count_for_nothing(server: Server) -> None:
    former = server.start()
    backend = BackendProcess(server.runtime, None)
    assert backend.find() == former
    server.kill()
    assert read_handshake(server.runtime) == former
    assert backend.find() is None
    again = server.start()
    assert backend.find() == again
    assert len(list(server.runtime.glob("front*.sock"))) == 1


# Silence


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that wait for a moment, not for half a minute."""
    monkeypatch.setattr(client, "SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(client, "PING_SECONDS", 0.3)
    monkeypatch.setattr(backend_process, "END_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_backend_that_hangs_is_noticed_ended_and_replaced_and_its_job_done(
    server: Server, long_plate: Path, tmp_path: Path
) -> None:
    asked = server.start()
    caller = server.client()
    job = caller.submit(reconstruct_request(tmp_path / "shot", long_plate))
    wait_for_stage(caller, job, "depth")
    os.kill(server.pid, signal.SIGSTOP)
    backend = BackendProcess(server.runtime, Path(sys.executable))
    started = time.monotonic()
    with pytest.raises(SilentBackendError):
        caller.wait(job, alive=lambda: backend.find() is not None)
    # A caller who waits for an answer would wait for ever.
    assert time.monotonic() - started < 60
    # It is there, as far as the system knows.
    assert backend.find() == asked
    until(lambda: backend.end_silent(asked), 10, "for its end")
    assert server.process is not None
    assert server.process.wait(1) == -signal.SIGKILL
    backend.start()
    try:
        caller.connect(backend.wait())
        assert not caller.is_silent
        assert finish(caller, job).state == "done"
        assert leftovers(tmp_path / "shot") == []
    finally:
        caller.shutdown()
        until(lambda: caller.poll(20).left, 20)
    until(lambda: backend.find() is None, 10)


_HOLD = """
import sys, time
from pathlib import Path
from ex4d.server.lock import RuntimeLock
with RuntimeLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds ``tmp_path / "run"`` as a backend does, with a handshake that leads nowhere."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        write_handshake(tmp_path / "run", _handshake(process.pid))
        yield process
        process.kill()


def _handshake(pid: int) -> Handshake:
    return Handshake("tcp://127.0.0.1:9", KEYS[1], KEYS[1], KEYS[2], pid, "0.1.0", "ex4d/1")


@pytest.mark.usefixtures("impatient")
def test_a_dead_port_is_silence(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    backend = BackendProcess(tmp_path / "run", None)
    caller = JobClient("test")
    found = backend.find()
    assert found is not None
    caller.connect(found)
    with pytest.raises(SilentBackendError):
        caller.wait(caller.submit(DoctorRequest()), alive=lambda: backend.find() is not None)
    caller.disconnect()
    until(lambda: backend.end_silent(found), 10)
    assert holder.wait(1) == -signal.SIGTERM


def test_a_backend_that_has_taken_over_meanwhile_is_left_alone(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    former = _handshake(holder.pid + 1)
    assert BackendProcess(tmp_path / "run", None).end_silent(former)
    assert holder.poll() is None


def test_a_process_that_may_be_another_is_not_ended(tmp_path: Path) -> None:
    run = tmp_path / "run"
    private_folder(run)
    bystander = subprocess.Popen(["sleep", "600"])
    # As an earlier version held it: nobody's name in the lock.
    with (run / "backend.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (run / "backend.lock").chmod(0o600)
        write_handshake(run, _handshake(bystander.pid))
        try:
            with pytest.raises(TransientError, match=f"process {bystander.pid}"):
                BackendProcess(run, None).end_silent(_handshake(bystander.pid))
            assert identity_of(bystander.pid) is not None
            assert running_backend(run) is not None
        finally:
            bystander.kill()
            bystander.wait()


# Owners


def test_hello_from_the_first_process_keeps_no_backend(server: Server) -> None:
    parent = subprocess.Popen(["sleep", "600"])
    server.start("--parent", str(parent.pid))
    caller = JobClient("test", pid=1)
    caller.connect(server.handshake)
    until(lambda: caller.poll(20).welcome, 20)
    parent.kill()
    parent.wait()
    assert server.process is not None
    assert server.process.wait(20) == 0
    caller.disconnect()


# Versions


@pytest.mark.parametrize(
    ("backend", "extension", "says"),
    [
        ("0.1.0", "0.2.0", "Install the backend"),
        ("0.9.0", "0.10.0", "Install the backend"),
        ("0.3.0", "0.2.0", "Update the extension"),
        ("0.2.0-rc1", "0.2.0", "extension"),
    ],
)
def test_which_to_update_is_said(backend: str, extension: str, says: str) -> None:
    difference = version_difference(backend, extension)
    assert difference is not None
    assert backend in difference.message
    assert extension in difference.message
    assert says in difference.hint
    assert version_difference(extension, extension) is None
