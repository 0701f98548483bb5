# SPDX-License-Identifier: Apache-2.0
"""Ending when others end: no backend without the program that started it, no worker without its backend."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

from ex4d.protocol.identity import identity_of, is_own_process

_PR_SET_PDEATHSIG = 1


def signal_on_parent_death(number: int) -> None:
    """Linux: have the kernel send this process a signal when its parent dies. Elsewhere nothing happens."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def end_children_with_us() -> Any:
    """Windows: put this process into a job object that ends all its children when it ends, however that comes.

    Returns:
        The handle, which must be kept, or None elsewhere and where the system refuses.

    Source: Microsoft's documentation of JOBOBJECT_EXTENDED_LIMIT_INFORMATION.
    """
    return _kill_children_job() if sys.platform == "win32" else None


def _kill_children_job() -> Any:
    import ctypes
    from ctypes import wintypes

    class _BasicLimits(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    extended_limit_information, kill_on_close = 9, 0x2000
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    kernel32.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
    handle = kernel32.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = kill_on_close
    if not handle or not kernel32.SetInformationJobObject(
        handle, extended_limit_information, ctypes.byref(limits), ctypes.sizeof(limits)
    ):
        return None
    return handle if kernel32.AssignProcessToJobObject(handle, kernel32.GetCurrentProcess()) else None


def end_with_pipe(pipe: Any) -> None:
    """End this process at once when the other end of ``pipe`` is closed, which also its owner's death does. Works on
    every system."""

    def watch() -> NoReturn:
        with suppress(OSError, ValueError):
            while pipe.read(1):
                pass
        # The backend is gone; whoever watches the stage cache cleans up behind us.
        os._exit(CODE_ORPHANED)

    threading.Thread(target=watch, daemon=True, name="orphan-watch").start()


#: Exit code of a worker whose backend is gone.
CODE_ORPHANED = 143


class Owners:
    """The processes for whose sake a backend lives."""

    def __init__(self, parent: int | None) -> None:
        parent_process = identity_of(parent) if parent else None
        self._processes = {parent_process} if parent_process else set()
        self._had = parent is not None

    def add(self, pid: int) -> None:
        """One more; nonsense, other users' processes and the one that never ends are ignored."""
        process = identity_of(pid) if pid != os.getpid() and is_own_process(pid) else None
        if process is not None:
            self._processes.add(process)
            self._had = True

    def all_gone(self) -> bool:
        """Whether there were any and none is left."""
        self._processes = {process for process in self._processes if process.is_running()}
        return self._had and not self._processes


#: What the kernel sends a backend when the program that started it dies.
PARENT_DEATH_SIGNAL = signal.SIGHUP if hasattr(signal, "SIGHUP") else signal.SIGTERM
