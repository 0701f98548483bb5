# SPDX-License-Identifier: Apache-2.0
"""Opening input files, with the user's error for those that cannot be.

Every file that a user names is opened by ``open_input``: a pipe, a device or a socket under a picture's name would be
waited for, or read, without end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ex4d.protocol.errors import BadInputError, TransientError

#: A file that is read whole may have this many bytes: the largest still pictures that are used, 16 bits and alpha.
MAX_WHOLE_FILE = 1 << 30
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
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
        # Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
            if kind != stat.S_IFREG:
                raise _no_file(path, kind)
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
