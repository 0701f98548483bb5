# SPDX-License-Identifier: Apache-2.0
"""The folder in which a stage's output comes to be, before it is whole and gets its final name.

Its name tells which process it belongs to, and what it will be. What a dead process has left, or a living one has given
up, is taken over by renaming it: of two processes that want the same one only one gets it, and no two ever write to one
folder. Finished parts are sealed in it; whoever takes it over goes on from those that are still as they were sealed.

    .tmp-<owner>-<random>-<stage>-<key>/
        frames/ …                   as in the finished folder
        .parts/000000-000032/done.json   the seal of one part: its files, and what ``finish`` wants to know of it
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ex4d import __version__
from ex4d.protocol.errors import Ex4dError, TransientError
from ex4d.protocol.seal import DONE_FILE, Seal, file_hash, in_threads, read_seal
from ex4d.stages.stage import Part, PartOutput
from ex4d.stages.turn import remove_left_turns
from ex4d.system.files import (
    abandoned_sibling,
    is_left_over,
    is_untouched,
    leftovers,
    remove_tree,
    temporary_sibling,
)

PARTS_FOLDER = ".parts"
#: How names of work folders end: stage or take, and key.
_LABEL = re.compile(r"-(?P<what>[a-z_]+)-[0-9a-f]{16}\Z")


def hash_files(folder: Path, names: Iterable[str]) -> Seal:
    """A seal of files of a folder as they are now, which is not written yet.

    Raises:
        TransientError: one of them is not there any more.
    """
    names = sorted(set(names))
    try:
        sizes = {name: (folder / name).stat().st_size for name in names}
        hashes = dict(zip(names, in_threads(lambda name: file_hash(folder / name), names), strict=True))
    except FileNotFoundError as error:
        raise TransientError(
            f"Files vanished from {folder.parent} while they were written.",
            "Let nothing else clean that folder up, and run the same command again.",
        ) from error
    return Seal(folder, sizes, hashes)


class WorkFolder:
    """A work folder of this process, which ``open`` makes: a signal may come at any time, and what is there must have
    a name by which ``give_up`` finds it.

    Args:
        root: below which it will be.
        label: what it will be, ``<stage>-<key>``.
        means: parts that were made by other ones, or by another version, are dropped.

    Attributes:
        path: where it is.
        done: its parts that are sealed, by name, in order.
    """

    def __init__(self, root: Path, label: str, means: Mapping[str, Any]) -> None:
        self.path = temporary_sibling(root / label)
        self.done: dict[str, PartOutput] = {}
        self._root, self._label = root, label
        self._means = {"ex4d": __version__, **means}
        self._seals: dict[str, Seal] = {}
        self._is_read = True

    def open(self) -> None:
        """Make it, or take over one that was left there with finished parts. Others of the same stage that no process
        owns any more are removed."""
        root, label = self._root, self._label
        what = label.rpartition("-")[0]
        found = False
        for path in leftovers(root):
            match = _LABEL.search(path.name)
            if match is None or match["what"] != what or not is_left_over(path):
                continue
            if not found and path.name.endswith(f"-{label}") and has_parts(path):
                self._is_read = False
                try:
                    path.rename(self.path)
                except OSError:
                    # Another process was faster.
                    self._is_read = True
                    continue
                found = True
                self._take_over()
            else:
                _remove(path)
        if not found:
            self.path.mkdir()

    def seal_part(self, output: PartOutput) -> None:
        """Keep a finished part."""
        seal = hash_files(self.path, output.names)
        record = {"part": [output.part.start, output.part.stop], "means": self._means, "record": dict(output.record)}
        folder = self.path / PARTS_FOLDER / output.part.name
        folder.mkdir(parents=True, exist_ok=True)
        # It need not reach the disk before what it seals does: both are checked before they are used again.
        (folder / DONE_FILE).write_text(json.dumps(replace(seal, record=record).document()), encoding="utf-8")
        self.done[output.part.name], self._seals[output.part.name] = output, seal

    def seal(self, record: Mapping[str, Any], names: Iterable[str]) -> Seal:
        """The seal of the whole folder; files of sealed parts are not read again.

        Args:
            record: what else it shall say, JSON-able.
            names: of all its files, at least one.
        """
        names = set(names)
        known = list(self._seals.values())
        rest = hash_files(self.path, names - {name for seal in known for name in seal.sizes})
        sizes = {name: size for seal in (*known, rest) for name, size in seal.sizes.items()}
        hashes = {name: found for seal in (*known, rest) for name, found in seal.hashes.items()}
        order = sorted(names)
        return Seal(
            self.path, {name: sizes[name] for name in order}, {name: hashes[name] for name in order}, dict(record)
        )

    def drop_part_seals(self) -> None:
        """Remove what is not of the finished folder, which is sealed as a whole now."""
        remove_tree(self.path / PARTS_FOLDER)

    def give_up(self) -> None:
        """The work has stopped: keep its finished parts for whoever does it again, and nothing else."""
        if self._is_read and not self.done:
            remove_tree(self.path)
            return
        if self._is_read:
            self._keep_only_parts()
        with suppress(OSError):
            self.path.rename(abandoned_sibling(self.path, temporary_label(self.path)))

    def _take_over(self) -> None:
        """Find the parts that are as they were sealed; what is of no such part goes."""
        for folder in sorted((self.path / PARTS_FOLDER).iterdir()):
            with suppress(Ex4dError, KeyError, TypeError, ValueError):
                seal = replace(read_seal(folder), folder=self.path)
                start, stop = seal.record["part"]
                if seal.record["means"] == self._means and not seal.damaged():
                    output = PartOutput(Part(start, stop), tuple(seal.sizes), seal.record["record"])
                    self.done[output.part.name], self._seals[output.part.name] = output, replace(seal, record={})
        self._is_read = True
        self._keep_only_parts()

    def _keep_only_parts(self) -> None:
        kept = {name for seal in self._seals.values() for name in seal.sizes}
        kept |= {f"{PARTS_FOLDER}/{name}/{DONE_FILE}" for name in self.done}
        for path in self.path.rglob("*"):
            if not path.is_dir() and path.relative_to(self.path).as_posix() not in kept:
                remove_tree(path)


def temporary_label(path: Path) -> str:
    """What a work folder will be, ``<stage>-<key>``."""
    match = _LABEL.search(path.name)
    return match[0][1:] if match else path.name


def has_parts(path: Path) -> bool:
    """Whether something was finished in a work folder."""
    try:
        return any((path / PARTS_FOLDER).iterdir())
    except OSError:
        return False


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files and folders whose process is dead (``is_left_over``); returns how many. Finished parts of
    a stage stay for whoever does it again, until nobody has for a week."""
    found = [path for path in leftovers(folder) if is_left_over(path) and (not has_parts(path) or is_untouched(path))]
    for path in found:
        _remove(path)
    remove_left_turns(folder)
    return len(found)


def _remove(path: Path) -> None:
    """Remove what is left over, under a name of this process: nobody takes it over meanwhile."""
    own = temporary_sibling(path.with_name("left-over"))
    with suppress(OSError):
        path.rename(own)
        remove_tree(own)
