# SPDX-License-Identifier: Apache-2.0
"""Which process is meant: a process number is given away again, number and moment of its start are not."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, for as long as the machine is up.

    Attributes:
        pid: its number.
        start: the moment of its start, in the system's own words; only to be compared.
    """

    pid: int
    start: str

    def is_running(self) -> bool:
        """Whether that very process still runs, and can be seen from here."""
        return process_start(self.pid) == self.start


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has this number now; None where there is none, or the system does not tell."""
    start = process_start(pid)
    return ProcessIdentity(pid, start) if start is not None else None


def process_start(pid: int) -> str | None:
    """When a process has started, as a text that is the same whenever it is asked for; None where there is none.

    One that has ended counts as none, also while nobody has asked for its exit code.
    """
    if not 0 < pid < 1 << 31:
        return None
    if sys.platform == "win32":
        return _windows_start(pid)
    if sys.platform == "darwin":
        told = _mac_process(pid)
        return f"{told[1]}.{told[2]}" if told else None
    return _linux_start(pid)


def is_own_process(pid: int) -> bool:
    """Whether a process is one of this user's (Windows: one that this user may ask about), and not the first one,
    which never ends."""
    if pid <= 1 or process_start(pid) is None:
        return False
    if sys.platform == "win32":
        return True
    if sys.platform == "darwin":
        told = _mac_process(pid)
        return told is not None and told[0] == os.geteuid()
    try:
        # The folder's owner would not do: that of a process with capabilities is root.
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("Uid:")).split()[2]) == os.geteuid()
    except (OSError, StopIteration, ValueError, IndexError):
        return False


def linux_start_ticks(pid: int) -> int | None:
    """Clock ticks from the boot to a process's start; None where there is none, or it has ended, or on other systems.

    Source: proc(5), field 22 of /proc/PID/stat; the second, the name, may hold anything.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def _linux_start(pid: int) -> str | None:
    """Boot, process namespace, and clock ticks since the boot."""
    if (ticks := linux_start_ticks(pid)) is None:
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Another namespace gives the same numbers to others.
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {ticks}"
    except OSError:
        return None


def _mac_process(pid: int) -> tuple[int, int, int] | None:
    """Effective user, seconds and microseconds of the start. Not run on a Mac yet.

    Source: struct proc_bsdinfo in Apple's sys/proc_info.h.
    """
    import ctypes
    import struct

    bsd_info, size, zombie = 3, 136, 5
    buffer = ctypes.create_string_buffer(size)
    if ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidinfo(pid, bsd_info, ctypes.c_uint64(0), buffer, size) != size:
        return None
    status, user = struct.unpack_from("=I", buffer, 4)[0], struct.unpack_from("=I", buffer, 20)[0]
    seconds, microseconds = struct.unpack_from("=QQ", buffer, 120)
    return (user, seconds, microseconds) if status != zombie else None


def _windows_start(pid: int) -> str | None:
    """Time of creation, in 100 ns since 1601. Not run on Windows yet.

    Source: Microsoft's documentation of GetProcessTimes.
    """
    import ctypes
    from ctypes import wintypes

    query_limited_information, still_active = 0x1000, 259
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel32.OpenProcess.restype = wintypes.HANDLE
    handle = wintypes.HANDLE(kernel32.OpenProcess(query_limited_information, False, pid))
    if not handle:
        return None
    code = wintypes.DWORD()
    created, ended, kernel, user = (wintypes.FILETIME() for _ in range(4))
    times = [ctypes.byref(time) for time in (created, ended, kernel, user)]
    told = kernel32.GetExitCodeProcess(handle, ctypes.byref(code)) and kernel32.GetProcessTimes(handle, *times)
    kernel32.CloseHandle(handle)
    if not told or code.value != still_active:
        return None
    return str(created.dwHighDateTime << 32 | created.dwLowDateTime)
