# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the backend's environment: which of them are ours, and removing those alone.

In the chosen folder the environment is a subfolder with our stamp in it. One that has to be made anew is renamed aside
and removed when the new one is whole. What somebody else has put into either is kept: only what ``venv`` makes and what
``pip`` has written down is removed, and the stamped one's site-packages, which is pip's.

Run as a program by a Python outside Blender, so it imports the standard library alone: ``make FOLDER`` or
``clear FOLDER``.
"""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FORMAT = "ex4d-environment"
#: Within the chosen folder.
ENVIRONMENT = "environment"
#: Within the environment.
STAMP = "ex4d-environment.json"

_CONFIG = "pyvenv.cfg"
_FRESH = f"{ENVIRONMENT}.new-"
_PROGRAMS = re.compile(
    r"python(w|\d(\.\d+)?t?)?(_d)?(\.exe)?|activate(\.(csh|fish|nu|bat))?|Activate\.ps1|deactivate\.bat"
)
# Copies of these lie beside Python on Windows.
_LIBRARIES = re.compile(r"(python\d+|vcruntime\d+(_\d)?|sqlite3|libcrypto-.*|libssl-.*)(_d)?\.dll", re.IGNORECASE)
_IGNORE = "# Created by venv"


def is_stamped(environment: Path) -> bool:
    """Whether a folder is an environment that we have made; a link to one is not."""
    try:
        stamp = (environment / STAMP).read_bytes()[:1000]
        record = json.loads(stamp)
    except (OSError, ValueError, RecursionError):
        return False
    return not environment.is_symlink() and isinstance(record, dict) and record.get("format") == FORMAT


def set_aside(folder: Path) -> list[Path]:
    """Environments of a folder that were renamed because they had to be made anew."""
    with suppress(OSError):
        return sorted(path for path in folder.glob(f"{ENVIRONMENT}.old*") if is_stamped(path))
    return []


def has_earlier_layout(folder: Path) -> bool:
    """Whether the folder itself is an environment, as earlier versions made it."""
    return (folder / _CONFIG).is_file()


def make(folder: Path) -> None:
    """Make the environment of a folder with the Python that runs this, and rename aside the one that is there."""
    environment = folder / ENVIRONMENT
    if is_stamped(environment):
        number, target = 1, folder / f"{ENVIRONMENT}.old"
        while os.path.lexists(target):
            number += 1
            target = folder / f"{ENVIRONMENT}.old-{number}"
        environment.rename(target)
    # It is there with its stamp or not at all, also where this is ended here.
    fresh = folder / f"{_FRESH}{os.getpid()}"
    fresh.mkdir(exist_ok=True)
    (fresh / STAMP).write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    if environment.is_dir():
        environment.rmdir()
    fresh.rename(environment)
    sys.argv = ["venv", str(environment)]
    runpy.run_module("venv", run_name="__main__", alter_sys=True)


def clear(folder: Path) -> None:
    """Remove what the environment has replaced: those that were renamed aside, and one of the earlier layout."""
    environment = folder / ENVIRONMENT
    for aside in set_aside(folder):
        _remove(aside, pips=True)
        _move_back(aside, environment)
        if aside.exists():
            print("Kept, as it holds files that the installation has not made:", aside)
    for fresh in folder.glob(f"{_FRESH}*"):
        if not fresh.is_symlink() and {path.name for path in _entries(fresh)} <= {STAMP}:
            shutil.rmtree(fresh, ignore_errors=True)
    if has_earlier_layout(folder) and is_stamped(environment):
        _remove(folder, pips=False)


def _remove(root: Path, *, pips: bool) -> None:
    """Remove an environment's own files; ``pips``: and whatever else is in its site-packages."""
    real = Path(os.path.realpath(root))
    sites = [site for site in _sites(root) if Path(os.path.realpath(site)).is_relative_to(real)]
    recorded = [path for site in sites for path in _recorded(site)]
    # First what lies outside site-packages: the record says what that is, and a stopped removal goes on by it.
    recorded.sort(key=lambda path: (any(path.is_relative_to(site) for site in sites), path.name == "RECORD"))
    for path in recorded:
        _unlink(path, root)
    for site in sites:
        if pips and site.is_dir():
            shutil.rmtree(site)
        _prune(site, root)
    for name in ("bin", "Scripts"):
        for path in _entries(root / name):
            if _PROGRAMS.fullmatch(path.name) or (name == "Scripts" and _LIBRARIES.fullmatch(path.name)):
                _unlink(path, root)
    for path in (*root.glob("include/python*"), *root.glob("lib/python*"), *map(root.joinpath, ("Include", "Lib"))):
        _prune(path, root)
    for name in ("include", "lib", "bin", "Scripts"):
        _prune(root / name, root)
    if (root / "lib64").is_symlink():
        (root / "lib64").unlink()
    with suppress(OSError, ValueError):
        if (root / ".gitignore").read_text(encoding="utf-8").startswith(_IGNORE):
            (root / ".gitignore").unlink()
    # Last: as long as it is there, a stopped removal goes on.
    _unlink(root / _CONFIG, root)


def _sites(root: Path) -> Iterator[Path]:
    for pattern in ("lib/python*/site-packages", "Lib/site-packages"):
        yield from (site for site in root.glob(pattern) if site.is_dir() and not site.is_symlink())


def _recorded(site: Path) -> Iterator[Path]:
    """Files that pip has written down, and what Python has compiled of them; they may lie anywhere."""
    for record in site.glob("*.dist-info/RECORD"):
        try:
            with record.open(encoding="utf-8", newline="") as file:
                names = [row[0] for row in csv.reader(file) if row and "\0" not in row[0]]
        except (OSError, ValueError, csv.Error):
            continue
        for name in names:
            path = Path(os.path.normpath(site / name))
            yield path
            if path.suffix == ".py":
                yield from (path.parent / "__pycache__").glob(f"{_literal(path.stem)}.*.pyc")
        yield record


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [] if folder.is_symlink() else list(folder.iterdir())
    return []


def _unlink(path: Path, root: Path) -> None:
    """Remove a file, and the folders that it leaves empty; nothing that a link leads to outside."""
    if not _is_inside(path, root):
        return
    if path.is_symlink() or path.is_file():
        path.unlink()
        _prune(path.parent, root)


def _prune(folder: Path, root: Path) -> None:
    """Remove a folder that is empty, and those above it up to the environment."""
    while folder != root and folder.is_relative_to(root) and not folder.is_symlink() and _is_inside(folder, root):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def _move_back(aside: Path, environment: Path) -> None:
    """Give the new environment what is left of the old one, wherever it has no such file itself."""
    for path in list(_files(aside)):
        if path.name == STAMP and path.parent == aside:
            continue
        target = environment / path.relative_to(aside)
        with suppress(OSError):
            if not os.path.lexists(target) and _is_inside(target, environment):
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                _prune(path.parent, aside)
    rest = [path for path in _files(aside) if path != aside / STAMP]
    if not rest:
        # Nothing but the stamp and empty folders.
        shutil.rmtree(aside)


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a path is in the environment, and not only by a link on the way."""
    return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(root))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent) / name for name in files)
        yield from (path for name in folders if (path := Path(parent) / name).is_symlink())


if __name__ == "__main__":
    {"make": make, "clear": clear}[sys.argv[1]](Path(os.path.realpath(sys.argv[2])))
