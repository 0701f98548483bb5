# SPDX-License-Identifier: Apache-2.0
"""Where a job is, as the backend tells it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ex4d.protocol.errors import ErrorInfo, UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.results import Result, parse_result, result_record
from ex4d.protocol.wire import MAX_HEADER_BYTES, Message, is_job_id, json_bytes

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, CANCELLING, DONE, FAILED, CANCELLED)
FINAL_STATES = frozenset({DONE, FAILED, CANCELLED})


def _no_job(why: str) -> UsageError:
    return UsageError(f"A job's record cannot be read: {why}.", "Use a client of the same version as the backend.")


def new_job_id() -> str:
    """An id for a new job."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class JobSnapshot:
    """Where a job is.

    Attributes:
        id, kind: which job.
        state: one of ``STATES``.
        title: for people.
        stage: what it is doing; "" before and after.
        stage_index, stage_count: place of the stage among the job's.
        step, of: of the stage; ``of`` is 0 where unknown.
        share: of the whole job that is done, 0..1; never falls while the job runs. None = the backend does not tell.
        eta: seconds until the stage ends, None where unknown.
        notes: sentences that the user should read.
        thumbnail: file of a small picture of what is being made, "" = none.
        result: of a done job; None also where its job is not known here.
        error: of a failed or cancelled job.
        created, started, finished: seconds since 1970, None where not yet.
        worker: number of the worker that does it or has done it; None where the backend has but one.
        gpus: numbers of the GPUs that it has there; () where the workers have none of their own.
    """

    id: str
    kind: str
    state: str = QUEUED
    title: str = ""
    stage: str = ""
    stage_index: int = 0
    stage_count: int = 1
    step: int = 0
    of: int = 0
    share: float | None = None
    eta: float | None = None
    notes: tuple[str, ...] = ()
    thumbnail: str = ""
    result: Result | None = None
    error: ErrorInfo | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    worker: int | None = None
    gpus: tuple[int, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL_STATES

    @property
    def fraction(self) -> float:
        """How much is done, 0..1."""
        if self.state == DONE:
            return 1.0
        if self.share is not None:
            return min(max(self.share, 0.0), 1.0)
        inside = min(self.step / self.of, 1.0) if self.of > 0 else 0.0
        return min((self.stage_index + inside) / max(self.stage_count, 1), 1.0)

    def record(self, *, with_result: bool = True) -> dict[str, Any]:
        """As JSON; not to be changed, as the numbers of its result are the result's own."""
        record = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        record["notes"], record["gpus"] = list(self.notes), list(self.gpus)
        record["error"] = dataclasses.asdict(self.error) if self.error is not None else None
        record["result"] = result_record(self.result) if with_result and self.result is not None else None
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> JobSnapshot:
        """From the backend's JSON; fields of a newer backend are left out, here and in the result.

        Raises:
            UsageError: a field is missing or of another type; no such state; no such id.
        """
        if not isinstance(record, Mapping):
            raise _no_job("it is not an object")
        values = dict(record)
        if values.get("notes", ()) is None:
            del values["notes"]
        result = values.pop("result", None)
        snapshot = from_record(cls, values, "job", lenient=True)
        if snapshot.state not in STATES:
            raise _no_job("its state is unknown")
        if not is_job_id(snapshot.id):
            raise _no_job("its id is none")
        if result is None:
            return snapshot
        return dataclasses.replace(snapshot, result=parse_result(snapshot.kind, result))

    def updated(self, values: Mapping[str, Any]) -> JobSnapshot:
        """With other values of some fields; raises UsageError for what they cannot be."""
        # A result may be long, and has been checked.
        record = {**self.record(with_result=False), **values}
        return dataclasses.replace(JobSnapshot.from_record(record), result=self.result)


#: A result as JSON has at most so many bytes: numbers and coverage of more than a million frames.
MAX_RESULT_BYTES = 16 << 20


def result_message(kind: str, job: str, header: Mapping[str, Any], result: Result | None) -> Message:
    """A message with a job's result: in the header under ``result``, or as the first blob where it is too long.

    Raises:
        UsageError: it has more than ``MAX_RESULT_BYTES``.
        TypeError, ValueError: it is not JSON.
    """
    record = result_record(result) if result is not None else None
    data = json_bytes(record)
    if len(data) > MAX_RESULT_BYTES:
        raise UsageError(
            f"The job's result has {len(data)} bytes; {MAX_RESULT_BYTES} are allowed.",
            "Ask for fewer frames at once.",
        )
    message = Message(kind, job, {**header, "result": record})
    if len(data) + len(json_bytes(header)) < MAX_HEADER_BYTES - 64:
        return message
    return Message(kind, job, {**header, "result": None}, (data,))


def result_of(message: Message, job: str) -> Result | None:
    """The result in a message of ``result_message``.

    Args:
        message: that has come.
        job: name of the job whose result it is.

    Raises:
        UsageError: it is damaged.
    """
    record = _result_record(message)
    return parse_result(job, record) if record is not None else None


def _result_record(message: Message) -> Mapping[str, Any] | None:
    record = message.header.get("result")
    if record is None and message.blobs:
        try:
            record = parse_json(message.blobs[0])
        except ValueError as error:
            raise _no_job("its result is not JSON") from error
    if not isinstance(record, Mapping | None):
        raise _no_job("its result is not an object")
    return record


def job_message(snapshot: JobSnapshot) -> Message:
    """Where a job is, for clients."""
    return result_message("job", snapshot.id, snapshot.record(with_result=False), snapshot.result)


def job_of(message: Message) -> JobSnapshot:
    """The job in a message of ``job_message``; raises UsageError where it is damaged."""
    return JobSnapshot.from_record({**message.header, "result": _result_record(message)})
