# SPDX-License-Identifier: GPL-3.0-or-later
"""What of takes shows a move that they no longer have, as ``live_preview`` has last found it."""

from __future__ import annotations

from dataclasses import dataclass

from . import props


@dataclass(frozen=True)
class Stale:
    """What of a take shows another move than the one that it has.

    Attributes:
        picture: the preview over its camera.
        coverage: the bar and the share in the list.
    """

    picture: bool = False
    coverage: bool = False


_stale: dict[str, Stale] = {}


def stale(take: props.EX4D_PG_take) -> Stale:
    """What of a take is out of date."""
    return _stale.get(take.uid, Stale())


def note(take: props.EX4D_PG_take, found: Stale) -> bool:
    """Write down what was found of a take; returns whether that is news."""
    if stale(take) == found:
        return False
    _stale[take.uid] = found
    return True


def all_found() -> tuple[tuple[str, Stale], ...]:
    """What was found, by ids of takes."""
    return tuple(_stale.items())


def forget() -> None:
    """Another file is open."""
    _stale.clear()
