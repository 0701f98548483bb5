# SPDX-License-Identifier: Apache-2.0
"""Is a movie file whole, going by the byte positions its container records?

FFmpeg reads a file that was cut short, or whose block structure is broken, without an error: it skips to what it
understands next, and the clip simply has fewer frames. Frame counts in headers cannot tell, because edit lists leave
frames out on purpose; byte positions can.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import av
from av.container import InputContainer

from ex4d.system.inputs import open_input

# Element numbers of RFC 8794 (EBML) and RFC 9559 (Matroska): those that may stand in a segment or a cluster.
_EBML_HEADER, _SEGMENT, _CLUSTER, _VOID = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC
_IN_SEGMENT = {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, _VOID, 0xBF}
_IN_CLUSTER = {0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854, _VOID, 0xBF}

# Four bytes of number and eight of size.
_LONGEST_ELEMENT_HEADER = 12


class ContainerCheck(Protocol):
    """A running check beside the reading of the container; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def is_whole_to(self, offset: int | None) -> bool:
        """Whether the file is sound up to byte ``offset``, or to its end for None. Offsets come rising."""


def container_check(path: Path, container: InputContainer, stream: av.VideoStream) -> ContainerCheck:
    """The check that fits the container: of the mp4 and mov family, of Matroska and WebM, or none."""
    names = container.format.name.split(",")
    if "mov" in names:
        return _IndexCheck(path, stream)
    return _MatroskaCheck(path) if "matroska" in names else _NoCheck()


class _NoCheck:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def is_whole_to(self, offset: int | None) -> bool:
        return True


class _IndexCheck(_NoCheck):
    """The index of an mp4 names the bytes of every frame; that of a fragmented one grows with reading."""

    def __init__(self, path: Path, stream: av.VideoStream) -> None:
        self._size = path.stat().st_size
        self._stream = stream

    def is_whole_to(self, offset: int | None) -> bool:
        if offset is not None:
            return True  # FFmpeg itself marks the packet the file ends in
        return max((entry.pos + entry.size for entry in self._stream.index_entries), default=0) <= self._size


class _MatroskaCheck(_NoCheck):
    """Walks the elements of the segment: each must be a known one and end within its parent and the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._whole = True
        self._at = self._segment_end = 0
        self._cluster_end: int | None = None

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._stack.enter_context(open_input(self._path))
        self._size = self._path.stat().st_size
        self._enter_segment()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def is_whole_to(self, offset: int | None) -> bool:
        end = self._segment_end if offset is None else min(offset, self._segment_end)
        while self._whole and self._at < end:
            self._step()
        return self._whole

    def _enter_segment(self) -> None:
        """Go to the segment's first element; a segment of unknown size, as live recordings have, is not checked."""
        while (element := self._element()) is not None:
            number, content, end = element
            if number == _SEGMENT:
                self._at, self._segment_end = content, end or 0
                return
            if number not in (_EBML_HEADER, _VOID) or end is None:
                return
            self._at = end

    def _step(self) -> None:
        in_cluster = self._cluster_end is not None
        parent_end = self._segment_end if self._cluster_end is None else self._cluster_end
        element = self._element()
        if element is None:
            self._whole = False
            return
        number, content, end = element
        if number == _CLUSTER and not in_cluster:
            self._at, self._cluster_end = content, end
            if end is None:
                self._segment_end = 0  # its end would have to be guessed
        elif number not in (_IN_CLUSTER if in_cluster else _IN_SEGMENT) or end is None:
            self._whole = False
        else:
            self._at = end
            self._whole = end <= min(parent_end, self._size)
        if self._at == self._cluster_end:
            self._cluster_end = None

    def _element(self) -> tuple[int, int, int | None] | None:
        """Number, first byte of the content, and end (None where unknown) of the element at ``_at``."""
        self._file.seek(self._at)
        header = self._file.read(_LONGEST_ELEMENT_HEADER)
        number_length = _vint_length(header)
        size_length = _vint_length(header[number_length:])
        if not number_length or not size_length or len(header) < number_length + size_length:
            return None
        number = int.from_bytes(header[:number_length], "big")
        unknown = (1 << 7 * size_length) - 1
        size = int.from_bytes(header[number_length : number_length + size_length], "big") & unknown
        content = self._at + number_length + size_length
        return number, content, None if size == unknown else content + size


def _vint_length(data: bytes) -> int:
    """Bytes of the variable-length integer that ``data`` begins with; 0 if there is none."""
    return 9 - data[0].bit_length() if data and data[0] else 0
