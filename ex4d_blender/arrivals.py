# SPDX-License-Identifier: GPL-3.0-or-later
"""The take that came last, until it is looked at: a timer brings it, to a viewport that shows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from . import panel_updates


@dataclass(frozen=True)
class Arrival:
    """A take that came.

    Attributes:
        scene: ``session_uid`` of the scene that waited for it.
        name: of take and version.
        is_new: False where the version was there already: nothing had changed since.
    """

    scene: int
    name: str
    is_new: bool = True


_last: Arrival | None = None


def last() -> Arrival | None:
    """The take that came last; None where it was looked at, or another file is open."""
    return _last


def note(arrival: Arrival) -> None:
    """A take has come."""
    global _last  # noqa: PLW0603  one status bar
    _last = arrival
    panel_updates.nudge()


def forget() -> None:
    """It was looked at, or belongs to a file that is closed."""
    global _last  # noqa: PLW0603
    if _last is not None:
        _last = None
        panel_updates.nudge()
