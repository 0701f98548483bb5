# SPDX-License-Identifier: Apache-2.0
"""Image sequences on disk: from a folder, a pattern or one file to the numbered files.

The frame number is the last run of digits of the file's name before its suffix: ``sh010_v2.1001.exr`` is frame 1001.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ex4d.inputs import reading
from ex4d.protocol.errors import BadInputError

#: Formats of a plate.
PLATE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
#: Formats of a depth sequence.
DEPTH_SUFFIXES = (".exr", ".png", ".npy", ".npz")

#: Runs of numbers a message spells out before it only counts the rest.
_LISTED = 6

_LAST_NUMBER = re.compile(r"(?P<head>.*?)(?P<number>[0-9]+)(?P<tail>[^0-9]*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"#+|%(?:0(?P<width>[1-9][0-9]?))?d")


@dataclass(frozen=True)
class ImageSequence:
    """The files of one sequence, in the order of their numbers.

    Attributes:
        pattern: name of the files with ``#`` in place of the digits, ``plate.####.png``; a lone file whose name has
            no number has no ``#``, and then its number is 0.
        numbers: frame numbers, rising.
        paths: the file of each number.
    """

    pattern: str
    numbers: tuple[int, ...]
    paths: tuple[Path, ...]

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
        return ImageSequence(self.pattern, tuple(self.numbers[i] for i in chosen), tuple(self.paths[i] for i in chosen))


def format_ranges(ranges: Sequence[range]) -> str:
    """Half-open runs as closed text, shortened: ``1004, 1010-1012 and 3 more``."""
    shown = ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in ranges[:_LISTED])
    more = sum(len(r) for r in ranges[_LISTED:])
    return f"{shown} and {more} more" if more else shown


def is_pattern(path: Path) -> bool:
    """Whether a file name has a place for the frame number, ``####`` or ``%04d``."""
    return _PLACEHOLDER.search(path.name) is not None


def find_sequence(path: Path, suffixes: Sequence[str]) -> ImageSequence:
    """Find the files of an image sequence.

    Args:
        path: a folder with one numbered sequence; a pattern, ``plate.####.png`` or ``plate.%04d.png``, where the
            width is the padding and longer numbers match too; one file of a sequence; or a lone image.
        suffixes: the formats to take, lower case with the dot.

    Raises:
        BadInputError: nothing is there, several sequences are, or two files have the same number.
    """
    with reading(path):
        if path.is_dir():
            return _in_folder(path, suffixes)
        if path.exists():
            return _with_siblings(path, suffixes)
        placeholders = list(_PLACEHOLDER.finditer(path.name))
        if placeholders:
            return _of_pattern(path, placeholders, suffixes)
    raise BadInputError(f"{path} does not exist.", "Check the path.")


def _in_folder(folder: Path, suffixes: Sequence[str]) -> ImageSequence:
    files = [file for file in _files(folder) if file.suffix.lower() in suffixes]
    groups: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        if found := _LAST_NUMBER.fullmatch(file.stem):
            groups.setdefault((found["head"], found["tail"] + file.suffix), []).append(file)
    if len(groups) == 1:
        ((head, tail), members) = next(iter(groups.items()))
        return _sequence(folder, head, tail, members)
    if groups:
        found_patterns = sorted(_sequence(folder, *key, members).pattern for key, members in groups.items())
        raise BadInputError(
            f"{folder} holds {len(found_patterns)} sequences: {_listed(found_patterns)}.",
            f"Name one of them, for example {folder / found_patterns[0]}.",
        )
    if len(files) == 1:
        return ImageSequence(files[0].name, (0,), (files[0],))
    if files:
        raise BadInputError(
            f"{folder} holds {len(files)} images whose names have no frame number.",
            "Name one of the images, or number the files like plate.1001.png.",
        )
    raise BadInputError(f"{folder} holds no {_kinds(suffixes)} files.", "Choose the folder that holds the images.")


def _with_siblings(file: Path, suffixes: Sequence[str]) -> ImageSequence:
    _check_suffix(file, suffixes)
    found = _LAST_NUMBER.fullmatch(file.stem)
    if not found:
        return ImageSequence(file.name, (0,), (file,))
    head, tail = found["head"], found["tail"] + file.suffix
    return _sequence(file.parent, head, tail, _matching(file.parent, head, tail, width=1))


def _of_pattern(path: Path, placeholders: Sequence[re.Match[str]], suffixes: Sequence[str]) -> ImageSequence:
    _check_suffix(path, suffixes)
    if len(placeholders) > 1:
        raise BadInputError(
            f"{path} has more than one place for the frame number.", "Use one run of #, like plate.####.png."
        )
    place = placeholders[0]
    width = len(place[0]) if place[0].startswith("#") else int(place["width"] or 1)
    head, tail = path.name[: place.start()], path.name[place.end() :]
    members = _matching(path.parent, head, tail, width) if path.parent.is_dir() else []
    if not members:
        raise BadInputError(f"No file matches {path}.", "Check the folder, the name and the number of # signs.")
    return _sequence(path.parent, head, tail, members)


def _matching(folder: Path, head: str, tail: str, width: int) -> list[Path]:
    """Files ``head + digits + tail`` of a folder with at least ``width`` digits."""
    name = re.compile(re.escape(head) + f"[0-9]{{{width},}}" + re.escape(tail))
    return [file for file in _files(folder, hidden=head.startswith(".")) if name.fullmatch(file.name)]


def _sequence(folder: Path, head: str, tail: str, members: Iterable[Path]) -> ImageSequence:
    by_number: dict[int, Path] = {}
    width = 0
    for file in members:
        digits = file.name[len(head) : len(file.name) - len(tail)]
        width = min(width or len(digits), len(digits))
        twin = by_number.setdefault(int(digits), file)
        if twin is not file:
            names = " and ".join(sorted((twin.name, file.name)))
            raise BadInputError(
                f"{folder} has two files for frame {int(digits)}: {names}.",
                "Move one of them away, or name the pattern whose padding fits only one.",
            )
    numbers = tuple(sorted(by_number))
    return ImageSequence(f"{head}{'#' * width}{tail}", numbers, tuple(by_number[number] for number in numbers))


def _files(folder: Path, *, hidden: bool = False) -> Iterator[Path]:
    return (file for file in folder.iterdir() if (hidden or not file.name.startswith(".")) and file.is_file())


def _check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix.lower() not in suffixes:
        raise BadInputError(f"{path} is not a {_kinds(suffixes)} file.", "Choose a file of one of these formats.")


def _kinds(suffixes: Sequence[str]) -> str:
    return " or ".join(suffixes)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
