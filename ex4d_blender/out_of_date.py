# SPDX-License-Identifier: GPL-3.0-or-later
"""What of takes shows a move that they no longer have, as ``live_preview`` has last found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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


#: Of a take in its scene: copies of scenes have takes with the same ids.
Key: TypeAlias = tuple[int, str]

_stale: dict[Key, Stale] = {}


def key_of(take: props.EX4D_PG_take) -> Key:
    """The scene's ``session_uid`` and the take's id."""
    scene = take.id_data
    return scene.session_uid if scene is not None else 0, take.uid


def stale(take: props.EX4D_PG_take) -> Stale:
    """What of a take is out of date."""
    return _stale.get(key_of(take), Stale())


def note(take: props.EX4D_PG_take, found: Stale) -> bool:
    """Write down what was found of a take; returns whether that is news."""
    if stale(take) == found:
        return False
    _stale[key_of(take)] = found
    return True


def all_found() -> tuple[tuple[Key, Stale], ...]:
    """What was found, by take."""
    return tuple(_stale.items())


def forget() -> None:
    """Another file is open."""
    _stale.clear()
