# SPDX-License-Identifier: Apache-2.0
"""Taking turns: what two jobs of one shot both need is made once, and the other one waits for it.

That saves work and no more: without it both would make it, and the second one to end would drop its own. So where a
file system knows no locks nobody waits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ex4d.protocol.runtime import try_lock
from ex4d.system.progress import Progress

#: Beginning of the names of the files that are locked.
TURN_PREFIX = ".turn-"
#: Seconds between two looks whether it is our turn.
LOOK_SECONDS = 0.1


@contextmanager
def turn(root: Path, label: str, progress: Progress) -> Iterator[None]:
    """Within the context no other process makes ``label`` below ``root``. The system drops the lock of one that dies.

    Args:
        root: the folder in which it will be.
        label: what it will be, ``<stage>-<key>``.
        progress: is asked while others are waited for, and told of it.
    """
    path = root / f"{TURN_PREFIX}{label}"
    descriptor = _taken(path, progress)
    try:
        yield
    finally:
        if descriptor is not None:
            # Windows removes no file that others have open; there it stays, empty.
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _taken(path: Path, progress: Progress) -> int | None:
    """The locked file; None where files cannot be locked."""
    is_told = False
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            # Whoever writes there next says why.
            return None
        try:
            # Who was there before has removed the file: a lock on that one keeps nobody out.
            if try_lock(descriptor) and _is_at(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            return None
        except BaseException:
            # Stopped by a signal just now.
            os.close(descriptor)
            remove_left_turns(root=path.parent)
            raise
        os.close(descriptor)
        if not is_told:
            is_told = True
            progress.note("Another job makes what this one needs too; it was waited for.")
        progress.check()
        time.sleep(LOOK_SECONDS)


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def remove_left_turns(root: Path) -> None:
    """Remove the files of processes that were killed just before they would have removed them."""
    for path in root.glob(f"{TURN_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR)
            try:
                if try_lock(descriptor) and _is_at(descriptor, path):
                    path.unlink()
            finally:
                os.close(descriptor)
