# SPDX-License-Identifier: Apache-2.0
"""The front process: takes messages, keeps the queue, supervises the workers. It never computes and never imports what
does, so that nothing a plate or a model does can take it down."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import zmq

from ex4d import __version__
from ex4d.protocol import wire
from ex4d.protocol.capabilities import EstimatorInfo, Ready, Welcome, WorkerInfo
from ex4d.protocol.errors import (
    Ex4dError,
    InternalError,
    OtherVersionError,
    ProtocolError,
    ResourceError,
    UsageError,
    error_from_record,
    error_record,
)
from ex4d.protocol.jobs import JobSnapshot, result_of
from ex4d.protocol.parse_dataclass import to_record
from ex4d.protocol.requests import parse_request, request_record
from ex4d.protocol.results import DownloadResult
from ex4d.protocol.runtime import LOG_FILE, Handshake, remove_handshake, write_handshake
from ex4d.server.auth import CLIENT_DOMAIN, Gate
from ex4d.server.clients import Clients, jobs_message
from ex4d.server.crew import Crew, crew_names
from ex4d.server.demands import DOCTOR_LANE, DOWNLOAD_LANE, WORK_LANE
from ex4d.server.endpoints import Endpoints
from ex4d.server.journal import Journal
from ex4d.server.lifetime import Owners
from ex4d.server.messages import receive
from ex4d.server.places import WorkerPlace
from ex4d.server.queue import JobQueue, Task
from ex4d.server.worker_handle import WorkerHandle

log = logging.getLogger(__name__)

#: Messages that are taken between two looks at the workers.
BURST = 200
TICK_MS = 200
#: The workers of all lanes but the first are not kept longer than this without work.
DOCTOR_IDLE_SECONDS = 30.0
_PASSING_LANES = (DOCTOR_LANE, DOWNLOAD_LANE)
#: A worker that has died while it started is started again after so long, after the second time, and from the third on.
RESTART_SECONDS = (1.0, 5.0, 25.0)
#: Starts that fail one after the other until the jobs that wait for the worker fail too.
MAX_FAILED_STARTS = 3
#: A backend that ends waits so long for its workers, which are killed before that.
CLOSE_SECONDS = 15.0
#: Between two looks at whether the journal is still there.
MEND_SECONDS = 5.0


@dataclass(frozen=True)
class FrontSettings:
    """How long a backend lives.

    Attributes:
        runtime: its folder.
        parent: the process that started it; None = nobody in particular.
        idle_seconds: it ends after so long without a job; None = never.
        umask: for the workers, whose files are shots; -1 = as this process has it.
        places: where the workers that compute are.
    """

    runtime: Path
    parent: int | None
    idle_seconds: float | None
    umask: int = -1
    places: tuple[WorkerPlace, ...] = (WorkerPlace(),)


@dataclass
class _Starts:
    """How the starts of a worker went.

    Attributes:
        failed: so many have failed, one after the other.
        is_broken: it is only tried again when a job asks for it.
        not_before: time (monotonic) of the next try.
    """

    failed: int = 0
    is_broken: bool = False
    not_before: float = 0.0


class Front:
    """A backend. ``run`` returns when it has ended in good order."""

    def __init__(self, settings: FrontSettings) -> None:
        self._settings = settings
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        # No socket of this process ever waits for its peer, whatever becomes of that.
        self._context.sndtimeo = 0
        self._gate = Gate(self._context)
        server = zmq.curve_keypair()
        public, secret = zmq.curve_keypair()
        self._gate.allow(CLIENT_DOMAIN, public)
        self._endpoints = Endpoints(settings.runtime)
        self._socket = self._open(server)
        self._handshake = Handshake(
            self._endpoints.bind(self._socket, "front"),
            server[0].decode(),
            public.decode(),
            secret.decode(),
            os.getpid(),
            __version__,
            wire.VERSION.decode(),
        )
        self._queue = JobQueue(Journal(settings.runtime / "jobs"), self._job_changed)
        self._clients = Clients(self._socket, self._queue.get)

        def handle(name: str, lane: str, place: WorkerPlace) -> WorkerHandle:
            allow, umask = self._allow(name), settings.umask
            return WorkerHandle(
                name, lane, self._context, settings.runtime, server, allow, self._endpoints, umask, place
            )

        workers = [
            handle(name, WORK_LANE, place)
            for name, place in zip(crew_names(len(settings.places)), settings.places, strict=True)
        ]
        self._crew = Crew(self._queue, workers)
        passing = [handle(name, name, WorkerPlace()) for name in _PASSING_LANES]
        #: All workers, by name: those that compute, and one of each other lane.
        self._lanes = {worker.name: worker for worker in (*workers, *passing)}
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._polled: dict[str, zmq.Socket[bytes]] = {}
        self._owners = Owners(settings.parent)
        self._busy_at = time.monotonic()
        #: When the passing lanes had work last.
        self._worked_at = dict.fromkeys(_PASSING_LANES, self._busy_at)
        #: What a worker has said when it was ready last.
        self._known: Ready | None = None
        self._starts = {name: _Starts() for name in self._lanes}
        self._mended_at = time.monotonic()
        self._stopping = ""

    def _open(self, server: tuple[bytes, bytes]) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.router_mandatory = 1
        socket.maxmsgsize = wire.MAX_BLOB_BYTES
        # A client that does not read loses what is beyond this; it gets the last state when it reads again.
        socket.sndhwm = 1000
        socket.handshake_ivl = 10_000
        socket.heartbeat_ivl, socket.heartbeat_timeout = 5000, 120_000
        socket.curve_server = True
        socket.curve_secretkey = server[1]
        socket.zap_domain = CLIENT_DOMAIN.encode()
        return socket

    def _allow(self, lane: str) -> Any:
        return lambda key: self._gate.allow(lane, key, only=True)

    def stop(self, why: str) -> None:
        """End soon; may be called from a signal handler."""
        self._stopping = self._stopping or why

    def abandon(self) -> None:
        """Let go of everything at once, before the process is ended; may be called from a signal handler."""
        for lane in self._lanes.values():
            lane.kill()
        remove_handshake(self._settings.runtime, os.getpid())

    def parent_signal(self) -> None:
        """The program that started us has died; may be called from a signal handler."""
        if self._settings.parent is not None and self._owners.all_gone():
            self.stop("the program that started it is gone")

    # Life ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until stopped."""
        self._queue.restore()
        # Warm before the first job comes.
        for worker in self._crew.workers:
            worker.start()
        write_handshake(self._settings.runtime, self._handshake)
        log.info("backend %s (%d) serves at %s", __version__, os.getpid(), self._handshake.endpoint)
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        self._watch_lanes()
        with suppress(zmq.ZMQError):
            self._poller.poll(20 if self._clients.waiting else TICK_MS)
        self._take_messages()
        for lane in self._lanes.values():
            try:
                self._pump(lane)
            except Exception:
                log.exception("a worker (%s) makes the front stumble", lane.name)
                lane.kill()
        try:
            self._crew.step()
        except Exception:
            log.exception("the workers make the front stumble")
        self._clients.flush()
        self._look_at_the_time()

    def _watch_lanes(self) -> None:
        for name, lane in self._lanes.items():
            if self._polled.get(name) is not lane.socket:
                if name in self._polled:
                    with suppress(KeyError):
                        self._poller.unregister(self._polled.pop(name))
                if lane.socket is not None:
                    self._poller.register(lane.socket, zmq.POLLIN)
                    self._polled[name] = lane.socket

    def _look_at_the_time(self) -> None:
        now = time.monotonic()
        if not self._queue.is_idle:
            self._busy_at = now
        idle = self._settings.idle_seconds
        if idle is not None and now - self._busy_at > idle:
            self.stop(f"there was nothing to do for {idle:.0f} s")
        if self._settings.parent is not None and self._owners.all_gone():
            self.stop("the program that started it is gone")
        for name in _PASSING_LANES:
            lane = self._lanes[name]
            if not lane.is_free or self._queue.waits(name):
                # Also while it is still starting: its first job waits for that.
                self._worked_at[name] = now
            elif now - self._worked_at[name] > DOCTOR_IDLE_SECONDS:
                lane.end()
        if now - self._mended_at > MEND_SECONDS:
            self._mended_at = now
            with suppress(OSError):
                self._queue.mend_journal()

    def _close(self) -> None:
        log.info("backend stops: %s", self._stopping or "an error")
        remove_handshake(self._settings.runtime, os.getpid())
        with suppress(Exception):
            for lane in self._lanes.values():
                lane.end()
            self._queue.stop()
            self._clients.tell_all(wire.Message("bye", header={"reason": self._stopping}))
            self._clients.flush()
        # A process that the system itself does not end is left to it.
        last = time.monotonic() + CLOSE_SECONDS
        while any(lane.process is not None for lane in self._lanes.values()) and time.monotonic() < last:
            for lane in self._lanes.values():
                lane.insist()
                lane.death()
            time.sleep(0.02)
        with suppress(Exception):
            self._gate.close()
        self._context.destroy(linger=500)
        self._endpoints.close()

    # Clients ------------------------------------------------------------------------------------------------------

    def _take_messages(self) -> None:
        for _ in range(BURST):
            try:
                received = receive(self._socket, routed=1)
            except zmq.ZMQError:
                return
            identity, *frames = received.frames
            job = frames[2].decode("ascii", errors="replace")[:64] if len(frames) > 2 else ""
            try:
                self._answer(identity, received.message())
            except OtherVersionError as error:
                log.info("refused: %s", error.message)
                self._clients.reply(identity, _answer_to_other_version(error, job if wire.is_job_id(job) else ""))
            except Ex4dError as error:
                log.info("refused: %s", " ".join(error.message.split())[:200])
                job = job if wire.is_job_id(job) and not isinstance(error, ProtocolError) else ""
                self._clients.reply(identity, wire.Message("error", job, error_record(error)))
            except Exception as error:
                log.exception("a message makes the front stumble")
                self._clients.reply(identity, wire.Message("error", "", error_record(InternalError(error))))

    def _answer(self, identity: bytes, message: wire.Message) -> None:
        match message.type:
            case "hello":
                self._hello(identity, message)
            case "submit":
                self._submit(identity, message)
            case "cancel":
                self._cancel(message.job)
                self._clients.watch(identity, message.job)
            case "watch":
                if self._queue.get(message.job) is None:
                    raise UsageError("The backend knows no such job.", "It may have ended long ago; ask for it again.")
                self._clients.watch(identity, message.job)
            case "list":
                self._clients.watch_all(identity)
                listed, others = jobs_message(self._queue.all())
                self._clients.reply(identity, listed)
                for job in others:
                    self._clients.watch(identity, job)
            case "ping":
                self._clients.reply(identity, wire.Message("pong"))
            case "shutdown":
                self.stop("a client asked for it")
            case _:
                raise ProtocolError(f"There is no message «{message.type}».")

    def _hello(self, identity: bytes, message: wire.Message) -> None:
        name, pid = message.header.get("client"), message.header.get("pid")
        self._clients.introduce(identity, name if isinstance(name, str) else "")
        if isinstance(pid, int) and not isinstance(pid, bool):
            self._owners.add(pid)
        self._clients.reply(identity, wire.Message("welcome", header=self._welcome()))

    def _welcome(self) -> dict[str, Any]:
        ready = next((worker.ready for worker in self._crew.workers if worker.ready is not None), None)
        self._known = ready or self._known
        runtime = self._settings.runtime
        welcome = Welcome(
            wire.VERSION.decode(), __version__, os.getpid(), ready is not None, str(runtime), str(runtime / LOG_FILE)
        )
        if (known := self._known) is not None:
            welcome = replace(
                welcome,
                device=known.device,
                memory_gib=known.memory_gib,
                gpus=known.gpus,
                capabilities=known.capabilities,
            )
        welcome = replace(welcome, workers=tuple(filter(None, map(_worker_info, self._crew.workers))))
        record: dict[str, Any] = to_record(welcome)
        return record

    def _submit(self, identity: bytes, message: wire.Message) -> None:
        if not message.job:
            raise ProtocolError("A job needs an id.")
        kind, record, title = (message.header.get(name) for name in ("kind", "request", "title"))
        if not isinstance(kind, str) or not isinstance(record, dict) or not isinstance(title, str | None):
            raise ProtocolError("A job needs a kind and a request.")
        # Written anew, its blobs come in the order in which they are kept.
        record, blobs = request_record(parse_request(kind, record, message.blobs))
        request = parse_request(kind, record, (b"",) * len(blobs))
        self._queue.submit(message.job, request, blobs, (title or "")[:200], identity.hex())
        self._clients.watch(identity, message.job)

    def _cancel(self, job: str) -> None:
        if self._queue.cancel(job) is None:
            raise UsageError("The backend knows no such job.", "It may have ended long ago.")
        for lane in self._lanes.values():
            lane.cancel(job)

    def _job_changed(self, snapshot: JobSnapshot) -> None:
        self._clients.job_changed(snapshot.id)

    # Workers ------------------------------------------------------------------------------------------------------

    def _pump(self, lane: WorkerHandle) -> None:
        self._take_reports(lane)
        lane.insist()
        job, was_ready, begun = lane.job, lane.ready is not None, lane.begun
        if (how := lane.death()) is not None:
            self._crew.died(lane)
            if job is not None:
                self._queue.worker_died(job, how, begun=begun)
            elif not was_ready:
                self._could_not_start(lane, how)
        if lane.process is None and self._wants(lane) and (problem := lane.start()) is not None:
            self._could_not_start(lane, problem)
        if lane.lane != WORK_LANE and lane.is_free and (task := self._queue.next(lane.lane)) is not None:
            self._begin(lane, task)

    def _take_reports(self, lane: WorkerHandle) -> None:
        try:
            for message in islice(lane.messages(), BURST):
                try:
                    self._take_report(lane, message)
                except Exception as error:  # noqa: BLE001  whatever it makes of us
                    self._misreported(lane, message.job, error)
        except (ProtocolError, UsageError) as error:
            self._misreported(lane, lane.job, error)

    def _take_report(self, lane: WorkerHandle, message: wire.Message) -> None:
        match message.type:
            case "progress":
                self._queue.progress(message.job, message.header)
            case "done":
                self._done(message)
            case "failed":
                self._queue.failed(message.job, error_from_record(message.header))
            case "ready":
                self._starts[lane.name] = _Starts()
                self._crew.broken.discard(lane.name)
                self._clients.tell_all(wire.Message("welcome", header=self._welcome()))

    def _done(self, message: wire.Message) -> None:
        snapshot = self._queue.get(message.job)
        if snapshot is None:
            return
        result = result_of(message, snapshot.kind)
        if result is None:
            raise UsageError("The job's result is missing.", "Use a worker of the same version.")
        if isinstance(result, DownloadResult):
            self._offer(result.estimators)
        self._queue.done(message.job, result)

    def _offer(self, estimators: tuple[EstimatorInfo, ...]) -> None:
        """Other estimators work from now on: the workers that have looked at their start do not know."""
        for worker in self._crew.workers:
            worker.ready = _offering(worker.ready, estimators)
            self._known = worker.ready or self._known
        if self._known is None or self._known.capabilities is None:
            return
        self._known = _offering(self._known, estimators)
        self._clients.tell_all(wire.Message("welcome", header=self._welcome()))

    def _misreported(self, lane: WorkerHandle, job: str | None, error: Exception) -> None:
        """A worker that says what cannot be understood is of no more use: its job fails, and another one serves."""
        log.error("the worker (%s) says what cannot be understood: %s", lane.name, str(error)[:500])
        if job:
            self._queue.failed(job, InternalError(error))
        lane.kill()

    def _wants(self, lane: WorkerHandle) -> bool:
        starts = self._starts[lane.name]
        if time.monotonic() < starts.not_before:
            return False
        # The work lane is kept warm, unless a worker cannot even start.
        return (lane.lane == WORK_LANE and not starts.is_broken) or self._queue.waits(lane.lane)

    def _could_not_start(self, lane: WorkerHandle, how: str) -> None:
        """A worker has ended before it was ready. That may be the memory of this moment, so it is tried again; but one
        that never can would be started for ever: then its jobs fail, and the next job tries again. Where another one
        can work, that does them."""
        log.error("the worker of %s has ended while it started (%s)", lane.name, how)
        starts = self._starts[lane.name]
        starts.failed += 1
        missing = lane.missing_module() if how.startswith("exit code") else ""
        pause = RESTART_SECONDS[min(starts.failed, len(RESTART_SECONDS)) - 1]
        starts.not_before = time.monotonic() + (0 if missing else pause)
        starts.is_broken = bool(missing) or starts.failed >= MAX_FAILED_STARTS
        if lane.lane == WORK_LANE:
            if starts.is_broken:
                self._crew.broken.add(lane.name)
            if any(worker.name not in self._crew.broken for worker in self._crew.workers if worker is not lane):
                return
        if missing:
            error = ResourceError(
                f"The worker process cannot start: {missing}.",
                "Install the backend anew; worker.stderr in its folder tells more.",
            )
            self._queue.fail_waiting(lane.name, error)
        elif starts.is_broken:
            error = ResourceError(
                f"The worker process cannot start ({how}; {starts.failed} tries).",
                "Press Diagnose, or install the backend anew; worker.stderr in its folder tells why.",
            )
            self._queue.fail_waiting(lane.name, error)
        else:
            note = f"The worker process has ended while it started ({how}); it is started again."
            self._queue.note_waiting(lane.name, note)

    def _begin(self, lane: WorkerHandle, task: Task) -> None:
        try:
            lane.give(task)
        except Exception as error:
            log.exception("job %s cannot be given to a worker", task.snapshot.id)
            self._queue.failed(task.snapshot.id, InternalError(error))


