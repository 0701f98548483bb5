# SPDX-License-Identifier: Apache-2.0
"""The runtime folder: who may use it, and who serves in it."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import check_sentence

from ex4d.protocol import runtime as runtime_module
from ex4d.protocol.errors import TransientError
from ex4d.protocol.identity import ProcessIdentity, identity_of, is_own_process, process_start
from ex4d.protocol.runtime import (
    HANDSHAKE_FILE,
    LOCK_FILE,
    Handshake,
    is_held,
    lock_holder,
    open_private,
    private_folder,
    read_handshake,
    running_backend,
    try_lock,
    write_handshake,
)
from ex4d.server import lock
from ex4d.server.lifetime import Owners
from ex4d.server.lock import RuntimeLock
from ex4d.server.progress import JobProgress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
IS_ROOT = sys.platform != "win32" and os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root makes files of other users")
STRANGER = 12345
HANDSHAKE = Handshake("ipc:///nowhere/front.sock", "a" * 40, "b" * 40, "c" * 40, os.getpid(), "0.1.0", "ex4d/1")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def refused(folder: Path) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(TransientError) as caught:
        private_folder(folder)
    check_sentence(caught.value.message)
    assert caught.value.hint
    return caught.value.message


# The folder


def test_a_folder_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        assert private_folder(tmp_path / "a" / "run") == ()
    finally:
        os.umask(former)
    assert mode(tmp_path / "a" / "run") == mode(tmp_path / "a") == 0o700


def test_an_own_folder_that_others_could_read_is_closed_and_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o755)
    (run / "backend.log").write_text("old")
    (note,) = private_folder(run)
    assert "755" in note
    assert mode(run) == 0o700
    assert private_folder(run) == ()


def test_a_folder_that_others_could_write_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK_FILE).touch()
    run.chmod(0o777)
    assert "Other users can write" in refused(run)
    # Not touched: the user is to look at what is in there.
    assert mode(run) == 0o777


def test_a_folder_of_something_else_is_not_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "public_html").mkdir()
    home.chmod(0o755)
    assert "something else" in refused(home)
    assert mode(home) == 0o755
    # Closed by the user, it is the user's own affair.
    home.chmod(0o700)
    assert private_folder(home) == ()


def test_an_empty_one_is_taken(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o777)
    assert len(private_folder(run)) == 1
    assert mode(run) == 0o700


def test_a_group_that_is_only_the_user_is_no_other(tmp_path: Path) -> None:
    import grp
    import pwd

    me = pwd.getpwuid(os.geteuid()).pw_name
    try:
        group = grp.getgrnam(me)
    except KeyError:
        pytest.skip("this user has no group of the same name")
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK_FILE).touch()
    os.chown(run, -1, group.gr_gid)
    run.chmod(0o775)
    if any(member != me for member in group.gr_mem):
        pytest.skip("this user's group has other members")
    assert len(private_folder(run)) == 1
    assert mode(run) == 0o700


@needs_root
def test_a_shared_group_is_others(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK_FILE).touch()
    os.chown(run, -1, STRANGER)
    run.chmod(0o775)
    assert "Other users can write" in refused(run)


@needs_root
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    os.chown(run, STRANGER, STRANGER)
    assert "another user" in refused(run)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    for target in ("elsewhere", "nowhere"):
        run = tmp_path / f"to-{target}"
        run.symlink_to(tmp_path / target)
        assert "is a link" in refused(run)
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    assert "cannot be used" in refused(tmp_path / "run")


# Its files


def test_files_are_made_and_kept_private(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        os.close(open_private(tmp_path / "new", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(former)
    (tmp_path / "old").write_text("kept")
    (tmp_path / "old").chmod(0o644)
    os.close(open_private(tmp_path / "old", os.O_WRONLY | os.O_CREAT))
    assert mode(tmp_path / "new") == mode(tmp_path / "old") == 0o600
    assert (tmp_path / "old").read_text() == "kept"


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "made")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "pipe"):
        for flags in (os.O_WRONLY | os.O_CREAT, os.O_RDWR):
            with pytest.raises(OSError, match=r"symbolic|ordinary|No such device"):
                os.close(open_private(tmp_path / name, flags))
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "made").exists()


@needs_root
def test_another_users_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / LOCK_FILE
    path.write_text("")
    os.chown(path, STRANGER, STRANGER)
    with pytest.raises(PermissionError):
        os.close(open_private(path, os.O_RDWR))
    with pytest.raises(TransientError), RuntimeLock(tmp_path):
        pass


def test_a_thumbnail_is_the_users_alone(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    progress = JobProgress(sent.append, lambda: False, tmp_path / "looks-work" / "job")
    former = os.umask(0)
    try:
        progress.thumbnail(np.zeros((90, 160, 3), np.uint8))
    finally:
        os.umask(former)
    path = Path(sent[-1]["thumbnail"])
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_a_handshake_that_others_could_have_written_is_none(tmp_path: Path) -> None:
    write_handshake(tmp_path, HANDSHAKE)
    path = tmp_path / HANDSHAKE_FILE
    for wrong in (0o644, 0o660, 0o602):
        path.chmod(wrong)
        assert read_handshake(tmp_path) is None
    path.chmod(0o600)
    assert read_handshake(tmp_path) == HANDSHAKE
    tmp_path.chmod(0o777)
    assert read_handshake(tmp_path) is None
    tmp_path.chmod(0o700)
    path.rename(tmp_path / "x")
    path.symlink_to(tmp_path / "x")
    assert read_handshake(tmp_path) is None


@needs_root
def test_another_users_handshake_is_none(tmp_path: Path) -> None:
    write_handshake(tmp_path, HANDSHAKE)
    os.chown(tmp_path / HANDSHAKE_FILE, STRANGER, STRANGER)
    assert read_handshake(tmp_path) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"pid": True},
        {"pid": "7"},
        {"pid": 7.5},
        {"version": None},
        {"endpoint": 5},
        {"endpoint": "inproc://x"},
        {"endpoint": "ipc://@anyone"},
        {"server_public": "a" * 39},
        {"client_secret": "\u00e9" * 40},
        {"client_public": "a" * 39 + "\n"},
    ],
)
def test_a_handshake_of_wrong_values_is_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_handshake(tmp_path, dataclasses.replace(HANDSHAKE, **wrong))
    assert read_handshake(tmp_path) is None


def test_a_handshake_that_is_a_pipe_or_endless_is_none(tmp_path: Path) -> None:
    path = tmp_path / HANDSHAKE_FILE
    os.mkfifo(path, 0o600)
    assert read_handshake(tmp_path) is None
    path.unlink()
    path.touch(0o600)
    os.truncate(path, 1 << 40)
    assert read_handshake(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", "null", '{"pid": "1", "start": "x"}', '{"pid": 1, "start": 2}', "[" * 60_000]
)
def test_a_lock_of_wrong_text_names_nobody(tmp_path: Path, holder: subprocess.Popen[str], text: str) -> None:
    (tmp_path / "run" / LOCK_FILE).write_text(" " + text)
    assert lock_holder(tmp_path / "run") is None
    assert is_held(tmp_path / "run")


def test_a_handshake_may_say_more_in_a_later_version(tmp_path: Path) -> None:
    write_handshake(tmp_path, HANDSHAKE)
    path = tmp_path / HANDSHAKE_FILE
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "mood": "good"}))
    assert read_handshake(tmp_path) == HANDSHAKE
    path.write_text("[" * 100_000)
    assert read_handshake(tmp_path) is None


# The lock

_HOLD = """
import sys, time
from pathlib import Path
from typing import Any
from ex4d.server.lock import RuntimeLock
from ex4d.server.progress import JobProgress
with RuntimeLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds ``tmp_path / "run"`` and says nothing in it."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_lock_tells_who_serves(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    run = tmp_path / "run"
    assert mode(run / LOCK_FILE) == 0o600
    assert is_held(run)
    assert lock_holder(run) == identity_of(holder.pid)
    assert running_backend(run) is None
    write_handshake(run, HANDSHAKE)
    assert running_backend(run) == HANDSHAKE
    holder.kill()
    holder.wait()
    # The handshake is still there, its process (this one) lives, and yet nobody serves.
    assert read_handshake(run) == HANDSHAKE
    assert not is_held(run)
    assert lock_holder(run) is None
    assert running_backend(run) is None


