# SPDX-License-Identifier: Apache-2.0
"""Stages and their cache.

A stage is a function from inputs to files. Its output folder is named by the hash of everything that changes it, is
written under a temporary name and renamed when whole. So nothing half-written is ever taken for a result, a killed
process costs at most the stage it was in, and two processes that do the same work at once both end well: the second
rename finds the first's folder and drops its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ex4d import __version__
from ex4d.files import TEMP_PREFIX, host_name, make_folder, remove_tree, temporary_sibling, writing
from ex4d.processes import process_alive
from ex4d.progress import Progress

DONE_FILE = "done.json"
_TEMP_NAME = re.compile(rf"{re.escape(TEMP_PREFIX)}(?P<host>[^-]+)-(?P<pid>\d+)-[0-9a-f]+-.*")


def content_key(document: Mapping[str, Any]) -> str:
    """Hash of a JSON-able document, 16 hex digits; the order of its keys does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Stage(ABC):
    """One step of the work.

    ``version`` is raised whenever the same inputs give other files.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """Everything that changes the output, JSON-able; keys of former stages stand for their outputs."""

    @abstractmethod
    def run(self, out: Path, progress: Progress) -> None:
        """Write the output into the empty folder ``out``."""

    def key(self) -> str:
        """Hash of name, version and inputs."""
        return content_key({"stage": self.name, "version": self.version, "inputs": self.inputs()})


def is_complete(folder: Path) -> bool:
    """Whether a stage folder is whole: all files that it was finished with are there in their sizes."""
    try:
        done = json.loads((folder / DONE_FILE).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in done["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def seal(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``done.json`` into a finished folder: the record and the sizes of all files."""
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    with (folder / DONE_FILE).open("w", encoding="utf-8") as file:
        json.dump({**record, "files": files}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def claim(temporary: Path, final: Path) -> bool:
    """Give a sealed folder its final name at once; False when that name is taken."""
    try:
        temporary.rename(final)
    except OSError:
        if not final.exists():
            raise
        return False
    return True


class StageCache:
    """The folder that holds the outputs of all stages of a shot."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: Stage) -> Path:
        """Where the stage's output is or will be."""
        return self.root / f"{stage.name}-{stage.key()}"

    def ensure(self, stage: Stage, progress: Progress) -> Path:
        """The folder with the stage's output; runs the stage if it is not there, whole."""
        final = self.folder(stage)
        if is_complete(final):
            progress.begin(stage.name, None)
            progress.end(cached=True)
            return final
        make_folder(self.root)
        self._set_aside(final)
        temporary = temporary_sibling(final)
        started = time.time()
        try:
            with writing(final):
                temporary.mkdir()
                stage.run(temporary, progress)
                record = {
                    "stage": stage.name,
                    "version": stage.version,
                    "inputs": stage.inputs(),
                    "ex4d": __version__,
                    "seconds": round(time.time() - started, 3),
                }
                seal(temporary, record)
                if not claim(temporary, final):
                    # Another process has finished the same work meanwhile.
                    remove_tree(temporary)
        except BaseException:
            remove_tree(temporary)
            raise
        progress.end()
        return final

    @staticmethod
    def _set_aside(final: Path) -> None:
        """Move a damaged output away, so that the stage can be done anew."""
        # Another process may have finished it since it was looked at.
        if not final.exists() or is_complete(final):
            return
        bad = temporary_sibling(final)
        with writing(final):
            try:
                final.rename(bad)
            except FileNotFoundError:
                return
        remove_tree(bad)


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files and folders whose process on this machine is dead; returns how many.

    Those of other machines are left alone: a shared folder may be in use there.
    """
    count = 0
    for path in folder.glob(f"{TEMP_PREFIX}*") if folder.is_dir() else ():
        match = _TEMP_NAME.fullmatch(path.name)
        if match and match["host"] == host_name() and not process_alive(int(match["pid"])):
            remove_tree(path)
            count += 1
    return count
