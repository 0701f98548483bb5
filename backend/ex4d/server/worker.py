# SPDX-License-Identifier: Apache-2.0
"""The worker process: computes, reports, can be killed at any moment.

Started by the front with the address and keys on standard input, which then stays open for as long as the front lives.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import zmq

from ex4d.jobs import run_job
from ex4d.models.held import held_model, let_go
from ex4d.protocol import wire
from ex4d.protocol.capabilities import Held
from ex4d.protocol.errors import CancelledError, Ex4dError, InternalError, ResourceError, error_record
from ex4d.protocol.jobs import result_message
from ex4d.protocol.parse_dataclass import to_record
from ex4d.protocol.requests import Request, parse_request
from ex4d.server.absolute_paths import check_absolute
from ex4d.server.demands import WORK_LANE, model_key
from ex4d.server.lifetime import end_with_pipe, signal_on_parent_death
from ex4d.server.logs import start_log
from ex4d.server.progress import JobProgress
from ex4d.system.devices import GPUS_VARIABLE
from ex4d.system.heap import share_heap
from ex4d.system.memory import memory_error

if TYPE_CHECKING:
    from ex4d.jobs.context import JobContext

log = logging.getLogger(__name__)


#: Windows has no SIGKILL, and no such signals.
_PARENT_DEATH_SIGNAL = getattr(signal, "SIGKILL", signal.SIGTERM)


class _TerminatedError(KeyboardInterrupt):
    """Like Ctrl-C not an ``Exception``: no library swallows it."""


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise _TerminatedError


class Worker:
    """Does the jobs that the front sends, one at a time."""

    def __init__(self, address: dict[str, str]) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 500
        self._socket.curve_serverkey = address["server_public"].encode()
        self._socket.curve_publickey = address["client_public"].encode()
        self._socket.curve_secretkey = address["client_secret"].encode()
        self._socket.connect(address["endpoint"])
        self._cancelled: set[str] = set()
        self._quit = self._must_let_go = False
        #: Keys of the jobs whose model this process holds (``demands.model_key``).
        self._held: frozenset[str] = frozenset()
        # Thumbnails that a killed worker of this name has left are of no more use.
        self._looks = Path(address["log"]).parent / f"looks-{address['name']}"
        shutil.rmtree(self._looks, ignore_errors=True)

    def send(self, kind: str, job: str = "", header: dict[str, Any] | None = None) -> None:
        """Tell the front."""
        self._send(wire.Message(kind, job, header or {}))

    def _send(self, message: wire.Message) -> None:
        self._socket.send_multipart(wire.encode(message))

    def run(self, lane: str) -> None:
        """Serve until told to quit."""
        # The heavy imports, here so that the front hears of their failure.
        from ex4d.jobs.context import JobContext
        from ex4d.server.warm_up import ready

        kept = JobContext()
        self.send("ready", header=to_record(ready(work=lane == WORK_LANE)))
        while not self._quit:
            message = self._receive(block=True)
            if message is not None and message.type == "run":
                self._do(message, kept)
            if self._must_let_go:
                self._let_go()

    def _receive(self, *, block: bool) -> wire.Message | None:
        try:
            message = wire.decode(self._socket.recv_multipart(0 if block else zmq.NOBLOCK))
        except zmq.Again:
            return None
        if message.type == "cancel":
            self._cancelled.add(message.job)
        elif message.type == "quit":
            self._quit = True
        elif message.type == "let_go":
            self._must_let_go = True
        return message

    def _let_go(self) -> None:
        """Free what is kept between jobs: another worker wants the memory."""
        self._must_let_go, self._held = False, frozenset()
        try:
            let_go()
        except Exception:
            # It may be less than was hoped for; the job that wants it tells.
            log.exception("what is held cannot be freed")
        log.info("let go of what was held")
        self.send("holds", header=to_record(Held(let_go=True)))

    def _is_cancelled(self, job: str) -> bool:
        while self._receive(block=False) is not None:
            pass
        return job in self._cancelled or self._quit

    def _do(self, message: wire.Message, kept: JobContext) -> None:
        job, kind = message.job, str(message.header.get("kind"))
        request: Request | None = None
        log.info("job %s: %s %s", job, kind, json.dumps(message.header.get("request")))
        # From now on it has begun: what becomes of this process is this job's doing.
        self.send("progress", job)
        answer: wire.Message | None = None
        error: Ex4dError
        if gpus := message.header.get("gpus"):
            os.environ[GPUS_VARIABLE] = ",".join(map(str, gpus))
        before = held_model()
        progress = JobProgress(
            lambda values: self.send("progress", job, values), lambda: self._is_cancelled(job), self._looks / job
        )
        try:
            request = parse_request(kind, message.header.get("request", {}), message.blobs)
            check_absolute(request)
            answer = result_message("done", job, {}, run_job(request, replace(kept, progress=progress)))
        except CancelledError as stop:
            error = stop
        except Ex4dError as failure:
            error = failure
        except MemoryError:
            log.exception("job %s: out of memory", job)
            error = ResourceError(
                "This machine has too little memory for a plate of this size.",
                "Use a machine with more memory, a smaller plate, or a mesh of fewer vertices.",
            )
        except Exception as failure:
            log.exception("job %s: a bug", job)
            error = memory_error(failure) or InternalError(failure)
            if isinstance(error, InternalError):
                error.hint = "Please report it with the file worker.log from the backend's folder."
        finally:
            self._cancelled.discard(job)
            progress.forget_thumbnail()
        self._tell_held(model_key(request) if request is not None else "", before)
        # Told after the last look is deleted: whoever hears of a job's end finds none.
        if answer is not None:
            log.info("job %s: done", job)
            self._send(answer)
            return
        log.info("job %s: %s", job, error)
        self.send("failed", job, error_record(error))

    def _tell_held(self, key: str, before: tuple[Hashable | None, int]) -> None:
        """Tell the front which jobs' model is here after a job.

        Args:
            key: of the job.
            before: ``held_model`` before it began.
        """
        (model, uses), (former, former_uses) = held_model(), before
        if model is None:
            held: frozenset[str] = frozenset()
        elif uses == former_uses:
            held = self._held
        else:
            # Several profiles may have one and the same.
            held = frozenset({key, *(self._held if model == former else ())})
        if held != self._held:
            self._held = held
            self.send("holds", header=to_record(Held(tuple(sorted(held)))))


def main() -> int:
    """Run a worker; returns the exit code."""
    share_heap()
    # One that is stopped hears of nothing else. Where the system has no such signal the pipe below does it.
    signal_on_parent_death(_PARENT_DEATH_SIGNAL)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    address = json.loads(sys.stdin.buffer.readline())
    end_with_pipe(sys.stdin.buffer)
    start_log(address["log"])
    try:
        Worker(address).run(address["lane"])
    except _TerminatedError:
        log.info("terminated")
        return CancelledError.TERMINATED
    except Exception:
        log.exception("the worker fails")
        # The backend looks there for why.
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    # Libraries' own threads and destructors have nothing to say any more.
    code = main()
    logging.shutdown()
    os._exit(code)
