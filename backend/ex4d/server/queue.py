# SPDX-License-Identifier: Apache-2.0
"""The jobs of a backend: which wait, which runs, how the others ended. No sockets, no processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ex4d.protocol.errors import CancelledError, ErrorInfo, Ex4dError, ResourceError, TransientError
from ex4d.protocol.jobs import (
    CANCELLED,
    CANCELLING,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    JobSnapshot,
)
from ex4d.protocol.requests import PreviewRequest, Request, job_name
from ex4d.protocol.results import Result
from ex4d.server.demands import is_alone, lane_of, shot_of, worker_count
from ex4d.server.journal import Entry, Journal
from ex4d.server.seats import Seat, choose_seats

log = logging.getLogger(__name__)

MAX_WAITING = 1000
#: Bytes of all waiting jobs' blobs on the disk.
MAX_WAITING_BYTES = 1 << 30
#: Bytes of waiting jobs' blobs that are kept in memory too, so that a cleaner of temporary files costs no job.
MAX_KEPT_BYTES = 64 << 20
#: Ended jobs that are remembered, for clients that come back: so many, of so many bytes together.
MAX_ENDED = 500
MAX_ENDED_BYTES = 128 << 20
#: Times that a job is begun anew after its worker has died over it.
RETRIES = 1
#: Times that it is given out anew after a worker has died before it began.
RETURNS = 5
#: Jobs that are begun, one after the other, before the one that waits longest.
MAX_OVERTAKING = 8
#: Characters of a note, and notes of a job.
MAX_NOTE, MAX_NOTES = 1000, 100
#: Jobs that were asked for later and begin before one that waits for several workers, as they can and it cannot yet.
MAX_PASSING = 2


@dataclass(frozen=True)
class Task:
    """A job that is to be done now.

    Attributes:
        snapshot, request: the job; its blobs stand in the request empty.
        blobs: that came with it, in their order.
        seats: the workers that do it, the one that is given it first.
    """

    snapshot: JobSnapshot
    request: Request
    blobs: tuple[bytes, ...]
    seats: tuple[Seat, ...] = ()


@dataclass
class _Job:
    snapshot: JobSnapshot
    request: Request
    blob_count: int
    order: int
    client: str
    #: None: they are in the journal only.
    blobs: tuple[bytes, ...] | None
    blob_bytes: int = 0
    record_bytes: int = 0
    #: Jobs that had ended before it did.
    ended: int = 0
    deaths: int = 0
    returns: int = 0
    #: Later ones that have begun while it waited for several workers.
    passed: int = 0
    #: The queue's own sentences; the worker tells its own anew each time.
    notes: tuple[str, ...] = ()

    @property
    def entry(self) -> Entry:
        return Entry(self.snapshot, self.request, self.blob_count, self.order, self.client)

    @property
    def waits(self) -> bool:
        return self.snapshot.state == QUEUED


#: The worker of a lane that has but one.
_ONLY = Seat("")


@dataclass
class JobQueue:
    """All jobs of a backend.

    The next job of a lane is the oldest one of the client that has waited longest for its turn. The order of a shot's
    jobs around its reconstruction is kept, whoever asked for them. Previews, which somebody sits in front of, go before
    others. But no more than ``MAX_OVERTAKING`` jobs go before the one that waits longest, previews left aside.

    A lane may have several workers, and a job may take several of them. While fewer are free others that can run pass
    it, ``MAX_PASSING`` of them; then workers stay free for it, but for previews as long as it waits for a longer job
    anyway. A job that changes what its shot's others begin with runs alone in its shot.

    Attributes:
        journal: where they are kept.
        changed: called with each new snapshot.
    """

    journal: Journal
    changed: Callable[[JobSnapshot], None]
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _orders: int = 0
    _ends: int = 0
    #: When each client has last had its turn, as a count of turns.
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)
    _turn: int = 0
    #: Jobs that were begun since the one of the lane was that waited longest.
    _overtaking: dict[str, int] = field(default_factory=dict)

    def restore(self) -> None:
        """Take the jobs of a former backend from the journal; those it had not ended wait again."""
        kept_bytes = 0
        for entry, blobs in self.journal.entries():
            snapshot = entry.snapshot
            if snapshot.state == CANCELLING:
                snapshot = _ended(snapshot, CANCELLED, CancelledError(CancelledError.TERMINATED))
            elif not snapshot.is_final:
                snapshot = replace(snapshot, state=QUEUED, started=None, **_NOT_BEGUN)
            job = _Job(snapshot, entry.request, entry.blob_count, entry.order, entry.client, blobs=())
            if not snapshot.is_final and entry.blob_count:
                job.blobs = None
                job.blob_bytes = sum(map(len, blobs)) or self.journal.blob_bytes(entry)
                if blobs or kept_bytes + job.blob_bytes <= MAX_KEPT_BYTES:
                    job.blobs = blobs or self.journal.blobs(entry)
                    kept_bytes += job.blob_bytes
            self._jobs[snapshot.id] = job
            self._orders = max(self._orders, entry.order)
        for job in sorted(self._jobs.values(), key=lambda job: job.snapshot.finished or 0.0):
            if job.snapshot.is_final:
                self._ends += 1
                job.ended = self._ends
        self._forget_old()

    # Clients ------------------------------------------------------------------------------------------------------

    def submit(self, job: str, request: Request, blobs: tuple[bytes, ...], title: str, client: str = "") -> JobSnapshot:
        """Take a job; the same id is the same job.

        Args:
            job: its id.
            request: what is asked for; its blobs stand in it empty.
            blobs: in the order of ``request_record``.
            title: for people.
            client: who asks.

        Raises:
            TransientError: too many wait, or the journal cannot be written. Then nothing is taken.
        """
        if job in self._jobs:
            return self._jobs[job].snapshot
        waiting = [known for known in self._jobs.values() if known.waits]
        size = sum(map(len, blobs))
        if len(waiting) >= MAX_WAITING or sum(known.blob_bytes for known in waiting) + size > MAX_WAITING_BYTES:
            raise TransientError(f"{len(waiting)} jobs are waiting already.", "Wait until some have ended.")
        kept = sum(known.blob_bytes for known in waiting if known.blobs is not None) + size <= MAX_KEPT_BYTES
        snapshot = JobSnapshot(job, job_name(request), title=title, created=time.time())
        in_memory = blobs if kept or not blobs else None
        added = _Job(snapshot, request, len(blobs), self._orders + 1, client, in_memory, size)
        added.record_bytes = self.journal.write(added.entry, blobs)
        self._orders += 1
        self._jobs[job] = added
        self.changed(snapshot)
        self._replace_older(added, waiting)
        return snapshot

    def _replace_older(self, newer: _Job, waiting: Iterable[_Job]) -> None:
        """A preview of a take that is drawn anew before it was begun is of no more use."""
        for job in waiting:
            if job.client == newer.client and _same_preview(job.request, newer.request):
                job.notes = (*job.notes, "It was replaced by a newer preview of the same take.")
                self._set(job, notes=())
                self._end(job, CANCELLED, error=CancelledError(CancelledError.INTERRUPTED))

    def get(self, job: str) -> JobSnapshot | None:
        """Where a job is."""
        found = self._jobs.get(job)
        return found.snapshot if found else None

    def all(self) -> list[JobSnapshot]:
        """All jobs, oldest first."""
        return [job.snapshot for job in self._jobs.values()]

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return all(job.snapshot.is_final for job in self._jobs.values())

    def waits(self, lane: str) -> bool:
        """Whether a job waits for that lane."""
        return any(True for _ in self._waiting(lane))

    def _waiting(self, lane: str) -> list[_Job]:
        return [job for job in self._jobs.values() if job.waits and lane_of(job.request) == lane]

    def _running(self, lane: str) -> list[_Job]:
        running = [job for job in self._jobs.values() if job.snapshot.state in (RUNNING, CANCELLING)]
        return [job for job in running if lane_of(job.request) == lane]

    def fail_waiting(self, lane: str, error: Ex4dError) -> None:
        """The lane's workers cannot start: whoever waits for them is told so."""
        for job in self._waiting(lane):
            self._end(job, FAILED, error=error)

    def note_waiting(self, lane: str, note: str) -> None:
        """Tell whoever waits for a lane why."""
        for job in self._waiting(lane):
            if note not in job.notes:
                job.notes = (*job.notes, note)
                self._set(job, notes=())

    def cancel(self, job: str) -> JobSnapshot | None:
        """Stop a job: a waiting one at once, a running one is marked; returns its new snapshot."""
        found = self._jobs.get(job)
        if found is None:
            return None
        if found.waits:
            self._end(found, CANCELLED, error=CancelledError(CancelledError.INTERRUPTED))
        elif found.snapshot.state == RUNNING:
            self._set(found, state=CANCELLING)
            self._store(found)
        return found.snapshot

    # Workers ------------------------------------------------------------------------------------------------------

    def next(self, lane: str, free: Sequence[Seat] = (_ONLY,), workers: int = 1) -> Task | None:
        """The next job of a lane, marked as running; None where none can begin.

        Args:
            lane: whose jobs are looked at.
            free: its workers that have nothing to do.
            workers: how many it has at all.
        """
        while (job := self._choose(lane, len(free), workers)) is not None:
            blobs = job.blobs if job.blobs is not None else self.journal.blobs(job.entry)
            if blobs is not None:
                seats = choose_seats(free, job.request, worker_count(job.request, workers))
                gpus = tuple(sorted(seat.gpu for seat in seats if seat.gpu is not None))
                place = {"worker": seats[0].number, "gpus": gpus} if seats[0].number is not None else {}
                self._set(job, state=RUNNING, started=time.time(), **place)
                self._store(job)
                return Task(job.snapshot, job.request, blobs, seats)
            self._end(job, FAILED, error=_lost())
        return None

    def _choose(self, lane: str, free: int, workers: int) -> _Job | None:
        ready, wide = self._able(lane, free, workers)
        if not ready:
            return None
        previews = [job for job in ready if isinstance(job.request, PreviewRequest)]
        others = [job for job in ready if not isinstance(job.request, PreviewRequest)]
        oldest = (others or previews)[0]
        overtaking = self._overtaking.get(lane, 0)
        job = oldest if overtaking >= MAX_OVERTAKING else self._by_turns(lane, previews or others)
        self._overtaking[lane] = 0 if job is oldest else overtaking + 1
        if wide is not None and job.order > wide.order and not isinstance(job.request, PreviewRequest):
            wide.passed += 1
        self._turn += 1
        # Who has nothing to wait for has no turn to wait for either.
        clients = {(lane, known.client) for known in self._waiting(lane)}
        self._turns = {at: turn for at, turn in self._turns.items() if at[0] != lane or at in clients}
        self._turns[lane, job.client] = self._turn
        return job

    def _able(self, lane: str, free: int, workers: int) -> tuple[list[_Job], _Job | None]:
        """The jobs that can begin now, oldest first; and the oldest one that takes several workers."""
        running = self._running(lane)
        ready = _in_order_of_shots(self._waiting(lane), running)
        need = {job.order: worker_count(job.request, workers) for job in ready}
        able = [job for job in ready if need[job.order] <= free]
        wide = next((job for job in ready if need[job.order] > 1), None)
        if wide is None or wide.passed < MAX_PASSING:
            return able, wide
        if wide in able:
            return [wide], wide
        waits_long = any(not isinstance(job.request, PreviewRequest) for job in running)
        # Those that are older are not many: none comes any more.
        return [
            job for job in able if job.order < wide.order or (waits_long and isinstance(job.request, PreviewRequest))
        ], wide

    def _by_turns(self, lane: str, jobs: list[_Job]) -> _Job:
        """The oldest job of the client that has waited longest for its turn."""
        return min(jobs, key=lambda job: (self._turns.get((lane, job.client), 0), job.order))

    def progress(self, job: str, values: Mapping[str, Any]) -> None:
        """A running job has got on; ``values`` are fields of its snapshot. Raises UsageError where they cannot be."""
        found = self._jobs.get(job)
        if found is not None and found.snapshot.state in (RUNNING, CANCELLING):
            allowed = ("stage", "stage_index", "stage_count", "step", "of", "share", "eta", "notes", "thumbnail")
            found.snapshot.updated(known := {name: values[name] for name in allowed if name in values})
            self._set(found, **known)

    def done(self, job: str, result: Result) -> None:
        """A job has ended well."""
        if job in self._jobs and not self._jobs[job].snapshot.is_final:
            self._end(self._jobs[job], DONE, result=result)

    def failed(self, job: str, error: Ex4dError) -> None:
        """A job has ended with an error, or because it was cancelled."""
        if job in self._jobs and not self._jobs[job].snapshot.is_final:
            state = CANCELLED if error.kind == CancelledError.kind else FAILED
            self._end(self._jobs[job], state, error=error)

    def worker_died(self, job: str, how: str, *, begun: bool = True) -> None:
        """The worker of a running job is gone: the job is begun anew once, then it has failed.

        Args:
            job: its id.
            how: the worker has died.
            begun: whether the worker had begun it. One that had not has not died over it.
        """
        found = self._jobs.get(job)
        if found is None or found.snapshot.is_final:
            return
        if begun:
            found.deaths += 1
        else:
            found.returns += 1
        if found.snapshot.state == CANCELLING:
            self._end(found, CANCELLED, error=CancelledError(CancelledError.TERMINATED))
        elif found.deaths <= RETRIES and found.returns <= RETURNS:
            note = f"The worker process has died ({how}); the job was begun anew from its last finished stage."
            if begun:
                found.notes = tuple(dict.fromkeys((*found.notes, note)))
            self._set(found, state=QUEUED, notes=(), **_NOT_BEGUN)
            self._store(found)
        else:
            self._end(
                found,
                FAILED,
                error=ResourceError(
                    f"The worker process has died twice over this job ({how})."
                    if begun
                    else f"Worker processes die as soon as they are given this job ({how}).",
                    "Too little memory is the usual reason: close other programs, or use fewer vertices or frames. "
                    "Finished stages are kept.",
                ),
            )

    def stop(self) -> None:
        """The backend ends in good order: what has not ended is cancelled and does not start again by itself."""
        for job in list(self._jobs.values()):
            if not job.snapshot.is_final:
                self._end(job, CANCELLED, error=CancelledError(CancelledError.TERMINATED))

    def mend_journal(self) -> None:
        """Write down again what has gone from the journal though it has not ended: somebody, or the system's cleaner of
        temporary folders, has been there. A waiting job whose blobs nobody has any more fails."""
        for job in list(self._jobs.values()):
            if job.snapshot.is_final or self.journal.holds(job.entry):
                continue
            if job.blobs is not None:
                log.warning("job %s has gone from the journal and is written anew", job.snapshot.id)
                self._store(job, job.blobs)
            elif job.waits:
                self._end(job, FAILED, error=_lost())

    # Inside -------------------------------------------------------------------------------------------------------

    def _set(self, job: _Job, **values: Any) -> None:
        if "notes" in values:
            notes = dict.fromkeys(note[:MAX_NOTE] for note in (*job.notes, *values["notes"]))
            values["notes"] = tuple(notes)[:MAX_NOTES]
        job.snapshot = replace(job.snapshot, **values)
        self.changed(job.snapshot)

    def _end(
        self,
        job: _Job,
        state: str,
        *,
        result: Result | None = None,
        error: Ex4dError | None = None,
    ) -> None:
        job.snapshot = _ended(job.snapshot, state, error, result)
        job.blobs, job.blob_bytes = (), 0
        self._ends += 1
        job.ended = self._ends
        log.info("job %s (%s) %s%s", job.snapshot.id, job.snapshot.kind, state, f": {error}" if error else "")
        self._store(job)
        self.changed(job.snapshot)
        self._forget_old()

    def _store(self, job: _Job, blobs: tuple[bytes, ...] = ()) -> None:
        try:
            job.record_bytes = self.journal.write(job.entry, blobs)
        except Ex4dError as error:
            # The job itself goes on: at worst it is done once more after a crash, from its finished stages.
            log.warning("job %s cannot be written to the journal: %s", job.snapshot.id, error)

    def _forget_old(self) -> None:
        # Those that ended first go first, not those that were asked for first: one may have waited through all others.
        ended = sorted((job for job in self._jobs.values() if job.snapshot.is_final), key=lambda job: job.ended)
        size = sum(job.record_bytes for job in ended)
        # The last one stays whatever its size: somebody waits for it.
        for count, job in zip(range(len(ended), 1, -1), ended, strict=False):
            if count <= MAX_ENDED and size <= MAX_ENDED_BYTES:
                break
            size -= job.record_bytes
            del self._jobs[job.snapshot.id]
            self.journal.remove(job.entry)


