# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's client: one DEALER socket, drained by whoever calls ``poll``. No threads of ours.

libzmq's own thread queues what arrives, so ``poll(0)`` in a timer costs microseconds. A job's id is chosen here before
anything is sent; that makes sending it again after a lost connection harmless.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import zmq

from ex4d.protocol import wire
from ex4d.protocol.capabilities import Welcome
from ex4d.protocol.errors import ErrorInfo, Ex4dError, OtherVersionError, ProtocolError, TransientError
from ex4d.protocol.jobs import FAILED, FINAL_STATES, JobSnapshot, job_of, new_job_id
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.requests import Request, job_name, request_record
from ex4d.protocol.runtime import Handshake

from .versions import protocol_difference

#: A backend whose pings have not been answered for this long hangs: its front does nothing that takes a while, even
#: while its worker is busy. A machine that swaps may make it wait for seconds, so this is generous.
SILENCE_SECONDS = 30.0
PING_SECONDS = 5.0


class SilentBackendError(TransientError):
    """A backend that is there does not answer."""

    def __init__(self) -> None:
        super().__init__(
            f"The backend has not answered for {SILENCE_SECONDS:.0f} seconds.",
            "Run it again: finished stages are kept. If it stays so, end the backend's process.",
        )


@dataclass(frozen=True)
class AskedJob:
    """A job as it was asked for, kept until it has ended so that it can be sent again."""

    request: Request
    title: str

    def message(self, job: str) -> wire.Message:
        """What asks for it."""
        record, blobs = request_record(self.request)
        header = {"kind": job_name(self.request), "request": record, "title": self.title}
        return wire.Message("submit", job, header, blobs)


@dataclass
class Updates:
    """What one ``poll`` brought.

    Attributes:
        jobs: changed jobs, the last snapshot of each.
        errors: answers to messages that the backend refused; they belong to no job.
        welcome: the backend has just introduced itself.
        listed: the answer to ``list`` has come.
        left: the backend has said goodbye.
    """

    jobs: dict[str, JobSnapshot] = field(default_factory=dict)
    errors: list[Ex4dError] = field(default_factory=list)
    welcome: bool = False
    listed: bool = False
    left: bool = False

    def __bool__(self) -> bool:
        return bool(self.jobs or self.errors or self.welcome or self.listed or self.left)


