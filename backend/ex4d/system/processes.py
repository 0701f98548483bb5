# SPDX-License-Identifier: Apache-2.0
"""Asking about other processes, on every system."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import uuid
from functools import cache
from pathlib import Path


def process_alive(pid: int) -> bool:
    """Whether a process of that id runs on this machine. Linux: one that has ended and that nobody has asked about does
    not."""
    if not 0 < pid < 1 << 31:
        return False
    if sys.platform == "win32":
        return _windows_process_alive(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _ended(pid)


@cache
def process_space() -> str:
    """Names the space in which process numbers mean something: this start of this machine, this container.

    8 hexadecimal digits, a hash of host name, boot id and process namespace; elsewhere than on Linux of host name and
    network card.
    """
    parts = [socket.gethostname()]
    try:
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
            os.readlink("/proc/self/ns/pid"),  # noqa: PTH115  no path
        ]
    except OSError:
        parts.append(f"{uuid.getnode():x}")
    return hashlib.blake2b("\n".join(parts).encode(errors="surrogateescape"), digest_size=4).hexdigest()


def _ended(pid: int) -> bool:
    """Whether it is but an entry in the table of processes: in a container often nobody collects orphans."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("Z", "X")


def _windows_process_alive(pid: int) -> bool:
    # os.kill would end the process there.
    import ctypes

    query_limited_information, still_active = 0x1000, 259
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel32.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel32.CloseHandle(handle)
    return code.value == still_active
