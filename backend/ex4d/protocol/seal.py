# SPDX-License-Identifier: Apache-2.0
"""The seal of a finished folder: ``done.json`` names its files with their sizes and the hashes of their contents.

The backend seals what it has finished, and whoever reads such a file later, Blender too, checks it. Standard library
only.

    version 1   ``files``: size by name; earlier shots have it
    version 2   besides ``seal``: 2, ``hashes``: blake2b of 16 bytes by name, ``checksum``: that of done.json itself
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.ordinary_files import open_ordinary
from ex4d.protocol.parsing import parse_json

T = TypeVar("T")
DONE_FILE = "done.json"
#: Stands in place of the seal in a folder that was found damaged.
DAMAGED_FILE = "damaged.json"
SEAL_VERSION = 2
#: Threads that hash; hashlib lets others run meanwhile.
_THREADS = 4
_BLOCK = 1 << 20


class DamagedCacheError(TransientError):
    """A file that ex4d has made and sealed is not any more what it was.

    Args:
        folder: the sealed folder.
        name: the file in it, with forward slashes.
        by_content: the file is what was sealed, or was sealed without a hash, and still cannot be read.
    """

    def __init__(self, folder: Path, name: str, *, by_content: bool = False) -> None:
        super().__init__(f"{folder / name} is damaged.", f"Delete the folder {folder}; what was in it is made anew.")
        self.folder = folder
        self.name = name
        self.by_content = by_content


class NewerFormatError(BadInputError):
    """A record of ours that a newer version has written.

    Args:
        path: the record.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was made by a newer version of EX-4D.", "Update EX-4D, or use another folder.")


def content_hash(data: bytes) -> str:
    """blake2b of 16 bytes, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextmanager
def open_ours(path: Path) -> Iterator[BinaryIO]:
    """A file that ex4d has written, opened for reading bytes; raises as ``open_ordinary``, where something else was put
    in its place too."""
    with os.fdopen(open_ordinary(path), "rb") as file:
        yield file


def read_ours(path: Path) -> bytes:
    """The content of a file that ex4d has written; raises as ``open_ours``."""
    with open_ours(path) as file:
        return file.read()


def file_hash(path: Path) -> str:
    """``content_hash`` of a file, in constant memory; raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    with open_ours(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def in_threads(call: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """``call(name)`` of each, several at a time, in order."""
    if len(names) < 2:
        return [call(name) for name in names]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(call, names))


@dataclass(frozen=True)
class Seal:
    """What ``done.json`` says of its folder.

    Attributes:
        folder: the sealed folder.
        sizes: bytes of each file, by name with forward slashes.
        hashes: ``content_hash`` of each file; empty where it was sealed with sizes only.
        record: everything else that it says.
    """

    folder: Path
    sizes: Mapping[str, int]
    hashes: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hashed(self) -> bool:
        """Whether contents can be checked, not only sizes."""
        return bool(self.hashes)

    def document(self) -> dict[str, Any]:
        """``done.json`` of version 2."""
        document = {
            **self.record,
            "files": dict(self.sizes),
            "seal": SEAL_VERSION,
            "hashes": dict(self.hashes),
        }
        return {**document, "checksum": checksum(document)}

    def read(self, name: str) -> bytes:
        """The content of a file, as it was sealed.

        Raises:
            DamagedCacheError: it is missing or has another content.
            TransientError: the system does not let it be read.
        """
        with _reading(self.folder, name):
            data = read_ours(self.folder / name)
        if not self._fits(name, len(data), data):
            # Another process may have made the folder anew since this seal was read.
            fresh = read_seal(self.folder)
            if not fresh._fits(name, len(data), data):
                raise DamagedCacheError(self.folder, name)
        return data

    def _fits(self, name: str, size: int, data: bytes) -> bool:
        if self.sizes.get(name) != size:
            return False
        return not self.hashed or self.hashes[name] == content_hash(data)

    def names(self, under: Iterable[str] = ()) -> list[str]:
        """All files, or those whose names begin with one of these."""
        starts = tuple(under)
        return [name for name in self.sizes if not starts or name.startswith(starts)]

    def sizes_fit(self, names: Iterable[str] | None = None) -> bool:
        """Whether the files are there in their sizes."""
        try:
            return all((self.folder / name).stat().st_size == self.sizes[name] for name in names or self.sizes)
        except OSError:
            return False

    def damaged(self, under: Iterable[str] = ()) -> list[str]:
        """Names of the files, or of those whose names begin with one of these, that are not as they were sealed.

        Raises:
            TransientError: the system does not let one be read.
        """
        names = self.names(under)
        return [name for name, good in zip(names, in_threads(self._is_good, names), strict=True) if not good]

    def check(self, under: Iterable[str] = ()) -> None:
        """Raise DamagedCacheError for the first of ``damaged``."""
        for name in self.damaged(under):
            raise DamagedCacheError(self.folder, name)

    def _is_good(self, name: str) -> bool:
        try:
            with _reading(self.folder, name):
                path = self.folder / name
                if path.stat().st_size != self.sizes[name]:
                    return False
                return not self.hashed or file_hash(path) == self.hashes[name]
        except DamagedCacheError:
            return False


@contextmanager
def _reading(folder: Path, name: str) -> Iterator[None]:
    """Turn an OSError of the block into DamagedCacheError where the file itself is at fault, else TransientError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ELOOP, errno.ENXIO):
            raise DamagedCacheError(folder, name) from error
        raise TransientError(
            f"{folder / name} cannot be read: {error.strerror or error}.",
            "Check the permissions, and run the same command again.",
        ) from error


def checksum(document: Mapping[str, Any]) -> str:
    """``content_hash`` of a JSON-able document; the order of its keys does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return content_hash(text.encode())


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and not os.path.isabs(name)  # noqa: PTH117


def read_seal(folder: Path) -> Seal:
    """What a folder was sealed with.

    Raises:
        DamagedCacheError: there is no seal, or it is damaged or names no file.
        NewerFormatError: a newer version has written it.
        TransientError: the system does not let it be read.
    """
    with _reading(folder, DONE_FILE):
        data = read_ours(folder / DONE_FILE)
    try:
        document = parse_json(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise DamagedCacheError(folder, DONE_FILE)
    hashed = bool({"seal", "hashes", "checksum"} & document.keys())
    version = document.pop("seal", 1)
    if isinstance(version, int) and version > SEAL_VERSION:
        raise NewerFormatError(folder / DONE_FILE)
    sizes, hashes, expected = document.pop("files", None), document.pop("hashes", {}), document.pop("checksum", None)
    seal = Seal(folder, sizes, hashes, document) if isinstance(sizes, dict) and isinstance(hashes, dict) else None
    if (
        seal is None
        or not all(_is_inside(name) and isinstance(size, int) for name, size in seal.sizes.items())
        or not seal.sizes
        or (hashed and (seal.sizes.keys() != seal.hashes.keys() or seal.document()["checksum"] != expected))
    ):
        raise DamagedCacheError(folder, DONE_FILE)
    return seal
