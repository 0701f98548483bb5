# SPDX-License-Identifier: Apache-2.0
"""Opening ordinary files and nothing else. A pipe, a device or a socket under a file's name would be waited for, or
read, without end. Standard library only.

What follows from a refusal is the callers': ``system.inputs`` for files that users name, ``seal`` for those that ex4d
has written, ``runtime`` for those that must be the user's own.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotOrdinaryFileError(OSError):
    """ENXIO: what was to be opened is no ordinary file, nor a link to one.

    Args:
        kind: what it is, ``stat.S_IFMT`` of its mode.
    """

    def __init__(self, kind: int) -> None:
        super().__init__(errno.ENXIO, "no ordinary file")
        self.kind = kind


def open_ordinary(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of an ordinary file, for bytes; never waits for the other end of a pipe.

    Args:
        path: the file.
        flags: of ``os.open``.
        mode: of a file that is made.

    Raises:
        NotOrdinaryFileError: it is something else.
        OSError: as ``os.open``.
    """
    # Not every system has both. Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), mode)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        # Here: Python makes no file of a folder, and would leave its descriptor open.
        os.close(descriptor)
        raise NotOrdinaryFileError(kind)
    return descriptor
