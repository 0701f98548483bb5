# SPDX-License-Identifier: Apache-2.0
"""One backend per runtime folder, by a lock that the system drops when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Self

from ex4d.files import make_folder, writing
from ex4d.protocol.errors import TransientError
from ex4d.protocol.runtime import LOCK_FILE, read_handshake

#: A backend that ends takes its handshake back first, and then this long at most for its workers.
ENDING_SECONDS = 20.0


class RuntimeLock:
    """Holds a runtime folder. A context manager.

    Raises (on entering):
        TransientError: another backend has it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._file = -1

    def __enter__(self) -> Self:
        make_folder(self._path.parent)
        with writing(self._path):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        end = time.monotonic() + ENDING_SECONDS
        while True:
            try:
                _lock(self._file)
            except OSError as error:
                # Without a handshake its holder is about to end: its clients are gone, and here comes the next.
                if read_handshake(self._path.parent) is None and time.monotonic() < end:
                    time.sleep(0.1)
                    continue
                os.close(self._file)
                raise TransientError(
                    f"A backend runs in {self._path.parent} already.", "Connect to it, or name another --runtime-dir."
                ) from error
            return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _lock(file: int) -> None:
    """Take the lock or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
