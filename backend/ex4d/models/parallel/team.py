# SPDX-License-Identifier: Apache-2.0
"""The processes of one generation: this one is rank 0, which speaks to people; the others follow it. A process has one
team at a time, for torch has one default group."""

from __future__ import annotations

import json
import logging
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from ex4d.models.parallel.group import RankGroup, StoppedError, meet, part
from ex4d.models.parallel.layout import RankLayout
from ex4d.protocol.errors import Ex4dError, ResourceError, error_from_record, error_record
from ex4d.system.devices import DEVICE_VARIABLE

log = logging.getLogger(__name__)

#: Seconds that a call which waits for a dead rank has to end after it was aborted.
_GRACE = 5.0
#: Seconds between two looks at the others.
_LOOK = 0.2
#: Exit code of a process that could not be freed from a call to a dead rank.
CODE_STUCK = 75
#: One host: nothing is said on other interfaces. NVLink's multicast needs rights that containers do not have.
_NETWORK = (
    {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "NCCL_NVLS_ENABLE": "0"}
    if (sys.platform == "linux")
    else {}
)


#: Those of this process.
_teams: weakref.WeakSet[Team] = weakref.WeakSet()


class Team:
    """The other ranks, as processes of this one's own, and this process's place among them.

    Args:
        module: is run as the other ranks' main module; it calls ``follow``.
        devices: of all ranks, this one's first: "cuda:0", "cpu".
    """

    def __init__(self, module: str, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        self._folder = tempfile.TemporaryDirectory(prefix="ex4d-ranks-")
        self._meeting = Path(self._folder.name) / "meeting"
        self._groups: dict[RankLayout, RankGroup] = {}
        self._failure: Ex4dError | None = None
        self._busy = self._closed = False
        _teams.add(self)
        self._processes = [self._start(module, rank, name) for rank, name in enumerate(devices) if rank]
        threading.Thread(target=self._watch, daemon=True, name="rank-watch").start()
        try:
            with self._explained():
                meet(0, len(devices), torch.device(devices[0]), self._meeting)
        except BaseException:
            self.close()
            raise

    def _start(self, module: str, rank: int, device: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **_NETWORK, DEVICE_VARIABLE: device}
        with self._log(rank).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
                # Ctrl-C is for rank 0, which tells the others.
                start_new_session=True,
            )
        self._tell(process, {"rank": rank, "size": len(self.devices), "device": device, "folder": self._folder.name})
        return process

    def _log(self, rank: int) -> Path:
        return Path(self._folder.name) / f"rank-{rank}.log"

    @staticmethod
    def _tell(process: subprocess.Popen[bytes], message: object) -> None:
        assert process.stdin is not None
        # One that is dead cannot be told; the watch says so.
        with suppress(BrokenPipeError, OSError):
            pickle.dump(message, process.stdin)
            process.stdin.flush()

    @property
    def processes(self) -> tuple[int, ...]:
        """Numbers of the other ranks' processes."""
        return tuple(process.pid for process in self._processes)

    @property
    def alive(self) -> bool:
        """Whether it can be given work."""
        return not self._closed and self._failure is None

    @contextmanager
    def work(self, layout: RankLayout, message: object) -> Iterator[RankGroup]:
        """Do one piece of work with the others, who are told ``message`` and do the same with it.

        Args:
            layout: of as many ranks as there are.
            message: anything that can be pickled.

        Raises:
            ResourceError: a rank has died; or what it had to say. The team is closed then, as after any other error.
        """
        for process in self._processes:
            self._tell(process, (layout, message))
        group: RankGroup | None = None
        try:
            with self._explained():
                if layout not in self._groups:
                    self._groups[layout] = RankGroup(0, layout, torch.device(self.devices[0]))
                group = self._groups[layout]
                yield group
        except BaseException as error:
            if group is None or group.stopped is not error:
                # Wherever the others are, they are not where this rank is.
                self.close()
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What goes wrong because another rank is gone is told as that rank's fault."""
        self._busy = True
        try:
            yield
        except Exception as error:
            # A rank that fails takes a moment to end.
            end = time.monotonic() + _GRACE if not isinstance(error, Ex4dError) else 0.0
            while self._failure is None and time.monotonic() < end:
                time.sleep(_LOOK / 4)
            if self._failure is not None:
                raise self._failure from error
            raise
        finally:
            self._busy = False
        if self._failure is not None:
            raise self._failure

    def _watch(self) -> None:
        """Looks whether the others live. Where one is gone this process would wait for it forever."""
        while not self._closed:
            dead = [process for process in self._processes if process.poll() is not None]
            if dead and not self._closed:
                self._failure = self._reason(self._processes.index(dead[0]) + 1, dead[0])
                log.error("%s", self._failure)
                self._end_processes()
                if self.devices[0].startswith("cuda"):
                    # gloo sees by itself that the others are gone.
                    part(abort=True)
                end = time.monotonic() + _GRACE
                while self._busy and time.monotonic() < end:
                    time.sleep(_LOOK)
                if self._busy:
                    log.critical("a call to a rank that is gone does not end")
                    print(self._failure, file=sys.stderr, flush=True)
                    os._exit(CODE_STUCK)
                return
            time.sleep(_LOOK)

    def _reason(self, rank: int, process: subprocess.Popen[bytes]) -> Ex4dError:
        with suppress(OSError, ValueError, KeyError):
            return error_from_record(json.loads(_error_file(self._folder.name, rank).read_text(encoding="utf-8")))
        with suppress(OSError):
            log.error("rank %d: %s", rank, self._log(rank).read_text(encoding="utf-8", errors="replace")[-4000:])
        return ResourceError(
            f"The process on {self.devices[rank]}, one of {len(self.devices)} that make the take, has died "
            f"(exit code {process.returncode}).",
            "Try it again; if it dies again, look into the backend's log, or use fewer GPUs.",
        )

    def close(self) -> None:
        """End the other ranks; this process is none any more."""
        if self._closed:
            return
        self._closed = True
        self._end_processes()
        part(abort=self.devices[0].startswith("cuda"))
        self._folder.cleanup()

    def _end_processes(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def close_teams() -> None:
    """End the other ranks of this process, which hold memory of other GPUs; none may be at work."""
    for team in list(_teams):
        team.close()


def _error_file(folder: str, rank: int) -> Path:
    return Path(folder) / f"rank-{rank}.error.json"


def follow(serve: Callable[[Any, RankGroup], None]) -> NoReturn:
    """Be one of the other ranks, until rank 0 ends.

    Args:
        serve: does one piece of work, given rank 0's message.
    """
    inbox: queue.Queue[Any] = queue.Queue()

    def read() -> NoReturn:
        # Rank 0 is this process's parent, and nobody else can write here.
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                inbox.put(pickle.load(sys.stdin.buffer))
        # Rank 0 is gone, perhaps before it could clean up.
        shutil.rmtree(first["folder"], ignore_errors=True)
        os._exit(0)

    first = pickle.load(sys.stdin.buffer)
    threading.Thread(target=read, daemon=True, name="orders").start()
    rank, device = int(first["rank"]), torch.device(first["device"])
    groups: dict[RankLayout, RankGroup] = {}
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        meet(rank, int(first["size"]), device, Path(first["folder"]) / "meeting")
        while True:
            layout, message = inbox.get()
            if layout not in groups:
                groups[layout] = RankGroup(rank, layout, device)
            with suppress(StoppedError):
                serve(message, groups[layout])
    except Ex4dError as error:
        _leave(first["folder"], rank, error)
    except torch.OutOfMemoryError:
        _leave(first["folder"], rank, _no_memory(device))
    os._exit(1)


def _no_memory(device: torch.device) -> ResourceError:
    return ResourceError(
        f"The memory of {device}, one of the devices that make the take, ran out.",
        "Close other programs that use it, choose a smaller --fill-size, or use fewer GPUs.",
    )


def _leave(folder: str, rank: int, error: Ex4dError) -> NoReturn:
    with suppress(OSError):
        _error_file(folder, rank).write_text(json.dumps(error_record(error)), encoding="utf-8")
    os._exit(1)
