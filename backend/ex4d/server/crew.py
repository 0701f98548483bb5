# SPDX-License-Identifier: Apache-2.0
"""The workers of the lane in which jobs compute, as one: which are free, what each holds, who has lent its GPU to whom.

A job that takes several workers is done by the one that leads it. The others do nothing meanwhile and hold nothing: the
leader starts ranks on their GPUs. Those ranks keep the model between such jobs; a worker whose GPU they are on asks for
it back when it gets a job of its own that loads a model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ex4d.protocol.errors import CancelledError, InternalError
from ex4d.protocol.jobs import RUNNING
from ex4d.protocol.requests import FreeMemoryRequest
from ex4d.protocol.results import FreeMemoryResult
from ex4d.server.demands import WORK_LANE, gpu_count, is_light
from ex4d.server.queue import JobQueue, Task
from ex4d.server.seats import Seat
from ex4d.server.worker_handle import WorkerHandle

log = logging.getLogger(__name__)


@dataclass
class _Beginning:
    """A job whose workers are chosen, until the leader can be given it.

    Attributes:
        task: the job.
        lead: who is given it.
        asked: workers that still have to let go of what they hold.
    """

    task: Task
    lead: WorkerHandle
    asked: list[WorkerHandle]


@dataclass
class _Freeing:
    """A wish for memory, until the workers have ended that hold it."""

    workers: list[WorkerHandle]
    freed_mib: int | None


@dataclass
class Crew:
    """See the module.

    Attributes:
        queue: whose jobs they do.
        workers: all of them.
        broken: names of those that cannot even start, as far as is known.
    """

    queue: JobQueue
    workers: Sequence[WorkerHandle]
    broken: set[str] = field(default_factory=set)
    _beginnings: dict[str, _Beginning] = field(default_factory=dict)
    #: By job: its leader, and the others that it takes.
    _lent: dict[str, tuple[WorkerHandle, tuple[WorkerHandle, ...]]] = field(default_factory=dict)
    _freeing: dict[str, _Freeing] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many of them can work, or may once they have started."""
        return max(1, sum(worker.name not in self.broken for worker in self.workers))

    def step(self) -> None:
        """Begin what can begin."""
        self._end_freeing()
        self._begin_ready()
        self._lent = {job: lent for job, lent in self._lent.items() if lent[0].job == job or job in self._beginnings}
        while (free := self._free()) and (task := self.queue.next(WORK_LANE, free, self.count)) is not None:
            self._seat(task)
            self._begin_ready()

    def _free(self) -> list[Seat]:
        lent = [other.name for _, others in self._lent.values() for other in others]
        leads = [beginning.lead.name for beginning in self._beginnings.values()]
        return [
            _seat_of(worker)
            for worker in self.workers
            if worker.is_free and not worker.is_letting_go and worker.name not in (*lent, *leads)
        ]

    def _seat(self, task: Task) -> None:
        """Choose what has to be let go of before a job begins, and ask for it."""
        by_name = {worker.name: worker for worker in self.workers}
        lead, *others = (by_name[seat.name] for seat in task.seats)
        job = task.snapshot.id
        if isinstance(task.request, FreeMemoryRequest):
            self._free_memory(job, [lead, *others])
            return
        if others:
            self._lent[job] = (lead, tuple(others))
        asked = []
        if not is_light(task.request):
            taken = {lead.name, *(other.name for other in others)}
            asked = [
                worker
                for worker in self.workers
                if (worker is not lead and worker.shares & taken)
                or (worker in others and worker.holds)
                or (worker is lead and worker.shares and worker.shares != taken - {lead.name})
            ]
        for worker in asked:
            worker.let_go()
        self._beginnings[job] = _Beginning(task, lead, asked)

    def _begin_ready(self) -> None:
        for job, beginning in list(self._beginnings.items()):
            snapshot, lead = self.queue.get(job), beginning.lead
            if snapshot is None or snapshot.state != RUNNING:
                del self._beginnings[job]
                self.queue.failed(job, CancelledError(CancelledError.INTERRUPTED))
            elif not lead.is_free:
                # It has died meanwhile; the job is given out anew.
                del self._beginnings[job]
                self.queue.worker_died(job, "before the job began", begun=False)
            elif not any(worker.is_letting_go for worker in beginning.asked):
                del self._beginnings[job]
                self._give(lead, beginning.task)

    def _give(self, lead: WorkerHandle, task: Task) -> None:
        if not is_light(task.request):
            lead.shares = frozenset(seat.name for seat in task.seats if seat.name != lead.name)
        try:
            lead.give(task, self._gpus(task))
        except Exception as error:
            log.exception("job %s cannot be given to a worker", task.snapshot.id)
            self.queue.failed(task.snapshot.id, InternalError(error))

    def _gpus(self, task: Task) -> tuple[int, ...]:
        """The GPUs that the job may use; of one that wants more than there are all: it will tell how many that is."""
        names = {seat.name for seat in task.seats}
        if gpu_count(task.request) > len(names):
            names = {worker.name for worker in self.workers if worker.name not in self.broken}
        gpus = (worker.place.gpu for worker in self.workers if worker.name in names)
        return tuple(gpu.number for gpu in gpus if gpu is not None)

    # Memory -------------------------------------------------------------------------------------------------------

    def _free_memory(self, job: str, workers: list[WorkerHandle]) -> None:
        held = [worker.resident_mib() for worker in workers]
        self._freeing[job] = _Freeing(workers, None if None in held else sum(filter(None, held)))
        for worker in workers:
            worker.end()

    def died(self, worker: WorkerHandle) -> None:
        """A worker is gone."""
        for freeing in self._freeing.values():
            freeing.workers = [other for other in freeing.workers if other is not worker]

    def _end_freeing(self) -> None:
        for job, freeing in list(self._freeing.items()):
            if not freeing.workers:
                del self._freeing[job]
                self.queue.done(job, FreeMemoryResult(freeing.freed_mib))


def _seat_of(worker: WorkerHandle) -> Seat:
    gpu = worker.place.gpu
    return Seat(
        worker.name,
        worker.place.number,
        gpu.number if gpu is not None else None,
        worker.holds,
        worker.shares,
        worker.shot,
        worker.free_since,
    )


def crew_names(count: int) -> Iterable[str]:
    """Names of so many workers; they are those of their sockets, too."""
    return (WORK_LANE if index == 0 else f"{WORK_LANE}{index}" for index in range(count))
