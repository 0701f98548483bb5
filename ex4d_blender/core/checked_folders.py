# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed folders compared with their seals once: hashing hundreds of frames takes seconds, and is done ahead on a
thread of its own. What has changed on disk since is compared anew. No Blender in here."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.seal import DamagedCacheError, Seal, read_seal

_Stamps = tuple[tuple[str, int, int], ...]
#: What was found whole, by folder and the part of it: how its files were then.
_whole: dict[tuple[Path, str], _Stamps] = {}
#: Folders that are remembered.
_KEPT = 64


def check_files(folder: Path, under: str = "") -> None:
    """Raise DamagedCacheError for a file that is not as it was sealed.

    Seals of earlier versions know sizes only.

    Args:
        folder: with its seal.
        under: only the files whose names begin so.
    """
    seal = read_seal(folder)
    place, now = (folder.resolve(), under), _stamps(seal, under)
    if now is not None and _whole.get(place) == now:
        return
    seal.check((under,) if under else ())
    if now is not None:
        while len(_whole) >= _KEPT:
            _whole.pop(next(iter(_whole)))
        _whole[place] = now


def _stamps(seal: Seal, under: str) -> _Stamps | None:
    """Name, size and time of each file, and of the seal itself; None where one is missing."""
    try:
        found = [(seal.folder / name).stat() for name in seal.sizes if name.startswith(under)]
    except OSError:
        return None
    names = [name for name in seal.sizes if name.startswith(under)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, found, strict=True))


def check_ahead(folders: Iterable[tuple[Path, str]]) -> None:
    """Check folders, each with the part of it that will be asked for; what is wrong with them is said then."""
    for folder, under in folders:
        with suppress(DamagedCacheError, Ex4dError):
            check_files(folder, under)
