# SPDX-License-Identifier: Apache-2.0
"""Which devices the user wants; known without torch."""

from __future__ import annotations

import os
import re

from ex4d.protocol.errors import UsageError

#: "cuda", "cuda:1" or "cpu" instead of the first GPU.
DEVICE_VARIABLE = "EX4D_DEVICE"
#: Numbers of the GPUs that one take may be made on, such as "0,2"; unset = all.
GPUS_VARIABLE = "EX4D_GPUS"


def named_device() -> str | None:
    """What ``EX4D_DEVICE`` names, None where it names nothing.

    Raises:
        UsageError: it is no device's name.
    """
    named = os.environ.get(DEVICE_VARIABLE, "").strip()
    if named and not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", named):
        raise UsageError(f"{DEVICE_VARIABLE} names no device: «{named[:40]}».", "Use cuda, cuda:1 or cpu.")
    return named or None


def named_gpu() -> int | None:
    """The number of the CUDA device that ``EX4D_DEVICE`` names, None where it names no number."""
    _, _, number = (named_device() or "").partition(":")
    return int(number) if number else None


def shared_gpus() -> tuple[int, ...] | None:
    """The numbers of the CUDA devices that ``EX4D_GPUS`` names, None where it names none.

    Raises:
        UsageError: they are no numbers.
    """
    named = os.environ.get(GPUS_VARIABLE, "").strip()
    if named and not re.fullmatch(r"[0-9]{1,3}(,[0-9]{1,3})*", named):
        raise UsageError(f"{GPUS_VARIABLE} names no GPUs: «{named[:40]}».", "Use their numbers, such as 0,2.")
    return tuple(dict.fromkeys(map(int, named.split(",")))) if named else None
