# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether panels show what is: they are drawn again when a part of what they show has become another."""

from __future__ import annotations

from collections.abc import Hashable

from .redraw import Redraw

_redraw = Redraw()
_parts: dict[str, Hashable] = {}
_nudges = 0


def show(part: str, state: Hashable) -> None:
    """What a part of the panels shows now; they are drawn if it was another and that is due.

    Args:
        part: whose state it is, such as "jobs".
        state: equal as long as the part looks the same.
    """
    _parts[part] = state
    _redraw.show((tuple(_parts.items()), _nudges))


def nudge() -> None:
    """Something else has changed that panels show."""
    global _nudges  # noqa: PLW0603  counts for the whole process
    _nudges += 1
    _redraw.show((tuple(_parts.items()), _nudges))


def flush() -> None:
    """Draw what has changed, if the last drawing is long enough ago; called by the timer."""
    _redraw.flush()


def is_due() -> bool:
    """Whether something has changed that is not drawn yet."""
    return _redraw.is_due