#: What a job has that waits.
_NOT_BEGUN: dict[str, Any] = {
    "stage": "",
    "stage_index": 0,
    "step": 0,
    "of": 0,
    "share": None,
    "eta": None,
    "worker": None,
    "gpus": (),
}


def _lost() -> TransientError:
    return TransientError("The job's camera is gone from the runtime folder.", "Ask for the job again.")


def _same_preview(older: Request, newer: Request) -> bool:
    return (
        isinstance(older, PreviewRequest)
        and isinstance(newer, PreviewRequest)
        and newer.take != ""
        and (shot_of(older), older.take) == (shot_of(newer), newer.take)
    )


def _in_order_of_shots(waiting: list[_Job], running: list[_Job]) -> list[_Job]:
    """Those jobs that need not wait for an older one of their shot, or one that runs: nothing goes before or beside a
    reconstruction that was asked for first, and no reconstruction before or beside anything that was."""
    seen = {shot_of(job.request) for job in running}
    closed = {shot_of(job.request) for job in running if is_alone(job.request)}
    ready = []
    for job in sorted(waiting, key=lambda job: job.order):
        shot, alone = shot_of(job.request), is_alone(job.request)
        if shot is None or not (shot in closed or (alone and shot in seen)):
            ready.append(job)
        seen.add(shot)
        if alone:
            closed.add(shot)
    return ready


def _ended(
    snapshot: JobSnapshot, state: str, error: Ex4dError | None = None, result: Result | None = None
) -> JobSnapshot:
    told = ErrorInfo.of(error) if error is not None else None
    return replace(snapshot, state=state, eta=None, result=result, error=told, thumbnail="", finished=time.time())
