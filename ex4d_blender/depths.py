# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to get depth, as the backend tells them: what the menu needs."""

from __future__ import annotations

import zlib
from typing import Any

#: The backend's own choice, and the user's files; what else there is, it says when it answers.
AUTOMATIC, FILES = "auto", "FILES"
#: Numbers that .blend files keep; those of estimators come from their names, so that a menu that grew means the same.
_NUMBERS = {AUTOMATIC: 0, FILES: 1}

#: Blender does not keep the strings of dynamic items alive.
_items: list[tuple[str, str, str, int]] = []


def known_estimators() -> list[dict[str, str]]:
    """Name, label and licence of those that work at the backend, its default first; none before it has answered."""
    from . import session

    welcome = session.current().client.welcome or {}
    return list(welcome.get("capabilities", {}).get("depth", []))


def estimator_used(chosen: str) -> dict[str, str] | None:
    """The estimator that a choice of the menu stands for, None where it is not known."""
    known = known_estimators()
    if chosen == AUTOMATIC:
        return known[0] if known else None
    return next((record for record in known if record["name"] == chosen), None)


def depth_items(_owner: Any, _context: Any) -> list[tuple[str, str, str, int]]:
    """Items of the depth menu."""
    best = estimator_used(AUTOMATIC)
    automatic = "The best that works here and is free to use" + (f": {best['label']}" if best else "")
    rows = [
        (AUTOMATIC, "Automatic", automatic),
        *(
            (r["name"], r["name"].replace("_", " ").title(), f"{r['label']}. {r['licence']}")
            for r in known_estimators()
        ),
        (FILES, "Depth Files", "Depth from npz, npy, OpenEXR or 16-bit PNG files"),
    ]
    fresh = [(*row, _NUMBERS.get(row[0], 2 + zlib.crc32(row[0].encode()) % 2**24)) for row in rows]
    if fresh != _items:
        _items[:] = fresh
    return _items
