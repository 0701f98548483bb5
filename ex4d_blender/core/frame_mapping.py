# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's frames <-> the numbers of a plate's files: sequences, rates, clips, strips. No Blender in here.

Scene frames, a strip's frames and the numbers in files' names differ; what a strip or clip shows is mapped to the
plate's own numbers, or is said to be unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import padded_number
from ex4d.system import sequence_names
from ex4d.system.sequence_names import Place, likely_places, member_expression, places, without_sign

# Files of a sequence


def split_number(name: str) -> tuple[str, int, int, str] | None:
    """A file's name -> (before the frame number, number, its digits, after it): the last number of the stem, with the
    minus before it where that is a sign."""
    found = places(name)
    if not found:
        return None
    text = name[found[-1].start : found[-1].end]
    return name[: found[-1].start], int(text), len(text.lstrip("-")), name[found[-1].end :]


def numbered_name(head: str, number: int, digits: int, tail: str) -> str:
    """The name that ``split_number`` has split, with another number."""
    return f"{head}{padded_number(number, digits)}{tail}"


def check_consecutive(numbers: Sequence[int], what: str) -> None:
    """Raise BadInputError unless the frame numbers rise by one: Blender cannot show a sequence with gaps."""
    if not numbers or list(numbers) != list(range(numbers[0], numbers[0] + len(numbers))):
        raise BadInputError(f"{what} has gaps in its frame numbers.", "Choose a range of frames without gaps.")


def is_pattern(path: Path) -> bool:
    """Whether a path means several files by its name, ``plate.####.png`` or as other programs write that; a file that
    is called so is that file."""
    return sequence_names.is_pattern(path.name) and not path.exists()


def pattern_stem(name: str) -> str:
    """What a plate is called without its frame number and suffix, by the name of its file or pattern."""
    ranged = sequence_names.split_range(name)
    name = ranged[0] if ranged is not None else name
    found = sequence_names.placeholders(name)
    # «shot #2.mp4» is called so.
    ends = found and found[-1].tail == Path(name).suffix
    return found[-1].head if ends else Path(name).stem


def pattern_members(pattern: str, names: Iterable[str]) -> dict[int, str]:
    """The names that the name of a pattern means, by their frame numbers."""
    known = list(names)
    ranged = sequence_names.split_range(pattern)
    name = ranged[0] if ranged is not None else pattern
    found = sequence_names.placeholders(name)
    if not found and ranged is not None:
        # One file of a sequence with a range behind it.
        found = sequence_names.placeholders(sequence_pattern(Path(name), names=known)[0].name)
    if not found:
        return {}
    place = found[-1]
    limits = ranged[1] if ranged is not None else place.range
    expression = member_expression(place.head, place.tail, place.width)
    members = {int(match[1]): name for name in known if (match := expression.fullmatch(name)) is not None}
    return {number: name for number, name in members.items() if limits is None or limits[0] <= number <= limits[1]}


def sequence_numbers(pattern: Path) -> set[int]:
    """The frame numbers of the files that a pattern means."""
    return set(pattern_members(pattern.name, _names_beside(pattern)))


