# SPDX-License-Identifier: Apache-2.0
"""Stage 5: filling what the plate never showed."""

from __future__ import annotations

from collections.abc import Callable

from ex4d.fill.base import Confidence, FillSink, Generator, Geometry, TakeFrame, TakeView
from ex4d.fill.preview import PreviewFill
from ex4d.protocol.errors import UsageError

__all__ = [
    "GENERATORS",
    "Confidence",
    "FillSink",
    "Generator",
    "Geometry",
    "TakeFrame",
    "TakeView",
    "create_generator",
]

#: By name.
GENERATORS: dict[str, Callable[[], Generator]] = {"preview": PreviewFill}


def create_generator(name: str) -> Generator:
    """The generator of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in GENERATORS:
        raise UsageError(f"There is no fill «{name}».", f"Use one of: {', '.join(GENERATORS)}.")
    return GENERATORS[name]()
