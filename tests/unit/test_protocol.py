# SPDX-License-Identifier: Apache-2.0
"""Messages, job parameters, errors on the wire, the handshake file."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.cli import build_parser
from ex4d.jobs.reconstruct import mesh_settings
from ex4d.mesh import MeshSettings
from ex4d.protocol import wire
from ex4d.protocol.capabilities import EstimatorInfo
from ex4d.protocol.errors import (
    MAX_SENTENCE,
    BadInputError,
    CancelledError,
    OtherVersionError,
    ProtocolError,
    TransientError,
    UsageError,
    error_from_record,
    error_record,
)
from ex4d.protocol.jobs import (
    MAX_RESULT_BYTES,
    STATES,
    JobSnapshot,
    job_message,
    job_of,
    new_job_id,
)
from ex4d.protocol.models import MemoryNeed, ModelInfo
from ex4d.protocol.requests import (
    REQUESTS,
    CheckRequest,
    CleanRequest,
    ColourSpacesRequest,
    DepthRequest,
    DoctorRequest,
    DownloadRequest,
    ExportRequest,
    FillMoviesRequest,
    FillRequest,
    FreeMemoryRequest,
    GenerateRequest,
    MeshRequest,
    ModelsRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ProjectionRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
    RunRequest,
    SolvedCamera,
    TrajectoryCamera,
    ViewportRequest,
    job_name,
    parse_request,
    request_record,
)
from ex4d.protocol.results import (
    CachedStage,
    CheckResult,
    CleanResult,
    DepthInfo,
    DoctorResult,
    DownloadResult,
    ExportedRender,
    ExportResult,
    Finding,
    FreeMemoryResult,
    GenerateResult,
    ModelsResult,
    PlateInfo,
    ReconstructResult,
    RenderResult,
    Result,
    ShotPart,
    ViewportResult,
    parse_result,
    result_record,
)
from ex4d.protocol.runtime import Handshake, default_runtime_dir, read_handshake, remove_handshake, write_handshake

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.from_regex(r"[a-z_]{1,32}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{0,64}", fullmatch=True),
    st.dictionaries(st.text(), JSON, max_size=5),
    st.lists(st.binary(max_size=50), max_size=wire.MAX_BLOBS),
)
def test_every_message_comes_back(kind: str, job: str, header: dict[str, Any], blobs: list[bytes]) -> None:
    message = wire.Message(kind, job, header, tuple(blobs))
    assert wire.decode(wire.encode(message)) == message


def _frames(**parts: Any) -> list[bytes]:
    values = {"version": wire.VERSION, "type": b"ping", "job": b"", "header": b"{}", **parts}
    return [values["version"], values["type"], values["job"], values["header"], *parts.get("blobs", [])]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"GET / HTTP/1.1"],
        [wire.VERSION],
        [wire.VERSION, b"ping", b""],
        _frames(type=b"Ping"),
        _frames(type=b""),
        _frames(type=b"x" * 33),
        _frames(job=b"a/b"),
        _frames(job=b"x" * 65),
        _frames(job="é".encode()),
        _frames(header=b""),
        _frames(header=b"[]"),
        _frames(header=b'{"a": NaN}'),
        _frames(header=b'{"a": 1e999, "b": Infinity}'),
        _frames(header=b"\xff{}"),
        _frames(header=b"[" * 100_000),
        _frames(header=b'{"a":' * 40 + b"1" + b"}" * 40),
        # Deeper than calls may be, and not too deep for the parser.
        _frames(header=b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"),
        _frames(header=b'{"a":"' + b"x" * wire.MAX_HEADER_BYTES + b'"}'),
        _frames(blobs=[b""] * (wire.MAX_BLOBS + 1)),
    ],
)
def test_what_is_no_message(frames: list[bytes]) -> None:
    with pytest.raises(ProtocolError) as caught:
        wire.decode(frames)
    assert caught.value.message.endswith(".")
    assert caught.value.hint


def test_a_header_of_as_many_levels_as_are_allowed() -> None:
    deepest = wire.MAX_DEPTH - 1
    header = b'{"a":' * deepest + b"1" + b"}" * deepest
    assert wire.decode(_frames(header=header)).header["a"]
    with pytest.raises(ProtocolError):
        wire.decode(_frames(header=b'{"a":' + header + b"}"))


@pytest.mark.parametrize("sizes", [[wire.MAX_BLOB_BYTES + 1], [wire.MAX_BLOB_BYTES, 1]])
def test_blobs_too_large(sizes: list[int]) -> None:
    blobs = [bytes(size) for size in sizes]
    with pytest.raises(ProtocolError):
        wire.decode(_frames(blobs=blobs))
    # And the sender hears of it, instead of waiting for an answer.
    with pytest.raises(ProtocolError):
        wire.encode(wire.Message("submit", "a", {}, tuple(blobs)))


def test_a_sender_hears_that_its_header_is_too_long() -> None:
    with pytest.raises(ProtocolError):
        wire.encode(wire.Message("submit", "a", {"request": "x" * wire.MAX_HEADER_BYTES}))


def test_another_version_is_named() -> None:
    for version, words in ((b"ex4d/1", "Update the other side"), (b"ex4d/3", "Update this side")):
        with pytest.raises(OtherVersionError, match=version.decode()) as caught:
            wire.decode([version, b"whatever", b"that", b"means"])
        assert "ex4d/2" in caught.value.message
        assert words in caught.value.hint
        assert caught.value.other == version


@given(st.lists(st.binary(max_size=30), max_size=7))
def test_decoding_never_fails_in_another_way(frames: list[bytes]) -> None:
    with suppress(ProtocolError):
        wire.decode(frames)


CAMERAS = (MoveCamera("orbit:30", "2.5", follow=False), TrajectoryCamera(b"{}", "/cam.json", ("assumed",), "orbit:30"))
PLATE = ReconstructRequest(
    "/s",
    PlateRequest("/p.mp4", "1001-1004", "24000/1001", 1),
    DepthRequest("/d.npz", "disparity", 0.5, None, mattes="/m.mp4", focal_mm=50.0, sensor_mm=36.0),
    MeshRequest(3.0, 1.2, 512, 0.5, "ex4d"),
    SolvedCamera(b"camera", b"points"),
    64,
)
TAKES = tuple(
    GenerateRequest(
        "/s", camera, (320, 180), "1001-1002", "embree", FillRequest("fast", {"seed": 7, "x": 0.5}, ("/m",)), "T"
    )
    for camera in CAMERAS
)
REQUESTED: dict[str, Request] = {
    "reconstruct": PLATE,
    "viewport": ViewportRequest("/s", 32),
    "projection": ProjectionRequest("/s", "/s/takes/v001", 32),
    "render": RenderRequest("/s", CAMERAS[0], (320, 180)),
    "preview": PreviewRequest("/s", CAMERAS[1], take="one"),
    "generate": TAKES[1],
    "run": RunRequest(PLATE, TAKES),
    "export": ExportRequest("/s", "/o", ("ply", "npz"), CAMERAS),
    "fill_movies": FillMoviesRequest("/c.mp4", "/m.mp4", "/o.mp4", 3, 5, FillRequest("draft", {"prompt": None})),
    "doctor": DoctorRequest(),
    "check": CheckRequest("/s"),
    "clean": CleanRequest("/s", True, ("raster-1",)),
    "colour_spaces": ColourSpacesRequest("/config.ocio"),
    "models": ModelsRequest(),
    "download": DownloadRequest("moge"),
    "free_memory": FreeMemoryRequest(),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_requests_come_back(kind: str) -> None:
    request = REQUESTED[kind]
    assert job_name(request) == kind
    record, blobs = request_record(request)
    assert parse_request(kind, json.loads(json.dumps(record)), blobs) == request
    # Without the blobs, in the same order: what a backend keeps of a job that waits.
    bare = parse_request(kind, record, (b"",) * len(blobs))
    assert request_record(bare) == (record, (b"",) * len(blobs))


def test_requests_have_their_defaults() -> None:
    request = parse_request("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "depth": {"fov": 60}})
    assert isinstance(request, ReconstructRequest)
    assert request.depth.source == "auto"
    assert request.depth.fov == 60.0
    assert request.viewport_side == 512
    assert request.mesh == MeshRequest()
    take = parse_request("generate", {"shot": "/s", "camera": {"move": "hold"}})
    assert isinstance(take, GenerateRequest)
    assert take.fill == FillRequest("preview")
    assert take.camera == MoveCamera("hold", "auto", follow=True)


@pytest.mark.parametrize("blobs", [(), (b"a",), (b"a", b"b", b"c")])
def test_blobs_that_do_not_fit_are_refused(blobs: tuple[bytes, ...]) -> None:
    solved = {"camera": {"blob": 0}, "points": {"blob": 1}}
    with pytest.raises(UsageError, match="blob"):
        parse_request("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "solved": solved}, blobs)


MOVE = {"move": "hold"}


@pytest.mark.parametrize(
    ("kind", "record", "named"),
    [
        ("dance", {}, "dance"),
        ("render", {"camera": MOVE}, "shot"),
        ("render", {"shot": 3, "camera": MOVE}, "shot"),
        ("render", {"shot": None, "camera": MOVE}, "shot"),
        ("render", {"shot": "/s"}, "camera"),
        ("render", {"shot": "/s", "camera": "hold"}, "camera"),
        ("render", {"shot": "/s", "camera": {}}, "camera"),
        ("render", {"shot": "/s", "camera": {"move": "hold", "speed": 3}}, "camera"),
        ("render", {"shot": "/s", "camera": {"trajectory": "text"}}, "trajectory"),
        ("render", {"shot": "/s", "camera": {"move": "hold", "pivot": "there"}}, "pivot"),
        ("render", {"shot": "/s", "camera": MOVE, "size": [1]}, "size"),
        ("render", {"shot": "/s", "camera": MOVE, "size": [1, "2"]}, "size"),
        ("render", {"shot": "/s", "camera": MOVE, "size": [1, True]}, "size"),
        ("render", {"shot": "/s", "camera": MOVE, "size": [0, 5]}, "size"),
        ("render", {"shot": "/s", "camera": MOVE, "frames": "9-1"}, "backwards"),
        ("render", {"shot": "/s", "camera": MOVE, "preview": 1}, "preview"),
        ("render", {"shot": "/s", "camera": MOVE, "shots": 1}, "shots"),
        ("render", {"shot": "/s\0", "camera": MOVE}, "shot"),
        ("render", {"shot": "x" * 20_000, "camera": MOVE}, "shot"),
        ("generate", {"shot": "/s", "camera": MOVE, "fill": {"options": {"seed": -1}}}, "seed"),
        ("generate", {"shot": "/s", "camera": MOVE, "fill": {"options": {"seed": 1 << 60}}}, "seed"),
        ("generate", {"shot": "/s", "camera": MOVE, "fill": {"options": {"seed": [1]}}}, "seed"),
        ("generate", {"shot": "/s", "camera": MOVE, "fill": {"generator": "no name"}}, "no name"),
        ("reconstruct", {"shot": "/s", "plate": "p.mp4"}, "plate"),
        ("reconstruct", {"shot": "/s", "plate": {}}, "plate.path"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p", "first_frame": None}}, "plate.first_frame"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p", "fps": "0"}}, "frame rate"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "depth": {"fov": float("inf")}}, "depth.fov"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "depth": {"fov": 10**400}}, "depth.fov"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "depth": {"fov": 0.5}}, "field of view"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "depth": {"kind": "height"}}, "depth.kind"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "mesh": {"min_angle": 60}}, "mesh"),
        ("reconstruct", {"shot": "/s", "plate": {"path": "/p"}, "viewport_side": 8}, "viewport"),
    ],
)
def test_wrong_requests_are_named(kind: str, record: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        parse_request(kind, record)
    assert caught.value.hint


@given(
    st.sampled_from(sorted(REQUESTS)), st.dictionaries(st.sampled_from(["shot", "plate", "size", "camera", "x"]), JSON)
)
def test_random_requests_are_taken_or_refused(kind: str, record: dict[str, Any]) -> None:
    with suppress(UsageError):
        parse_request(kind, record)


def test_defaults_and_ranges_are_those_of_the_stages() -> None:
    assert mesh_settings(MeshRequest()) == MeshSettings()
    assert build_parser("recon").parse_args(["recon", "p", "--out", "o"]).mesh_grid == MeshRequest().max_grid_side


def test_job_ids_are_ids() -> None:
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(wire.is_job_id(job) for job in ids)


MODEL = ModelInfo(
    "moge", "depth", "MoGe-2", "learned", "MIT", "yes", ("a/b",), 10, False, False, False, "begun", 3, ("torch",),
    "gpu", "pip", "/m/depth", (MemoryNeed(("fast",), 21, 6, 18),),
)  # fmt: skip
RESULT_RECORDS: dict[str, Result] = {
    "reconstruct": ReconstructResult(
        "/s",
        PlateInfo("/p.mp4", "ab", 96, 64, "24", (1001, 1002), 8, False, False),
        DepthInfo("prior", "depth", "Apache-2.0", False, True),
        2.5,
        30.0,
        "/s/source.json",
        ("static",),
        "/s/viewport",
    ),
    "viewport": ViewportResult("/s/viewport"),
    "render": RenderResult("/f", "/c", "/m", (1, 2), (0.5, 1.0), (96, 64), "embree", "CPU", (), 1.5),
    "export": ExportResult(
        {"ply": "/o/DW-Mesh.ply"}, (ExportedRender("/c.mp4", "/m.mp4", "/c.npz", "/c.json", (1,), (0.5,)),)
    ),
    "doctor": DoctorResult(True, None, (Finding("depth", "prior", True, "fine"),)),
    "check": CheckResult("/s", False, (ShotPart("shot.json", "damaged", 1, "It is."),)),
    "clean": CleanResult("/s", True, (CachedStage("raster-1", "raster", 3, 4096),)),
    "models": ModelsResult((MODEL,)),
    "download": DownloadResult(
        "moge", "/m/depth", {"a/b": "mit"}, {"a/b": "c" * 40}, (EstimatorInfo("small", "small network", "MIT"),)
    ),
    "free_memory": FreeMemoryResult(None),
}


@pytest.mark.parametrize("kind", RESULT_RECORDS)
def test_results_come_back_and_leave_out_what_a_newer_backend_adds(kind: str) -> None:
    result = RESULT_RECORDS[kind]
    record = json.loads(json.dumps(result_record(result)))
    record["mood"] = "good"
    if kind == "reconstruct":
        record["plate"]["mood"] = "good"
    assert parse_result(kind, record) == result
    assert parse_result("dance", record) is None


def test_snapshots_come_back_and_leave_out_what_a_newer_backend_adds() -> None:
    snapshot = JobSnapshot("a", "render", state="running", stage="raster", step=3, of=9, notes=("one",), eta=1.5)
    record = json.loads(json.dumps({**snapshot.record(), "mood": "good"}))
    assert JobSnapshot.from_record(record) == snapshot
    assert snapshot.state in STATES


@pytest.mark.parametrize(
    ("values", "fraction"),
    [
        ({}, 0.0),
        ({"stage_count": 4, "stage_index": 1, "step": 5, "of": 10}, 0.375),
        ({"stage_count": 4, "stage_index": 3, "step": 20, "of": 10}, 1.0),
        ({"stage_count": 0, "of": 0, "step": 4}, 0.0),
        ({"state": "done"}, 1.0),
        ({"share": 0.4, "stage_count": 4, "stage_index": 3}, 0.4),
        ({"share": 7.0}, 1.0),
    ],
)
def test_fraction(values: dict[str, Any], fraction: float) -> None:
    assert JobSnapshot("a", "generate", **values).fraction == pytest.approx(fraction)


@pytest.mark.parametrize(
    "error", [UsageError("A.", "B."), BadInputError("A.", "B."), TransientError("A.", "B."), CancelledError(143)]
)
def test_errors_keep_what_they_say(error: Any) -> None:
    back = error_from_record(json.loads(json.dumps(error_record(error))))
    assert (back.kind, back.exit_code, back.message, back.hint) == (
        error.kind,
        error.exit_code,
        error.message,
        error.hint,
    )


@pytest.mark.parametrize("record", [{}, {"exit_code": "ten"}, {"message": None, "hint": 3}])
def test_damaged_error_records_still_give_an_error(record: dict[str, Any]) -> None:
    error = error_from_record(record)
    assert error.message
    assert error.hint
    assert isinstance(error.exit_code, int)


HANDSHAKE = Handshake("tcp://127.0.0.1:5", "a" * 40, "b" * 40, "c" * 40, os.getpid(), "0.1.0", "ex4d/2")


def test_long_sentences_keep_their_beginning_and_their_end() -> None:
    """A file with names of 65,000 characters stands in the sentence about it."""
    error = BadInputError("It begins " + "x" * 2_600_000 + " and ends.", "Do " + "y" * 5000 + " this.")
    record = error_record(error)
    assert len(record["message"]) <= MAX_SENTENCE >= len(record["hint"])
    assert len(str(error)) <= 2 * MAX_SENTENCE + 1
    assert record["message"].startswith("It begins ")
    assert record["message"].endswith(" and ends.")
    error.hint = "z" * 9000
    assert len(error_record(error)["hint"]) <= MAX_SENTENCE
    assert len(error_from_record({"message": "m" * 9000}).message) <= MAX_SENTENCE


# Results


def _film(frames: int, length: int = 0) -> GenerateResult:
    """The result of a film's take: its frame numbers, its coverage, and notes of so many characters."""
    numbers, coverage = tuple(range(1001, 1001 + frames)), (0.123456,) * frames
    notes = tuple("y" * min(10_000, length - start) for start in range(0, length, 10_000))
    folders = ("/v001", "/r", "/r.mp4", "/c", "/m")
    return GenerateResult(
        "v001",
        folders[0],
        numbers,
        "24",
        *folders[1:3],
        "preview",
        "",
        0.5,
        0.5,
        *folders[3:],
        coverage,
        (4, 3),
        "r",
        "d",
        notes,
    )


