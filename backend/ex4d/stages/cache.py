# SPDX-License-Identifier: Apache-2.0
"""The cache of stages' outputs, which is also what runs them.

A stage's output folder is named by the hash of everything that changes it, is written under a temporary name and
renamed when whole. So nothing half-written is ever taken for a result, a killed process costs at most the stage it was
in, or of a stage in parts one part. Two processes that want the same work take turns (``stages.turn``); where they
cannot, both end well: the second rename finds the first's folder and drops its own.

A finished folder is sealed with the hashes of its files (``ex4d.protocol.seal``). They are checked where a file is
read; ``StageCache.heal`` answers a damaged one by doing its stage anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ex4d import __version__
from ex4d.protocol.errors import TransientError
from ex4d.protocol.seal import DAMAGED_FILE, DONE_FILE, DamagedCacheError, Seal, read_seal
from ex4d.stages.stage import Part, PartedWork, Stage
from ex4d.stages.stage_files import hashed_seal
from ex4d.stages.turn import turn
from ex4d.stages.work_folder import WorkFolder, hash_files
from ex4d.system.files import make_folder, remove_tree, temporary_sibling, writing
from ex4d.system.progress import Progress

T = TypeVar("T")


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


def write_seal(seal: Seal) -> None:
    """Write ``done.json`` into a finished folder."""
    if not seal.sizes:
        raise ValueError("nothing was written")
    with (seal.folder / DONE_FILE).open("w", encoding="utf-8") as file:
        json.dump(seal.document(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def seal(folder: Path, record: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write ``done.json`` into a finished folder: the record, and sizes and hashes of its files.

    Args:
        record: what else it shall say, JSON-able.
        names: of all files that were written, at least one.

    Raises:
        TransientError: one of them is not there any more.
    """
    write_seal(replace(hash_files(folder, names), record=dict(record)))


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

        Of a stage in parts, those are kept that were done when it is stopped, and gone on from the next time.

        Raises:
            DamagedCacheError: a file of another stage that it reads is damaged; see ``heal``.
        """
        final = self.folder(stage)
        if is_complete(final):
            progress.begin(stage.progress_name, None)
            progress.end(cached=True)
            return final
        make_folder(self.root)
        if final.exists() and not (final / DAMAGED_FILE).exists():
            progress.note(damage_note(final))
        with (
            progress.stage(stage.progress_name, stage.steps(), stage.progress_parts),
            turn(self.root, final.name, progress),
        ):
            if is_complete(final):
                # Another process has made it meanwhile.
                return final
            started = time.time()
            with work_folder(self.root, final.name, stage) as work, writing(final):
                names = run_in(work, stage, progress)
                record = {
                    "stage": stage.name,
                    "version": stage.version,
                    "inputs": stage.identity.inputs,
                    "ex4d": __version__,
                    "seconds": round(time.time() - started, 3),
                }
                write_seal(work.seal(record, names))
                work.drop_part_seals()
                if self._claim(work.path, final):
                    self._made.add(final)
                else:
                    # Another process has finished the same work meanwhile.
                    remove_tree(work.path)
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


@contextmanager
def work_folder(root: Path, label: str, work: Stage | PartedWork) -> Iterator[WorkFolder]:
    """A work folder below ``root`` for work that will be ``label``. Whatever ends the block in an error leaves finished
    parts there for the next time, and nothing else."""
    try:
        folder = WorkFolder(root, label, work.means() if isinstance(work, PartedWork) else {})
        try:
            with writing(root / label):
                folder.open()
            yield folder
        except BaseException:
            folder.give_up()
            raise
    finally:
        if isinstance(work, PartedWork):
            work.close()


def run_in(folder: WorkFolder, work: Stage | PartedWork, progress: Progress) -> list[str]:
    """Do work in a work folder, of its parts only those that are not there; returns the names of all files.

    The last part is not sealed by itself: the whole is, at once.
    """
    if not isinstance(work, PartedWork):
        return list(work.run(folder.path, progress))
    parts = work.parts()
    last = parts[-1] if isinstance(parts, Sequence) else None
    asked: list[Part] = []

    def missing() -> Iterator[Part]:
        for part in parts:
            if part.name not in folder.done:
                asked.append(part)
                yield part

    for part in folder.done.values():
        for _ in range(len(part.part)):
            progress.advance()
    outputs = list(folder.done.values())
    for output in work.run_parts(folder.path, missing(), progress):
        outputs.append(output)
        if output.part != last and output.part == asked[-1]:
            folder.seal_part(output)
    outputs.sort(key=lambda output: output.part)
    return [*(name for output in outputs for name in output.names), *work.finish(folder.path, outputs)]
