# SPDX-License-Identifier: Apache-2.0
"""Which revision of each model this version was made for, and the checksums of its files: ``pins.json``.

``ex4d models pin`` writes the table from the hub. A repository that is not in it is downloaded in its newest revision,
and its files are compared with what the hub says of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.files import atomic_write

PINS_FILE = Path(__file__).with_name("pins.json")

_REVISION, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class PinnedFile:
    """A file of a pinned revision.

    Attributes:
        size: bytes.
        sha256: of its content, 64 hexadecimal digits.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Pin:
    """A revision of a repository, with the files of it that are needed.

    Attributes:
        revision: the hub's, 40 hexadecimal digits.
        files: by path within the repository.
    """

    revision: str
    files: dict[str, PinnedFile]


def read_pins(path: Path = PINS_FILE) -> dict[str, Pin]:
    """The table by repository, "owner/name".

    Raises:
        BadInputError: it is damaged.
    """
    try:
        table = parse_json(path.read_bytes())
        return {str(repository): _pin(entry) for repository, entry in table.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.", "Install ex4d again.") from error


def _pin(entry: Any) -> Pin:
    files = {
        str(name): PinnedFile(int(found["size"]), _matching(_SHA256, found["sha256"]))
        for name, found in entry["files"].items()
    }
    return Pin(_matching(_REVISION, entry["revision"]), files)


def _matching(pattern: re.Pattern[str], text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{str(text)[:80]!r} is no hash")
    return text


def pinned_files(pin: Pin, patterns: Sequence[str]) -> dict[str, PinnedFile]:
    """Those that match: another model may need more of the repository."""
    return {name: file for name, file in pin.files.items() if any(fnmatch(name, pattern) for pattern in patterns)}


def write_pins(pins: Mapping[str, Pin], path: Path = PINS_FILE) -> None:
    """Write the table, whole or not at all."""
    table = {
        repository: {
            "revision": pin.revision,
            "files": {name: {"size": file.size, "sha256": file.sha256} for name, file in sorted(pin.files.items())},
        }
        for repository, pin in sorted(pins.items())
    }
    atomic_write(path, (json.dumps(table, indent=1) + "\n").encode())
