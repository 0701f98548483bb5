# SPDX-License-Identifier: Apache-2.0
"""The range of frames a user asks for: closed in text, half-open in code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ex4d.protocol.errors import UsageError

_TEXT = re.compile(r"\s*(?P<first>[0-9]{1,9})\s*(?P<dash>-\s*(?P<last>[0-9]{1,9})?)?\s*")


@dataclass(frozen=True)
class FrameRange:
    """Frame numbers ``start`` to ``stop``, half-open; without ``stop`` to the plate's end.

    Raises:
        ValueError: the range is empty or starts below 0.
    """

    start: int
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ValueError(f"the frame range {self.start} to {self.stop}, half-open, is empty or negative")

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Closed text -> range: ``1001-1049``, ``1001`` for one frame, ``1001-`` to the end.

        Raises:
            UsageError: any other text, or a range that runs backwards.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise UsageError(f"'{text}' is not a frame range.", "Write it like 1001-1049, 1001- or 1001.")
        first = int(found["first"])
        if not found["dash"]:
            return cls(first, first + 1)
        if not found["last"]:
            return cls(first)
        last = int(found["last"])
        if last < first:
            raise UsageError(f"The frame range {text.strip()} runs backwards.", f"Write it as {last}-{first}.")
        return cls(first, last + 1)

    def __contains__(self, number: int) -> bool:
        return self.start <= number and (self.stop is None or number < self.stop)

    def __str__(self) -> str:
        """Closed text that `parse` reads."""
        if self.stop is None:
            return f"{self.start}-"
        return str(self.start) if self.stop == self.start + 1 else f"{self.start}-{self.stop - 1}"
