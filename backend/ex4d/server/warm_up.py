# SPDX-License-Identifier: Apache-2.0
"""What a worker does and finds out before its first job."""

from __future__ import annotations

import os
import platform

from ex4d.jobs.capabilities import capabilities
from ex4d.protocol.capabilities import Ready
from ex4d.raster import borrow_rasterizer
from ex4d.system.machine import graphics_cards, memory_gib


def ready(*, work: bool) -> Ready:
    """What it says to its front; ``work``: it is to do more than to look at the machine, so it makes the default
    rasterizer and looks what works here."""
    memory = memory_gib()
    return Ready(
        os.getpid(),
        _device() if work else "",
        platform.python_version(),
        round(memory, 1) if memory is not None else None,
        tuple(graphics_cards()),
        capabilities() if work else None,
    )


def _device() -> str:
    """What draws, or why nothing does."""
    try:
        return borrow_rasterizer()[0].device
    except Exception as error:  # noqa: BLE001  a job will tell; a backend without it still reconstructs
        return str(error)
