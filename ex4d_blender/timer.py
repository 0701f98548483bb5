# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's one timer. What it does is handed in at registration, so that everybody may wake it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import bpy

from .core.call_times import timed
from .scene import hooks

log = logging.getLogger(__name__)

BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0

#: What is done at each tick, in this order.
_steps: tuple[Callable[[], None], ...] = ()
#: Whether one of these has work under way, so that the next tick comes soon.
_busy: tuple[Callable[[], bool], ...] = ()


def _tick() -> float:
    """The timer; one that raises would be gone for good."""
    try:
        manager = bpy.context.window_manager
        windows = list(manager.windows) if manager is not None else []
        if not len(windows):
            return BUSY_SECONDS
        # There is none in the context after another timer has opened a file, and operators crash without.
        with bpy.context.temp_override(window=bpy.context.window or windows[0]):
            for step in _steps:
                step()
        return BUSY_SECONDS if any(is_busy() for is_busy in _busy) else IDLE_SECONDS
    except Exception:
        log.exception("EX-4D: the timer stumbles")
        return IDLE_SECONDS


def wake() -> None:
    """Let the timer look at once: something was asked for."""
    stop()
    hooks.add_timer(_tick, after=BUSY_SECONDS, persistent=True)


def register(steps: Iterable[Callable[[], None]], busy: Iterable[Callable[[], bool]]) -> None:
    """Start the timer. In background mode timers do not run; there operators block."""
    global _steps, _busy
    _steps, _busy = tuple(timed(step) for step in steps), tuple(busy)
    hooks.add_timer(_tick, after=IDLE_SECONDS, persistent=True)


def stop() -> None:
    """Let it tick no more."""
    hooks.remove_timer(_tick)


def unregister() -> None:
    """Stop the timer."""
    global _steps, _busy
    stop()
    _steps, _busy = (), ()
