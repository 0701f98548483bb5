# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a .blend is still the one that was opened, so that saving loses nobody's work. No Blender in here."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ex4d.protocol.errors import TransientError
from ex4d.protocol.runtime import try_lock

LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class FileStamp:
    """A file at some moment.

    Attributes:
        size: in bytes, -1 where there is none.
        mtime_ns: its time.
        sha256: of its content.
    """

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """The file as it is now."""
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                return cls(stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())
        except OSError:
            return cls(-1, 0, "")

    def is_still(self, path: Path) -> bool:
        """Whether a file has the content that it had; its time alone says nothing."""
        now = FileStamp.of(path)
        return (now.size, now.sha256) == (self.size, self.sha256)


#: A stamp that no file has.
NEVER = FileStamp(-2, 0, "")


def _is_ours(descriptor: int) -> bool:
    try:
        return try_lock(descriptor)
    except OSError:
        # A file system without locks: contents are still compared.
        return True


@contextmanager
def saving_alone(lock: Path) -> Iterator[None]:
    """Keep other processes that save the same file waiting until the block is done.

    Args:
        lock: a file of this user's own; it stays, empty.

    Raises:
        TransientError: another one does not come to an end.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while not _is_ours(descriptor):
            if time.monotonic() > end:
                raise TransientError("Another Blender is saving the same file.", "Run the command again.")
            time.sleep(0.05)
        yield
    finally:
        # Closing gives the lock back.
        os.close(descriptor)
