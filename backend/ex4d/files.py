# SPDX-License-Identifier: Apache-2.0
"""Writing files so that nothing half-written ever stands under its final name."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from ex4d.protocol.errors import BadInputError, Ex4dError, TransientError

TEMP_PREFIX = ".tmp-"
#: A disk with less than these bytes left is full.
_FULL = 1 << 20


def host_name() -> str:
    """This machine's name as it stands in temporary names, without the dash that separates their parts."""
    return socket.gethostname().split(".")[0].replace("-", "_") or "host"


def temporary_sibling(path: Path) -> Path:
    """A name beside ``path`` that tells host and process, so that leftovers can be traced to a dead owner."""
    return path.with_name(f"{TEMP_PREFIX}{host_name()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")


def _final_part(path: Path) -> Path:
    """The path up to the first temporary name in it, which is no name for a user."""
    visible = takewhile(lambda part: not part.startswith(TEMP_PREFIX), path.parts)
    return Path(*visible)


def _is_full(error: OSError, path: Path) -> bool:
    if error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # numpy tells only that it wrote less than it wanted.
    with suppress(OSError):
        return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.exists())).free < _FULL
    return False


def output_error(error: OSError, path: Path) -> Ex4dError:
    """The user's error for a failed write to ``path``."""
    shown = _final_part(path)
    if _is_full(error, path):
        return TransientError(
            f"The disk that holds {shown} is full.",
            "Free some space and run the same command again: it goes on from there.",
        )
    if error.errno == errno.EFBIG:
        return TransientError(
            f"{shown} cannot be written: the disk or the account allows no file of that size.",
            "Choose an output folder on another disk, or raise the limit.",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL):
        return BadInputError(f"{shown} cannot be made a folder: {error.strerror}.", "Choose another output folder.")
    return TransientError(
        f"{shown} cannot be written: {error.strerror or error}.",
        "Check the permissions, or choose another output folder.",
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which writes to ``path``, into an error with a hint."""
    try:
        yield
    except OSError as error:
        raise output_error(error, path) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to; it takes the final name when the block ends well and vanishes otherwise."""
    temporary = temporary_sibling(path)
    try:
        with writing(path):
            yield temporary
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` under ``path`` at once or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; raises Ex4dError with a hint if that cannot be."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def remove_tree(path: Path) -> None:
    """Remove a folder or a file, also when another process is removing it too."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
