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
from pathlib import Path, PurePath
from typing import Any

import zmq

from ex4d.protocol import wire
from ex4d.protocol.capabilities import Held, Ready
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.requests import request_record
from ex4d.protocol.runtime import open_private
from ex4d.server.demands import shot_of
from ex4d.server.endpoints import Endpoints
from ex4d.server.messages import receive
from ex4d.server.places import WorkerPlace
from ex4d.server.queue import Task

log = logging.getLogger(__name__)

#: What Python runs as a worker.
WORKER = ("-m", "ex4d.server.worker")
#: A worker that has not reported after this long is broken; a cold disk makes imports slow.
START_SECONDS = 120.0
#: After a cancel: this long until the worker is asked by signal, and so long again until it is killed.
TERMINATE_SECONDS = 5.0
KILL_SECONDS = 3.0
#: After it was asked to end: this long until it is asked by signal.
END_SECONDS = 3.0
#: A worker without a job that has not let go of what it holds after this long does not listen: tens of GB of locked
#: memory take seconds.
LET_GO_SECONDS = 60.0
STDERR_FILE = "worker.stderr"
STDERR_BYTES = 1 << 20
#: Of what a worker that cannot start has printed, this much is read.
STDERR_TAIL = 1 << 14


def _environment(place: WorkerPlace) -> dict[str, str]:
    """The variables of a worker. Its current folder is another, so that those which name places become absolute; an
    empty entry of PYTHONPATH would mean the current folder."""
    variables = dict(os.environ)
    for name in (name for name in ("PYTHONPATH", "EX4D_MODELS") if name in variables):
        places = [str(Path(place).absolute()) for place in variables[name].split(os.pathsep) if place]
        variables[name] = os.pathsep.join(places)
    for single in (name for name in ("EX4D_DISTILL_LORA", "EX4D_COTRACKER") if variables.get(name)):
        variables[single] = str(Path(variables[single]).absolute())
    return {**variables, **place.variables}


def _how(code: int) -> str:
    """A process's end in words, from what ``Popen`` says of it."""
    with suppress(ValueError):
        if code < 0:
            return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@dataclass