def _names_beside(file: Path) -> list[str]:
    return [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []


def sequence_pattern(file: Path, *, names: Iterable[str] | None = None) -> tuple[Path, int | None]:
    """One file of a sequence -> its pattern ``plate.####.png`` and its number; a lone image has none. A file whose name
    leaves no clear pattern stands for its sequence itself.

    Which number counts is seen from the other files: of those that may be one (``sequence_names``) that in which most
    of them differ, else the last.

    Args:
        file: one of the files.
        names: of the other files; None: those in its folder.
    """
    found = places(file.name)
    if not found:
        return file, None
    known = {*(_names_beside(file) if names is None else names), file.name}

    def members(place: Place) -> list[str]:
        expression = member_expression(file.name[: place.start], file.name[place.end :], 1)
        return [match[1] for name in known if (match := expression.fullmatch(name)) is not None]

    likely = [found[index] for index in likely_places(file.name, found)]
    chosen = max(likely, key=lambda place: len(members(place))) if len(likely) > 1 else likely[0]
    # Numbers with fewer digits than others have no zeros before them.
    width = min(len(text.lstrip("-")) for text in members(chosen))
    head = without_sign(file.name[: chosen.start])[0]
    number = int(file.name[chosen.start : chosen.end])
    pattern = f"{head}{'#' * width}{file.name[chosen.end :]}"
    # «shot #2.png»: what is in its name already would be taken for the place, or for another one.
    is_clear = len(sequence_names.placeholders(pattern)) == 1 and head[-1:] != "#"
    return (file.with_name(pattern) if is_clear else file), number


def closed_range(text: str) -> tuple[int, int] | None:
    """First and last of a range as it is typed, ``1001-1049``, ``-5--1`` or ``7``; None where it is empty or none."""
    found = re.fullmatch(r"\s*(-?\d+)(?:\s*-\s*(-?\d+))?\s*", text)
    return None if found is None else (int(found[1]), int(found[2] or found[1]))


def longest_run(numbers: Iterable[int]) -> tuple[int, int] | None:
    """First and last of the longest unbroken run of numbers, None of none."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    best = max(runs, key=lambda run: run[1] - run[0], default=None)
    return None if best is None else (best[0], best[1])


# Rates


def exact_fps(value: float) -> Fraction | None:
    """A float rate as the fraction it stands for: 23.976 is 24000/1001; None of none."""
    if value <= 0:
        return None
    for denominator in (1, 1001):
        numerator = round(value * denominator / 1000) * 1000 if denominator == 1001 else round(value)
        if abs(numerator / denominator - value) < 2e-4 * value and numerator > 0:
            return Fraction(numerator, denominator)
    return Fraction.from_float(value).limit_denominator(1000)


def split_fps(fps: Fraction) -> tuple[int, float]:
    """Frames per second -> Blender's (fps, fps_base): 24000/1001 is 24 / 1.001."""
    whole = max(1, math.ceil(fps))
    return whole, float(whole / fps)


def joined_fps(fps: int, fps_base: float) -> Fraction:
    """Blender's (fps, fps_base) -> frames per second as a fraction: 24 / 1.001 is 24000/1001."""
    # fps_base is a float32; all bases in use are short fractions.
    return fps / Fraction.from_float(fps_base).limit_denominator(10000)


# Clips


@dataclass(frozen=True)
class ClipNumbers:
    """The plate's own numbers of a clip's frames.

    Attributes:
        first, last: of the frames that the clip can show.
        offset_to_first: scene frames from the clip's start until ``first`` is shown; the clip has no picture before.
        of_frame_one: the number that the clip's frame 1 has in Blender, shown or not.
    """

    first: int
    last: int
    offset_to_first: int
    of_frame_one: int

    @property
    def text(self) -> str:
        """As a closed range, ``1001-1049``."""
        return f"{self.first}-{self.last}"

    @property
    def shown(self) -> range:
        """The numbers that the clip can show."""
        return range(self.first, self.last + 1)


def clip_numbers(name: str, number: int, whole: range, offset: int) -> ClipNumbers:
    """What a clip shows of its file.

    Args:
        name: of the clip, for the error.
        number: of the picture that the clip names.
        whole: the numbers of all of the file's pictures.
        offset: the clip's Frame Offset.

    Raises:
        BadInputError: the offset lies beyond the file's frames.
    """
    shown = range(max(number + offset, whole.start), whole.stop)
    if not shown:
        raise BadInputError(
            f"The clip «{name}» is offset by {offset} frames, and its file has {len(whole)}.",
            "Set its Frame Offset to less.",
        )
    return ClipNumbers(shown[0], shown[-1], shown[0] - number - offset, number + offset)


def unbroken_around(number: int, present: set[int]) -> range:
    """The numbers around one that are there without a gap, itself included."""
    first = last = number
    while first - 1 in present:
        first -= 1
    while last + 1 in present:
        last += 1
    return range(first, last + 1)


# Strips


@dataclass(frozen=True)
class StripTiming:
    """How a strip lies in time, in scene frames; ranges are half-open.

    Attributes:
        begin, end: of its content, its trims undone.
        left, right: of what is seen of it, within the meta strips around it.
        count: the file's pictures, without those that the strip's own trims take.
        strobe: of how many frames each is held.
    """

    begin: int
    end: int
    left: int
    right: int
    count: int
    strobe: float


@dataclass(frozen=True)
class ShownPictures:
    """What of its file a strip shows.

    Attributes:
        indices: of the file's frames behind the strip's own trims, in their order.
        scene_start: the scene frame that shows the first of them.
        notes: whole sentences.
    """

    indices: range
    scene_start: int
    notes: tuple[str, ...]


def round_half_up(value: Fraction) -> int:
    """Halves upwards, as Blender rounds."""
    return math.floor(value + Fraction(1, 2))


def playback_speed(duration: int, count: int, fps: Fraction | None, scene_fps: Fraction) -> Fraction | None:
    """Pictures in a scene frame: 1, or the playback rate that «Adjust Playback Rate» gives, which only the strip's
    length tells; None where the length fits neither.

    Args:
        duration: of the strip's content in scene frames.
        count: of its pictures.
        fps: of the movie; None: it has none.
    """
    if duration == count:
        return Fraction(1)
    rate = None if fps is None else fps / scene_fps
    # Blender cuts the quotient of two floats to whole frames.
    if rate is not None and abs(duration - count / rate) <= 1:
        return rate
    return None


def shown_pictures(name: str, timing: StripTiming, speed: Fraction) -> ShownPictures:
    """What a strip shows that plays ``speed`` pictures in each scene frame.

    Measured by rendering: scene frame ``f`` shows picture ``round((f - begin) * speed)``, the ends hold.

    Args:
        name: of the strip, for the error.

    Raises:
        BadInputError: it shows nothing.
    """
    begin, end, count = timing.begin, timing.end, timing.count
    start, stop = max(timing.left, begin), min(timing.right, end)
    first = round_half_up((start - begin) * speed)
    last = count if stop == end else min(count, round_half_up((stop - begin) * speed))
    if first >= last:
        raise BadInputError(
            f"The strip «{name}» shows none of its frames.", "Drag its handles, or those of its meta strip."
        )
    notes = []
    if held := max(0, begin - timing.left) + max(0, timing.right - end):
        notes.append(f"The strip holds its ends for {held} frames; they are not part of the plate.")
    if timing.strobe > 1:
        notes.append("The strip's strobe is ignored: the plate has every frame.")
    if speed != 1:
        notes.append(
            f"The strip plays {float(speed):.4g} frames of the movie in each of the scene's (its playback rate); the "
            "plate has all of them, at the movie's own rate."
        )
    return ShownPictures(range(first, last), start, tuple(notes))
