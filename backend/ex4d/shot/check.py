# SPDX-License-Identifier: Apache-2.0
"""Is a shot's folder whole? Reads every sealed file; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ex4d.composite.take import take_folders
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.results import ShotPart
from ex4d.protocol.seal import DAMAGED_FILE, DamagedCacheError, NewerFormatError, read_seal
from ex4d.shot.folder import SHOT_FILE, Shot
from ex4d.stages.cache import StageCache
from ex4d.stages.work_folder import has_parts
from ex4d.system.files import is_left_over, leftovers


def check_shot(root: Path) -> list[ShotPart]:
    """Look at a shot's record, all its stages and takes, and at what was left behind.

    Raises:
        BadInputError: the folder holds no shot.
        TransientError: the system does not let it be read.
    """
    if not (root / SHOT_FILE).exists() and not (root / "cache").is_dir():
        raise BadInputError(f"{root} holds no shot.", "Name the folder that was given as --out.")
    left = [path for folder in (root, root / "cache", root / "takes") for path in leftovers(folder)]
    parts = [_temporary(path, root) for path in left]
    return [_record(root), *_stages(root), *_missing(root), *_takes(root), *parts]


def _record(root: Path) -> ShotPart:
    if not (root / SHOT_FILE).exists():
        return ShotPart(SHOT_FILE, "damaged", detail="It is missing. The next reconstruction writes it.")
    try:
        Shot.read_record(root)
    except NewerFormatError as error:
        return ShotPart(SHOT_FILE, "newer", 1, str(error))
    except BadInputError as error:
        return ShotPart(SHOT_FILE, "damaged", 1, error.hint)
    return ShotPart(SHOT_FILE, "ok", 1)


def _stages(root: Path) -> Iterator[ShotPart]:
    for folder in StageCache(root / "cache").stages():
        yield _sealed(folder, root, "It is made anew when it is needed.")


def _missing(root: Path) -> Iterator[ShotPart]:
    """Stages that shot.json names and that are not there: somebody has deleted them, or a copy is not whole."""
    record: dict[str, Any] = {}
    with suppress(BadInputError):
        record = Shot.read_record(root)
    for stage, key in record.get("stages", {}).items():
        if not (root / "cache" / f"{stage}-{key}").is_dir():
            yield ShotPart(
                f"cache/{stage}-{key}", "missing", detail="It is made anew, if what it was made of is there."
            )


def _takes(root: Path) -> Iterator[ShotPart]:
    for folder in take_folders(root / "takes"):
        name = folder.relative_to(root).as_posix()
        if (folder / DAMAGED_FILE).exists():
            yield ShotPart(name, "damaged", detail=f"It was found damaged before; see {DAMAGED_FILE} in it.")
        elif not folder.is_dir() or any(folder.iterdir()):
            yield _sealed(folder, root, "The same command delivers it again under the next number.")


def _sealed(folder: Path, root: Path, remedy: str) -> ShotPart:
    name = folder.relative_to(root).as_posix()
    try:
        seal = read_seal(folder)
        damaged = seal.damaged()
    except NewerFormatError as error:
        return ShotPart(name, "newer", detail=str(error))
    except DamagedCacheError as error:
        return ShotPart(name, "damaged", 1, f"{error.name} is damaged or missing. {remedy}")
    count = len(seal.sizes)
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        are = "are" if more else "is"
        return ShotPart(name, "damaged", count, f"{damaged[0]}{more} {are} damaged or missing. {remedy}")
    if not seal.hashed:
        return ShotPart(name, "not hashed", count, "Only sizes are known until it is used again.")
    return ShotPart(name, "ok", count)


def _temporary(path: Path, root: Path) -> ShotPart:
    name = path.relative_to(root).as_posix()
    if is_left_over(path) and has_parts(path):
        return ShotPart(name, "left over", detail="The command that was stopped goes on from what is finished in it.")
    if is_left_over(path):
        return ShotPart(name, "left over", detail="Its process is dead; the next command on this shot removes it.")
    return ShotPart(
        name, "in work", detail="Its process lives, or is on another machine or in a container; if not, delete it."
    )