class WorkerHandle:
    """One worker at a time, and the job it does.

    Attributes:
        name: no other one of the backend has it.
        lane: whose jobs it does.
        context: ZeroMQ's.
        runtime: folder for logs.
        allow: called with the public key that the next worker will use.
        endpoints: where its socket listens.
        umask: of the worker, -1 = as this process has it.
        place: the GPU that it is on.
        process: the worker, from its start until its death was seen.
        ready: what it has said of itself; None while it starts.
        job: what it does.
        begun: whether it has said anything of its job yet.
        holds: keys of the models that it holds, as it has said.
        shares: names of the workers on whose GPUs its ranks may be.
        is_letting_go: whether it was asked to let go of both, and has not yet.
        shot: of its last job.
        free_since: when it last became free, monotonic seconds.
    """

    name: str
    lane: str
    context: zmq.Context[zmq.Socket[bytes]]
    runtime: Path
    server_keys: tuple[bytes, bytes]
    allow: Callable[[bytes], None]
    endpoints: Endpoints
    umask: int = -1
    place: WorkerPlace = field(default_factory=WorkerPlace)
    process: subprocess.Popen[bytes] | None = None
    socket: zmq.Socket[bytes] | None = None
    ready: Ready | None = None
    job: str | None = None
    begun: bool = False
    holds: frozenset[str] = frozenset()
    shares: frozenset[str] = frozenset()
    is_letting_go: bool = False
    shot: PurePath | None = None
    free_since: float = 0.0
    _started: float = 0.0
    #: When it was last asked to stop its job or to end, and how many seconds it has until it is terminated.
    _asked: tuple[float, float] | None = None
    _terminated: bool = False
    _ending: bool = False
    _stderr_from: int = 0
    _let_go_asked: float = 0.0

    # Process ------------------------------------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether a job can be given to it at once."""
        return self.ready is not None and self.job is None and not self._ending

    def start(self) -> str | None:
        """Start a worker if there is none; it reports by itself when it is ready. Returns why it cannot be started."""
        if self.process is not None:
            return None
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
            "lane": self.lane,
            "name": self.name,
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
                # Appending files stand at 0 until they are written to.
                self._stderr_from = stderr.seek(0, os.SEEK_END)
                self.process = subprocess.Popen(
                    [sys.executable, *isolated, *WORKER],
                    stdin=subprocess.PIPE,
                    stdout=stderr,
                    stderr=stderr,
                    cwd=self.runtime,
                    env=_environment(self.place),
                    umask=self.umask,
                    **group,
                )
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(welcome).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            log.exception("a worker cannot be started")
            socket.close()
            self.kill()
            self._clear()
            return str(error.strerror or error)
        self.socket, self._started = socket, time.monotonic()
        log.info("worker %d started (%s)", self.process.pid, self.name)
        return None

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
        how = _how(code)
        log.log(logging.INFO if self._ending else logging.WARNING, "worker %d has ended: %s", self.process.pid, how)
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

    def missing_module(self) -> str:
        """The error of the worker that has just died because something it needs is not installed, or ""."""
        try:
            with (self.runtime / STDERR_FILE).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - STDERR_TAIL, min(self._stderr_from, size)))
                lines = file.read(STDERR_TAIL).decode(errors="replace").splitlines()
        except OSError:
            return ""
        found = [line for line in lines if line.startswith(("ImportError: ", "ModuleNotFoundError: "))]
        # A library that does not fit into the memory that is left says so too; later it may.
        if not found or any("memory" in line or "failed to map" in line for line in found):
            return ""
        return found[-1]

    def end(self) -> None:
        """Ask the worker to end; ``insist`` sees to it that it does, ``death`` tells when it has."""
        if self.process is None or self._ending:
            return
        self._ending, self._terminated = True, False
        self._asked = (time.monotonic(), END_SECONDS)
        self._say(wire.Message("quit"))

    def kill(self) -> None:
        """End the worker at once; ``death`` tells when it has ended."""
        if self.process is not None:
            self._ending = True
            with suppress(OSError):
                self.process.kill()

    def _clear(self) -> None:
        if self.socket is not None:
            self.socket.close(linger=0)
        self._close_process()
        self.socket = self.ready = self.job = self._asked = None
        self._terminated = self._ending = self.begun = self.is_letting_go = False
        self.holds = self.shares = frozenset()

    def _close_process(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        self.process = None

    # Work ---------------------------------------------------------------------------------------------------------

    def give(self, task: Task, gpus: tuple[int, ...] = ()) -> None:
        """Give the worker a job. One that cannot take it has just died, or is killed: ``death`` tells.

        Args:
            task: the job.
            gpus: that it may use; () = those that the worker knows of.
        """
        header = {"kind": task.snapshot.kind, "request": request_record(task.request)[0], "gpus": list(gpus)}
        self.shot = shot_of(task.request)
        is_said = self._say(wire.Message("run", task.snapshot.id, header, task.blobs))
        self.job, self.begun, self._asked, self._terminated = task.snapshot.id, False, None, False
        if not is_said:
            log.warning("the worker (%s) does not take job %s", self.name, self.job)
            self.kill()

    def let_go(self) -> None:
        """Ask the worker to free what it holds between jobs; it does so when it is free. One that cannot be asked has
        just died."""
        if self.process is not None and not self.is_letting_go:
            self.is_letting_go, self._let_go_asked = self._say(wire.Message("let_go")), time.monotonic()

    def _say(self, message: wire.Message) -> bool:
        """Whether the worker's connection has taken a message. Nothing here may wait for a worker: where its connection
        has just gone, a send that waits does so for ever."""
        if self.socket is None:
            return False
        try:
            self.socket.send_multipart(wire.encode(message), zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        return True

    def cancel(self, job: str) -> None:
        """Ask the worker to stop its job; ``insist`` sees to it that it does."""
        if self.job == job and self._asked is None:
            self._asked = (time.monotonic(), TERMINATE_SECONDS)
            self._say(wire.Message("cancel", job))

    def messages(self) -> Iterator[wire.Message]:
        """What the worker has said; raises ProtocolError or UsageError where that is nonsense."""
        while self.socket is not None:
            try:
                received = receive(self.socket)
            except zmq.ZMQError:
                return
            message = received.message()
            if message.type == "ready":
                self.ready = from_record(Ready, message.header, "ready", lenient=True)
                self.free_since = time.monotonic()
            elif message.type == "holds":
                held = from_record(Held, message.header, "holds")
                self.holds = frozenset(held.models)
                if held.let_go:
                    self.is_letting_go, self.shares = False, frozenset()
            self.begun = self.begun or message.job == self.job
            if message.type in ("done", "failed") and message.job == self.job:
                self.job, self.free_since = None, time.monotonic()
                if not self._ending:
                    self._asked = None
            yield message

    def insist(self) -> None:
        """Terminate, then kill a worker that does not stop what it was asked to stop; kill one that does not let go."""
        since_free = time.monotonic() - max(self.free_since, self._let_go_asked)
        if self.is_letting_go and self.job is None and since_free > LET_GO_SECONDS:
            log.warning("worker (%s) is killed: it does not let go of what it holds", self.name)
            self.is_letting_go = False
            self.kill()
        if self._asked is None or self.process is None:
            return
        since, patience = self._asked
        waited = time.monotonic() - since
        if waited > patience + KILL_SECONDS:
            log.warning("worker %d is killed: it does not stop", self.process.pid)
            self.kill()
            self._asked = None
        elif waited > patience and not self._terminated:
            self._terminated = True
            with suppress(OSError):
                self.process.terminate()
