# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of the ways to fill, and the shot's look: what property callbacks need."""

from __future__ import annotations

from typing import Any

from . import capabilities
from .capabilities import Profile
from .core.records import name_number


def known_profiles() -> list[Profile]:
    """What the backend offers, or offered when it answered last."""
    return list(capabilities.offers().profiles)


def find_profile(name: str) -> Profile | None:
    """The profile of that name, None where no such one is known (yet)."""
    return next((profile for profile in known_profiles() if profile.name == name), None)


#: Blender does not keep the strings of dynamic items alive.
_items: list[tuple[str, str, str, int]] = []


def profile_items(owner: Any, _context: Any) -> list[tuple[str, str, str, int]]:
    """Items of the profile menu; the .blend's own is among them even where it is not offered."""
    rows = [(profile.name, profile.name.title(), profile.label) for profile in known_profiles()]
    if owner is not None and owner.profile not in [row[0] for row in rows]:
        rows.append(not_offered(owner.profile))
    fresh = [(*row, name_number(row[0])) for row in rows]
    if fresh != _items:
        _items[:] = fresh
    return _items


def not_offered(name: str) -> tuple[str, str, str]:
    """The item of a name that the .blend has and the backend doesn't offer."""
    return name, f"{name.replace('_', ' ').title()} (Not Offered)", "The backend does not offer this, or has not said"
