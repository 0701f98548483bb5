# SPDX-License-Identifier: Apache-2.0
"""The jobs of a backend: which wait, which runs, how the others ended. No sockets, no processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ex4d.protocol.errors import CancelledError, Ex4dError, ResourceError, TransientError, error_record
from ex4d.protocol.jobs import (
    CANCELLED,
    CANCELLING,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    DoctorParams,
    JobSnapshot,
    Params,
    ReconstructParams,
    RenderParams,
)
from ex4d.server.journal import Entry, Journal

log = logging.getLogger(__name__)

MAX_WAITING = 1000
#: Ended jobs that are remembered, for clients that come back.
MAX_ENDED = 500
#: Times that a job is begun anew after its worker has died.
RETRIES = 1

#: The two places where jobs run side by side: a look at the machine must not wait for a film.
WORK_LANE, DOCTOR_LANE = "work", "doctor"


def lane_of(params: Params) -> str:
    """Where a job runs."""
    return DOCTOR_LANE if isinstance(params, DoctorParams) else WORK_LANE


def _may_overtake(params: Params, waiting: list[_Job]) -> bool:
    """Whether a job goes before those that wait longer: one in front of the screen does, unless its shot is yet to be
    reconstructed."""
    if not isinstance(params, RenderParams) or not params.preview:
        return False
    return not any(isinstance(job.params, ReconstructParams) and job.params.shot == params.shot for job in waiting)


@dataclass
class _Job:
    snapshot: JobSnapshot
    params: Params
    deaths: int = 0
    #: The queue's own sentences; the worker tells its own anew each time.
    notes: tuple[str, ...] = ()


@dataclass
class JobQueue:
    """All jobs of a backend.

    Attributes:
        journal: where they are kept.
        changed: called with each new snapshot.
    """

    journal: Journal
    changed: Callable[[JobSnapshot], None]
    _jobs: dict[str, _Job] = field(default_factory=dict)

    def restore(self) -> None:
        """Take the jobs of a former backend from the journal; those it had not ended wait again."""
        for entry in self.journal.entries():
            snapshot = entry.snapshot
            if snapshot.state == CANCELLING:
                snapshot = _ended(snapshot, CANCELLED, CancelledError(CancelledError.TERMINATED))
            elif not snapshot.is_final:
                snapshot = replace(snapshot, state=QUEUED, stage="", step=0, of=0, eta=None, started=None)
            self._jobs[snapshot.id] = _Job(snapshot, entry.params)
        self._forget_old()

    # Clients ------------------------------------------------------------------------------------------------------

    def submit(self, job: str, kind: str, params: Params, blobs: tuple[bytes, ...], title: str) -> JobSnapshot:
        """Take a job; the same id is the same job.

        Raises:
            TransientError: too many wait, or the journal cannot be written. Then nothing is taken.
        """
        if job in self._jobs:
            return self._jobs[job].snapshot
        if sum(known.snapshot.state == QUEUED for known in self._jobs.values()) >= MAX_WAITING:
            raise TransientError(f"{MAX_WAITING} jobs are waiting already.", "Wait until some have ended.")
        snapshot = JobSnapshot(job, kind, title=title, created=time.time())
        self.journal.write(Entry(snapshot, params, blobs))
        self._jobs[job] = _Job(snapshot, params)
        self.changed(snapshot)
        return snapshot

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
        return any(job.snapshot.state == QUEUED and lane_of(job.params) == lane for job in self._jobs.values())

    def fail_waiting(self, lane: str, how: str) -> None:
        """The lane's worker cannot start: whoever waits for it is told so."""
        for job in list(self._jobs.values()):
            if job.snapshot.state == QUEUED and lane_of(job.params) == lane:
                self._end(
                    job,
                    FAILED,
                    error=ResourceError(
                        f"The worker process cannot start ({how}).",
                        "Press Diagnose, or install the backend anew; worker.stderr in its folder tells why.",
                    ),
                )

    def cancel(self, job: str) -> JobSnapshot | None:
        """Stop a job: a waiting one at once, a running one is marked; returns its new snapshot."""
        found = self._jobs.get(job)
        if found is None:
            return None
        if found.snapshot.state == QUEUED:
            self._end(found, CANCELLED, error=CancelledError(CancelledError.INTERRUPTED))
        elif found.snapshot.state == RUNNING:
            self._set(found, state=CANCELLING)
            self._store(found)
        return found.snapshot

    # Workers ------------------------------------------------------------------------------------------------------

    def next(self, lane: str) -> Entry | None:
        """The next job of a lane, marked as running; None where none waits."""
        waiting = [job for job in self._jobs.values() if job.snapshot.state == QUEUED and lane_of(job.params) == lane]
        if not waiting:
            return None
        job = next((job for job in waiting if _may_overtake(job.params, waiting)), waiting[0])
        entry = self.journal.read(job.snapshot.id)
        if entry is None:
            error = TransientError("The job's file in the runtime folder is gone.", "Ask for the job again.")
            self._end(job, FAILED, error=error)
            return self.next(lane)
        self._set(job, state=RUNNING, started=time.time())
        self._store(job)
        return replace(entry, snapshot=job.snapshot)

    def progress(self, job: str, values: Mapping[str, Any]) -> None:
        """A running job has got on; ``values`` are fields of its snapshot."""
        found = self._jobs.get(job)
        if found is not None and not found.snapshot.is_final:
            allowed = ("stage", "stage_index", "stage_count", "step", "of", "eta", "notes", "look")
            self._set(found, **{name: values[name] for name in allowed if name in values})

    def done(self, job: str, result: dict[str, Any]) -> None:
        """A job has ended well."""
        if job in self._jobs and not self._jobs[job].snapshot.is_final:
            self._end(self._jobs[job], DONE, result=result)

    def failed(self, job: str, error: dict[str, Any]) -> None:
        """A job has ended with an error, or because it was cancelled."""
        if job in self._jobs and not self._jobs[job].snapshot.is_final:
            state = CANCELLED if error.get("kind") == CancelledError.kind else FAILED
            self._end(self._jobs[job], state, error=error)

    def worker_died(self, job: str, how: str) -> None:
        """The worker of a running job is gone: the job is begun anew once, then it has failed."""
        found = self._jobs.get(job)
        if found is None or found.snapshot.is_final:
            return
        found.deaths += 1
        if found.snapshot.state == CANCELLING:
            self._end(found, CANCELLED, error=CancelledError(CancelledError.TERMINATED))
        elif found.deaths <= RETRIES:
            note = f"The worker process has died ({how}); the job was begun anew from its last finished stage."
            found.notes = tuple(dict.fromkeys((*found.notes, note)))
            self._set(found, state=QUEUED, stage="", step=0, of=0, eta=None, notes=())
            self._store(found)
        else:
            self._end(
                found,
                FAILED,
                error=ResourceError(
                    f"The worker process has died twice over this job ({how}).",
                    "Too little memory is the usual reason: close other programs, or use fewer vertices or frames. "
                    "Finished stages are kept.",
                ),
            )

    def stop(self) -> None:
        """The backend ends in good order: what has not ended is cancelled and does not start again by itself."""
        for job in list(self._jobs.values()):
            if not job.snapshot.is_final:
                self._end(job, CANCELLED, error=CancelledError(CancelledError.TERMINATED))

    # Inside -------------------------------------------------------------------------------------------------------

    def _set(self, job: _Job, **values: Any) -> None:
        if "notes" in values:
            values["notes"] = tuple(dict.fromkeys((*job.notes, *values["notes"])))
        job.snapshot = replace(job.snapshot, **values)
        self.changed(job.snapshot)

    def _end(
        self,
        job: _Job,
        state: str,
        *,
        result: dict[str, Any] | None = None,
        error: Ex4dError | dict[str, Any] | None = None,
    ) -> None:
        job.snapshot = _ended(job.snapshot, state, error, result)
        log.info("job %s (%s) %s%s", job.snapshot.id, job.snapshot.kind, state, f": {error}" if error else "")
        self._store(job)
        self.changed(job.snapshot)
        self._forget_old()

    def _store(self, job: _Job) -> None:
        entry = self.journal.read(job.snapshot.id)
        try:
            # An ended job's blobs are of no more use.
            blobs = () if entry is None or job.snapshot.is_final else entry.blobs
            self.journal.write(Entry(job.snapshot, job.params, blobs))
        except Ex4dError as error:
            # The job itself goes on: at worst it is done once more after a crash, from its finished stages.
            log.warning("job %s cannot be written to the journal: %s", job.snapshot.id, error)

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if job.snapshot.is_final]
        for job in ended[: max(0, len(ended) - MAX_ENDED)]:
            del self._jobs[job.snapshot.id]
            self.journal.remove(job.snapshot.id)


def _ended(
    snapshot: JobSnapshot,
    state: str,
    error: Ex4dError | dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
) -> JobSnapshot:
    record = error_record(error) if isinstance(error, Ex4dError) else error
    return replace(snapshot, state=state, eta=None, result=result, error=record, look="", finished=time.time())