def test_looking_does_not_make_a_lock(tmp_path: Path) -> None:
    assert running_backend(tmp_path) is None
    assert not is_held(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_who_takes_the_lock_takes_the_stale_handshake_away(tmp_path: Path) -> None:
    left = tmp_path / "ex4d-left"
    left.mkdir()
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left / "front-1.sock"))
    tmp_path.chmod(0o700)
    stale = Handshake(f"ipc://{left}/front-1.sock", "a" * 40, "b" * 40, "c" * 40, os.getpid(), "0.1.0", "ex4d/1")
    write_handshake(tmp_path, stale)
    with RuntimeLock(tmp_path):
        assert read_handshake(tmp_path) is None
        # Its sockets go with it.
        assert not left.exists()


def test_a_stale_handshake_is_not_taken_for_that_of_a_backend_that_starts_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the lock at the very moment in which a client looks at it."""
    tmp_path.chmod(0o700)
    write_handshake(tmp_path, HANDSHAKE)

    with ExitStack() as stack:

        def look(folder: Path) -> bool:
            stack.enter_context(RuntimeLock(folder))
            return is_held(folder)

        monkeypatch.setattr(runtime_module, "is_held", look)
        assert running_backend(tmp_path) is None


def test_clients_that_look_do_not_keep_a_backend_from_starting(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    # With a stale handshake there is no patience with a holder.
    write_handshake(tmp_path, HANDSHAKE)
    looking = open_private(tmp_path / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    assert try_lock(looking, shared=True)
    # Nor does one take another for a backend.
    assert running_backend(tmp_path) is None
    leaves = threading.Timer(0.2, os.close, [looking])
    leaves.start()
    with RuntimeLock(tmp_path):
        assert is_held(tmp_path)
    leaves.join()


def test_a_backend_that_serves_is_not_pushed_out(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOKING_SECONDS", 0.1)
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.0)
    write_handshake(tmp_path / "run", HANDSHAKE)
    with pytest.raises(TransientError, match="runs in"), RuntimeLock(tmp_path / "run"):
        pass
    assert holder.poll() is None


def test_one_that_hangs_in_its_start_or_end_is(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.2)
    with RuntimeLock(tmp_path / "run") as mine:
        assert holder.wait(10) == -9
        assert any(str(holder.pid) in note for note in mine.notes)
        found = lock_holder(tmp_path / "run")
        assert found is not None
        assert found.pid == os.getpid()


def test_a_number_in_the_lock_that_was_given_away_is_not_killed(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.1)
    bystander = subprocess.Popen(["sleep", "60"])
    (tmp_path / "run" / LOCK_FILE).write_text(" " + json.dumps({"pid": bystander.pid, "start": "before the boot"}))
    try:
        with pytest.raises(TransientError, match="does not answer"), RuntimeLock(tmp_path / "run"):
            pass
        assert bystander.poll() is None
        assert holder.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


# Processes


def test_an_identity_is_one_process_only() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = identity_of(process.pid)
        assert found is not None
        assert found == identity_of(process.pid)
        assert found.is_running()
        assert not ProcessIdentity(process.pid, "another").is_running()
        process.kill()
        # Its exit code is still to be asked for.
        end = time.monotonic() + 10
        while found.is_running() and time.monotonic() < end:
            time.sleep(0.01)
        assert not found.is_running()
    assert identity_of(process.pid) is None
    assert [process_start(pid) for pid in (0, -1, 10**30)] == [None] * 3


def test_a_backend_does_not_live_for_the_first_process_or_strangers() -> None:
    assert is_own_process(os.getpid())
    owners = Owners(os.getppid())
    for pid in (1, 0, -5, 10**12, os.getpid()):
        owners.add(pid)
    assert [process.pid for process in owners._processes] == [os.getppid()]
    assert not owners.all_gone()
    # Nobody in particular: then nobody's end ends it.
    assert not Owners(None).all_gone()


@needs_root
def test_another_users_process_is_no_owner() -> None:
    with subprocess.Popen(["sleep", "60"], user=STRANGER) as process:
        assert not is_own_process(process.pid)
        owners = Owners(None)
        owners.add(process.pid)
        assert owners._processes == set()
        process.kill()


def test_an_owner_whose_number_was_given_away_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        owners = Owners(process.pid)
        assert not owners.all_gone()
        monkeypatch.setattr("ex4d.protocol.identity.process_start", lambda pid: "later")
        assert owners.all_gone()
        process.kill()
