# SPDX-License-Identifier: Apache-2.0
"""A worker process as its backend sees it: started when needed, told what to do, stopped when it does not listen."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from ex4d.protocol import wire
from ex4d.protocol.errors import ProtocolError
from ex4d.protocol.jobs import params_record
from ex4d.protocol.runtime import open_private
from ex4d.server.endpoints import Endpoints
from ex4d.server.journal import Entry

log = logging.getLogger(__name__)

#: A worker that has not reported after this long is broken; a cold disk makes imports slow.
START_SECONDS = 120.0
#: After a cancel: this long until the worker is asked by signal, and again as long until it is killed.
TERMINATE_SECONDS = 5.0
KILL_SECONDS = 3.0
STDERR_FILE = "worker.stderr"
STDERR_BYTES = 1 << 20


def _environment() -> dict[str, str]:
    """The variables of a worker. Its current folder is another, so that those which name places become absolute; an
    empty entry of PYTHONPATH would mean the current folder."""
    variables = dict(os.environ)
    for name in (name for name in ("PYTHONPATH", "EX4D_MODELS") if name in variables):
        places = [str(Path(place).absolute()) for place in variables[name].split(os.pathsep) if place]
        variables[name] = os.pathsep.join(places)
    for single in (name for name in ("EX4D_DISTILL_LORA", "EX4D_COTRACKER") if variables.get(name)):
        variables[single] = str(Path(variables[single]).absolute())
    return variables


@dataclass
class Lane:
    """One worker at a time, and the job it does.

    Attributes:
        name: of the lane.
        context: ZeroMQ's.
        runtime: folder for logs.
        allow: called with the public key that the next worker will use.
        endpoints: where its socket listens.
        umask: of the worker, -1 = as this process has it.
    """

    name: str
    context: zmq.Context[zmq.Socket[bytes]]
    runtime: Path
    server_keys: tuple[bytes, bytes]
    allow: Callable[[bytes], None]
    endpoints: Endpoints
    umask: int = -1
    process: subprocess.Popen[bytes] | None = None
    socket: zmq.Socket[bytes] | None = None
    ready: dict[str, Any] | None = None
    job: str | None = None
    _started: float = 0.0
    _cancelled_at: float | None = None
    _terminated: bool = False
    _key: bytes = field(default=b"")

    # Process ------------------------------------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether a job can be given to it at once."""
        return self.ready is not None and self.job is None

    def start(self) -> None:
        """Start a worker if there is none; it reports by itself when it is ready."""
        if self.process is not None:
            return
        socket = self.context.socket(zmq.DEALER)
        socket.linger = 0
        socket.curve_server = True
        socket.curve_secretkey = self.server_keys[1]
        socket.zap_domain = self.name.encode()
        endpoint = self.endpoints.bind(socket, self.name)
        public, secret = zmq.curve_keypair()
        self.allow(public)
        welcome = {
            "endpoint": endpoint,
            "server_public": self.server_keys[0].decode(),
            "client_public": public.decode(),
            "client_secret": secret.decode(),
            "log": str(self.runtime / "worker.log"),
            "lane": self.name,
        }
        errors = self.runtime / STDERR_FILE
        with suppress(OSError):
            if errors.stat().st_size > STDERR_BYTES:
                errors.unlink()
        # -P: without it Python would look for modules in the current folder first.
        isolated = ["-I"] if sys.flags.isolated else ["-P"]
        # A terminal's Ctrl-C goes to the backend alone, which stops its workers in order.
        group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            with os.fdopen(open_private(errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as stderr:
                self.process = subprocess.Popen(
                    [sys.executable, *isolated, "-m", "ex4d.server.worker"],
                    stdin=subprocess.PIPE,
                    stdout=stderr,
                    stderr=stderr,
                    cwd=self.runtime,
                    env=_environment(),
                    umask=self.umask,
                    **group,
                )
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(welcome).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            log.exception("a worker cannot be started")
            socket.close()
            self._close_process()
            return
        self.socket, self._key, self._started = socket, public, time.monotonic()
        log.info("worker %d started (%s)", self.process.pid, self.name)

    def death(self) -> str | None:
        """How the worker has died; None while it lives or where there is none. A dead one is cleared away."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is None:
            if self.ready is None and time.monotonic() - self._started > START_SECONDS:
                log.error("worker %d has not reported for %.0f s", self.process.pid, START_SECONDS)
                self.process.kill()
            return None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        log.warning("worker %d has ended: %s", self.process.pid, how)
        self._clear()
        return how

    def resident_mib(self) -> int | None:
        """Memory that the worker holds, MiB; None where the system does not tell."""
        if self.process is None:
            return None
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return None
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    def end(self, seconds: float = KILL_SECONDS) -> None:
        """Stop the worker and wait for it."""
        if self.process is None:
            return
        if self.socket is not None:
            with suppress(zmq.ZMQError):
                self.socket.send_multipart(wire.encode(wire.Message("quit")), zmq.NOBLOCK)
        for stop in (None, self.process.terminate, self.process.kill):
            if stop is not None:
                with suppress(OSError):
                    stop()
            try:
                self.process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self._clear()

    def _clear(self) -> None:
        if self.socket is not None:
            self.socket.close(linger=0)
        self._close_process()
        self.socket = self.ready = self.job = self._cancelled_at = None
        self._terminated = False

    def _close_process(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        self.process = None

    # Work ---------------------------------------------------------------------------------------------------------

    def give(self, entry: Entry) -> None:
        """Give the worker a job."""
        assert self.socket is not None
        self.job, self._cancelled_at, self._terminated = entry.snapshot.id, None, False
        header = {"kind": entry.snapshot.kind, "params": params_record(entry.params)}
        self.socket.send_multipart(wire.encode(wire.Message("run", self.job, header, entry.blobs)))

    def cancel(self, job: str) -> None:
        """Ask the worker to stop its job; ``pump`` sees to it that it does."""
        if self.job == job and self._cancelled_at is None and self.socket is not None:
            self._cancelled_at = time.monotonic()
            with suppress(zmq.ZMQError):
                self.socket.send_multipart(wire.encode(wire.Message("cancel", job)), zmq.NOBLOCK)

    def messages(self) -> Iterator[wire.Message]:
        """What the worker has said."""
        while self.socket is not None:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                return
            try:
                message = wire.decode(frames)
            except ProtocolError:
                log.exception("the worker says nonsense")
                continue
            if message.type == "ready":
                self.ready = dict(message.header)
            if message.type in ("done", "failed") and message.job == self.job:
                self.job = self._cancelled_at = None
            yield message

    def insist(self) -> None:
        """Terminate, then kill a worker that does not stop a cancelled job."""
        if self._cancelled_at is None or self.process is None:
            return
        waited = time.monotonic() - self._cancelled_at
        if waited > TERMINATE_SECONDS + KILL_SECONDS:
            log.warning("worker %d is killed: it does not stop", self.process.pid)
            self.process.kill()
            self._cancelled_at = None
        elif waited > TERMINATE_SECONDS and not self._terminated:
            self._terminated = True
            self.process.terminate()