class JobClient:
    """Talks to one backend after the other; jobs outlive the connection.

    Attributes:
        name: what the backend's log calls this client.
        jobs: last snapshot of each known job, by id.
        welcome: what the backend said of itself, None while not connected.
        refusal: why the backend that is connected cannot be spoken with: it is of another version of the protocol.
    """

    def __init__(self, name: str, *, pid: int | None = None) -> None:
        """``pid``: the process for whose life the backend stays, default this one."""
        self.name = name
        self.pid = os.getpid() if pid is None else pid
        self.jobs: dict[str, JobSnapshot] = {}
        self.welcome: Welcome | None = None
        self.refusal: Ex4dError | None = None
        self.handshake: Handshake | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._asked: dict[str, AskedJob] = {}
        #: The place of each job in the list, rising.
        self._places: dict[str, int] = {}
        self._resumed: set[str] = set()
        self._last_heard = 0.0
        self._last_ping = 0.0
        self._last_poll = 0.0

    # Connection ---------------------------------------------------------------------------------------------------

    def connect(self, handshake: Handshake) -> None:
        """Connect, and send all unfinished jobs again; what is running over there goes on.

        Raises:
            TransientError: the handshake's address or keys are none.
        """
        self.disconnect()
        try:
            self._open(handshake)
        except zmq.ZMQError as error:
            self.disconnect()
            raise TransientError(
                f"The backend's address {handshake.endpoint} cannot be used: {error.strerror}.", "Restart the backend."
            ) from error
        self._last_heard = self._last_ping = time.monotonic()
        self._send(wire.Message("hello", header={"client": self.name, "pid": self.pid}))
        for job, asked in self._asked.items():
            self._send_asked(job, asked)
        for job in list(self._resumed):
            self.resume(job)

    def _open(self, handshake: Handshake) -> None:
        self._context = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.sndhwm = socket.rcvhwm = 10_000
        socket.maxmsgsize = wire.MAX_BLOB_BYTES
        socket.curve_serverkey = handshake.server_public.encode()
        socket.curve_publickey = handshake.client_public.encode()
        socket.curve_secretkey = handshake.client_secret.encode()
        socket.reconnect_ivl, socket.reconnect_ivl_max = 100, 2000
        socket.connect(handshake.endpoint)
        self._socket, self.handshake = socket, handshake

    def disconnect(self) -> None:
        """Close the socket at once; jobs in the backend go on."""
        if self._socket is not None:
            self._socket.close(linger=0)
        if self._context is not None:
            self._context.destroy(linger=0)
        self._socket = self._context = self.handshake = self.welcome = self.refusal = None

    @property
    def is_open(self) -> bool:
        """Whether there is a socket; see ``welcome`` for whether the backend has answered."""
        return self._socket is not None

    @property
    def is_silent(self) -> bool:
        """Whether the backend has not answered for ``SILENCE_SECONDS`` in which it was listened to."""
        now = time.monotonic()
        listened = now - self._last_poll < 2 * PING_SECONDS
        return self._socket is not None and listened and now - self._last_heard > SILENCE_SECONDS

    # Jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, request: Request, *, title: str = "", job: str | None = None, place: int | None = None) -> str:
        """Ask for a job; returns its id at once. Without a connection it is sent as soon as there is one.

        Args:
            request: what is asked for.
            title: for people.
            job: its id; the same id is the same job.
            place: in the list, default after all others.

        Raises:
            ProtocolError: it is longer than the backend takes.
        """
        job = job or new_job_id()
        asked = AskedJob(request, title)
        # What the backend would not even answer is refused here.
        wire.encode(asked.message(job))
        self._asked[job] = asked
        self._place(job, place)
        self.jobs[job] = JobSnapshot(job, job_name(request), title=title, created=time.time())
        if self._socket is not None:
            self._send_asked(job, asked)
        return job

    def _place(self, job: str, place: int | None = None) -> None:
        self._places.setdefault(job, max(self._places.values(), default=0) + 1 if place is None else place)

    def retry(self, job: str) -> str | None:
        """Ask for an ended job once more under a new id, in the place of the old one, which is forgotten; None where
        its request is no longer known."""
        asked = self._asked.get(job)
        if asked is None or not self.jobs[job].is_final:
            return None
        again = self.submit(asked.request, title=asked.title, place=self._places.get(job))
        self.forget(job)
        return again

    @property
    def in_order(self) -> Sequence[JobSnapshot]:
        """All jobs in the order in which they were asked for; one that was asked for again is where it was."""
        return sorted(self.jobs.values(), key=lambda job: self._places.get(job.id, 0))

    def cancel(self, job: str) -> None:
        """Ask to stop a job; its state tells when it has."""
        if self._socket is not None:
            self._send(wire.Message("cancel", job))
        elif job in self.jobs and not self.jobs[job].is_final:
            # Never sent, or the backend is gone: there is nothing to stop.
            self.jobs[job] = JobSnapshot(job, self.jobs[job].kind, state="cancelled", title=self.jobs[job].title)

    def watch(self, job: str) -> None:
        """Ask where a job is, and to be told of its changes."""
        self._send(wire.Message("watch", job))

    def resume(self, job: str) -> None:
        """Take up a job that a former client asked for, now or as soon as there is a connection. One that the backend
        does not know any more ends as failed, with an empty ``kind``."""
        if job in self._asked or (job in self.jobs and self.jobs[job].is_final):
            return
        self._resumed.add(job)
        if self._socket is not None:
            self._place(job)
            self.jobs.setdefault(job, JobSnapshot(job, "", created=time.time()))
            self.watch(job)

    def list(self) -> None:
        """Ask for all jobs of the backend, and to be told of their changes."""
        self._send(wire.Message("list"))

    def forget(self, job: str) -> None:
        """Drop a finished job from this client's memory."""
        if job in self.jobs and self.jobs[job].is_final:
            del self.jobs[job]
            self._asked.pop(job, None)
            self._places.pop(job, None)

    def shutdown(self) -> None:
        """Ask the backend to stop; unfinished jobs are cancelled, finished stages stay."""
        self._send(wire.Message("shutdown"))

    @property
    def unfinished(self) -> Sequence[JobSnapshot]:
        """Jobs that have not ended, oldest first."""
        return [job for job in self.jobs.values() if not job.is_final]

    # Messages -----------------------------------------------------------------------------------------------------

    def poll(self, timeout_ms: int = 0, *, budget_s: float = 0.01) -> Updates:
        """Take what has arrived, for ``budget_s`` at most; waits up to ``timeout_ms`` for the first message."""
        updates = Updates()
        socket = self._socket
        if socket is None:
            return updates
        self._keep_alive()
        if timeout_ms and not socket.poll(timeout_ms):
            return updates
        end = time.monotonic() + budget_s
        while time.monotonic() < end:
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._take(frames, updates)
        return updates

    def wait(
        self,
        job: str,
        on_change: Callable[[JobSnapshot], None] = lambda _: None,
        *,
        alive: Callable[[], bool] = lambda: True,
    ) -> JobSnapshot:
        """Block until a job has ended; for background mode and the command line.

        Args:
            on_change: called with each new snapshot.
            alive: asked now and then whether the backend still lives.

        Raises:
            TransientError: the backend is gone.
            SilentBackendError: it is there, but does not answer.
        """
        while True:
            for snapshot in self.poll(200).jobs.values():
                if snapshot.id == job:
                    on_change(snapshot)
            if self.jobs[job].is_final:
                return self.jobs[job]
            if self.is_silent:
                raise SilentBackendError
            if not alive():
                raise TransientError(
                    "The backend has stopped in the middle of the job.",
                    "Run it again: finished stages are kept. The backend's log tells why.",
                )

    def _keep_alive(self) -> None:
        now = self._last_poll = time.monotonic()
        if now - self._last_ping > PING_SECONDS:
            if now - self._last_ping > 2 * PING_SECONDS:
                # We were not asked for a while (a render, a long import): silence was ours, not the backend's.
                self._last_heard = now
            self._last_ping = now
            self._send(wire.Message("ping"))
            for job in self.unfinished:
                # A backend forgets who waits for what when very many clients come and go.
                if job.id in self._asked or job.id in self._resumed:
                    self.watch(job.id)

    def _take(self, frames: Sequence[bytes], updates: Updates) -> None:
        try:
            message = wire.decode(frames)
        except OtherVersionError as error:
            self._refuse(protocol_difference(error.other.decode(), wire.VERSION.decode()), updates)
            return
        except ProtocolError as error:
            updates.errors.append(error)
            return
        self._last_heard = time.monotonic()
        if message.type == "welcome":
            try:
                self.welcome, updates.welcome = from_record(Welcome, message.header, "welcome", lenient=True), True
            except Ex4dError as error:
                updates.errors.append(error)
        elif message.type == "job":
            try:
                self._remember(job_of(message), updates)
            except Ex4dError as error:
                updates.errors.append(error)
        elif message.type == "jobs":
            updates.listed = True
            for record in message.header.get("jobs", []):
                with suppress(Ex4dError):
                    self._remember(JobSnapshot.from_record(record), updates)
        elif message.type == "error":
            self._take_error(message, updates)
        elif message.type == "bye":
            self.welcome, updates.left = None, True

    def _take_error(self, message: wire.Message, updates: Updates) -> None:
        told = ErrorInfo.from_header(message.header)
        if message.job in self.jobs:
            # The backend took no such job.
            self._fail(message.job, told, updates)
        elif told.kind == ProtocolError.kind and self.welcome is None:
            # A later backend says so in a form that we can read.
            self._refuse(told.error(), updates)
        else:
            updates.errors.append(told.error())

    def _refuse(self, error: Ex4dError, updates: Updates) -> None:
        """The backend speaks another version: that is said once, and what it was asked for has failed."""
        self._last_heard = time.monotonic()
        refused, self.refusal = self.unfinished, self.refusal or error
        if not refused and self.refusal is error:
            updates.errors.append(error)
        for job in refused:
            self._fail(job.id, ErrorInfo.of(self.refusal), updates)

    def _fail(self, job: str, error: ErrorInfo, updates: Updates) -> None:
        known = self.jobs[job]
        self._resumed.discard(job)
        self.jobs[job] = updates.jobs[job] = JobSnapshot(
            job, known.kind, state=FAILED, title=known.title, error=error, created=known.created, finished=time.time()
        )

    def _remember(self, snapshot: JobSnapshot, updates: Updates) -> None:
        known = self.jobs.get(snapshot.id)
        if known is not None and known.is_final and snapshot.state not in FINAL_STATES:
            return
        if snapshot.is_final:
            self._resumed.discard(snapshot.id)
        self._place(snapshot.id)
        self.jobs[snapshot.id] = updates.jobs[snapshot.id] = snapshot

    def _send_asked(self, job: str, asked: AskedJob) -> None:
        if job in self.jobs and self.jobs[job].is_final:
            return
        self._send(asked.message(job))

    def _send(self, message: wire.Message) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send_multipart(wire.encode(message), zmq.NOBLOCK)
        except zmq.Again as error:
            raise TransientError(
                "The backend does not take messages any more.", "Restart it (Preferences, Stop; it starts by itself)."
            ) from error
