# SPDX-License-Identifier: Apache-2.0
"""Trajectory files: our plain JSON, EX-4D's ``camera_*.npz``, nerfstudio's ``transforms.json``.

What a file is, is found from its content, not from its name.
"""

from __future__ import annotations

import json
from pathlib import Path

from ex4d.camera.camera import Trajectory
from ex4d.camera.formats._checks import bad_file
from ex4d.camera.formats.own_json import JSON_FORMAT, json_bytes, parse_own_json, write_json
from ex4d.camera.formats.released_npz import read_released_npz, write_released_npz
from ex4d.camera.formats.transforms_json import parse_transforms_json, write_transforms_json
from ex4d.protocol.errors import BadInputError

__all__ = ["json_bytes", "read_trajectory", "write_json", "write_released_npz", "write_transforms_json"]


def read_trajectory(path: Path) -> Trajectory:
    """Read any of the three formats.

    Raises:
        BadInputError: missing, unreadable or unusable file.
    """
    try:
        if not path.is_file():
            raise BadInputError(
                f"There is no trajectory file {path}.", "Check the path, or name a preset such as orbit:60."
            )
        with path.open("rb") as file:
            head = file.read(4)
        if head.startswith(b"PK"):
            return read_released_npz(path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise bad_file(
            path, f"cannot be read: {error.strerror or error}", "Check the path and its permissions."
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
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
