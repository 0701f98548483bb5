# SPDX-License-Identifier: Apache-2.0
"""Trajectory files: our plain JSON, EX-4D's ``camera_*.npz``, nerfstudio's ``transforms.json``.

What a file is, is found from its content, not from its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats.own_json import JSON_FORMAT, json_bytes, parse_own_json, write_json
from ex4d.camera.formats.released_npz import read_released_npz, write_released_npz
from ex4d.camera.formats.transforms_json import parse_transforms_json, write_transforms_json
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import open_input, read_bytes

__all__ = [
    "json_bytes",
    "names_file",
    "parse_trajectory",
    "read_trajectory",
    "write_json",
    "write_released_npz",
    "write_transforms_json",
]

#: Bytes of a JSON file; ours has up to 1000 for a frame, 90 MB for an hour.
MAX_JSON = 256 << 20
_SUFFIXES = (".json", ".npz")


def names_file(text: str) -> bool:
    """Whether a text for a camera is a path and not a camera move. Only the text counts, not what lies in the current
    folder: a path ends with .json or .npz, or has a separator in it."""
    return text.lower().endswith(_SUFFIXES) or "/" in text or "\\" in text


def read_trajectory(path: Path) -> Trajectory:
    """Read any of the three formats.

    Raises:
        BadInputError: missing, unreadable or unusable file.
    """
    try:
        with open_input(path) as file:
            head = file.read(4)
    except BadInputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise BadInputError(
                f"There is no trajectory file {path}.", "Check the path, or name a preset such as orbit:60."
            ) from None
        raise
    if head.startswith(b"PK"):
        return read_released_npz(path)
    return parse_trajectory(read_bytes(path, MAX_JSON), path)


def parse_trajectory(data: bytes, path: Path) -> Trajectory:
    """A trajectory from the text of a JSON file; ``path`` is for error texts only.

    Raises:
        BadInputError: it is none of ours and none of nerfstudio's.
    """
    try:
        document: Any = parse_json(data)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("format") == JSON_FORMAT:
        return parse_own_json(path, document)
    if isinstance(document, dict) and "frames" in document:
        return parse_transforms_json(path, document)
    raise bad_file(
        path,
        "is not a trajectory",
        "Known are our trajectory JSON, nerfstudio's transforms.json and EX-4D's camera_*.npz.",
    )
