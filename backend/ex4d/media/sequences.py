# SPDX-License-Identifier: Apache-2.0
"""Image sequences on disk: from a folder, a pattern or one file to the numbered files.

The frame number is the run of digits of the name in which the files differ; versions and resolutions are none, so that
``sh010_1001_v02.png`` and ``sh010.1001.1920x1080.png`` are frame 1001. Where that does not tell it is the last. A minus
before it, at the name's start or after another separator, is its sign: ``plate.-0003.png``; in ``plate-0003.png`` it
separates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

from ex4d.media.camera_raw import refuse_camera_raw
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import check_input, reading

#: Formats of a plate.
PLATE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".dpx")
#: Formats of a depth sequence.
DEPTH_SUFFIXES = (".exr", ".png", ".npy", ".npz")

#: Runs of numbers a message spells out before it only counts the rest.
_LISTED = 6

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
class ImageSequence:
    """The files of one sequence, in the order of their numbers.

    Attributes:
        pattern: name of the files with ``#`` in place of the digits, ``plate.####.png``; a lone file whose name has
            no number has no ``#``, and then its number is 0.
        numbers: frame numbers, rising; negative ones too.
        paths: the file of each number.
        notes: sentences for the report, on what was assumed of the names.
    """

    pattern: str
    numbers: tuple[int, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_numbered(self) -> bool:
        """Whether the numbers come from the files' names."""
        return "#" in self.pattern

    def gaps(self) -> tuple[range, ...]:
        """The runs of numbers missing between the first and the last."""
        return tuple(range(a + 1, b) for a, b in pairwise(self.numbers) if b > a + 1)

    def select(self, numbers: range) -> ImageSequence:
        """The files whose numbers are in ``numbers``; it may be empty."""
        chosen = [index for index, number in enumerate(self.numbers) if number in numbers]
        return ImageSequence(
            self.pattern,
            tuple(self.numbers[i] for i in chosen),
            tuple(self.paths[i] for i in chosen),
            self.notes,
        )


def format_ranges(ranges: Sequence[range]) -> str:
    """Half-open runs as closed text, shortened: ``1004, 1010-1012 and 3 more``."""
    shown = ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in ranges[:_LISTED])
    more = sum(len(r) for r in ranges[_LISTED:])
    return f"{shown} and {more} more" if more else shown


def last_number(path: Path) -> int | None:
    """The last run of digits of a name before its suffix, without a sign."""
    runs = _DIGITS.findall(path.stem)
    return int(runs[-1]) if runs else None


def is_pattern(path: Path) -> bool:
    """Whether a name means several files: it has a place for the frame number, ``####`` or ``%04d``, or a range."""
    return _PLACEHOLDER.search(path.name) is not None or _WITH_RANGE.fullmatch(path.name) is not None


def find_sequence(path: Path, suffixes: Sequence[str]) -> ImageSequence:
    """Find the files of an image sequence.

    Args:
        path: a folder with one numbered sequence; a pattern, ``plate.####.png``, ``plate.%04d.png``, ``plate.$F4.png``
            or ``plate.@@@@.png``, where the width is the padding and longer numbers match too; the same with a range,
            ``plate.[1001-1009].png`` or ``plate.####.png 1001-1009``; one file of a sequence; or a lone image.
        suffixes: the formats to take, lower case with the dot.

    Raises:
        BadInputError: nothing is there, several sequences are, or two files have the same number.
    """
    with reading(path):
        if path.is_dir():
            return _in_folder(path, suffixes)
        if path.exists():
            return _with_siblings(path, suffixes)
        if ranged := _WITH_RANGE.fullmatch(path.name):
            found = find_sequence(path.with_name(ranged["name"]), suffixes)
            return _within(path, found, int(ranged["first"]), int(ranged["last"]))
        placeholders = list(_PLACEHOLDER.finditer(path.name))
        if placeholders:
            return _of_pattern(path, placeholders, suffixes)
    raise BadInputError(f"{path} does not exist.", "Check the path.")


def _in_folder(folder: Path, suffixes: Sequence[str]) -> ImageSequence:
    # Pipes and broken links too: leaving them out would renumber or shorten a sequence.
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in suffixes and not file.name.startswith(".") and not file.is_dir()
    ]
    found = [sequence for family in _families(files) for sequence in _sequences_of(folder, family)]
    if len(found) == 1:
        return found[0]
    if found:
        patterns = sorted(sequence.pattern for sequence in found)
        raise BadInputError(
            f"{folder} holds {len(found)} sequences: {_listed(patterns)}.",
            f"Name one of them, for example {folder / patterns[0]}.",
        )
    if len(files) == 1:
        return ImageSequence(files[0].name, (0,), (files[0],))
    if files:
        raise BadInputError(
            f"{folder} holds {len(files)} images whose names have no frame number.",
            "Name one of the images, or number the files like plate.1001.png.",
        )
    for file in sorted(folder.iterdir()):
        refuse_camera_raw(file)
    raise BadInputError(f"{folder} holds no {_kinds(suffixes)} files.", "Choose the folder that holds the images.")


