# SPDX-License-Identifier: Apache-2.0
"""Opening input files, with the user's error for those that cannot be.

Every file that a user names is opened by ``open_input``: a pipe, a device or a socket under a picture's name would be
waited for, or read, without end.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.ordinary_files import NotOrdinaryFileError, open_ordinary

#: A file that is read whole may have this many bytes: the largest still pictures that are used, 16 bits and alpha.
MAX_WHOLE_FILE = 1 << 30
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which reads ``path``, into an error with a hint."""
    if "\0" in str(path):
        raise BadInputError("A path has a null character in it.", "Check the path.")
    try:
        yield
    except FileNotFoundError as error:
        raise BadInputError(f"{path} does not exist.", "Check the path.") from error
    except UnicodeEncodeError as error:
        raise BadInputError(
            "A path has a character that this system's file names cannot have.", "Rename the file, or check the path."
        ) from error
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from error


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """An input file, opened for reading bytes; never waits for the other end of a pipe.

    Raises:
        BadInputError: it is missing, unreadable, or no ordinary file (nor a link to one). Of the block's own errors an
            OSError becomes one too.
    """
    with reading(path):
        try:
            descriptor = open_ordinary(path)
        except NotOrdinaryFileError as error:
            if error.kind == stat.S_IFDIR:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
            raise _no_file(path, error.kind) from error
        with os.fdopen(descriptor, "rb") as file:
            yield file


def check_input(path: Path) -> None:
    """Raise BadInputError for a path that libraries, which open files by their name, must not be given."""
    with open_input(path):
        pass


def _no_file(path: Path, kind: int) -> BadInputError:
    return BadInputError(
        f"{path} is {_KINDS.get(kind, 'something else than a file')}, not a file.", "Name an ordinary file."
    )


def read_bytes(path: Path, limit: int = MAX_WHOLE_FILE) -> bytes:
    """The content of an input file.

    Args:
        path: the file.
        limit: bytes that it may have.

    Raises:
        BadInputError: the file is missing, empty, too large, unreadable or no ordinary file.
        TransientError: it grows or shrinks while it is read.
    """
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise BadInputError(
                f"{path} has {size} bytes; {limit} are the most for such a file.", "Check that it is the file you mean."
            )
        data = file.read(size + 1)
    if not data:
        raise empty_file_error(path)
    if len(data) != size:
        raise changed_error(path)
    return data


def changed_error(path: Path) -> TransientError:
    """The error for a file that is written to while it is read."""
    return TransientError(f"{path} changed while it was read.", "Run the same command again when it is written.")


def empty_file_error(path: Path) -> BadInputError:
    """The error for a file of no bytes."""
    return BadInputError(f"{path} is an empty file.", "Copy or export the file again.")


#: A file that was written to less than this before it was looked at may be written to again within one tick of its
#: disk's clock, and nobody could tell. FAT's ticks take two seconds.
_SETTLED_NS = 3_000_000_000


@dataclass(frozen=True)
class FileStamps:
    """What the system says of input files: as long as it stays the same, so do their contents.

    Attributes:
        files: the files.
        stamps: of each: size, time of the last write, file number, time of the last change of any kind; ns.
        settled: False where a file was written to so recently that the stamps may miss another write.
    """

    files: tuple[Path, ...]
    stamps: tuple[tuple[int, int, int, int], ...]
    settled: bool

    @classmethod
    def of(cls, files: Sequence[Path], since: int | None = None) -> FileStamps:
        """Those of files that are there.

        Args:
            files: the files.
            since: nanoseconds since the epoch from which on writes matter; None = now.

        Raises:
            BadInputError: one is missing or cannot be looked at.
        """
        since = time.time_ns() if since is None else since
        stamps = tuple(_stamp(file) for file in files)
        settled = all(max(stamp[1], stamp[3]) < since - _SETTLED_NS for stamp in stamps)
        return cls(tuple(files), stamps, settled)

    def record(self) -> list[list[Any]]:
        """For a later ``FileStamps`` to be compared with, JSON-able; empty where the stamps may miss a write."""
        if not self.settled:
            return []
        return [[file.name, *stamp] for file, stamp in zip(self.files, self.stamps, strict=True)]

    def check(self) -> None:
        """Raise TransientError where a file was written to, or replaced by another one, since the stamps were taken."""
        for file, stamp in zip(self.files, self.stamps, strict=True):
            try:
                same = _stamp(file) == stamp
            except BadInputError:
                same = False
            if not same:
                raise changed_error(file)


def _stamp(file: Path) -> tuple[int, int, int, int]:
    with reading(file):
        found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


@dataclass(frozen=True)
class HashedFiles:
    """Input files whose contents are known by their hash, and still have to be read.

    Attributes:
        hash: of their contents.
        stamps: taken before that was made.
        make_hash: makes it again.
    """

    hash: str
    stamps: FileStamps
    make_hash: Callable[[], str]

    @classmethod
    def of(cls, files: Sequence[Path], make_hash: Callable[[], str]) -> HashedFiles:
        """Hash files.

        Raises:
            BadInputError: one cannot be read.
            TransientError: one is written to meanwhile.
        """
        stamps = FileStamps.of(files)
        made = cls(make_hash(), stamps, make_hash)
        stamps.check()
        return made

    def check_unchanged(self) -> HashedFiles:
        """To be called when some or all of them was read: raise TransientError unless that is what was hashed.

        Returns:
            What to ask the next time: stamps that could miss a write once may have settled, and then the files need not
            be hashed again.
        """
        self.stamps.check()
        if self.stamps.settled:
            return self
        stamps = FileStamps.of(self.stamps.files)
        if self.make_hash() != self.hash:
            raise changed_error(self.stamps.files[0])
        self.stamps.check()
        return HashedFiles(self.hash, stamps, self.make_hash)
