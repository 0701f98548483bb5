# SPDX-License-Identifier: Apache-2.0
"""Reading numpy's files without pickles and without surprises: what a header claims is compared with a limit before
anything is unpacked or put into memory."""

from __future__ import annotations

import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import open_input

#: What numpy and zipfile raise on damaged npy and npz files.
NPZ_ERRORS = (
    OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, MemoryError, OverflowError, NotImplementedError,
    RuntimeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip

#: Bytes that an array may have which is read whole and is no picture: 100,000 cameras are a fifth of it.
MAX_ARRAY = 64 << 20
#: Names in messages: so many, and so many characters of each.
_NAMES, _NAME_LENGTH = 5, 40
#: numpy's headers in use: the third version has names in UTF-8, of fields, which plain numbers have none of.
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class NpyHeader:
    """What an npy file says of its array.

    Attributes:
        shape: of the array.
        dtype: of its values.
        fortran: whether the first index runs fastest.
        offset: bytes before the values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> NpyHeader:
    """The header at the start of an npy file; ``file`` stands at the values afterwards.

    Raises:
        ValueError, or another of ``NPZ_ERRORS``: it is none, or that of pickled objects.
    """
    counted = _Counted(file)
    version = np.lib.format.read_magic(counted)
    if version not in _HEADERS:
        raise ValueError("a header of an unknown version")
    shape, fortran, dtype = _HEADERS[version](counted)
    if dtype.hasobject:
        raise ValueError("pickled objects")
    if any(side < 0 for side in shape):
        raise ValueError("a negative shape")
    return NpyHeader(shape, dtype, fortran, counted.count)


class _Counted:
    """A file that counts the bytes read of it; those in archives cannot always tell where they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.count += len(data)
        return data


def shown_names(names: Sequence[str]) -> str:
    """Names for a message, which must stay one whatever a file says: the first five, each cut to 40 characters."""
    cut = [name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…" for name in names[:_NAMES]]
    more = len(names) - len(cut)
    return ", ".join(cut) + (f" and {more} more" if more else "")


def damaged(path: Path) -> BadInputError:
    """The error for a file that is none of numpy's."""
    return BadInputError(f"{path} is damaged or not a numpy file.", "Save it again with numpy.save or numpy.savez.")


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """An npz file as the archive that it is; raises BadInputError for what is none, also from within the block."""
    with open_input(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except NPZ_ERRORS as error:
            raise damaged(path) from error


def npz_names(path: Path) -> list[str]:
    """Names of its arrays."""
    with open_npz(path) as archive:
        return list(dict.fromkeys(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")))


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[NpyHeader, IO[bytes]]]:
    """An array of an archive: its header, and the file, which stands at the values.

    Raises:
        ValueError, or another of ``NPZ_ERRORS``: it is damaged, or its sizes contradict each other.
    """
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        header = read_header(file)
        if header.offset + header.nbytes != entry.file_size:
            raise ValueError("another size than the array's")
        yield header, file


def read_npz(path: Path, names: Sequence[str], limit: int = MAX_ARRAY) -> dict[str, NDArray[Any]]:
    """Those arrays of an npz file that it has; no pickles.

    Args:
        path: the file.
        names: of arrays.
        limit: bytes that each may have.

    Raises:
        BadInputError: it cannot be read, or an array is larger.
    """
    with open_npz(path) as archive:
        present = set(archive.namelist())
        return {name: _read_member(archive, name, path, limit) for name in names if f"{name}.npy" in present}


def _read_member(archive: zipfile.ZipFile, name: str, path: Path, limit: int) -> NDArray[Any]:
    with open_member(archive, name) as (header, file):
        if header.nbytes > limit:
            raise too_large(path, name, header, limit)
        # To the end, so that the checksum is looked at.
        return array_of(header, file.read(header.nbytes + 1))


def array_of(header: NpyHeader, data: bytes) -> NDArray[Any]:
    """The values of a whole array; raises ValueError where bytes are missing."""
    if len(data) != header.nbytes:
        raise ValueError("too few values")
    flat = np.frombuffer(data, header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def too_large(path: Path, name: str, header: NpyHeader, limit: int) -> BadInputError:
    """The error for an array that no such file needs."""
    return BadInputError(
        f"{path} has an array {shown_names([name])} of {header.nbytes / 2**20:.0f} MiB; {limit / 2**20:.0f} are the "
        "most for it.",
        "Check that it is the file you mean, and export it again.",
    )


def file_header(path: Path) -> NpyHeader:
    """The header of an npy file; raises BadInputError for a file that is none or has another size than it says."""
    with open_input(path) as file:
        try:
            header = read_header(file)
        except NPZ_ERRORS as error:
            raise damaged(path) from error
        if header.offset + header.nbytes > os.fstat(file.fileno()).st_size:
            raise damaged(path)
    return header
