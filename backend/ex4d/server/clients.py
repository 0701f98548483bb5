# SPDX-License-Identifier: Apache-2.0
"""The clients of a backend: what each still has to hear. A slow or vanished one costs nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import zmq

from ex4d.protocol import wire
from ex4d.protocol.errors import InternalError, error_record
from ex4d.protocol.jobs import JobSnapshot, job_message

log = logging.getLogger(__name__)

#: Answers that wait for a client that does not read; older ones are dropped.
MAX_REPLIES = 100
#: A record in the list of all jobs; longer ones (films) are sent by themselves.
MAX_LISTED_BYTES = wire.MAX_HEADER_BYTES // 4
#: Clients that are remembered; a flood of connections pushes the oldest out, those that wait for a job last.
MAX_CLIENTS = 256


@dataclass
class _Client:
    name: str = ""
    jobs: set[str] = field(default_factory=set)
    all_jobs: bool = False
    replies: deque[wire.Message] = field(default_factory=lambda: deque(maxlen=MAX_REPLIES))
    #: Jobs that have changed since the client last heard of them; however often, it hears the last state.
    changed: dict[str, None] = field(default_factory=dict)

    @property
    def watches(self) -> bool:
        return self.all_jobs or bool(self.jobs)


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
            waits_for_nothing = (known for known, other in self._clients.items() if not other.watches)
            del self._clients[next(waits_for_nothing, next(iter(self._clients)))]
        return client

    def introduce(self, identity: bytes, name: str) -> None:
        """Remember a client's name."""
        self._client(identity).name = " ".join(name.split())[:100]

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
                self._flush(identity, client)
            except zmq.Again:
                continue
            except zmq.ZMQError:
                # No such peer any more. Its jobs go on; it asks for them when it is back.
                log.info("client %s is gone", client.name or identity.hex())
                self._clients.pop(identity, None)

    def _flush(self, identity: bytes, client: _Client) -> None:
        while client.replies:
            self._send(identity, "", partial(client.replies.__getitem__, 0))
            client.replies.popleft()
        for job in list(client.changed):
            snapshot = self._snapshot(job)
            if snapshot is not None:
                self._send(identity, job, partial(job_message, snapshot))
            if snapshot is None or snapshot.is_final:
                client.jobs.discard(job)
            del client.changed[job]

    def _send(self, identity: bytes, job: str, message: Callable[[], wire.Message]) -> None:
        try:
            frames = wire.encode(message())
        except Exception as error:
            # One message that cannot be sent must not cost the others, nor its job be waited for.
            log.exception("job %s: a message cannot be sent", job)
            frames = wire.encode(wire.Message("error", job, error_record(InternalError(error))))
        self._socket.send_multipart([identity, *frames], zmq.NOBLOCK)


def jobs_message(snapshots: list[JobSnapshot]) -> tuple[wire.Message, list[str]]:
    """All jobs in one message, the newest that fit into a header.

    Returns:
        The message, and the ids of jobs whose records are too long for it.
    """
    records: list[dict[str, Any]] = []
    long: list[str] = []
    size = 0
    for snapshot in reversed(snapshots):
        record = snapshot.record()
        try:
            length = len(wire.json_bytes(record)) + 1
        except (TypeError, ValueError):
            length = MAX_LISTED_BYTES + 1
        if length > MAX_LISTED_BYTES:
            long.append(snapshot.id)
            continue
        size += length
        if size > wire.MAX_HEADER_BYTES - 1024:
            break
        records.append(record)
    return wire.Message("jobs", header={"jobs": records[::-1]}), long