def _families(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Numbered files whose names are the same but for the digits and the sign before them."""
    families: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        places = _places(file)
        if places:
            texts = (place.head_text(file.name, before) for before, place in zip([None, *places], places, strict=False))
            families.setdefault((*texts, _folded(file.name[places[-1].end :], file)), []).append(file)
    yield from families.values()


def _folded(tail: str, file: Path) -> str:
    """The end of a file's name with its suffix in small letters: «p.1003.PNG» goes on after «p.1002.png»."""
    return tail.removesuffix(file.suffix) + file.suffix.lower()


def _as_written(tail: str, file: Path) -> str:
    return file.name[len(file.name) - len(tail) :]


def _sequences_of(folder: Path, family: Sequence[Path]) -> Iterator[ImageSequence]:
    """The sequences in a family: one, where the files differ in one place; else by the last place of a number."""
    groupings: dict[int, dict[tuple[str, str], list[Path]]] = {}
    places = {file: _places(file) for file in family}
    for index in _likely(family[0], places[family[0]]):
        groups: dict[tuple[str, str], list[Path]] = {}
        for file in family:
            place = places[file][index]
            groups.setdefault((file.name[: place.start], _folded(file.name[place.end :], file)), []).append(file)
        groupings[index] = groups
    by_place = list(groupings.values())
    chosen = next((groups for groups in by_place if len(groups) == 1), by_place[0])
    for (head, tail), members in chosen.items():
        notes = _assumption_note(members[0], groupings.keys(), head, tail) if len(members) == 1 else ()
        yield _sequence(folder, head, tail, members, notes)


def _with_siblings(file: Path, suffixes: Sequence[str]) -> ImageSequence:
    _check_suffix(file, suffixes)
    check_input(file)
    places = _places(file)
    if not places:
        return ImageSequence(file.name, (0,), (file,))
    ends = {
        index: (file.name[: places[index].start], file.name[places[index].end :]) for index in _likely(file, places)
    }
    found = {index: _matching(file.parent, *names, width=1) for index, names in ends.items()}
    varying = [index for index, members in found.items() if len(members) > 1]
    chosen = next(iter(varying or found))  # the last place
    if any(len(found[other]) >= len(found[chosen]) for other in varying if other != chosen):
        patterns = [_sequence(file.parent, *ends[index], found[index]).pattern for index in varying]
        raise BadInputError(
            f"The frame number of {file} can be in {len(varying)} places: {_listed(patterns)}.",
            f"Name the place with #, for example {file.parent / patterns[0]}.",
        )
    notes = () if varying else _assumption_note(file, found.keys(), *ends[chosen])
    return _sequence(file.parent, *ends[chosen], found[chosen], notes)


@dataclass(frozen=True)
class _Place:
    """Where a number, its sign included, stands in a name."""

    start: int
    end: int

    def head_text(self, name: str, before: _Place | None) -> str:
        """What stands between the number before and this one."""
        return name[before.end if before else 0 : self.start]


def _places(file: Path) -> list[_Place]:
    """The numbers of a name before its suffix."""
    name = file.name
    found = []
    for run in _DIGITS.finditer(file.stem):
        signed = _MINUS_BEFORE.search(name[: run.start()]) is not None
        found.append(_Place(run.start() - signed, run.end()))
    return found


def _likely(file: Path, places: Sequence[_Place]) -> list[int]:
    """Indices of the places where a frame number may be, from the last to the first.

    Those that stand by themselves, and the last one even in a word (``f0001``), unless it is a version or a resolution;
    where nothing stands by itself, all but resolutions.
    """
    name = file.name
    resolutions = [found.span() for found in _RESOLUTION.finditer(file.stem)]
    indices = range(len(places))
    others = [
        index
        for index in indices
        if not any(start <= places[index].start and places[index].end <= end for start, end in resolutions)
    ] or list(indices)
    after_word = {index for index in others if name[places[index].start - 1 : places[index].start].isalpha()}
    before_word = {index for index in others if name[places[index].end : places[index].end + 1].isalpha()}
    versions = {index for index in others if _VERSION_BEFORE.search(name[: places[index].start])}
    alone = [index for index in others if index not in after_word | before_word]
    if not alone:
        return others[::-1]
    last = others[-1:] if others[-1] not in alone and others[-1] not in versions | before_word else []
    return [*last, *alone[::-1]]


def _assumption_note(file: Path, places: Iterable[int], head: str, tail: str) -> tuple[str, ...]:
    """For a lone file whose number could be another one."""
    if len(list(places)) < 2:
        return ()
    width = len(file.name) - len(head) - len(tail)
    pattern = f"{head}{'#' * width}{_as_written(tail, file)}"
    return (f"The frame number is taken from the place of # in {pattern}; name the file with # to choose another.",)


def _of_pattern(path: Path, placeholders: Sequence[re.Match[str]], suffixes: Sequence[str]) -> ImageSequence:
    _check_suffix(path, suffixes)
    if len(placeholders) > 1:
        raise BadInputError(
            f"{path} has more than one place for the frame number.", "Use one run of #, like plate.####.png."
        )
    place = placeholders[0]
    head, tail = path.name[: place.start()], path.name[place.end() :]
    members = _matching(path.parent, head, tail, _width(place)) if path.parent.is_dir() else []
    if not members:
        raise BadInputError(f"No file matches {path}.", "Check the folder, the name and the number of digits.")
    found = _sequence(path.parent, head, tail, members)
    return _within(path, found, int(place["first"]), int(place["last"])) if place["first"] else found


def _width(place: re.Match[str]) -> int:
    """Digits that a number has at least."""
    if place["signs"]:
        return len(place["signs"])
    return len(place["first"].lstrip("-")) if place["first"] else int(place["width"] or place["houdini"] or 1)


def _within(path: Path, found: ImageSequence, first: int, last: int) -> ImageSequence:
    """The files of a range that stands in the name, which must be there at its ends; gaps are found elsewhere."""
    if last < first:
        raise BadInputError(f"The range in {path} runs backwards.", f"Write it as {last}-{first}.")
    if not found.is_numbered or found.numbers[0] > first or found.numbers[-1] < last:
        has = f"{found.numbers[0]} to {found.numbers[-1]}" if found.is_numbered else "no numbers"
        raise BadInputError(
            f"{path} asks for the frames {first} to {last}; the files have {has}.", "Name frames that are there."
        )
    return found.select(range(first, last + 1))


def _matching(folder: Path, head: str, tail: str, width: int) -> list[Path]:
    """Files ``head + number + tail`` of a folder with at least ``width`` digits; the suffix in small letters or not."""
    head, sign = _without_sign(head)
    suffix = PurePath(f"0{tail}").suffix
    middle = tail.removesuffix(suffix)
    name = re.compile(f"{re.escape(head)}{sign}[0-9]{{{width},}}{re.escape(middle)}(?i:{re.escape(suffix)})")
    return [file for file in folder.iterdir() if name.fullmatch(file.name) and not file.is_dir()]


def _without_sign(head: str) -> tuple[str, str]:
    """What comes before a number and its sign, and a regular expression for the signs that may be there."""
    if _MINUS_BEFORE.search(head):
        return head[:-1], "-"
    return head, "-?" if _MINUS_BEFORE.search(f"{head}-") else ""


def _sequence(
    folder: Path, head: str, tail: str, members: Iterable[Path], notes: tuple[str, ...] = ()
) -> ImageSequence:
    head = _without_sign(head)[0]
    by_number: dict[int, Path] = {}
    width = 0
    for file in members:
        text = file.name[len(head) : len(file.name) - len(tail)]
        width = min(width or len(text.lstrip("-")), len(text.lstrip("-")))
        twin = by_number.setdefault(int(text), file)
        if twin is not file:
            names = " and ".join(sorted((twin.name, file.name)))
            raise BadInputError(
                f"{folder} has two files for frame {int(text)}: {names}.",
                "Move one of them away, or name the pattern whose padding fits only one.",
            )
    numbers = tuple(sorted(by_number))
    paths = tuple(by_number[number] for number in numbers)
    return ImageSequence(f"{head}{'#' * width}{_as_written(tail, paths[0])}", numbers, paths, notes)


def _check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    refuse_camera_raw(path)
    if path.suffix.lower() not in suffixes:
        raise BadInputError(f"{path} is not a {_kinds(suffixes)} file.", "Choose a file of one of these formats.")


def _kinds(suffixes: Sequence[str]) -> str:
    return " or ".join(suffixes)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