def _worker_info(worker: WorkerHandle) -> WorkerInfo | None:
    """What clients are told of one of several workers."""
    if worker.place.number is None:
        return None
    gpu = worker.place.gpu
    if gpu is None:
        return WorkerInfo(worker.place.number, ready=worker.ready is not None)
    return WorkerInfo(worker.place.number, gpu.number, gpu.text, worker.ready is not None)


def _offering(ready: Ready | None, estimators: tuple[EstimatorInfo, ...]) -> Ready | None:
    """With other estimators, where it has said which."""
    if ready is None or ready.capabilities is None:
        return ready
    return replace(ready, capabilities=replace(ready.capabilities, estimators=estimators))


def _answer_to_other_version(error: OtherVersionError, job: str) -> wire.Message:
    """An error in the form of that version, where that is a former one; a later one knows ours.

    Args:
        error: what was refused.
        job: that the message was about, "" for none. A client of ex4d/1 that waits for a job is told of that job's
            end alone: without its name it would wait for ever.
    """
    other, ours = error.other.decode(), wire.VERSION.decode()
    is_former = int(error.other[5:]) < int(wire.VERSION[5:])
    told = ProtocolError(
        f"The backend (version {__version__}) speaks {ours}, this client {other}.",
        "Update the client: in Blender the extension, to the backend's version."
        if is_former
        else "Install the backend again, in the client's version (Preferences, Install Backend).",
    )
    return wire.Message("error", job, error_record(told), version=error.other if is_former else wire.VERSION)


def serve(settings: FrontSettings, stop_signals: tuple[int, ...]) -> None:
    """Run a backend until it is stopped; ``stop_signals`` end it in good order, the second of them at once."""
    from ex4d.server.lifetime import PARENT_DEATH_SIGNAL, signal_on_parent_death

    front = Front(settings)

    signals: list[int] = []

    def stop(number: int, _frame: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            # Somebody does not want to wait for good order any longer, or there is none.
            front.abandon()
            os._exit(128 + number)
        front.stop(signal.Signals(number).name)

    for number in stop_signals:
        signal.signal(number, stop)
    if settings.parent is not None and hasattr(signal, "SIGHUP"):
        signal.signal(PARENT_DEATH_SIGNAL, lambda *_: front.parent_signal())
        signal_on_parent_death(PARENT_DEATH_SIGNAL)
    front.run()
