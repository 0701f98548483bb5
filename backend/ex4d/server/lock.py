# SPDX-License-Identifier: Apache-2.0
"""One backend per runtime folder, by a lock that the system drops when its holder dies."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from ex4d.protocol.errors import TransientError
from ex4d.protocol.runtime import (
    HANDSHAKE_FILE,
    LOCK_FILE,
    lock_holder,
    open_private,
    private_folder,
    read_handshake,
    try_lock,
    write_lock_holder,
)
from ex4d.server.endpoints import remove_left_sockets
from ex4d.system.files import writing

#: A backend that ends takes its handshake back first, and then this long at most for its workers; one that starts
#: leaves its handshake sooner than this. Who holds the lock for longer without one hangs.
ENDING_SECONDS = 30.0
#: Clients look at the lock for some microseconds, which is no reason to give up.
LOOKING_SECONDS = 1.0


class RuntimeLock:
    """Holds a runtime folder. A context manager.

    Attributes:
        notes: what was found and mended on the way, for the log.

    Raises (on entering):
        TransientError: another backend has it, or the folder is not the user's alone, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = -1
        self.notes: list[str] = []
        self._killed: set[int] = set()

    def __enter__(self) -> Self:
        self.notes += private_folder(self._folder)
        with writing(self._folder / LOCK_FILE):
            self._file = open_private(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        try:
            self._wait()
            # From here on we say who serves: a handshake that lies there is that of a backend which was killed.
            former = read_handshake(self._folder)
            with writing(self._folder / HANDSHAKE_FILE):
                # At once: until then it seems to be ours.
                (self._folder / HANDSHAKE_FILE).unlink(missing_ok=True)
                write_lock_holder(self._file)
            if former is not None:
                remove_left_sockets(former.endpoint)
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _wait(self) -> None:
        began = time.monotonic()
        while not self._try():
            waited = time.monotonic() - began
            if read_handshake(self._folder) is not None:
                if waited > LOOKING_SECONDS:
                    raise TransientError(
                        f"A backend runs in {self._folder} already.", "Connect to it, or name another --runtime-dir."
                    )
            elif waited > ENDING_SECONDS:
                self._end_holder()
                began = time.monotonic()
            time.sleep(0.01)

    def _try(self) -> bool:
        try:
            return try_lock(self._file)
        except OSError as error:
            raise TransientError(
                f"{self._folder / LOCK_FILE} cannot be locked: {error.strerror or error}.",
                "Name a folder on a local disk with --runtime-dir.",
            ) from error

    def _end_holder(self) -> None:
        """Kill a backend that hangs in its start or its end; its jobs are in the journal."""
        holder = lock_holder(self._folder)
        if holder is None or not holder.is_running() or holder.pid in self._killed:
            raise TransientError(
                f"A backend that does not answer holds {self._folder}.",
                "End its process, or name another --runtime-dir.",
            )
        with suppress(OSError):
            os.kill(holder.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.notes.append(f"backend {holder.pid} did neither serve nor end for {ENDING_SECONDS:.0f} s and was killed")
        self._killed.add(holder.pid)
