# SPDX-License-Identifier: Apache-2.0
"""Jobs: what can be asked of the backend, and what it says of them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ex4d.protocol.errors import UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.wire import MAX_HEADER_BYTES, Message, is_job_id, json_bytes

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, CANCELLING, DONE, FAILED, CANCELLED)
FINAL_STATES = frozenset({DONE, FAILED, CANCELLED})


@dataclass(frozen=True)
class PlateParams:
    """Which frames of which plate.

    Attributes:
        path: movie, folder, pattern or image, absolute.
        frames: such as "1001-1049", by the plate's own numbers; None = all.
        fps: such as "24000/1001"; None = the plate's own, or 24.
        first_frame: number of a movie's first frame.
    """

    path: str
    frames: str | None = None
    fps: str | None = None
    first_frame: int = 1001


@dataclass(frozen=True)
class DepthParams:
    """Where depth comes from.

    Attributes:
        source: the name of an estimator, "auto" for the best one that works and is free to use, or the path of depth
            files.
        kind: "depth" or "disparity", of files.
        scale: per code value, of files.
        camera: path of a trajectory file with the source camera's K and poses.
        fov: over the longer side, degrees.
    """

    source: str = "auto"
    kind: str | None = None
    scale: float | None = None
    camera: str | None = None
    fov: float | None = None


@dataclass(frozen=True)
class MeshParams:
    """The mesh; None stands for the backend's default (``ex4d.mesh.MeshSettings``).

    Attributes:
        min_angle: smallest interior angle of a valid face, degrees.
        max_depth_ratio: largest ratio of depths inside a valid face.
        max_grid_side: vertices along the longer side at most.
        thickness: how deep things are thought to be, as a share of their width.
    """

    min_angle: float | None = None
    max_depth_ratio: float | None = None
    max_grid_side: int | None = None
    thickness: float | None = None


@dataclass(frozen=True)
class ReconstructParams:
    """Plate, depth, mesh, and the mesh for a viewport. A solved source camera, where there is one, is the first blob
    (JSON of ``ex4d.camera``, shot world), the solve's points the second: JSON ``{"points": [[x, y, z], …]}``.

    Attributes:
        shot: the shot's folder, absolute.
        viewport_side: vertices along the longer side of the viewport's mesh at most.
    """

    shot: str
    plate: PlateParams
    depth: DepthParams = field(default_factory=DepthParams)
    mesh: MeshParams = field(default_factory=MeshParams)
    viewport_side: int = 512


@dataclass(frozen=True)
class RenderParams:
    """Colour, mask and coverage of a take.

    Attributes:
        shot: the shot's folder.
        camera: a move such as "orbit:30"; None = the trajectory of the first blob (JSON of ``ex4d.camera``).
        size: (width, height) in pixels; None = the trajectory's, or the plate's.
        frames: such as "1001-1020", by the plate's own numbers; None = all.
        raster: name of a rasterizer, or "auto".
        preview: draw a small copy of the shot, kept in memory: fast, approximate at edges.
        take: of a preview, what the client calls its take: a newer preview of the same shot and take replaces one that
            still waits. "" = none is replaced.
    """

    shot: str
    camera: str | None = None
    size: tuple[int, int] | None = None
    frames: str | None = None
    raster: str = "auto"
    preview: bool = False
    take: str = ""


@dataclass(frozen=True)
class GenerateParams:
    """A take, delivered.

    Attributes:
        shot, camera, size, frames, raster: see ``RenderParams``.
        profile: name of a way to fill.
        seed: of the fill's random numbers, for those that have any.
        prompt: for those that take one.
        title: what the client calls the take; stands in its record.
    """

    shot: str
    camera: str | None = None
    size: tuple[int, int] | None = None
    frames: str | None = None
    raster: str = "auto"
    profile: str = "preview"
    seed: int | None = None
    prompt: str | None = None
    title: str = ""


@dataclass(frozen=True)
class DoctorParams:
    """What this machine can do; no parameters."""


@dataclass(frozen=True)
class FreeMemoryParams:
    """End the worker process, so that all its memory is free; no parameters."""


Params: TypeAlias = ReconstructParams | RenderParams | GenerateParams | DoctorParams | FreeMemoryParams
KINDS: dict[str, type[Params]] = {
    "reconstruct": ReconstructParams,
    "render": RenderParams,
    "generate": GenerateParams,
    "doctor": DoctorParams,
    "free_memory": FreeMemoryParams,
}


def parse_params(kind: str, record: Mapping[str, Any]) -> Params:
    """The checked parameters of a job.

    Raises:
        UsageError: no such kind, or parameters that are not its own.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no job «{kind[:40]}».", f"Use one of: {', '.join(KINDS)}.")
    return from_record(KINDS[kind], record)


