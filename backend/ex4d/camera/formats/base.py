# SPDX-License-Identifier: Apache-2.0
"""What a format of trajectory files is: one module each, which names itself in ``FORMAT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.camera.camera import Trajectory


@dataclass(frozen=True)
class JsonFormat:
    """A format whose files are JSON objects.

    Attributes:
        title: as sentences name it.
        matches: whether an object is of this format, by what only this one has.
        parse: the trajectory of an object; the path is for error texts only. Raises BadInputError.
        suffix: how its files' names end.
    """

    title: str
    matches: Callable[[dict[str, Any]], bool]
    parse: Callable[[Path, dict[str, Any]], Trajectory]
    suffix: str = ".json"


@dataclass(frozen=True)
class BinaryFormat:
    """A format that is told by a file's first bytes.

    Attributes:
        title: as sentences name it.
        magic: those bytes.
        read: the trajectory of a file. Raises BadInputError.
        suffix: how its files' names end.
        matches: whether a file with these first bytes is of this format. Raises BadInputError.
    """

    title: str
    magic: bytes
    read: Callable[[Path], Trajectory]
    suffix: str
    matches: Callable[[Path], bool] = lambda _: True


@dataclass(frozen=True)
class NamedFormat:
    """A format that is told by a file's name.

    Attributes:
        title: as sentences name it.
        suffix: how its files' names end.
        read: the trajectory of a file; takes the plate's (width, height), or None, for what the file does not say.
            Raises BadInputError.
    """

    title: str
    suffix: str
    read: Callable[[Path, tuple[int, int] | None], Trajectory]
