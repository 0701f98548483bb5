# SPDX-License-Identifier: GPL-3.0-or-later
"""When something in the open file has changed that may move a camera: the timer then comes quickly for a while."""

from __future__ import annotations

import time

import bpy

from . import timer

#: So long after a change the timer comes quickly.
AWAKE_SECONDS = 1.0

_last = -AWAKE_SECONDS
_count = 0


def stir() -> None:
    """Something has changed."""
    global _last, _count
    now = time.monotonic()
    # While changes keep coming the timer is quick already, and waking it again would put it off.
    asleep = now - _last > AWAKE_SECONDS
    _last, _count = now, _count + 1
    if asleep and not bpy.app.background:
        timer.wake()


def count() -> int:
    """How often something has changed."""
    return _count


def is_recent() -> bool:
    """Whether something has changed just now."""
    return time.monotonic() - _last <= AWAKE_SECONDS
