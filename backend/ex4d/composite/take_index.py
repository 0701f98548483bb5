# SPDX-License-Identifier: Apache-2.0
"""Which takes of a shot were made of which inputs, known without opening each of them.

``takes/.keys.json`` has the key of each take that was looked at. It is a hint and nothing more: a take that it does not
know, or knows as another folder, is looked at; what it says of a take is believed only when the take's own seal says so
too; and it may be deleted. Of two processes that write it at once one is the last, and what the other knew is looked up
again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ex4d.protocol.errors import Ex4dError, TransientError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.seal import read_ours
from ex4d.system.files import atomic_path

INDEX_FILE = ".keys.json"
_VERSION = 1
_TAKE_NAME = re.compile("v([0-9]{3,})")
_KEY = re.compile("[0-9a-f]{16}")


def take_number(name: str) -> int | None:
    """The number in a take's name; None for other names."""
    match = _TAKE_NAME.fullmatch(name)
    return int(match[1]) if match else None


def listed(root: Path) -> dict[str, int]:
    """Names in a shot's ``takes`` folder, each with the number by which the file system knows it; empty where there is
    no such folder. Opens nothing in it.

    Raises:
        TransientError: the folder cannot be listed.
    """
    try:
        with os.scandir(root) as entries:
            return {entry.name: entry.inode() for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise TransientError(
            f"{root} cannot be read: {error.strerror or error}.",
            "Check the permissions, or choose another output folder.",
        ) from error


@dataclass(frozen=True)
class _Entry:
    """What is known of a take: its key, and which folder had it."""

    key: str
    inode: int


def takes_with(root: Path, key: str, read_key: Callable[[Path], str | None]) -> list[Path]:
    """Folders of takes that have that key, in order; of these alone, and of those that were not known, is anything
    read.

    Args:
        root: the shot's ``takes`` folder.
        key: of the take's inputs.
        read_key: reads a take's key from its folder; None = it has none yet.

    Raises:
        TransientError: the folder cannot be listed.
    """
    present = {name: inode for name, inode in listed(root).items() if take_number(name) is not None}
    known = _read(root)
    kept = {name: entry for name, entry in known.items() if present.get(name) == entry.inode}
    for name, inode in present.items():
        if name not in kept and (found := read_key(root / name)) is not None:
            kept[name] = _Entry(found, inode)
    if kept != known:
        _write(root, kept)
    names = [name for name, entry in kept.items() if entry.key == key and read_key(root / name) == key]
    return [root / name for name in sorted(names, key=lambda name: int(name[1:]))]


def remember(path: Path, key: str) -> None:
    """Note the key of a take that has just got its name."""
    with suppress(OSError):
        _write(path.parent, {**_read(path.parent), path.name: _Entry(key, path.stat().st_ino)})


def _read(root: Path) -> dict[str, _Entry]:
    """What was noted; nothing where that is damaged, or of another version."""
    document = None
    with suppress(OSError, ValueError):
        document = parse_json(read_ours(root / INDEX_FILE))
    match document:
        case {"version": int(version), "takes": dict(takes)} if version == _VERSION:
            return {name: _Entry(*value) for name, value in takes.items() if _is_entry(name, value)}
    return {}


def _is_entry(name: str, value: object) -> bool:
    match value:
        case [str(key), int(_)]:
            return take_number(name) is not None and _KEY.fullmatch(key) is not None
    return False


def _write(root: Path, entries: Mapping[str, _Entry]) -> None:
    takes = {name: [entry.key, entry.inode] for name, entry in sorted(entries.items())}
    document = json.dumps({"version": _VERSION, "takes": takes})
    # A shot that may not be written to can be searched all the same. It need not reach the disk: it is a hint.
    with suppress(Ex4dError), atomic_path(root / INDEX_FILE) as temporary:
        temporary.write_text(document, encoding="utf-8")
