# SPDX-License-Identifier: Apache-2.0
"""Where the backend's sockets listen."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from ex4d.server import endpoints
from ex4d.server.endpoints import Endpoints, remove_left_sockets
from ex4d.server.places import WorkerPlace
from ex4d.server.worker_handle import _environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such sockets")
Make = Callable[[], "zmq.Socket[Any]"]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes sockets."""
    context: zmq.Context[Any] = zmq.Context()
    yield lambda: context.socket(zmq.ROUTER)
    context.destroy(linger=0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short place for temporary folders, the session's too: pytest's own is long where tests run in processes."""
    with tempfile.TemporaryDirectory(prefix="s", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def answers(address: str, server: zmq.Socket[Any], client: zmq.Socket[Any]) -> bool:
    """Whether a message goes from one to the other."""
    client.close(linger=0)
    context: zmq.Context[Any] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address)
    dealer.send(b"x")
    try:
        return bool(server.poll(5000)) and server.recv_multipart()[-1] == b"x"
    finally:
        context.destroy(linger=0)


def test_sockets_lie_in_the_runtime_folder(tmp_path: Path, make: Make, short: Path) -> None:
    stale = tmp_path / "work-3.sock"
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    found = Endpoints(tmp_path)
    # A killed backend's are of no more use.
    assert not stale.exists()
    one, two = make(), make()
    addresses = [found.bind(one, "work"), found.bind(two, "work")]
    assert addresses == [f"ipc://{tmp_path}/work-1.sock", f"ipc://{tmp_path}/work-2.sock"]
    assert answers(addresses[0], one, make())
    assert list(short.iterdir()) == []


def test_a_long_path_gets_a_short_private_folder(tmp_path: Path, make: Make, short: Path) -> None:
    runtime = tmp_path / ("long" * 25)
    runtime.mkdir()
    found, one, two = Endpoints(runtime), make(), make()
    address = found.bind(one, "front")
    (folder,) = short.iterdir()
    assert address == f"ipc://{folder}/front-1.sock"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert answers(address, one, make())
    # All sockets share it, and it goes with them.
    assert found.bind(two, "work").startswith(f"ipc://{folder}/")
    found.close()
    assert list(short.iterdir()) == []


def test_what_a_killed_backend_left_in_a_short_folder_is_removed(tmp_path: Path, make: Make, short: Path) -> None:
    runtime = tmp_path / ("long" * 25)
    runtime.mkdir()
    address = Endpoints(runtime).bind(make(), "front")
    (short / "else.sock").touch()
    remove_left_sockets(address)
    assert [path.name for path in short.iterdir()] == ["else.sock"]
    # Only ever a folder of ours.
    for other in (f"ipc://{short}/else.sock", "tcp://127.0.0.1:5", "ipc://", "nonsense"):
        remove_left_sockets(other)
    assert (short / "else.sock").exists()


def test_where_nothing_fits_it_is_the_loopback_interface(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_PATH_BYTES", 5)
    one = make()
    address = Endpoints(tmp_path).bind(one, "front")
    assert address.startswith("tcp://127.0.0.1:")
    assert answers(address, one, make())


def test_a_file_system_without_sockets_is_passed_over(
    tmp_path: Path, make: Make, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a folder that takes no socket: one that is not there.
    address = Endpoints(tmp_path / "missing").bind(make(), "front")
    assert address.startswith(f"ipc://{short}/ex4d-")


def test_a_name_in_another_encoding_is_passed_over(tmp_path: Path, make: Make, short: Path) -> None:
    runtime = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        runtime.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    assert Endpoints(runtime).bind(make(), "front").startswith(f"ipc://{short}/ex4d-")


def test_the_limit_of_open_files_is_raised() -> None:
    code = (
        "import resource as r; from ex4d.server.endpoints import allow_many_connections as go;"
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (64, hard)); go();"
        "print(r.getrlimit(r.RLIMIT_NOFILE)[0], hard)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    soft, hard = map(int, done.stdout.split())
    assert soft == (65536 if hard == -1 else min(hard, 65536))


def test_a_worker_looks_for_modules_where_its_backend_does_but_not_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "own", "/else", ""]))
    monkeypatch.setenv("EX4D_MODELS", os.pathsep.join(["models", "/more"]))
    monkeypatch.setenv("EX4D_DISTILL_LORA", "lora:rank32.safetensors")
    monkeypatch.delenv("EX4D_COTRACKER", raising=False)
    found = _environment(WorkerPlace())
    assert found["PYTHONPATH"] == os.pathsep.join([str(tmp_path / "own"), "/else"])
    assert found["EX4D_MODELS"] == os.pathsep.join([str(tmp_path / "models"), "/more"])
    assert found["EX4D_DISTILL_LORA"] == str(tmp_path / "lora:rank32.safetensors")
    assert {**found, **dict.fromkeys(("PYTHONPATH", "EX4D_MODELS", "EX4D_DISTILL_LORA"), "")} == {
        **os.environ,
        **dict.fromkeys(("PYTHONPATH", "EX4D_MODELS", "EX4D_DISTILL_LORA"), ""),
    }
