# SPDX-License-Identifier: Apache-2.0
"""Where a backend's sockets listen: in a folder that nobody else can enter where the system has such sockets, else on
the loopback interface, which every user of the machine can knock at."""

from __future__ import annotations

import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq

log = logging.getLogger(__name__)

#: Bytes that a socket's path may have, the final null not counted: sun_path of Linux, of the BSDs and macOS.
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
_PREFIX, _SUFFIX, _SCHEME = "ex4d-", ".sock", "ipc://"
#: Files that a backend may have open; the soft limit that many systems give is used up by connections.
_OPEN_FILES = 1 << 16


class Endpoints:
    """Binds the sockets of one backend.

    Sockets lie in the runtime folder where its path is short enough and its file system has sockets; else in a folder
    of their own in ``XDG_RUNTIME_DIR`` or among temporary files.
    """

    def __init__(self, runtime: Path) -> None:
        """``runtime``: a folder that is the user's alone, held by this process."""
        self._runtime = runtime
        self._made: list[Path] = []
        self._count = 0
        _remove_sockets(runtime)

    def bind(self, socket: zmq.Socket[Any], name: str) -> str:
        """Bind a socket to an address that had nobody before; returns it."""
        self._count += 1
        for folder in self._folders():
            # A closed socket's file vanishes some time later, so that no two may have the same.
            path = folder / f"{name}-{self._count}{_SUFFIX}"
            if not _fits(path):
                continue
            try:
                socket.bind(f"{_SCHEME}{path}")
            except zmq.ZMQError as error:
                log.info("no socket at %s: %s", path, error)
            else:
                return f"{_SCHEME}{path}"
        socket.bind("tcp://127.0.0.1:*")
        address = socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(address, bytes)
        return address.decode().rstrip("\0")

    def _folders(self) -> Iterator[Path]:
        if sys.platform == "win32" or not zmq.has("ipc"):
            return
        yield self._runtime
        yield from self._made
        if self._made:
            return
        for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
            if parent and _fits(Path(parent) / "ex4d-12345678" / "doctor-1000000.sock"):
                with suppress(OSError):
                    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
                    self._made.append(made)
                    yield made

    def close(self) -> None:
        """Remove what is left of them."""
        for folder in (self._runtime, *self._made):
            _remove_sockets(folder)
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()


def remove_left_sockets(endpoint: str) -> None:
    """Remove the sockets' folder of a backend that was killed, by the address in its handshake."""
    folder = Path(endpoint.removeprefix(_SCHEME)).parent
    if not endpoint.startswith(_SCHEME) or not folder.name.startswith(_PREFIX) or folder.is_symlink():
        return
    _remove_sockets(folder)
    with suppress(OSError):
        folder.rmdir()


def allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS allows less than it says.
        for limit in (wanted, 10240):
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
                return


def _fits(path: Path) -> bool:
    """Whether a socket can have that name."""
    try:
        return len(str(path).encode()) <= MAX_PATH_BYTES
    except UnicodeEncodeError:
        # A name in another encoding; ZeroMQ takes UTF-8 only.
        return False


def _remove_sockets(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.glob(f"*{_SUFFIX}"):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
