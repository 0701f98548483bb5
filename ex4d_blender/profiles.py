# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to fill, as the backend tells them, and the shot's look: what property callbacks need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Known before any backend has answered.
_BUILT_IN = {
    "name": "preview",
    "label": "preview fill: other frames' background and soft colour, no generative model",
    "licence": "Apache-2.0",
    "takes_seed": False,
    "takes_prompt": False,
}


@dataclass(frozen=True)
class Profile:
    """A way to fill.

    Attributes:
        name: as the backend calls it.
        label, licence: shown before use.
        takes_seed, takes_prompt: whether these have an effect.
    """

    name: str
    label: str
    licence: str
    takes_seed: bool
    takes_prompt: bool


def known_profiles() -> list[Profile]:
    """What the backend offers, or what every backend offers before one has answered."""
    from . import session

    welcome = session.current().client.welcome or {}
    records = welcome.get("capabilities", {}).get("profiles") or [_BUILT_IN]
    return [Profile(**{name: record[name] for name in _BUILT_IN}) for record in records]


def profile_named(name: str) -> Profile:
    """The profile of that name, or the first."""
    profiles = known_profiles()
    return next((profile for profile in profiles if profile.name == name), profiles[0])


#: Blender does not keep the strings of dynamic items alive.
_items: list[tuple[str, str, str]] = []


def profile_items(_owner: Any, _context: Any) -> list[tuple[str, str, str]]:
    """Items of the profile menu."""
    fresh = [(profile.name, profile.name.title(), profile.label) for profile in known_profiles()]
    if fresh != _items:
        _items[:] = fresh
    return _items


def update_holes(scene: Any) -> None:
    """Give the shot's mesh the hole style that the scene's properties ask for."""
    from .scene import material, shot

    found = shot.find_shot(scene)
    if found is None or found.mesh is None:
        return
    for item in found.mesh.data.materials:
        if material.is_ours(item):
            material.set_hole_style(item, transparent=scene.ex4d.holes_transparent, color=tuple(scene.ex4d.hole_color))