def params_record(params: Params) -> dict[str, Any]:
    """Parameters as JSON."""
    return dataclasses.asdict(params)


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
        look: file of a small picture of what is being made, "" = none.
        result: of a done job, JSON object.
        error: of a failed or cancelled job (``errors.error_record``).
        created, started, finished: seconds since 1970, None where not yet.
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
    look: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None

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
        """As JSON; not to be changed, as the result in it is this object's own."""
        record = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        record["notes"] = list(self.notes)
        if not with_result:
            record["result"] = None
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> JobSnapshot:
        """From the backend's JSON; fields of a newer backend are left out.

        Raises:
            UsageError: a field is missing or of another type; no such state; no such id.
        """
        if not isinstance(record, Mapping):
            raise _no_job("it is not an object")
        names = {item.name for item in dataclasses.fields(cls)}
        values = {name: value for name, value in record.items() if name in names}
        if values.get("notes", ()) is None:
            del values["notes"]
        snapshot = from_record(cls, values, "job")
        if snapshot.state not in STATES:
            raise _no_job("its state is unknown")
        if not is_job_id(snapshot.id):
            raise _no_job("its id is none")
        return snapshot

    def updated(self, values: Mapping[str, Any]) -> JobSnapshot:
        """With other values of some fields; raises UsageError for what they cannot be."""
        # A result may be long, and has been checked.
        record = {**self.record(with_result=False), **values}
        return dataclasses.replace(JobSnapshot.from_record(record), result=self.result)


#: A result as JSON has at most so many bytes: numbers and coverage of more than a million frames.
MAX_RESULT_BYTES = 16 << 20


def result_message(kind: str, job: str, header: Mapping[str, Any], result: Mapping[str, Any] | None) -> Message:
    """A message with a job's result: in the header under ``result``, or as the first blob where it is too long.

    Raises:
        UsageError: it has more than ``MAX_RESULT_BYTES``.
        TypeError, ValueError: it is not JSON.
    """
    data = json_bytes(result)
    if len(data) > MAX_RESULT_BYTES:
        raise UsageError(
            f"The job's result has {len(data)} bytes; {MAX_RESULT_BYTES} are allowed.",
            "Ask for fewer frames at once.",
        )
    message = Message(kind, job, {**header, "result": result})
    if len(data) + len(json_bytes(header)) < MAX_HEADER_BYTES - 64:
        return message
    return Message(kind, job, {**header, "result": None}, (data,))


def result_of(message: Message) -> dict[str, Any] | None:
    """The result in a message of ``result_message``; raises UsageError where it is damaged."""
    result = message.header.get("result")
    if result is None and message.blobs:
        try:
            result = parse_json(message.blobs[0])
        except ValueError as error:
            raise _no_job("its result is not JSON") from error
    if not isinstance(result, dict | None):
        raise _no_job("its result is not an object")
    return result


def job_message(snapshot: JobSnapshot) -> Message:
    """Where a job is, for clients."""
    return result_message("job", snapshot.id, snapshot.record(with_result=False), snapshot.result)


def job_of(message: Message) -> JobSnapshot:
    """The job in a message of ``job_message``; raises UsageError where it is damaged."""
    return JobSnapshot.from_record({**message.header, "result": result_of(message)})
