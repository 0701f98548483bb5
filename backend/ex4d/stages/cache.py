# SPDX-License-Identifier: Apache-2.0
"""Stages and their cache.

A stage is a function from inputs to files. Its output folder is named by the hash of everything that changes it, is
written under a temporary name and renamed when whole. So nothing half-written is ever taken for a result, a killed
process costs at most the stage it was in, and two processes that do the same work at once both end well: the second
rename finds the first's folder and drops its own.

A finished folder is sealed with the hashes of its files (``ex4d.protocol.seal``). They are checked where a file is
read; ``StageCache.heal`` answers a damaged one by doing its stage anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ex4d import __version__
from ex4d.protocol.errors import TransientError
from ex4d.protocol.seal import DAMAGED_FILE, DONE_FILE, DamagedCacheError, Seal, file_hash, in_threads, read_seal
from ex4d.stages.stage_files import hashed_seal
from ex4d.system.files import is_left_over, leftovers, make_folder, remove_tree, temporary_sibling, writing
from ex4d.system.progress import Progress

T = TypeVar("T")


def content_key(document: Mapping[str, Any]) -> str:
    """Hash of a JSON-able document, 16 hex digits; the order of its keys does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class StageIdentity:
    """What decides a stage's output.

    Attributes:
        inputs: see ``Stage.inputs``.
        key: hash of name, version and inputs.
    """

    inputs: dict[str, Any]
    key: str


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
    def run(self, out: Path, progress: Progress) -> Iterable[str]:
        """Write the output into the empty folder ``out``; returns the names of all files of it, below ``out`` with
        forward slashes."""

    @cached_property
    def identity(self) -> StageIdentity:
        """Inputs and key, found out once: inputs may be the hashes of many files."""
        inputs = self.inputs()
        return StageIdentity(inputs, content_key({"stage": self.name, "version": self.version, "inputs": inputs}))

    def key(self) -> str:
        """Hash of name, version and inputs."""
        return self.identity.key


def is_complete(folder: Path) -> bool:
    """Whether a stage folder is whole as far as can be told without reading it: it is sealed, and all files that it was
    sealed with are there in their sizes.

    Raises:
        NewerFormatError, TransientError: as ``read_seal``.
    """
    try:
        return read_seal(folder).sizes_fit()
    except DamagedCacheError:
        return False


def seal(folder: Path, record: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write ``done.json`` into a finished folder: the record, and sizes and hashes of its files.

    Args:
        record: what else it shall say, JSON-able.
        names: of all files that were written, at least one.

    Raises:
        TransientError: one of them is not there any more.
    """
    names = sorted(set(names))
    if not names:
        raise ValueError("nothing was written")
    try:
        sizes = {name: (folder / name).stat().st_size for name in names}
        hashes = dict(zip(names, in_threads(lambda name: file_hash(folder / name), names), strict=True))
    except FileNotFoundError as error:
        raise TransientError(
            f"Files vanished from {folder.parent} while they were written.",
            "Let nothing else clean that folder up, and run the same command again.",
        ) from error
    with (folder / DONE_FILE).open("w", encoding="utf-8") as file:
        json.dump(Seal(folder, sizes, hashes, dict(record)).document(), file, indent=1)
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
        self._made: set[Path] = set()

    def stages(self) -> list[Path]:
        """The folders of all outputs, whole or not, by name; raises TransientError where they cannot be listed."""
        try:
            found = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise TransientError(
                f"{self.root} cannot be read: {error.strerror or error}.",
                "Check the permissions, or choose another output folder.",
            ) from error
        return sorted(path for path in found if path.is_dir())

    def folder(self, stage: Stage) -> Path:
        """Where the stage's output is or will be."""
        return self.root / f"{stage.name}-{stage.key()}"

    def ensure(self, stage: Stage, progress: Progress) -> Path:
        """The folder with the stage's output; runs the stage if it is not there, whole.

        Raises:
            DamagedCacheError: a file of another stage that it reads is damaged; see ``heal``.
        """
        final = self.folder(stage)
        if is_complete(final):
            progress.begin(stage.name, None)
            progress.end(cached=True)
            return final
        make_folder(self.root)
        if final.exists() and not (final / DAMAGED_FILE).exists():
            progress.note(damage_note(final))
        temporary = temporary_sibling(final)
        started = time.time()
        try:
            with writing(final):
                temporary.mkdir()
                names = stage.run(temporary, progress)
                record = {
                    "stage": stage.name,
                    "version": stage.version,
                    "inputs": stage.identity.inputs,
                    "ex4d": __version__,
                    "seconds": round(time.time() - started, 3),
                }
                seal(temporary, record, names)
                if self._claim(temporary, final):
                    self._made.add(final)
                else:
                    # Another process has finished the same work meanwhile.
                    remove_tree(temporary)
        except BaseException:
            remove_tree(temporary)
            raise
        progress.end()
        return final

    def check(self, folder: Path, under: Iterable[str] = ()) -> None:
        """Check the contents of a stage's files that are handed out without being read here.

        Args:
            folder: what ``ensure`` gave; nothing is done for what this cache itself has made.
            under: beginnings of names, such as ``mask/``; all files if there are none.

        Raises:
            DamagedCacheError: one is damaged.
        """
        if folder not in self._made:
            hashed_seal(folder).check(under)

    def heal(self, work: Callable[[], T], progress: Progress) -> T:
        """Do a piece of work, a whole job; where it meets a damaged file of this cache, take that stage's seal away and
        do the work again, which does the stage anew: once for each stage. What is whole is not done again. Until the
        stage is made anew its files stay.

        Raises:
            TransientError: what was made anew is damaged again.
        """
        healed: set[Path] = set()
        while True:
            try:
                return work()
            except DamagedCacheError as error:
                if error.folder.parent != self.root:
                    raise
                if error.folder in healed:
                    raise TransientError(
                        f"{error.folder / error.name} is damaged again, just after it was made anew.",
                        "Check the disk and the memory of this machine, or put the shot on another disk.",
                    ) from error
                healed.add(error.folder)
                progress.note(damage_note(error.folder, error.name))
                self._condemn(error)

    def _condemn(self, damage: DamagedCacheError) -> None:
        """Take the seal of a damaged output away."""
        if not _is_lasting(damage):
            return
        self._made.discard(damage.folder)
        with writing(damage.folder), suppress(FileNotFoundError, NotADirectoryError):
            (damage.folder / DONE_FILE).replace(damage.folder / DAMAGED_FILE)

    @staticmethod
    def _claim(temporary: Path, final: Path) -> bool:
        """As ``claim``; a damaged output under the final name goes."""
        while not claim(temporary, final):
            if is_complete(final):
                return False
            bad = temporary_sibling(final)
            with suppress(FileNotFoundError):
                final.rename(bad)
            remove_tree(bad)
        return True


def _is_lasting(damage: DamagedCacheError) -> bool:
    """Whether a damaged file still is, now that it is looked at again: another process may have made it anew."""
    if damage.by_content:
        return True
    try:
        read_seal(damage.folder).read(damage.name)
    except DamagedCacheError:
        return True
    return False


def damage_note(folder: Path, name: str = "") -> str:
    """What the user is told of a stage that is done anew."""
    what = f"{folder.parent.name}/{folder.name}" + (f"/{name}" if name else "")
    return f"What the shot had kept was damaged ({what}) and is made anew."


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files and folders whose process is dead (``is_left_over``); returns how many."""
    found = [path for path in leftovers(folder) if is_left_over(path)]
    for path in found:
        remove_tree(path)
    return len(found)
