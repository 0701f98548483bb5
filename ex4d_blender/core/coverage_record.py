# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each frame of a take the plate has seen, as a .blend keeps it: JSON. No Blender in here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ex4d.protocol.parsing import parse_json


@lru_cache(maxsize=64)
def parsed(text: str) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    """Plate frame numbers, shares that were seen, and shares that no frame has in its view; empty what there is none
    of."""
    try:
        record = parse_json(text)
        numbers, shares = tuple(map(int, record["numbers"])), tuple(map(float, record["coverage"]))
        never = tuple(map(float, record.get("never_covered", ())))
    except (OverflowError, ValueError, KeyError, TypeError):
        return (), (), ()
    usable = len(numbers) == len(shares) and len(never) in (0, len(shares))
    usable = usable and all(0 <= share <= 1 for share in (*shares, *never))
    return (numbers, shares, never) if usable else ((), (), ())


def merged(text: str, numbers: Sequence[int], shares: Sequence[float], never: Sequence[float] = ()) -> str:
    """A record with what was counted in some frames now; the other frames keep what the record has of them.

    Args:
        text: the record of the same move; "" where there is none.
        numbers: plate frame numbers.
        shares: of each frame's pixels, that were seen.
        never: of each frame's pixels, that no frame has in its view; empty where nobody has counted.
    """
    former, former_shares, former_never = parsed(text)
    seen = {**dict(zip(former, former_shares, strict=True)), **dict(zip(numbers, shares, strict=True))}
    unseen = {**dict(zip(former, former_never, strict=False)), **dict(zip(numbers, never, strict=False))}
    frames = sorted(seen)
    record: dict[str, Any] = {"numbers": frames, "coverage": [seen[frame] for frame in frames]}
    if all(frame in unseen for frame in frames):
        record["never_covered"] = [unseen[frame] for frame in frames]
    return json.dumps(record)


def parse(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Plate frame numbers and shares of a take's coverage; empty where there is none."""
    return parsed(text)[:2]


def mean_share(text: str) -> float | None:
    """The mean share of a take's pixels that was seen; None where nobody has counted."""
    _, shares = parse(text)
    return sum(shares) / len(shares) if shares else None
