# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of the ways to get depth."""

from __future__ import annotations

from typing import Any

from . import capabilities
from .capabilities import Estimator
from .core.records import name_number
from .profiles import not_offered

#: The backend's own choice, and the user's files; what else there is, it says when it answers.
AUTOMATIC, FILES = "auto", "FILES"
#: Numbers that .blend files of version 0 keep; those of estimators come from their names.
_NUMBERS = {AUTOMATIC: 0, FILES: 1}

#: Blender does not keep the strings of dynamic items alive.
_items: list[tuple[str, str, str, int]] = []


def known_estimators() -> list[Estimator]:
    """Those that work at the backend, its default first; none before one has ever answered."""
    return list(capabilities.offers().estimators)


def estimator_used(chosen: str) -> Estimator | None:
    """The estimator that a choice of the menu stands for, None where it is not known."""
    known = known_estimators()
    if chosen == AUTOMATIC:
        return known[0] if known else None
    return next((estimator for estimator in known if estimator.name == chosen), None)


def number(name: str) -> int:
    """The number that stands for a source of depth in the menu."""
    return _NUMBERS.get(name, name_number(name))


def depth_items(owner: Any, _context: Any) -> list[tuple[str, str, str, int]]:
    """Items of the depth menu; the .blend's own is among them even where it is not offered."""
    best = estimator_used(AUTOMATIC)
    automatic = "The best that works here and is free to use" + (f": {best.label}" if best else "")
    rows = [
        (AUTOMATIC, "Automatic", automatic),
        *(
            (found.name, found.name.replace("_", " ").title(), f"{found.label}. {found.licence}")
            for found in known_estimators()
        ),
        (FILES, "Depth Files", "Depth from npz, npy, OpenEXR or 16-bit PNG files"),
    ]
    if owner is not None and owner.depth_source not in [row[0] for row in rows]:
        rows.append(not_offered(owner.depth_source))
    fresh = [(*row, number(row[0])) for row in rows]
    if fresh != _items:
        _items[:] = fresh
    return _items
