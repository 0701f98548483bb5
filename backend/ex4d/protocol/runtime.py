# SPDX-License-Identifier: Apache-2.0
"""The runtime folder: where a backend leaves its address and keys for the clients of the same user.

Who can write there can have jobs run in the user's name, so the folder and all in it are the user's alone. Who serves
is told by the lock, which the system drops when its holder dies; the handshake of one that was killed stays behind.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ex4d.protocol.errors import TransientError
from ex4d.protocol.identity import ProcessIdentity, identity_of
from ex4d.protocol.ordinary_files import open_ordinary
from ex4d.protocol.parsing import parse_json

HANDSHAKE_FILE = "backend.json"
LOCK_FILE = "backend.lock"
LOG_FILE = "backend.log"
#: What a backend says before its log is open.
START_LOG = "start.log"
RUNTIME_VARIABLE = "EX4D_RUNTIME_DIR"
_Z85_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
#: A handshake or a lock's text has some hundred bytes.
_MAX_BYTES = 1 << 16
_ANOTHER = f"Name another folder with --runtime-dir or {RUNTIME_VARIABLE}."


@dataclass(frozen=True)
class Handshake:
    """How to reach a backend. Who can read it may use the backend, so its file is the user's alone (mode 0600).

    Attributes:
        endpoint: ZeroMQ address: a socket in a private folder, or the loopback interface.
        server_public: CURVE key of the backend, 40 characters of Z85.
        client_public, client_secret: the key pair that clients must use.
        pid: of the backend.
        version: of ex4d.
        protocol: such as "ex4d/1".
    """

    endpoint: str
    server_public: str
    client_public: str
    client_secret: str
    pid: int
    version: str
    protocol: str


def default_runtime_dir() -> Path:
    """Where a backend that was started by hand leaves its address: ``EX4D_RUNTIME_DIR``, or the user's own folder."""
    if named := os.environ.get(RUNTIME_VARIABLE):
        return Path(named).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir())) / "ex4d" / "run"
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "ex4d"
    return Path.home() / ".cache" / "ex4d" / "run"


# The folder and its files ---------------------------------------------------------------------------------------------


def private_folder(folder: Path) -> tuple[str, ...]:
    """Make the runtime folder, or check a present one, and close it to others (mode 0700).

    Windows: it lies in the user's profile, whose permissions it inherits.

    Returns:
        What was changed, sentences for the log.

    Raises:
        TransientError: it is a link, another user's, or others could have put something into it.
    """
    if folder.is_symlink():
        raise TransientError(
            f"The runtime folder {folder} is a link.", f"Remove it, or name the folder itself. {_ANOTHER}"
        )
    try:
        for place in reversed([folder, *folder.parents]):
            if not place.exists():
                place.mkdir(mode=0o700, exist_ok=True)
        if sys.platform == "win32":
            return ()
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise TransientError(
            f"The runtime folder {folder} cannot be used: {error.strerror or error}.", _ANOTHER
        ) from error
    try:
        return _close_to_others(folder, descriptor)
    except OSError as error:
        raise TransientError(
            f"The runtime folder {folder} cannot be closed to others: {error.strerror or error}.", _ANOTHER
        ) from error
    finally:
        os.close(descriptor)


def _close_to_others(folder: Path, descriptor: int) -> tuple[str, ...]:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise TransientError(f"The runtime folder {folder} belongs to another user.", _ANOTHER)
    if not stat.S_IMODE(status.st_mode) & 0o077:
        return ()
    mended = f"{folder} was open to others (mode {stat.S_IMODE(status.st_mode):o}); it is the user's alone now."
    suspect, there = _others_can_write(status), os.listdir(descriptor)
    if there and not {HANDSHAKE_FILE, LOCK_FILE, LOG_FILE, START_LOG}.intersection(there):
        # The user's home, say: nobody wants it closed for our sake.
        raise TransientError(
            f"{folder} is open to others and holds something else.",
            f"Name one of its own with --runtime-dir or {RUNTIME_VARIABLE}.",
        )
    if suspect and there:
        raise TransientError(
            f"Other users can write to the runtime folder {folder}.",
            f"Remove it, or, if nobody else has used it, run: chmod -R go= {shlex.quote(str(folder))}",
        )
    os.fchmod(descriptor, 0o700)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        raise TransientError(f"The file system of the runtime folder {folder} cannot close it to others.", _ANOTHER)
    if suspect and os.listdir(descriptor):
        raise TransientError(f"Another user has just written to the runtime folder {folder}.", "Remove the folder.")
    return (mended,)


def check_own_folder(folder: Path) -> None:
    """Refuse a folder in the runtime folder that others could have put something into, before or through a link; it
    may be missing.

    Raises:
        TransientError: it is a link, another user's, or others can write to it.
    """
    if sys.platform == "win32":
        return
    try:
        place = os.lstat(folder)
    except OSError:
        return
    if not stat.S_ISDIR(place.st_mode) or place.st_uid != os.geteuid() or _others_can_write(place):
        raise TransientError(f"{folder} is a link, another user's, or open to other users.", f"Remove it. {_ANOTHER}")


