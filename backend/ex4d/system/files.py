# SPDX-License-Identifier: Apache-2.0
"""Writing files so that nothing half-written ever stands under its final name."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import takewhile
from pathlib import Path

from ex4d.protocol.errors import BadInputError, Ex4dError, TransientError
from ex4d.protocol.identity import linux_start_ticks
from ex4d.system.processes import process_alive, process_space

TEMP_PREFIX = ".tmp-"
#: A disk with less than these bytes left is full.
_FULL = 1 << 20


#: What an owner that cannot be asked about, elsewhere or before a restart, has not touched for so long is left over.
LEFT_OVER_SECONDS = 7 * 24 * 3600
_TEMP_NAME = re.compile(
    rf"{re.escape(TEMP_PREFIX)}(?P<space>[0-9a-f]{{8}})\.(?P<pid>\d+)\.(?P<started>\d+|x)-[0-9a-f]+-.*", re.DOTALL
)
#: Of versions that knew host and process number only.
_EARLIER_TEMP_NAME = re.compile(rf"{re.escape(TEMP_PREFIX)}(?P<host>[^-]+)-(?P<pid>\d+)-[0-9a-f]+-.*", re.DOTALL)


def host_name() -> str:
    """This machine's name as it stood in earlier temporary names, without the dash that separates their parts."""
    return socket.gethostname().split(".")[0].replace("-", "_") or "host"


@cache
def _owner(pid: int) -> str:
    started = linux_start_ticks(pid)
    return f"{process_space()}.{pid}.{'x' if started is None else started}"


def temporary_sibling(path: Path) -> Path:
    """A name beside ``path`` that tells which process of which machine and container made it, so that leftovers can be
    traced to a dead owner."""
    return path.with_name(f"{TEMP_PREFIX}{_owner(os.getpid())}-{uuid.uuid4().hex[:8]}-{path.name}")


def abandoned_sibling(path: Path, name: str) -> Path:
    """As ``temporary_sibling`` of ``name`` beside ``path``, for what its process, which may live on, has given up: to
    everyone on this machine it is left over."""
    return path.with_name(f"{TEMP_PREFIX}{process_space()}.0.x-{uuid.uuid4().hex[:8]}-{name}")


def leftovers(folder: Path) -> list[Path]:
    """All temporary files and folders in a folder, of the living too; empty where it cannot be listed."""
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.name.startswith(TEMP_PREFIX)]
    return []


def is_left_over(path: Path) -> bool:
    """Whether the process that made a temporary file or folder is dead.

    Of processes in another container, on another machine or before a restart nobody here can tell whether they live:
    what is theirs is left over when nothing in it was written for a week.
    """
    if match := _TEMP_NAME.fullmatch(path.name):
        if match["space"] == process_space():
            pid = int(match["pid"])
            return not process_alive(pid) or str(linux_start_ticks(pid) or "x") != match["started"]
        return is_untouched(path)
    earlier = _EARLIER_TEMP_NAME.fullmatch(path.name)
    return bool(
        earlier
        and earlier["host"] == host_name()
        and not process_alive(int(earlier["pid"]))
        # Its process may live in a container, under another number.
        and is_untouched(path)
    )


def is_untouched(path: Path) -> bool:
    """Whether nothing at or below a path was written for long, by the clock of its own disk."""
    probe = temporary_sibling(path.with_name("probe"))
    try:
        probe.touch()
        now = probe.stat().st_mtime
        return all(now - item.lstat().st_mtime > LEFT_OVER_SECONDS for item in (path, *path.rglob("*")))
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


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
