# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PLW0108  Blender counts the arguments of what it is given, so they are spelt out
"""How long Blender's main thread is in the add-on's code, by what Blender called; off unless it is asked for.

The variable ``EX4D_BLENDER_TIMES`` names a file: the add-on then measures every call, and writes the table there when
it is switched off or Blender quits. Without it nothing is wrapped, and nothing costs anything. ``hooks`` hands
everything in.
"""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import Any

from ex4d.system.files import atomic_write

VARIABLE = "EX4D_BLENDER_TIMES"
#: Seconds from which a call is marked: so long a window that stands still is felt.
LONG_SECONDS = 0.25


@dataclass
class Calls:
    """What was measured of one function.

    Attributes:
        count: how often it was called.
        total: seconds in it in all, on the clock; what it calls is counted there as well.
        longest: seconds of its longest call.
        busy: seconds of the main thread's processor time in that call; the rest was waiting.
    """

    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    busy: float = 0.0

    def add(self, seconds: float, busy: float) -> None:
        """One more call."""
        self.count += 1
        self.total += seconds
        if seconds > self.longest:
            self.longest, self.busy = seconds, busy


_file: Path | None = None
_calls: dict[str, Calls] = {}
_timed: dict[tuple[Any, str], Any] = {}


def begin() -> bool:
    """Measure what is handed in from now on, if the variable asks for it; returns whether it does."""
    global _file  # noqa: PLW0603  one add-on
    asked = os.environ.get(VARIABLE, "")
    _file = Path(asked).absolute() if asked else None
    return _file is not None


def is_on() -> bool:
    """Whether calls are measured."""
    return _file is not None


def end() -> None:
    """Write the table, and measure no more."""
    global _file  # noqa: PLW0603
    try:
        if _file is not None:
            atomic_write(_file, (table() + "\n").encode())
    finally:
        _file = None
        _calls.clear()
        _timed.clear()


def calls() -> dict[str, Calls]:
    """What was measured since ``begin``, by name."""
    return dict(_calls)


def name_of(function: Any) -> str:
    """A function's name with its module's, without the package's: ``timer._tick``."""
    module = str(function.__module__).partition("ex4d_blender.")[2] or function.__module__
    return f"{module}.{function.__qualname__.replace('.<locals>', '')}"


def timed(function: Any, name: str = "") -> Any:
    """The function itself, or where calls are measured one that does the same and is measured.

    The same function and name give the same one until ``end``, so that Blender finds what is to be taken away.

    Args:
        function: a plain function; Blender counts its arguments.
        name: in the table; "": the function's own.
    """
    # Several classes inherit one method: each has its own name.
    key = (function, name)
    if key not in _timed:
        if _file is None:
            return function
        _timed[key] = _measured(function, name or name_of(function))
    return _timed[key]


def is_timed(function: Any) -> bool:
    """Whether a function came from ``timed`` and is measured."""
    return any(function is item for item in _timed.values())


def _measured(function: Any, name: str) -> Any:
    main = threading.main_thread().ident

    def call(*arguments: Any) -> Any:
        if threading.get_ident() != main:
            return function(*arguments)
        began, busy = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments)
        finally:
            _calls.setdefault(name, Calls()).add(time.perf_counter() - began, time.thread_time() - busy)

    return wraps(function)(_spelt_out(call, function))


def _spelt_out(call: Callable[..., Any], like: FunctionType) -> Callable[..., Any]:
    """``call`` with as many arguments, written out, as Blender counts in another function."""
    if like.__code__.co_flags & inspect.CO_VARARGS:
        return call
    forms: tuple[Callable[..., Any], ...] = (
        lambda: call(),
        lambda a: call(a),
        lambda a, b: call(a, b),
        lambda a, b, c: call(a, b, c),
        lambda a, b, c, d: call(a, b, c, d),
        lambda a, b, c, d, e: call(a, b, c, d, e),
        lambda a, b, c, d, e, f: call(a, b, c, d, e, f),
        lambda a, b, c, d, e, f, g: call(a, b, c, d, e, f, g),
        lambda a, b, c, d, e, f, g, h: call(a, b, c, d, e, f, g, h),
        lambda a, b, c, d, e, f, g, h, i: call(a, b, c, d, e, f, g, h, i),
        lambda a, b, c, d, e, f, g, h, i, j: call(a, b, c, d, e, f, g, h, i, j),
    )
    return forms[like.__code__.co_argcount]


def table() -> str:
    """What was measured, the longest call first; those of more than ``LONG_SECONDS`` are marked."""
    width = max((len(name) for name in _calls), default=4)
    lines = [f"{'':1} {'call':{width}} {'count':>7} {'longest s':>10} {'busy s':>8} {'total s':>9}"]
    for name, found in sorted(_calls.items(), key=lambda item: (-item[1].longest, item[0])):
        mark = "!" if found.longest > LONG_SECONDS else ""
        numbers = f"{found.count:7} {found.longest:10.4f} {found.busy:8.4f} {found.total:9.3f}"
        lines.append(f"{mark:1} {name:{width}} {numbers}")
    return "\n".join(lines)
