# SPDX-License-Identifier: Apache-2.0
"""Image sequences on disk: from a folder, a pattern or one file to the numbered files.

The frame number is the run of digits of the name in which the files differ, of those that may be one
(``system.sequence_names``). Where that does not tell it is the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ex4d.media.camera_raw import refuse_camera_raw
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import check_input, reading
from ex4d.system.sequence_names import (
    Placeholder,
    likely_places,
    member_expression,
    placeholders,
    places,
    split_range,
    without_sign,
)

#: Formats of a plate.
PLATE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".dpx")
#: Formats of a depth sequence.
DEPTH_SUFFIXES = (".exr", ".png", ".npy", ".npz")

#: Runs of numbers a message spells out before it only counts the rest.
_LISTED = 6


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
    runs = re.findall(r"[0-9]+", path.stem)
    return int(runs[-1]) if runs else None


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
        if ranged := split_range(path.name):
            return _within(path, find_sequence(path.with_name(ranged[0]), suffixes), *ranged[1])
        if found := placeholders(path.name):
            return _of_pattern(path, found, suffixes)
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
        numbers = places(file.name)
        if numbers:
            ends = [0, *(place.end for place in numbers)]
            texts = (file.name[end : place.start] for end, place in zip(ends, numbers, strict=False))
            families.setdefault((*texts, _folded(file.name[numbers[-1].end :], file)), []).append(file)
    yield from families.values()


def _folded(tail: str, file: Path) -> str:
    """The end of a file's name with its suffix in small letters: «p.1003.PNG» goes on after «p.1002.png»."""
    return tail.removesuffix(file.suffix) + file.suffix.lower()


def _as_written(tail: str, file: Path) -> str:
    return file.name[len(file.name) - len(tail) :]


def _sequences_of(folder: Path, family: Sequence[Path]) -> Iterator[ImageSequence]:
    """The sequences in a family: one, where the files differ in one place; else by the last place of a number."""
    groupings: dict[int, dict[tuple[str, str], list[Path]]] = {}
    numbers = {file: places(file.name) for file in family}
    for index in likely_places(family[0].name, numbers[family[0]]):
        groups: dict[tuple[str, str], list[Path]] = {}
        for file in family:
            place = numbers[file][index]
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
    numbers = places(file.name)
    if not numbers:
        return ImageSequence(file.name, (0,), (file,))
    ends = {
        index: (file.name[: numbers[index].start], file.name[numbers[index].end :])
        for index in likely_places(file.name, numbers)
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


def _assumption_note(file: Path, candidates: Iterable[int], head: str, tail: str) -> tuple[str, ...]:
    """For a lone file whose number could be another one."""
    if len(list(candidates)) < 2:
        return ()
    width = len(file.name) - len(head) - len(tail)
    pattern = f"{head}{'#' * width}{_as_written(tail, file)}"
    return (f"The frame number is taken from the place of # in {pattern}; name the file with # to choose another.",)


def _of_pattern(path: Path, found: Sequence[Placeholder], suffixes: Sequence[str]) -> ImageSequence:
    _check_suffix(path, suffixes)
    if len(found) > 1:
        raise BadInputError(
            f"{path} has more than one place for the frame number.", "Use one run of #, like plate.####.png."
        )
    place = found[0]
    members = _matching(path.parent, place.head, place.tail, place.width) if path.parent.is_dir() else []
    if not members:
        raise BadInputError(f"No file matches {path}.", "Check the folder, the name and the number of digits.")
    sequence = _sequence(path.parent, place.head, place.tail, members)
    return _within(path, sequence, *place.range) if place.range is not None else sequence


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
    name = member_expression(head, tail, width)
    return [file for file in folder.iterdir() if name.fullmatch(file.name) and not file.is_dir()]


def _sequence(
    folder: Path, head: str, tail: str, members: Iterable[Path], notes: tuple[str, ...] = ()
) -> ImageSequence:
    head = without_sign(head)[0]
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
