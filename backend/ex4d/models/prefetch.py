# SPDX-License-Identifier: Apache-2.0
"""Brings the model's files into the system's cache while libraries are imported and earlier stages run; known without
torch.

Importing the libraries from a cold disk takes many seconds in which the disk mostly waits for the next page fault. What
is read meanwhile the loader then finds in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ex4d.models.locations import SUFFIXES, candidate_files
from ex4d.protocol.errors import Ex4dError

#: Bytes of one read. Small, and from one thread: imports share the disk, and each of their reads would wait for ours.
_PIECE_BYTES = 2 << 20
#: The share of the available memory that files may take: what does not stay in memory was read for nothing.
_MEMORY_SHARE = 0.6
#: In the paths of text encoders, which are only read for prompts that are new. A name only decides what is read early.
_TEXT_SIGNS = ("t5", "text_encoder")


class Prefetch:
    """Reads files in a thread of its own until they are all read or ``stop`` is called. What cannot be read is left:
    the loader says what is wrong with it.

    Args:
        files: in the order in which they are read.

    Attributes:
        read: bytes so far.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.read = 0
        self._files = files
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        buffer = bytearray(_PIECE_BYTES)
        for path in self._files:
            try:
                with path.open("rb", buffering=0) as file:
                    while not self._stopped.is_set() and (count := file.readinto(buffer)):
                        self.read += count
            except OSError:
                continue

    def join(self) -> None:
        """Wait until all is read or it is stopped."""
        self._thread.join()

    def stop(self) -> None:
        """Read no more; the loader reads by itself now, and faster."""
        self._stopped.set()
        self.join()


def files_to_prefetch(places: Sequence[Path], available: int | None = None) -> list[Path]:
    """Files of weights in the order in which they are found, without text encoders, as many as memory may hold.

    Args:
        places: folders or files with the model.
        available: bytes of memory; None = asks the system.
    """
    if available is None:
        # Not of the base install.
        import psutil

        available = int(psutil.virtual_memory().available)
    room = _MEMORY_SHARE * available
    found = []
    try:
        for path in candidate_files(places):
            names = "/".join((path.parent.name, path.name)).lower()
            if path.suffix.lower() not in SUFFIXES or any(sign in names for sign in _TEXT_SIGNS):
                continue
            room -= path.stat().st_size
            if room < 0:
                break
            found.append(path)
    except (Ex4dError, OSError):
        return []
    return found


@dataclass
class Prefetcher:
    """One prefetch at a time, each model once in the life of a process.

    Attributes:
        current: what reads, None = nothing does.
    """

    current: Prefetch | None = None
    _done: set[tuple[Path, ...]] = field(default_factory=set)

    def begin(self, places: Sequence[Path]) -> None:
        """Begin to read a model's files."""
        if (key := tuple(places)) in self._done:
            return
        self._done.add(key)
        self.end()
        if files := files_to_prefetch(places):
            self.current = Prefetch(files)

    def end(self) -> None:
        """Stop reading."""
        if self.current is not None:
            self.current.stop()
            self.current = None


#: Of this process.
PREFETCHER = Prefetcher()
