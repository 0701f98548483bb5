# SPDX-License-Identifier: Apache-2.0
"""How this process keeps the memory that it was given.

glibc gives each thread a heap of its own and keeps in each what was freed there. Where many threads hand pictures on to
one another a long take's memory then grows with its length (measured: docs/decisions.md).
"""

from __future__ import annotations

import ctypes
import os
import sys

# Of malloc.h.
_M_ARENA_MAX = -8


def share_heap() -> None:
    """Let all threads that start from now on use one heap, where the system has a choice and nobody has made it
    ($MALLOC_ARENA_MAX)."""
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        # Another C library.
        return
    mallopt(_M_ARENA_MAX, 1)
