# SPDX-License-Identifier: Apache-2.0
"""Do the sample tables of an mp4 or QuickTime file claim more than the file can hold? (ISO/IEC 14496-12)

FFmpeg believes them: it makes an entry in memory for every claimed sample before anything can look at the file, so that
one of 200 kB can take gigabytes. Sound tables claim at most one sample for each byte of the file.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ex4d.system.inputs import open_input

#: Claims up to this are harmless, whatever the file's size: of a recording that was cut short much is missing.
ALWAYS_ALLOWED = 1 << 20

# Entries that an edit list may repeat: FFmpeg copies the samples of each edit.
_EDITED = 8
_FIRST_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"pnot", b"uuid"))
_PARENTS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"cmov"))
# Deeper than boxes stand in each other, and more than the largest recordings have.
_DEEPEST, _MOST_BOXES = 12, 4_000_000
_MOST_UNPACKED = 64 << 20
# Bytes of a sample entry of video before its boxes; and of a table of entries that are looked at.
_VIDEO_ENTRY, _LONGEST_DESCRIPTION = 86, 1 << 20


def claims_too_much(path: Path) -> bool:
    """Whether a file of this family claims more samples than it can have; False for files of other kinds.

    Raises:
        BadInputError: it cannot be opened.
    """
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(8)[4:] not in _FIRST_BOXES:
            return False
        tables = _Tables(max(size, ALWAYS_ALLOWED))
        try:
            tables.walk(file, 0, size, 0)
        except _TooMuchError:
            return True
    return False


def joined_movies(path: Path) -> int:
    """How many movies of this family, each with an index, a file holds one after the other; 1 for files of other kinds.
    FFmpeg reads the first, and what goes on after it in fragments, as in recordings of streams.

    Raises:
        BadInputError: it cannot be opened.
    """
    count = 0
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(8)[4:] not in _FIRST_BOXES:
            return 1
        start = 0
        for _ in range(_MOST_BOXES):
            file.seek(start)
            header = file.read(16)
            if len(header) < 16:
                break
            length, name = struct.unpack_from(">I4s", header)
            if length == 1:
                (length,) = struct.unpack_from(">Q", header, 8)
            count += name == b"moov"
            start += length
            if length < 8 or start >= size:
                break
    return max(count, 1)


def clean_aperture(path: Path) -> tuple[Fraction, Fraction] | None:
    """Width and height of the clean aperture of the first video track that has one, in pixels as they are stored; None
    where there is none, or the file is of another kind.

    Raises:
        BadInputError: it cannot be opened.
    """
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(8)[4:] not in _FIRST_BOXES:
            return None
        return _aperture(file, 0, size, 0)


def _aperture(file: BinaryIO, start: int, end: int, depth: int) -> tuple[Fraction, Fraction] | None:
    if depth > _DEEPEST:
        return None
    for name, content, stop in islice(_boxes(file, start, end), _MOST_BOXES):
        found = None
        if name in _PARENTS:
            found = _aperture(file, content, stop, depth + 1)
        elif name == b"stsd":
            file.seek(content)
            found = _aperture_of_entry(file.read(min(stop - content, _LONGEST_DESCRIPTION)))
        if found is not None:
            return found
    return None


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Names of the boxes from byte ``start`` to ``end``, and where the content of each begins and ends."""
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        if len(header) < 8:
            return
        size, name = struct.unpack_from(">I4s", header)
        content = start + 8
        if size == 1 and len(header) == 16:
            size, content = struct.unpack_from(">Q", header, 8)[0], start + 16
        stop = end if size == 0 else min(start + size, end)
        if stop < content:
            return
        yield name, content, stop
        start = stop


def _aperture_of_entry(description: bytes) -> tuple[Fraction, Fraction] | None:
    """Of a table of sample descriptions, by the first of them, which has boxes where it is one of video."""
    if len(description) < 16:
        return None
    (length,) = struct.unpack_from(">I", description, 8)
    at, end = 8 + _VIDEO_ENTRY, min(8 + length, len(description))
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", description, at)
        if name == b"clap" and at + 40 <= end:
            width, width_unit, height, height_unit = struct.unpack_from(">4I", description, at + 8)
            return (Fraction(width, width_unit), Fraction(height, height_unit)) if width_unit and height_unit else None
        if size < 8:
            break
        at += size
    return None


class _TooMuchError(Exception):
    pass


class _Tables:
    """What the tables seen so far claim together, and those of the track that is being looked at."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._claims: Counter[bytes] = Counter()
        self._boxes = 0
        self._begin_track()

    def _begin_track(self) -> None:
        self._edits = self._samples = self._chunks = 0
        self._equal_sizes = False
        # First chunk and samples a chunk of each run of chunks.
        self._first_and_samples: NDArray[np.int64] = np.zeros((0, 2), np.int64)

    def walk(self, file: BinaryIO, start: int, end: int, depth: int) -> None:
        """Look at the boxes from byte ``start`` to ``end``."""
        for name, content, stop in _boxes(file, start, end):
            self._boxes += 1
            if self._boxes > _MOST_BOXES or depth > _DEEPEST:
                raise _TooMuchError
            self._look_at(file, name, content, stop, depth)

    def _look_at(self, file: BinaryIO, name: bytes, start: int, stop: int, depth: int) -> None:
        if name == b"trak":
            self._begin_track()
        if name in _PARENTS:
            self.walk(file, start, stop, depth + 1)
        if name == b"trak":
            self._end_track()
        file.seek(start)
        length = stop - start
        if name == b"cmvd":
            self._walk_unpacked(file.read(length), depth)
        elif name in (b"stsz", b"stz2") and length >= 12:
            size, self._samples = struct.unpack_from(">II", file.read(12), 4)
            self._equal_sizes = name == b"stsz" and size > 0
            self._claim(b"stsz", self._samples)
        elif name in (b"trun", b"elst", b"stco", b"co64", b"stsc") and length >= 8:
            (count,) = struct.unpack_from(">I", file.read(8), 4)
            if name == b"trun":
                self._claim(name, count)
            elif name == b"elst":
                self._edits = min(count, length // 12)
            elif name in (b"stco", b"co64"):
                self._chunks = min(count, length // 4)
            else:
                data = file.read(min(count * 12, length - 8))
                runs = np.frombuffer(data[: len(data) // 12 * 12], ">u4").reshape(-1, 3)
                self._first_and_samples = runs[:, :2].astype(np.int64)

    def _end_track(self) -> None:
        self._claim(b"elst", self._edits * self._samples, self._most * _EDITED)
        if self._equal_sizes and len(self._first_and_samples):
            # Of uncompressed sound, whose samples have no entries, FFmpeg counts these.
            first, samples = self._first_and_samples.T
            # A run goes to the next one's first chunk, the last to the last chunk.
            chunks = np.clip(np.diff(first, append=self._chunks + 1), 0, self._chunks)
            self._claim(b"stsc", int(np.dot(chunks.astype(float), samples.astype(float))))

    def _claim(self, name: bytes, count: int, most: int | None = None) -> None:
        self._claims[name] += count
        if self._claims[name] > (most or self._most):
            raise _TooMuchError

    def _walk_unpacked(self, data: bytes, depth: int) -> None:
        """The index of an old QuickTime file, which may be compressed."""
        if int.from_bytes(data[:4], "big") > _MOST_UNPACKED:
            raise _TooMuchError
        try:
            unpacked = zlib.decompressobj().decompress(data[4:], _MOST_UNPACKED)
        except zlib.error:
            return
        self.walk(io.BytesIO(unpacked), 0, len(unpacked), depth + 1)
