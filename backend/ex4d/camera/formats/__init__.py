# SPDX-License-Identifier: Apache-2.0
"""Trajectory files: our plain JSON, EX-4D's ``camera_*.npz``, nerfstudio's ``transforms.json``, COLMAP's models, Nuke's
``.chan``, npz files of networks.

What a file is, is found from its content, and from its name only where that tells nothing. A further format is a module
here with a ``FORMAT``, and a line in ``FORMATS``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats import (
    chan,
    colmap_binary,
    colmap_text,
    network_npz,
    own_json,
    released_npz,
    transforms_json,
)
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats.base import BinaryFormat, JsonFormat, NamedFormat
from ex4d.camera.formats.chan import write_chan
from ex4d.camera.formats.colmap_text import ColmapPoints, write_colmap
from ex4d.camera.formats.own_json import json_bytes, write_json
from ex4d.camera.formats.released_npz import write_released_npz
from ex4d.camera.formats.transforms_json import write_transforms_json
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import open_input, read_bytes

__all__ = [
    "ColmapPoints",
    "json_bytes",
    "names_file",
    "parse_trajectory",
    "read_trajectory",
    "write_chan",
    "write_colmap",
    "write_json",
    "write_released_npz",
    "write_transforms_json",
]

#: Bytes of a JSON file; ours has up to 1000 for a frame, 90 MB for an hour.
MAX_JSON = 256 << 20
#: All that are read; of JSON formats the first that matches is taken.
FORMATS: tuple[JsonFormat | BinaryFormat | NamedFormat, ...] = (
    own_json.FORMAT,
    transforms_json.FORMAT,
    network_npz.FORMAT,
    released_npz.FORMAT,
    colmap_text.FORMAT,
    colmap_binary.FORMAT,
    chan.FORMAT,
)
_JSON = tuple(known for known in FORMATS if isinstance(known, JsonFormat))
_BINARY = tuple(known for known in FORMATS if isinstance(known, BinaryFormat))
_NAMED = tuple(known for known in FORMATS if isinstance(known, NamedFormat))
_SUFFIXES = tuple(known.suffix for known in FORMATS)
_MAGIC_BYTES = max((len(known.magic) for known in _BINARY), default=0)


def names_file(text: str) -> bool:
    """Whether a text for a camera is a path and not a camera move. Only the text counts, not what lies in the current
    folder: a path ends as a format's files do, or has a separator in it."""
    return text.lower().endswith(_SUFFIXES) or "/" in text or "\\" in text


def read_trajectory(path: Path, size: tuple[int, int] | None = None) -> Trajectory:
    """Read a file of any format, or a folder with a COLMAP model.

    Args:
        path: of the file.
        size: (width, height) of the plate's frame in pixels, for formats that say none; None = not known.

    Raises:
        BadInputError: missing, unreadable or unusable file.
    """
    if path.is_dir():
        path = next((path / known.suffix for known in _NAMED if (path / known.suffix).is_file()), path)
    try:
        with open_input(path) as file:
            head = file.read(_MAGIC_BYTES)
    except BadInputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise BadInputError(
                f"There is no trajectory file {path}.", "Check the path, or name a preset such as orbit:60."
            ) from None
        raise
    for known in _BINARY:
        if head.startswith(known.magic) and known.matches(path):
            return known.read(path)
    for named in _NAMED:
        if path.name.lower().endswith(named.suffix):
            return named.read(path, size)
    return parse_trajectory(read_bytes(path, MAX_JSON), path)


def parse_trajectory(data: bytes, path: Path) -> Trajectory:
    """A trajectory from the text of a JSON file; ``path`` is for error texts only.

    Raises:
        BadInputError: it is of none of the formats.
    """
    try:
        document: Any = parse_json(data)
    except ValueError:
        document = None
    if isinstance(document, dict):
        for known in _JSON:
            if known.matches(document):
                return known.parse(path, document)
    *titles, last = (known.title for known in FORMATS)
    raise bad_file(path, "is not a trajectory", f"Known are {', '.join(titles)} and {last}.")
