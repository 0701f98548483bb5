# SPDX-License-Identifier: GPL-3.0-or-later
"""Where shots lie on disk: which folder is whose, and how one is copied. No Blender in here."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import open_input, read_bytes
from ex4d.system.sequence_names import is_pattern

SHOT_FILE = "shot.json"
#: Folder beside a .blend or a plate that holds shots.
SHOTS_FOLDER = "ex4d"
MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class KnownPlate:
    """The plate of a shot folder, as its ``shot.json`` says.

    Attributes:
        path: where it was.
        sha256: of its content, as the backend makes it.
        files: name and size in bytes of each of its files.
    """

    path: str
    sha256: str
    files: tuple[tuple[str, int], ...]


def plate_of(folder: Path) -> KnownPlate | None:
    """The plate of a shot folder; None where there is no shot, or one that cannot be read."""
    try:
        plate = parse_json(read_bytes(folder / SHOT_FILE, MAX_BYTES))["plate"]
        return KnownPlate(
            str(plate["path"]), str(plate["sha256"]), tuple((str(file[0]), int(file[1])) for file in plate["files"])
        )
    except (BadInputError, TransientError, ValueError, KeyError, IndexError, TypeError):
        return None


def current_mesh(folder: Path) -> str | None:
    """The name of the stage that a shot's takes are rendered from now, ``mesh-KEY``; None where none can be told."""
    try:
        key = parse_json(read_bytes(folder / SHOT_FILE, MAX_BYTES))["stages"]["mesh"]
    except (BadInputError, TransientError, ValueError, KeyError, TypeError):
        return None
    return f"mesh-{key}"


def same_path(one: str | Path, other: str | Path) -> bool:
    """Whether two absolute paths are the same place; they need not exist."""
    if os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other)):
        return True
    with suppress(OSError, ValueError):
        return Path(one).samefile(other)
    return False


def is_plate_of(known: KnownPlate, plate: Path) -> bool:
    """Whether a plate is that of a shot: at the same path, or with the same content at another one."""
    if same_path(known.path, plate):
        return True
    folder = plate if plate.is_dir() else plate.parent
    paths = [folder / name for name, _ in known.files]
    is_one = not is_pattern(plate.name) and not plate.is_dir()
    if not known.files or (len(paths) == 1 and is_one and paths[0] != plate):
        return False
    try:
        stats = [path.stat() for path in paths]
        if [stat.st_size for stat in stats] != [size for _, size in known.files]:
            return False
        hashes = [
            _sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in zip(paths, stats, strict=True)
        ]
    except (OSError, BadInputError):
        return False
    lines = "".join(f"{digest}  {path.name}\n" for digest, path in zip(hashes, paths, strict=True))
    # Of a movie the backend hashes the file, of a sequence this list.
    return known.sha256 in (hashes[0] if len(hashes) == 1 else "", _text_sha256(lines))


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


@lru_cache(maxsize=4096)
def _sha256(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto


def shot_folder_for(base: Path, name: str, plate: Path) -> Path:
    """The folder in ``base`` for a plate's shot: the one that has it already, else the first free of NAME, NAME-2 …"""
    for number in count(1):
        folder = base / (name if number == 1 else f"{name}-{number}")
        if not (folder / SHOT_FILE).exists():
            return folder
        known = plate_of(folder)
        # What is damaged is not passed over: the backend says what to do about it.
        if known is None or is_plate_of(known, plate):
            return folder
    raise AssertionError


def base_folder(blend: Path | None, plate: Path, documents: Path) -> Path:
    """The folder that new shots go into: beside the .blend, else beside the plate, else in the user's documents."""
    if blend is not None:
        return blend.parent / SHOTS_FOLDER
    beside = plate.parent
    if beside.is_dir() and os.access(beside, os.W_OK | os.X_OK):
        return beside / SHOTS_FOLDER
    return documents / SHOTS_FOLDER


def documents_folder() -> Path:
    """The user's folder for documents, else the home."""
    home = Path.home()
    with suppress(OSError, ValueError):
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "user-dirs.dirs"
        for line in config.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "XDG_DOCUMENTS_DIR":
                found = Path(value.strip().strip('"').replace("$HOME", str(home)))
                if found.is_dir():
                    return found
    return home / "Documents" if (home / "Documents").is_dir() else home


def copy_target(source: Path, base: Path) -> Path | None:
    """The first free folder in ``base`` for a copy of a shot, NAME, NAME-2 …; None where one is a copy of it."""
    for number in count(1):
        target = base / (source.name if number == 1 else f"{source.name}-{number}")
        if not target.exists():
            return target
        known = plate_of(source)
        if known is not None and plate_of(target) == known and list(_files(source)) == list(_files(target)):
            return None
    raise AssertionError


def _files(folder: Path) -> Iterator[Path]:
    """The files of a shot, those that links in it lead to as well: a cache or takes may lie on another disk.

    Raises:
        BadInputError: a link leads nowhere, or back to a folder that it lies in.
    """
    found: list[Path] = []
    _gather(folder, (os.path.realpath(folder),), found)
    yield from (path.relative_to(folder) for path in sorted(found))


def _gather(folder: Path, above: tuple[str, ...], found: list[Path]) -> None:
    for path in folder.iterdir():
        inside = os.path.realpath(path)
        if path.is_symlink() and (inside in above or not path.exists()):
            raise BadInputError(f"The link {path} leads nowhere.", "Remove the link, or put back what it led to.")
        if path.is_dir():
            _gather(path, (*above, inside), found)
        elif path.is_file():
            found.append(path)


def copy_shot(source: Path, target: Path, on_file: Callable[[int, int], None] = lambda _done, _of: None) -> None:
    """Copy a shot's folder and compare every file; ``target`` appears whole or not at all, ``source`` stays.

    Args:
        on_file: called with the number of files done and of all.

    Raises:
        BadInputError: there is no shot, or something is at the target.
        TransientError: the copy failed, or differs.
    """
    if not (source / SHOT_FILE).is_file():
        raise BadInputError(f"{source} holds no shot.", "Choose the folder that shot.json lies in.")
    if target.exists():
        raise BadInputError(f"{target} exists already.", "Choose another folder for the shot.")
    if target.is_relative_to(source):
        raise BadInputError(f"{target} lies within the shot itself.", "Choose a folder outside of it.")
    # The target's name may be as long as names can be.
    temporary = target.with_name(f".ex4d-{uuid.uuid4().hex[:8]}")
    try:
        files = list(_files(source))
        temporary.mkdir(parents=True)
        for index, name in enumerate(files):
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, temporary / name)
            if _digest(source / name) != _digest(temporary / name):
                raise TransientError(f"The copy of {source / name} differs from it.", "Check the disk, then try again.")
            on_file(index + 1, len(files))
        if list(_files(source)) != files:
            raise TransientError(f"{source} changed while it was copied.", "Try again when its jobs are done.")
        temporary.rename(target)
    except OSError as error:
        raise TransientError(
            f"The shot cannot be copied to {target}: {error.strerror or error}.",
            "Check permissions and free space, or choose another folder.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _digest(path: Path) -> str:
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto
