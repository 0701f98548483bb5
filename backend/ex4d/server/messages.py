# SPDX-License-Identifier: Apache-2.0
"""Taking a message from a socket, and no more of it than is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import zmq

from ex4d.protocol.errors import ProtocolError
from ex4d.protocol.wire import MAX_BLOB_BYTES, MAX_FRAMES, MAX_HEADER_BYTES, Message, decode


@dataclass(frozen=True)
class Received:
    """What has come.

    Attributes:
        frames: those within the protocol's limits.
        routed: how many of them stand before the message's own.
        problem: why it is no message.
    """

    frames: list[bytes]
    routed: int
    problem: ProtocolError | None = None

    def message(self) -> Message:
        """The checked message; raises ProtocolError where it is none."""
        if self.problem is not None:
            raise self.problem
        return decode(self.frames[self.routed :])


def receive(socket: zmq.Socket[bytes], routed: int = 0) -> Received:
    """The next message that has come. What is beyond the protocol's limits is dropped frame by frame, without being
    copied.

    Args:
        socket: where it comes from.
        routed: frames before the message's own: a ROUTER's identity.

    Raises:
        zmq.Again: none has come.
    """
    frames: list[bytes] = []
    count, size = 0, 0
    more = True
    while more:
        frame = socket.recv(zmq.NOBLOCK, copy=False)
        more = frame.more
        count, size = count + 1, size + len(frame)
        if count <= routed + MAX_FRAMES and size <= MAX_HEADER_BYTES + MAX_BLOB_BYTES:
            frames.append(frame.bytes)
    problem = None
    if count > routed + MAX_FRAMES:
        problem = ProtocolError(f"A message has {count - routed} frames; {MAX_FRAMES} are allowed.")
    elif len(frames) < count:
        problem = ProtocolError(
            f"A message has {size} bytes; {MAX_BLOB_BYTES} are allowed.", "Ask for fewer frames at once."
        )
    return Received(frames, routed, problem)
