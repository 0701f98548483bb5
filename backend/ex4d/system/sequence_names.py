# SPDX-License-Identifier: Apache-2.0
"""Where the frame number stands in the names of an image sequence, and what patterns mean: names only, no disk.

Versions and resolutions are no frame numbers: ``sh010_1001_v02.png`` and ``sh010.1001.1920x1080.png`` are frame 1001.
A minus before a number, at the name's start or after another separator, is its sign: ``plate.-0003.png``; in
``plate-0003.png`` it separates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

_DIGITS = re.compile(r"[0-9]+")
_RESOLUTION = re.compile(r"(?<![0-9A-Za-z])[0-9]+[xX][0-9]+(?![0-9A-Za-z])")
_VERSION_BEFORE = re.compile(r"(?:^|[^A-Za-z0-9])[vV]$")
_MINUS_BEFORE = re.compile(r"(?:^|[^A-Za-z0-9])-$")
# The places for a number of #, C and Nuke, Houdini, OpenCue and RV; and OpenCue's with the range in it.
_PLACEHOLDER = re.compile(
    r"(?P<signs>#+|@{2,}|(?<![A-Za-z0-9])@(?![A-Za-z0-9]))|%(?:0(?P<width>[1-9][0-9]?))?d|\$F(?P<houdini>[1-9]?)"
    r"|\[(?P<first>-?[0-9]{1,9})-(?P<last>-?[0-9]{1,9})\]"
)
# Nuke and RV put the range behind the name.
_WITH_RANGE = re.compile(r"(?P<name>.+\.[A-Za-z0-9]+) +(?P<first>-?[0-9]{1,9})-(?P<last>-?[0-9]{1,9})")


@dataclass(frozen=True)
class Place:
    """Where a number, its sign included, stands in a name."""

    start: int
    end: int


@dataclass(frozen=True)
class Placeholder:
    """The place for a frame number in a pattern.

    Attributes:
        head, tail: what stands before and behind the number.
        width: digits that a number has at least.
        range: first and last number, where the pattern says them.
    """

    head: str
    tail: str
    width: int
    range: tuple[int, int] | None = None


def places(name: str) -> list[Place]:
    """The numbers of a file's name before its suffix."""
    found = []
    for run in _DIGITS.finditer(PurePath(name).stem):
        signed = _MINUS_BEFORE.search(name[: run.start()]) is not None
        found.append(Place(run.start() - signed, run.end()))
    return found


def likely_places(name: str, numbers: Sequence[Place]) -> list[int]:
    """Indices of the places where a frame number may be, from the last to the first.

    Those that stand by themselves, and the last one even in a word (``f0001``), unless it is a version or a resolution;
    where nothing stands by itself, all but resolutions.
    """
    resolutions = [found.span() for found in _RESOLUTION.finditer(PurePath(name).stem)]
    indices = range(len(numbers))
    others = [
        index
        for index in indices
        if not any(start <= numbers[index].start and numbers[index].end <= end for start, end in resolutions)
    ] or list(indices)
    after_word = {index for index in others if name[numbers[index].start - 1 : numbers[index].start].isalpha()}
    before_word = {index for index in others if name[numbers[index].end : numbers[index].end + 1].isalpha()}
    versions = {index for index in others if _VERSION_BEFORE.search(name[: numbers[index].start])}
    alone = [index for index in others if index not in after_word | before_word]
    if not alone:
        return others[::-1]
    last = others[-1:] if others[-1] not in alone and others[-1] not in versions | before_word else []
    return [*last, *alone[::-1]]


def placeholders(name: str) -> list[Placeholder]:
    """All places for a number in a pattern, ``####``, ``%04d``, ``$F4``, ``@@@@`` or ``[1001-1009]``."""
    return [
        Placeholder(name[: found.start()], name[found.end() :], _width(found), _range(found))
        for found in _PLACEHOLDER.finditer(name)
    ]


def split_range(name: str) -> tuple[str, tuple[int, int]] | None:
    """``plate.####.png 1001-1009`` -> the name and the range; None of a name without one."""
    found = _WITH_RANGE.fullmatch(name)
    return None if found is None else (found["name"], (int(found["first"]), int(found["last"])))


def is_pattern(name: str) -> bool:
    """Whether a name means several files: it has a place for the frame number, or a range."""
    return _PLACEHOLDER.search(name) is not None or split_range(name) is not None


def _width(place: re.Match[str]) -> int:
    if place["signs"]:
        return len(place["signs"])
    return len(place["first"].lstrip("-")) if place["first"] else int(place["width"] or place["houdini"] or 1)


def _range(place: re.Match[str]) -> tuple[int, int] | None:
    return (int(place["first"]), int(place["last"])) if place["first"] else None


def member_expression(head: str, tail: str, width: int) -> re.Pattern[str]:
    """What the names ``head + number + tail`` match, with at least ``width`` digits and the suffix in small letters or
    not; group 1 is the number with its sign."""
    head, sign = without_sign(head)
    suffix = PurePath(f"0{tail}").suffix
    middle = tail.removesuffix(suffix)
    return re.compile(f"{re.escape(head)}({sign}[0-9]{{{width},}}){re.escape(middle)}(?i:{re.escape(suffix)})")


def without_sign(head: str) -> tuple[str, str]:
    """What comes before a number and its sign, and a regular expression for the signs that may be there."""
    if _MINUS_BEFORE.search(head):
        return head[:-1], "-"
    return head, "-?" if _MINUS_BEFORE.search(f"{head}-") else ""
