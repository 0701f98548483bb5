# SPDX-License-Identifier: Apache-2.0
"""Opening a user's movie: its container, of a known kind and from no other place, with FFmpeg's failures told apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer

from ex4d.protocol.errors import BadInputError, Ex4dError
from ex4d.system.inputs import check_input
from ex4d.system.memory import CODEC_BYTES, memory_error

#: FFmpeg also opens play lists, which read other files and the network, and text files, which it draws as pictures.
CONTAINERS = (
    *("mov", "mp4", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "mxf", "gxf", "asf", "wtv", "flv", "ogg"),
    *("nut", "rm", "dv", "ivf", "h264", "hevc", "vvc", "m4v", "av1", "obu", "vc1", "dirac", "cavsvideo", "mjpeg"),
    *("yuv4mpegpipe", "cine", "gif", "apng"),
)

#: FFmpegError has the failures of FFmpeg; PyAV itself raises the others on values it does not know.
DECODE_ERRORS = (av.error.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)

# Titles in other encodings are no reason to refuse a movie; PyAV 19 knows that by itself and takes no such argument.
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """A movie's container, closed at the end.

    Raises:
        BadInputError: the file is missing or no movie.
    """
    check_input(path)
    try:
        container = av.open(
            f"file:{path}",  # without the protocol, a colon in the name would be taken for one
            mode="r",
            options={"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"},
            **_METADATA,
        )
    except DECODE_ERRORS as error:
        raise error_of(error, cannot_be_opened(path)) from error
    with container:
        yield container


def error_of(error: Exception, damaged: BadInputError) -> Ex4dError:
    """That of too little memory, where FFmpeg failed for it, else ``damaged``."""
    return memory_error(error, needs=CODEC_BYTES) or damaged


def cannot_be_opened(path: Path) -> BadInputError:
    """The error for a file that is no movie."""
    return BadInputError(
        f"{path} cannot be opened: it is no movie, or it is damaged or cut short.", "Copy or export the file again."
    )
