# SPDX-License-Identifier: Apache-2.0
"""The clients of a backend: what each still has to hear. A slow or vanished one costs nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from ex4d.protocol import wire
from ex4d.protocol.jobs import JobSnapshot

log = logging.getLogger(__name__)

#: Answers that wait for a client that does not read; older ones are dropped.
MAX_REPLIES = 100
#: Clients that are remembered; a flood of connections pushes the oldest out.
MAX_CLIENTS = 256


@dataclass
class _Client:
    name: str = ""
    jobs: set[str] = field(default_factory=set)
    all_jobs: bool = False
    replies: deque[wire.Message] = field(default_factory=lambda: deque(maxlen=MAX_REPLIES))
    #: Jobs that have changed since the client last heard of them; however often, it hears the last state.
    changed: dict[str, None] = field(default_factory=dict)


class Clients:
    """Everyone who has sent a proper message, by ZeroMQ routing id."""

    def __init__(self, socket: zmq.Socket[bytes], snapshot: Callable[[str], JobSnapshot | None]) -> None:
        self._socket = socket
        self._snapshot = snapshot
        self._clients: dict[bytes, _Client] = {}

    def _client(self, identity: bytes) -> _Client:
        client = self._clients.pop(identity, None) or _Client()
        # The one that spoke last is the last in the dict.
        self._clients[identity] = client
        while len(self._clients) > MAX_CLIENTS:
            del self._clients[next(iter(self._clients))]
        return client

    def introduce(self, identity: bytes, name: str) -> None:
        """Remember a client's name."""
        self._client(identity).name = name[:100]

    def reply(self, identity: bytes, message: wire.Message) -> None:
        """Answer one client."""
        self._client(identity).replies.append(message)

    def watch(self, identity: bytes, job: str) -> None:
        """Tell a client where a job is, now and whenever it changes."""
        client = self._client(identity)
        client.jobs.add(job)
        client.changed[job] = None

    def watch_all(self, identity: bytes) -> None:
        """Tell a client of every job's changes."""
        self._client(identity).all_jobs = True

    def job_changed(self, job: str) -> None:
        """Tell those who watch it, at the next ``flush``."""
        for client in self._clients.values():
            if client.all_jobs or job in client.jobs:
                client.changed[job] = None

    def tell_all(self, message: wire.Message) -> None:
        """Answer everyone."""
        for client in self._clients.values():
            client.replies.append(message)

    @property
    def waiting(self) -> bool:
        """Whether somebody still has to hear something."""
        return any(client.replies or client.changed for client in self._clients.values())

    def flush(self) -> None:
        """Send what the clients' queues take."""
        for identity, client in list(self._clients.items()):
            try:
                while client.replies:
                    self._send(identity, client.replies[0])
                    client.replies.popleft()
                for job in list(client.changed):
                    snapshot = self._snapshot(job)
                    if snapshot is not None:
                        self._send(identity, wire.Message("job", job, snapshot.record()))
                    if snapshot is None or snapshot.is_final:
                        client.jobs.discard(job)
                    del client.changed[job]
            except zmq.Again:
                continue
            except zmq.ZMQError:
                # No such peer any more. Its jobs go on; it asks for them when it is back.
                log.info("client %s is gone", client.name or identity.hex())
                del self._clients[identity]

    def _send(self, identity: bytes, message: wire.Message) -> None:
        self._socket.send_multipart([identity, *wire.encode(message)], zmq.NOBLOCK)


def jobs_message(snapshots: list[JobSnapshot]) -> wire.Message:
    """All jobs in one message, the newest that fit into a header."""
    records: list[dict[str, Any]] = []
    size = 0
    for snapshot in reversed(snapshots):
        record = snapshot.record()
        size += len(wire.encode(wire.Message("job", snapshot.id, record))[3]) + 1
        if size > wire.MAX_HEADER_BYTES - 1024:
            break
        records.append(record)
    return wire.Message("jobs", header={"jobs": records[::-1]})
