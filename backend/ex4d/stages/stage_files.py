# SPDX-License-Identifier: Apache-2.0
"""Reading what a stage has written, checked against its seal.

These files are ours: whatever is wrong with one is no fault of the user's, and the stage can be done anew. So each
read raises ``DamagedCacheError`` and never the errors that readers of users' files raise.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.protocol.errors import BadInputError, Ex4dError
from ex4d.protocol.seal import DONE_FILE, DamagedCacheError, Seal, content_hash, in_threads, read_seal
from ex4d.system.files import atomic_write

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class StageFiles:
    """The files of one finished stage.

    Attributes:
        folder: its output folder.
        seal: what it was sealed with.
    """

    folder: Path
    seal: Seal

    @classmethod
    def open(cls, folder: Path) -> StageFiles:
        """Those of a sealed folder; raises as ``hashed_seal``."""
        return cls(folder, hashed_seal(folder))

    def bytes(self, name: str) -> bytes:
        """A file's content."""
        return self.seal.read(name)

    @contextmanager
    def decoding(self, name: str) -> Iterator[None]:
        """Turn whatever goes wrong in the block, which takes a file's content apart, into DamagedCacheError."""
        try:
            yield
        except (DamagedCacheError, MemoryError):
            raise
        except BadInputError as error:
            raise DamagedCacheError(self.folder, name, by_content=True) from error
        except Ex4dError:
            raise
        except Exception as error:
            if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
                raise MemoryError from error
            raise DamagedCacheError(self.folder, name, by_content=True) from error

    def json(self, name: str) -> dict[str, Any]:
        """A record. Ours may hold infinite numbers."""
        data = self.bytes(name)
        with self.decoding(name):
            record = json.loads(data)
            if not isinstance(record, dict):
                raise TypeError
            return record

    def trajectory(self, name: str) -> Trajectory:
        """A trajectory file."""
        self.bytes(name)
        with self.decoding(name):
            return read_trajectory(self.folder / name)

    def png(self, name: str) -> NDArray[Any]:
        """A picture: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; uint8 or uint16."""
        data = self.bytes(name)
        with self.decoding(name):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if pixels is None:
                raise ValueError
            if pixels.ndim == 2:
                return pixels
            code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
            return np.asarray(cv2.cvtColor(pixels, code))

    def npy(self, name: str) -> NDArray[Any]:
        """An array."""
        data = self.bytes(name)
        with self.decoding(name):
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))

    def npz(self, name: str) -> dict[str, NDArray[Any]]:
        """All arrays of a file."""
        data = self.bytes(name)
        with self.decoding(name), np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}


def hashed_seal(folder: Path) -> Seal:
    """A folder's seal; one that knows sizes only gets the hashes of what is there now, for good.

    Where the file formats bring checksums of their own these are looked at first.

    Raises:
        DamagedCacheError, NewerFormatError, TransientError: as ``read_seal``; or a file is not in its size, or fails
            its format's checksum.
    """
    seal = read_seal(folder)
    if seal.hashed:
        return seal

    def look(name: str) -> str:
        data = seal.read(name)
        if not _own_checksum_fits(name, data):
            raise DamagedCacheError(folder, name, by_content=True)
        return content_hash(data)

    names = seal.names()
    hashes = dict(zip(names, in_threads(look, names), strict=True))
    seal = replace(seal, hashes=hashes, record={**seal.record, "hashed": "later"})
    # A shot that may not be written to can be read all the same.
    with suppress(Ex4dError):
        atomic_write(folder / DONE_FILE, json.dumps(seal.document(), indent=1).encode())
    return seal


def _own_checksum_fits(name: str, data: bytes) -> bool:
    """False where the format itself tells that a file was damaged."""
    try:
        match Path(name).suffix:
            case ".png":
                return _png_chunks_fit(data)
            case ".npz":
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    return archive.testzip() is None
            case ".json":
                json.loads(data)
    except (ValueError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return False
    return True


def _png_chunks_fit(data: bytes) -> bool:
    place, kind = len(_PNG_MAGIC), b""
    while place + 12 <= len(data) and kind != b"IEND":
        length = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 8 + length
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        place = end + 4
    return data.startswith(_PNG_MAGIC) and kind == b"IEND" and place == len(data)
