# SPDX-License-Identifier: Apache-2.0
"""One message of the backend protocol as the frames of a ZeroMQ multipart message.

    [version, type, job id, header, blob …]

``version`` is ``ex4d/2``; ``type`` a lower-case word; the job id is chosen by the client and empty where a message is
about no job; the header is a JSON object; blobs are bytes that the header names. The first frame keeps its place in
every version of the protocol, and an ``error`` its form, so that two versions can tell each other that they do not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ex4d.protocol.errors import OtherVersionError, ProtocolError
from ex4d.protocol.parsing import parse_json

VERSION = b"ex4d/2"
#: A header is a page of JSON at most; what is longer (a trajectory) travels as a blob.
MAX_HEADER_BYTES = 1 << 20
#: A message's blobs together: trajectories have about 500 bytes a frame.
MAX_BLOB_BYTES = 64 << 20
MAX_BLOBS = 4
MAX_FRAMES = 4 + MAX_BLOBS
#: JSON of this depth is no message of ours, and deeper ones exhaust the parser's stack.
MAX_DEPTH = 32

_TYPE = re.compile(rb"[a-z_]{1,32}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(rb"ex4d/[0-9]{1,6}")


@dataclass(frozen=True)
class Message:
    """A checked message.

    Attributes:
        type: what it is.
        job: the id of the job it is about, or "".
        header: JSON object.
        blobs: at most ``MAX_BLOBS`` byte strings of ``MAX_BLOB_BYTES`` together.
        version: of the protocol; another one only in an ``error`` for a side that speaks no other.
    """

    type: str
    job: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    blobs: tuple[bytes, ...] = ()
    version: bytes = VERSION


def is_job_id(text: str) -> bool:
    """Whether a job may be called that: 1 to 64 letters, digits, - and _."""
    return _JOB_ID.fullmatch(text) is not None


def encode(message: Message) -> list[bytes]:
    """The frames of a message.

    Raises:
        ProtocolError: it is longer than the other side takes.
        TypeError, ValueError: the header is not JSON, or has numbers that are not finite.
    """
    header = json_bytes(message.header)
    _check_sizes(len(header), message.blobs)
    return [message.version, message.type.encode(), message.job.encode(), header, *message.blobs]


def json_bytes(value: Any) -> bytes:
    """JSON, as short as it can be; raises TypeError or ValueError for what is none."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _check_sizes(header_bytes: int, blobs: Sequence[bytes]) -> None:
    if header_bytes > MAX_HEADER_BYTES:
        raise ProtocolError(
            f"A message's header has {header_bytes} bytes; {MAX_HEADER_BYTES} are allowed.", "Ask for less at once."
        )
    if len(blobs) > MAX_BLOBS:
        raise ProtocolError(f"A message has {len(blobs)} blobs; {MAX_BLOBS} are allowed.")
    if (total := sum(map(len, blobs))) > MAX_BLOB_BYTES:
        raise ProtocolError(
            f"A message's blobs have {total} bytes; {MAX_BLOB_BYTES} are allowed.", "Ask for fewer frames at once."
        )


def _is_deep(value: Any) -> bool:
    """Whether a parsed JSON value has more than ``MAX_DEPTH`` levels. Not by a function that calls itself: the parser
    takes more levels than Python has room for calls."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _header(frame: bytes) -> dict[str, Any]:
    try:
        header = parse_json(frame.decode("utf-8"))
    except ValueError as error:
        raise ProtocolError("A message's header is not JSON.") from error
    if not isinstance(header, dict) or _is_deep(header):
        raise ProtocolError("A message's header is not a JSON object, or one of too many levels.")
    return header


def _other_version(other: bytes) -> OtherVersionError:
    is_older = int(other[5:]) < int(VERSION[5:])
    return OtherVersionError(
        other,
        f"The other side speaks {other.decode()}, this one {VERSION.decode()}.",
        f"{'Update the other side' if is_older else 'Update this side'}: install the extension and the backend in the "
        "same version (Preferences, Install Backend).",
    )


def decode(frames: Sequence[bytes]) -> Message:
    """The message of these frames.

    Raises:
        ProtocolError: it is none.
        OtherVersionError: it is of another version of the protocol.
    """
    if not frames or not _VERSION.fullmatch(frames[0][:16]):
        raise ProtocolError("A message does not begin with the protocol's version.")
    if frames[0] != VERSION:
        raise _other_version(frames[0])
    if not 4 <= len(frames) <= MAX_FRAMES:
        raise ProtocolError(f"A message has {len(frames)} frames; 4 to {MAX_FRAMES} are allowed.")
    if not _TYPE.fullmatch(frames[1]):
        raise ProtocolError("A message's type is not a lower-case word.")
    job = frames[2].decode("ascii", errors="replace") if len(frames[2]) <= 64 else "?"
    if job and not is_job_id(job):
        raise ProtocolError("A job id is not made of 1 to 64 letters, digits, - and _.")
    _check_sizes(len(frames[3]), frames[4:])
    return Message(frames[1].decode(), job, _header(frames[3]), tuple(bytes(frame) for frame in frames[4:]))