def _others_can_write(status: os.stat_result) -> bool:
    """Whether anyone but the user may write there. A group with the user's name and nobody else in it is the user."""
    if status.st_mode & stat.S_IWOTH or not status.st_mode & stat.S_IWGRP:
        return bool(status.st_mode & stat.S_IWOTH)
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(status.st_gid), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return True
    return group.gr_name != user or any(member != user for member in group.gr_mem)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file in the runtime folder, made with mode 0600; never follows a link, never waits for a pipe.

    Args:
        path: the file.
        flags: of ``os.open``.

    Raises:
        OSError: as ``open_ordinary``; EPERM also for another user's.
    """
    # Not every system has it.
    descriptor = open_ordinary(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    status = os.fstat(descriptor)
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        os.close(descriptor)
        raise OSError(errno.EPERM, "another user's file")
    if sys.platform != "win32" and flags & (os.O_WRONLY | os.O_RDWR) and stat.S_IMODE(status.st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)
    return descriptor


# The handshake --------------------------------------------------------------------------------------------------------


def write_handshake(folder: Path, handshake: Handshake) -> None:
    """Leave the handshake for clients, at once and readable by the user alone."""
    path = folder / HANDSHAKE_FILE
    temporary = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        temporary.unlink()
    try:
        # Created with its mode: there is no moment at which others could read it.
        descriptor = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"format": "ex4d-backend", **asdict(handshake)}, file, indent=1)
        temporary.replace(path)
    except OSError as error:
        raise TransientError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another folder with --runtime-dir."
        ) from error


def read_handshake(folder: Path) -> Handshake | None:
    """The handshake in a runtime folder; None where there is none, a damaged one, or one that others could have put
    there. It may be that of a backend which was killed: see ``running_backend``."""
    try:
        if sys.platform != "win32":
            place = os.lstat(folder)
            if not stat.S_ISDIR(place.st_mode) or place.st_uid != os.geteuid() or _others_can_write(place):
                return None
        with os.fdopen(open_private(folder / HANDSHAKE_FILE, os.O_RDONLY), "rb") as file:
            if sys.platform != "win32" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                return None
            record = parse_json(file.read(_MAX_BYTES))
        if record.pop("format") != "ex4d-backend":
            return None
        # What a later version adds is left out.
        names = {field.name for field in fields(Handshake)}
        handshake = Handshake(**{name: value for name, value in record.items() if name in names})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return handshake if _is_usable(handshake) else None


def _is_usable(handshake: Handshake) -> bool:
    """Whether the values are what ``Handshake`` says."""
    keys = (handshake.server_public, handshake.client_public, handshake.client_secret)
    texts = (handshake.endpoint, *keys, handshake.version, handshake.protocol)
    if not all(isinstance(text, str) for text in texts) or type(handshake.pid) is not int:
        return False
    return all(map(_Z85_KEY.fullmatch, keys)) and handshake.endpoint.startswith(("ipc:///", "tcp://"))


def remove_handshake(folder: Path, pid: int) -> None:
    """Take the handshake of that process back."""
    found = read_handshake(folder)
    if found is not None and found.pid == pid:
        with suppress(OSError):
            (folder / HANDSHAKE_FILE).unlink()


# The lock -------------------------------------------------------------------------------------------------------------


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take a file's lock if it can be had at once.

    Args:
        descriptor: the file, open for reading and writing.
        shared: only look whether nobody holds it; several may look at once. Windows knows no such locks.

    Raises:
        OSError: the file system knows no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def write_lock_holder(descriptor: int) -> None:
    """Write into the lock that this process holds who holds it."""
    holder = identity_of(os.getpid())
    record = {"pid": holder.pid, "start": holder.start} if holder else {}
    os.lseek(descriptor, 0, os.SEEK_SET)
    # Windows lets nobody else read the first byte, which is the locked one. Always of one length: no former text stays.
    os.write(descriptor, (" " + json.dumps(record)).encode().ljust(512))


def _held_lock(folder: Path) -> bytes | None:
    """What stands in the lock that a backend holds; None where nobody holds it."""
    try:
        descriptor = open_private(folder / LOCK_FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        if try_lock(descriptor, shared=True):
            if sys.platform == "win32":
                # The system may take its time with locks of closed files.
                import msvcrt

                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
            return None
        os.lseek(descriptor, 1, os.SEEK_SET)
        return os.read(descriptor, _MAX_BYTES)
    except OSError:
        return None
    finally:
        # That also gives the lock back, if we have got it.
        os.close(descriptor)


def lock_holder(folder: Path) -> ProcessIdentity | None:
    """The process that holds a runtime folder; None where none does, or it is not known (an earlier version of it)."""
    text = _held_lock(folder)
    try:
        record = parse_json(text or b"")
        holder = ProcessIdentity(record["pid"], record["start"])
    except (ValueError, TypeError, KeyError):
        return None
    return holder if isinstance(holder.pid, int) and isinstance(holder.start, str) else None


def is_held(folder: Path) -> bool:
    """Whether a backend holds a runtime folder; it may still be starting, or be about to end."""
    return _held_lock(folder) is not None


def running_backend(folder: Path) -> Handshake | None:
    """The handshake of the backend that serves in a runtime folder; None where none does."""
    # The lock is asked first: who takes it takes a stale handshake away, which read before would seem to be theirs.
    return read_handshake(folder) if is_held(folder) else None
