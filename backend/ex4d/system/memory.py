# SPDX-License-Identifier: Apache-2.0
"""Too little memory, told apart from damaged input and from bugs.

Libraries say it in many ways; what they say is put into one error here.
"""

from __future__ import annotations

import errno
import mmap
import sys

from ex4d.protocol.errors import ResourceError

#: Below this many bytes of address space (``ulimit -v``, a farm's ``h_vmem``) OpenCV, Mesa and FFmpeg, with two
#: processors, crash where an allocation fails instead of saying so.
LEAST_ADDRESS_SPACE = 1_740_000_000

# OpenCV's Error::StsNoMem.
_CV_NO_MEMORY = -4
# A thread that cannot be started has EAGAIN: the address space has no room for its stack, or too many run.
_ERRNOS = (errno.ENOMEM, errno.EAGAIN)
_TEXTS = (
    "can't start new thread",
    "failed to map segment",
    "annot allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "nsufficient memory",
)
#: Bytes that any decoder or encoder needs.
CODEC_BYTES = 64 << 20


def memory_error(error: BaseException, *, needs: int = 0) -> ResourceError | None:
    """The user's error where ``error`` comes of too little memory, else None.

    Args:
        error: what a library raised; what caused it is looked at too.
        needs: for a library that hides its reason: bytes that it needed; whether they can be had decides.
    """
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            break
        if isinstance(seen, ResourceError):
            return seen
        if _is_of_memory(seen):
            return out_of_memory()
        seen = seen.__cause__
    return None if _has_room(needs) else out_of_memory()


def out_of_memory() -> ResourceError:
    """The error for memory that cannot be had."""
    return ResourceError(
        "This process has too little memory for a plate of this size.",
        "Use a machine or a limit with more memory, a smaller plate, or where there is a mesh fewer vertices with"
        " --mesh-grid.",
    )


def check_address_space() -> None:
    """Raise ResourceError where this process may have less address space than its libraries can do with."""
    if sys.platform == "win32":
        return
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise ResourceError(
            f"This process may have {limit / 1e9:.2f} GB of memory; {LEAST_ADDRESS_SPACE / 1e9:.2f} GB are the least"
            " that its libraries work with.",
            "Raise the limit (ulimit -v, or the farm's limit of virtual memory).",
        )


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return True
    if type(error).__module__ == "cv2" and getattr(error, "code", None) == _CV_NO_MEMORY:
        return True
    text = str(error)
    return isinstance(error, RuntimeError | ImportError | OSError) and any(part in text for part in _TEXTS)


def _has_room(size: int) -> bool:
    try:
        with mmap.mmap(-1, max(size, 1)):
            return True
    except (OSError, ValueError, MemoryError):
        return False
