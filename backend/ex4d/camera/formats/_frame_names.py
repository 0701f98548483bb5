# SPDX-License-Identifier: Apache-2.0
"""Frame numbers from the names of pictures: solvers list cameras by these, in the order in which they took them in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from ex4d.camera.formats._checks import bad_file

# A minus at the beginning or after another separator is a sign.
_NUMBER = r"(?:(?<![A-Za-z0-9])-)?[0-9]+"


def order_of_names(path: Path, names: Sequence[str]) -> tuple[list[int], tuple[int, ...], list[str]]:
    """The indices of the files in order, their frame numbers in that order (or none), and notes.

    Args:
        path: for error texts and notes.
        names: of the files.

    Raises:
        BadInputError: two files have the same name.
    """
    stems = [PurePosixPath(name.replace("\\", "/")).with_suffix("").as_posix() for name in names]
    # Where all lie in one folder its digits are none of a frame.
    folders = {stem.rpartition("/")[0] for stem in stems}
    if len(folders) == 1:
        stems = [stem.rpartition("/")[2] for stem in stems]
    numbers = _numbers(path, stems)
    keys: list[Any] = list(numbers) or [_natural_key(stem) for stem in stems]
    order = sorted(range(len(stems)), key=lambda index: keys[index])
    notes = []
    if not numbers and len(stems) > 1:
        notes.append(
            f"The files that {path.name} names have no frame numbers; its cameras were taken in the order of the names."
        )
    return order, tuple(numbers[index] for index in order) if numbers else (), notes


def _natural_key(stem: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts text as people do: runs of digits by their value."""
    parts = re.split(f"({_NUMBER})", stem)
    return tuple((1, int(part)) if index % 2 else (0, part) for index, part in enumerate(parts))


def _numbers(path: Path, stems: Sequence[str]) -> tuple[int, ...]:
    """The frame number in each file's name, with its sign: its last run of digits, or the only run that differs from
    file to file; empty where there is none.

    Raises:
        BadInputError: two files have the same name.
    """
    if len(set(stems)) < len(stems):
        twin, times = Counter(stems).most_common(1)[0]
        raise bad_file(path, f"has {times} cameras for {twin[:40]}", "Leave one camera per frame.")
    runs = [re.findall(_NUMBER, stem) for stem in stems]
    if min(map(len, runs)) != max(map(len, runs)) or not runs[0]:
        return ()
    columns = [[int(digits) for digits in column] for column in zip(*runs, strict=True)]
    differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
    chosen = columns[-1] if len(set(columns[-1])) == len(stems) else differing[0]
    if len(set(chosen)) < len(stems) or (len(differing) > 1 and not _rises_as(chosen, stems)):
        return ()
    return tuple(chosen)


def _rises_as(numbers: Sequence[int], stems: Sequence[str]) -> bool:
    """Whether the numbers order the files as their whole names do."""
    order = sorted(range(len(stems)), key=lambda index: _natural_key(stems[index]))
    return all(numbers[a] < numbers[b] for a, b in pairwise(order))
