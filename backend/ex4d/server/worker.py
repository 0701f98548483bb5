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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import zmq

from ex4d.jobs import run_job
from ex4d.protocol import wire
from ex4d.protocol.errors import CancelledError, Ex4dError, InternalError, ResourceError, error_record
from ex4d.protocol.jobs import result_message
from ex4d.protocol.parse_dataclass import to_record
from ex4d.protocol.requests import parse_request
from ex4d.server.absolute_paths import check_absolute
from ex4d.server.lifetime import end_with_pipe, signal_on_parent_death
from ex4d.server.logs import start_log
from ex4d.server.progress import JobProgress
from ex4d.server.queue import WORK_LANE
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
        self._quit = False
        # Thumbnails that a killed worker of this lane has left are of no more use.
        self._looks = Path(address["log"]).parent / f"looks-{address['lane']}"
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

    def _receive(self, *, block: bool) -> wire.Message | None:
        try:
            message = wire.decode(self._socket.recv_multipart(0 if block else zmq.NOBLOCK))
        except zmq.Again:
            return None
        if message.type == "cancel":
            self._cancelled.add(message.job)
        elif message.type == "quit":
            self._quit = True
        return message

    def _is_cancelled(self, job: str) -> bool:
        while self._receive(block=False) is not None:
            pass
        return job in self._cancelled or self._quit

    def _do(self, message: wire.Message, kept: JobContext) -> None:
        job, kind = message.job, str(message.header.get("kind"))
        log.info("job %s: %s %s", job, kind, json.dumps(message.header.get("request")))
        # From now on it has begun: what becomes of this process is this job's doing.
        self.send("progress", job)
        answer: wire.Message | None = None
        error: Ex4dError
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
        # Told after the last look is deleted: whoever hears of a job's end finds none.
        if answer is not None:
            log.info("job %s: done", job)
            self._send(answer)
            return
        log.info("job %s: %s", job, error)
        self.send("failed", job, error_record(error))


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