@pytest.mark.parametrize("frames", [0, 10, 60_000, 76_000, 300_000])
def test_a_films_result_reaches_the_client(frames: int) -> None:
    snapshot = JobSnapshot("a", "generate", state="done", result=_film(frames), notes=("long",))
    message = wire.decode(wire.encode(job_message(snapshot)))
    assert job_of(message) == snapshot
    assert bool(message.blobs) == (frames >= 76_000)


def test_a_result_just_around_the_headers_limit() -> None:
    for length in range(wire.MAX_HEADER_BYTES - 600, wire.MAX_HEADER_BYTES + 100, 7):
        snapshot = JobSnapshot("a", "generate", state="done", result=_film(1, length))
        assert job_of(wire.decode(wire.encode(job_message(snapshot)))) == snapshot


def test_a_result_without_bounds_is_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        job_message(JobSnapshot("a", "generate", state="done", result=_film(1, MAX_RESULT_BYTES)))
    assert "frames" in caught.value.hint


@pytest.mark.parametrize("blob", [b"", b"[]", b"{", b"nul", b'{"a": NaN}', b"[" * 100_000])
def test_a_damaged_result_is_refused(blob: bytes) -> None:
    header = JobSnapshot("a", "generate", state="done").record()
    with pytest.raises(UsageError):
        job_of(wire.Message("job", "a", header, (blob,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": 3},
        {"kind": None},
        {"state": "asleep"},
        {"step": 1.5},
        {"eta": math.nan},
        {"created": math.inf},
        {"created": None},
        {"notes": "one"},
        {"notes": [1]},
        {"result": []},
        {"result": {**result_record(_film(1)), "coverage": [math.inf]}},
        {"result": {"take": "v001"}},
        {"error": "bad"},
    ],
)
def test_a_damaged_job_record_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        JobSnapshot.from_record({**JobSnapshot("a", "generate").record(), **changes})


@given(st.dictionaries(st.sampled_from([*JobSnapshot("a", "b").record(), "x"]), JSON))
def test_random_job_records_are_taken_or_refused(record: dict[str, Any]) -> None:
    with suppress(UsageError):
        wire.encode(job_message(JobSnapshot.from_record(record)))


def test_handshake_is_the_users_alone(tmp_path: Path) -> None:
    write_handshake(tmp_path, HANDSHAKE)
    assert read_handshake(tmp_path) == HANDSHAKE
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "backend.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["backend.json"]


def test_a_handshake_is_taken_back_by_its_owner_only(tmp_path: Path) -> None:
    write_handshake(tmp_path, HANDSHAKE)
    remove_handshake(tmp_path, HANDSHAKE.pid + 1)
    assert read_handshake(tmp_path) is not None
    remove_handshake(tmp_path, HANDSHAKE.pid)
    assert read_handshake(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "ex4d-backend"}', '{"format": "other"}', "\0"])
def test_a_damaged_handshake_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "backend.json").write_text(text, encoding="utf-8")
    (tmp_path / "backend.json").chmod(0o600)
    assert read_handshake(tmp_path) is None


def test_handshake_in_no_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as caught:
        write_handshake(tmp_path / "missing", HANDSHAKE)
    assert "runtime-dir" in caught.value.hint


def test_the_runtime_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path))
    assert default_runtime_dir() == tmp_path
    # Blender and its backend have different current folders.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EX4D_RUNTIME_DIR", "run")
    assert default_runtime_dir() == tmp_path / "run"
    monkeypatch.delenv("EX4D_RUNTIME_DIR")
    assert default_runtime_dir().name in ("ex4d", "run")
