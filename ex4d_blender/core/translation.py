# SPDX-License-Identifier: GPL-3.0-or-later
"""English texts -> another language, also those that were put together: a table's key may have places, «Generate {}».

Errors and notes are made where they are found, in English, as logs and terminals show them; what a person reads in
Blender is looked up here as it stands. No Blender in here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

#: A place in a key; in the translation it has the number of the key's place: {0}, or {0:t} where its text is
#: translated too.
PLACE = "{}"
#: Blender's name for where the add-on's texts are looked up: a word may mean something else in Blender's own.
TRANSLATION_CONTEXT = "EX-4D"
#: So many texts are remembered: those with times and counts in them are many.
REMEMBERED = 2000
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[^a-z\s])")


@dataclass(frozen=True)
class _Pattern:
    """A key with places.

    Attributes:
        key: English, with ``PLACE`` for what differs.
        expression: that matches texts of it; a group for each place.
        letters: count of those outside of places: the more, the surer.
    """

    key: str
    expression: re.Pattern[str]
    letters: int


class _Part(str):
    """What stands in a place; «t» translates it."""

    __slots__ = ("translation",)
    translation: Translation

    def __format__(self, spec: str) -> str:
        return self.translation.of(str(self)) if spec == "t" else str(self)


class Translation:
    """Texts of one language.

    Args:
        table: English -> translation. Keys are the texts as the code has them, with ``PLACE`` for each value of an
            f-string.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table
        patterns = [_pattern(key) for key in table if PLACE in key]
        self._patterns = sorted(patterns, key=lambda pattern: -pattern.letters)
        self._found: dict[str, str] = {}

    def of(self, text: str) -> str:
        """The translation of a text; the text itself where there is none."""
        found = self._found.get(text)
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[text] = self._search(text)
        return found

    def _search(self, text: str) -> str:
        known = self._known(text)
        if known is not None:
            return known
        return self._sentences(text)

    def _known(self, text: str) -> str | None:
        """The translation of a text that the table has as a whole."""
        if text in self.table:
            return self.table[text]
        for pattern in self._patterns:
            match = pattern.expression.fullmatch(text)
            # What spans sentences is several texts, one after the other.
            if match is not None and not any(_BREAK.search(group) for group in match.groups()):
                return self.table[pattern.key].format(*(self._part(group) for group in match.groups()))
        return None

    def _sentences(self, text: str) -> str:
        """The longest runs of sentences that are known, one after the other; others stay."""
        sentences = _BREAK.split(text)
        out, begin = [], 0
        while begin < len(sentences):
            for end in range(len(sentences), begin, -1):
                run = " ".join(sentences[begin:end])
                known = self._known(run) if run != text else None
                if known is not None:
                    break
            out.append(run if known is None else known)
            begin = end
        return " ".join(out) if len(sentences) > 1 else text

    def _part(self, text: str) -> _Part:
        part = _Part(text)
        part.translation = self
        return part


def _pattern(key: str) -> _Pattern:
    literals = key.split(PLACE)
    expression = re.escape(literals[0])
    for before, after in pairwise(literals):
        # A name stands in guillemets, and holds none.
        is_name = before.endswith("«") and after.startswith("»")
        # «Rendering positions 3/49»: a count, so that all of the words before it are one place.
        is_count = "/" in (before, after)
        expression += ("([^»]*)" if is_name else r"(\d+)" if is_count else "(.*?)") + re.escape(after)
    return _Pattern(key, re.compile(expression, re.DOTALL), sum(len(literal) for literal in literals))
