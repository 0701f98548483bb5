# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strip tells of the take it shows, so that the sequencer's panel asks no file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import read_bytes

from .deliveries import MAX_BYTES, TAKE_FILE, DeliveredTake, move_of

#: What is told, by its name in the strip's custom property and by what the panel calls it.
FACTS = {"move": "Move", "profile": "Fill Profile", "seed": "Seed", "created": "Finished"}


def strip_facts(take: DeliveredTake, move: str = "") -> dict[str, str]:
    """What a strip of a delivered take is to tell: ``title`` and ``FACTS``, each "" where nothing is known of it.

    Args:
        move: of its camera as it was asked for; where there is none, the take's record may name one.
    """
    record = _record(Path(take.folder))
    created = record.get("created")
    return {
        "title": take.title,
        "move": move or move_of(record),
        "profile": take.profile,
        "seed": "" if take.seed is None else str(take.seed),
        "created": created if isinstance(created, str) else "",
    }


def _record(folder: Path) -> Mapping[str, Any]:
    """A take's own record; empty where it cannot be read."""
    try:
        found = parse_json(read_bytes(folder / TAKE_FILE, MAX_BYTES))
    except (BadInputError, OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def local_moment(text: str) -> str:
    """A moment in ISO 8601 as a clock here shows it, "2026-11-30 21:04"; a text that is none stays as it is."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    here = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone()
    return here.strftime("%Y-%m-%d %H:%M")
