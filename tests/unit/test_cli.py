# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, what is said where, what is refused, and EX-4D's own commands."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command import (
    STILL,
    Run,
    check_sentence,
    files_below,
    finish,
    leftovers,
    make_depth,
    make_plate,
    runner,
    start,
)
from media_factory import write_movie

import ex4d
from ex4d import cli
from ex4d.camera import Trajectory, intrinsics, read_trajectory, write_json
from ex4d.commands.console import JsonConsole, TextConsole
from ex4d.composite.take import TakeJob
from ex4d.jobs.export import file_name
from ex4d.media.images import read_image
from ex4d.protocol.errors import BadInputError, ResourceError, UsageError
from ex4d.protocol.requests import TrajectoryCamera
from ex4d.protocol.values import parse_rate, parse_size

COMMANDS = ["run", "recon", "render", "generate", "doctor", "serve"]
STAGES = ["plate", "solve", "depth", "mesh", "raster", "background", "fill", "composite"]
#: Of a shot whose camera stands still.
TAKE_STAGES = ["raster", "fill", "composite"]
QUICK = ["--raster", "embree", "--json"]


@pytest.fixture
def ex4d_command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plate(tmp_path_factory.mktemp("plate") / "plate.mp4")


@pytest.fixture(scope="module")
def shot(plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reconstructed shot whose camera stands still; take care not to change it."""
    out = tmp_path_factory.mktemp("shot") / "shot"
    assert cli.main(["recon", str(plate), *STILL, "--out", str(out)]) == 0
    return out


def frames_of(movie: Path) -> tuple[Fraction, list[np.ndarray]]:
    """Rate and grey pictures of a movie."""
    with av.open(str(movie)) as container:
        rate = container.streams.video[0].average_rate
        return Fraction(rate), [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def camera_file(path: Path, count: int = 8, width: int = 96, height: int = 64) -> Path:
    K = intrinsics(100, width, height)
    write_json(path, Trajectory(K, np.tile(np.eye(4), (count, 1, 1)), width, height))
    return path


# What is said where


def test_events(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    first = ex4d_command("run", plate, "--cam", "orbit:5", "--out", tmp_path / "s", *QUICK)
    assert first.err == ""
    events = first.events
    assert first.ran() == STAGES
    assert [e["stage"] for e in events if e["event"] == "begin"] == STAGES
    assert {e["event"] for e in events} == {"begin", "step", "end", "note", "done"}
    for event in events:
        if event["event"] == "step":
            assert 1 <= event["step"] <= event["of"]
            assert event["eta"] is None or event["eta"] >= 0
        if event["event"] == "note":
            check_sentence(event["text"])
    last_steps = {e["stage"]: e for e in events if e["event"] == "step"}
    assert list(last_steps) == STAGES
    assert all(e["step"] == e["of"] and e["of"] % 8 == 0 for e in last_steps.values())
    # The plate is drawn as a camera sees it that turns.
    found = first.result["source_camera"]
    assert found["kind"] == "turns"
    assert found["headline"] in [e["text"] for e in events if e["event"] == "note"]
    (take,) = first.result["takes"]
    assert take["camera"] == "orbit:5"
    assert Path(take["movie"]) == Path(take["folder"]) / "result.mp4"
    assert Path(take["movie"]).is_file()
    assert 0 < take["generated_mean"] < take["generated_max"] < 1
    again = ex4d_command("run", plate, "--cam", "orbit:5", "--out", tmp_path / "s", *QUICK)
    assert again.ran() == []
    assert [e["stage"] for e in again.events if e["event"] == "end"] == STAGES
    assert again.result == first.result


def test_text(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    """Not a terminal: the result on standard output, notes on standard error, no bar."""
    done = ex4d_command("run", plate, "--cam", "orbit:5", "--raster", "embree", "--out", tmp_path / "s")
    assert done.code == 0
    (line,) = done.out.splitlines()
    assert line.startswith(f"{tmp_path / 's' / 'takes' / 'v001' / 'result.mp4'}  orbit:5: ")
    assert "no generative model" in line
    notes = done.err.splitlines()
    assert notes
    assert all(note.startswith("note: ") for note in notes)
    assert len(set(notes)) == len(notes)
    assert "\x1b" not in done.out + done.err


def test_text_error(ex4d_command: Run, tmp_path: Path) -> None:
    failed = ex4d_command("run", tmp_path / "no.mp4", "--cam", "hold", "--out", tmp_path / "s")
    assert (failed.code, failed.out) == (10, "")
    assert failed.err == f"error: {tmp_path / 'no.mp4'} does not exist.\n       Check the path.\n"


def test_terminal_bar(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out, err = io.StringIO(), io.StringIO()
    err.isatty = lambda: True  # type: ignore[method-assign]
    console = TextConsole(out, err)
    console.begin("plate", 3)
    for _ in range(3):
        console.advance()
    console.end()
    console.begin("depth", None)
    console.end(cached=True)
    console.note("A [red]remark[/red].")
    console.result({}, "the result")
    console.close()
    assert out.getvalue() == "the result\n"
    shown = err.getvalue()
    assert "plate" in shown
    assert "3/3" in shown
    assert "already done" in shown
    assert "note: A [red]remark[/red]." in shown
    assert shown.rstrip("\n").endswith("\x1b[?25h"), "the cursor is hidden"


def test_steps_are_not_told_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0, 100, 0.01))
    monkeypatch.setattr("ex4d.commands.console.time.monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    console = JsonConsole(stream)
    console.begin("plate", 1000)
    for _ in range(1000):
        console.advance()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert 95 <= len(events) <= 105
    assert events[-1]["step"] == 1000
    half = next(e for e in events if e["event"] == "step" and e["step"] >= 500)
    assert half["eta"] == pytest.approx(5, abs=0.1)


def test_a_process_without_streams() -> None:
    for console in (JsonConsole(None), TextConsole(None, None)):
        console.begin("plate", 1)
        console.note("x")
        console.result({}, "x")
        console.error(BadInputError("x", "y"))
        console.close()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_signs_that_the_terminal_cannot_show(tmp_path: Path, plate: Path, encoding: str) -> None:
    name = "日本 «é»"
    shot = tmp_path / name
    done = finish(start("recon", plate, "--out", shot, env={"PYTHONIOENCODING": encoding}, encoding=encoding))
    assert done.code == 0, done.err
    shown = str(shot).encode(encoding, "backslashreplace").decode(encoding)
    assert done.out.startswith(f"{shown}: 8 frames")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text(tmp_path: Path, plate: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    odd.write_bytes(plate.read_bytes())
    for options in ([], ["--json"]):
        environment = {"PYTHONIOENCODING": "utf-8:strict"}
        done = finish(start("recon", odd, "--out", tmp_path / "s", *options, env=environment))
        assert done.code == 0, done.err
        done = finish(start("recon", odd.with_name("no\udcff"), "--out", tmp_path / "t", *options, env=environment))
        assert done.code == 10, done.err


# Help and version


def test_version(ex4d_command: Run) -> None:
    assert ex4d_command("--version")[:2] == (0, f"ex4d {ex4d.__version__}\n")


def test_help(ex4d_command: Run) -> None:
    done = ex4d_command("--help")
    assert (done.code, done.err) == (0, "")
    for name in COMMANDS:
        assert f"    {name} " in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(ex4d_command: Run, name: str) -> None:
    done = ex4d_command(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"usage: ex4d {name}" in done.out
    assert "--json" in done.out
    assert ("orbit:30" in done.out) == (name not in ("doctor", "serve"))
    assert "%(" not in done.out


# Doctor


def test_doctor(ex4d_command: Run) -> None:
    done = ex4d_command("doctor")
    assert (done.code, done.err) == (0, "")
    for word in ("opengl", "embree", "nvdiffrast", "prior", "small", "preview", "H.264", "Apache-2.0"):
        assert word in done.out


def test_models_are_told_of_with_licence_size_and_memory(ex4d_command: Run) -> None:
    done = ex4d_command("models")
    assert (done.code, done.err) == (0, "")
    told = " ".join(done.out.split())
    for model in ex4d_command("models", "--json").result["models"]:
        row = told[told.index(f"{model['title']}: {model['label']}") :]
        for words in (f"Licence: {model['licence']}.", "To download and on disk: ", "Commercial use: ", "GPU memory"):
            assert 0 < row.index(words) < 600, words
    assert "GPU memory for fast, turbo, draft: 21 GiB; from 6 GiB on with 18 GiB" in told
    assert "No action is named" in ex4d_command("models", "--depth", "moge", "--json").refused(2)
    assert "No action is named" in ex4d_command("models", "--models", "there", "--json").refused(2)
    # doctor's rows have the same line.
    doctor = " ".join(ex4d_command("doctor").out.split())
    assert doctor.count("GPU memory for exact: 34 GiB") == 1
    assert doctor.count("GPU memory for fast, turbo, draft: 21 GiB") == 3
    assert doctor.count("GPU memory: not measured.") == told.count("GPU memory: not measured.")


def test_doctor_json(ex4d_command: Run) -> None:
    done = ex4d_command("doctor", "--json")
    assert done.err == ""
    result = done.result
    assert len(done.events) == 1
    assert result["usable"] is True
    working = {f["name"] for f in result["findings"] if f["area"] == "raster" and f["works"]}
    assert result["rasterizer"] in working
    for finding in result["findings"]:
        assert finding["area"] in ("machine", "raster", "depth", "fill", "movie")
        assert finding["detail"]
        # What does not work says what to do; a machine without GPU is no fault.
        assert finding["works"] or finding["hint"] or finding["area"] == "machine"
    assert all(f["licence"] for f in result["findings"] if f["area"] in ("depth", "fill"))


def test_doctor_on_a_machine_without_rasterizer(ex4d_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise ResourceError("It has no driver.", "Install one.")

    monkeypatch.setattr("ex4d.raster.select.RASTERIZERS", {"opengl": broken, "embree": broken})
    monkeypatch.setattr("ex4d.jobs.doctor.RASTERIZERS", {"opengl": broken, "embree": broken})
    done = ex4d_command("doctor", "--json")
    assert [e["event"] for e in done.events] == ["done", "error"]
    assert (done.code, done.events[-1]["exit_code"]) == (20, 20)
    assert done.events[0]["result"]["usable"] is False


def test_a_machine_without_rasterizer_says_so_at_once(
    ex4d_command: Run, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ResourceError("It has no driver.", "Install one.")

    monkeypatch.setattr("ex4d.raster.select.RASTERIZERS", {"opengl": broken, "embree": broken})
    failed = ex4d_command("run", plate, "--cam", "hold", "--out", tmp_path / "s", "--json")
    assert failed.refused(20).startswith("No rasterizer works on this machine: It has no driver.")
    assert not (tmp_path / "s").exists()
    assert ex4d_command("recon", plate, "--out", tmp_path / "s", "--json").code == 0


# Wrong usage: found before any work


WRONG_RUN = [
    ["--cam", "foo"],
    ["--cam", ""],
    ["--cam", "orbit:"],
    ["--cam", "orbit:1e999"],
    ["--cam", "orbit:nan"],
    ["--cam", "orbit:361"],
    ["--cam", "orbit:30,ease=wobbly"],
    ["--cam", "zoom_in:0"],
    ["--cam", "180:5"],
    ["--cam", "x" * 300],
    ["--cam", "hold", "--cam", "foo"],
    ["--cam", "hold", "--size", "12"],
    ["--cam", "hold", "--size", "0x10"],
    ["--cam", "hold", "--size", "-5x10"],
    ["--cam", "hold", "--size", "²x10"],
    ["--cam", "hold", "--size", "9999999x9999999"],
    ["--cam", "hold", "--size", "10x10x10"],
    ["--cam", "hold", "--size", ""],
    ["--cam", "hold", "--pivot", "x"],
    ["--cam", "hold", "--pivot", "0"],
    ["--cam", "hold", "--pivot", "nan"],
    ["--cam", "hold", "--pivot", "1,2"],
    ["--cam", "hold", "--pivot", "1,2,-3"],
    ["--cam", "hold", "--pivot", "1e400"],
    ["--cam", "hold", "--pivot", ""],
    ["--cam", "hold", "--frames", "5-3"],
    ["--cam", "hold", "--frames", "a"],
    ["--cam", "hold", "--frames", ""],
    ["--cam", "hold", "--fps", "0"],
    ["--cam", "hold", "--fps", "-24"],
    ["--cam", "hold", "--fps", "x"],
    ["--cam", "hold", "--fps", "nan"],
    ["--cam", "hold", "--fps", "24/0"],
    ["--cam", "hold", "--fps", "1e999999999"],
    ["--cam", "hold", "--fps", "0.00001"],
    ["--cam", "hold", "--fps", ""],
    ["--cam", "hold", "--first-frame", "1.5"],
    ["--cam", "hold", "--fov", "0"],
    ["--cam", "hold", "--fov", "180"],
    ["--cam", "hold", "--fov", "nan"],
    ["--cam", "hold", "--min-angle", "90"],
    ["--cam", "hold", "--min-angle", "60"],
    ["--cam", "hold", "--min-angle", "-1"],
    ["--cam", "hold", "--min-angle", "nan"],
    ["--cam", "hold", "--max-depth-ratio", "1"],
    ["--cam", "hold", "--max-depth-ratio", "inf"],
    ["--cam", "hold", "--max-depth-ratio", "nan"],
    ["--cam", "hold", "--mesh-grid", "1"],
    ["--cam", "hold", "--mesh-grid", "many"],
    ["--cam", "hold", "--compat", "blender"],
    ["--cam", "hold", "--raster", "magic"],
    ["--cam", "hold", "--fill", "magic"],
    ["--cam", "hold", "--depth-scale", "2"],
    ["--cam", "hold", "--depth-kind", "disparity"],
    ["--cam", "hold", "--depth-kind", "length"],
    ["--cam", "hold", "--source-camera", "move"],
    ["--cam", "hold", "--no-such-option"],
    ["--cam", "hold", "--camera"],
    ["--cam"],
    [],
]


@pytest.mark.parametrize("options", WRONG_RUN, ids=" ".join)
def test_wrong_usage_of_run(ex4d_command: Run, plate: Path, tmp_path: Path, options: list[str]) -> None:
    failed = ex4d_command("run", plate, "--out", tmp_path / "s", "--json", *options)
    failed.refused(2)
    assert failed.err == ""
    assert [e["event"] for e in failed.events] == ["error"]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["run"],
        ["run", "--out", "{new}", "--cam", "hold"],
        ["run", "{plate}", "--cam", "hold"],
        ["run", "{plate}", "--input_video", "{plate}", "--out", "{new}", "--cam", "hold"],
        ["recon", "--out", "{new}"],
        ["recon", "{plate}"],
        ["recon", "{plate}", "--out", "{new}", "--save_mesh", "obj"],
        ["recon", "--save_mesh", "{plate}", "--out", "{new}"],
        ["recon", "{plate}", "--out", "{new}", "--cam", "foo"],
        ["recon", "{plate}", "--out", "{new}", "--cam", "dolly_in:.5", "--cam", "dolly_in,ease=.5"],
        ["render", "{shot}"],
        ["render", "--cam", "hold"],
        ["render", "{shot}", "--cam", "foo"],
        ["render", "{shot}", "--cam", "orbit:5,ease=in", "--cam", "orbit:5_ease_in"],
        ["generate"],
        ["generate", "{shot}"],
        ["generate", "{shot}", "--cam", "foo"],
        ["generate", "{shot}", "--cam", "hold", "--output_video", "o.mp4"],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}"],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}", "--output_video", ""],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}", "--output_video", "o.json"],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}", "--output_video", "{tmp}"],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}", "--output_video", "{plate}"],
        ["generate", "--color_video", "a", "--mask_video", "b", "--output_video", "o.mp4", "--mask-erode", "65"],
        ["generate", "--color_video", "{plate}", "--mask_video", "{plate}", "--output_video", "o.mp4", "--cam", "hold"],
        ["doctor", "now", "then"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage(ex4d_command: Run, plate: Path, shot: Path, tmp_path: Path, arguments: list[str]) -> None:
    before, content = files_below(shot), plate.read_bytes()
    names = {"plate": plate, "shot": shot, "tmp": tmp_path, "new": tmp_path / "s"}
    failed = ex4d_command(*(argument.format(**names) for argument in arguments), "--json")
    failed.refused(2)
    assert failed.err == ""
    assert [e["event"] for e in failed.events] == ["error"]
    assert list(tmp_path.iterdir()) == []
    assert files_below(shot) == before
    assert plate.read_bytes() == content


def test_a_missing_value_is_named(ex4d_command: Run, plate: Path) -> None:
    assert "--pivot" in ex4d_command("run", plate, "--pivot", "-1,0,2", "--json").refused(2)
    assert "--pivot=-1,0,3" in ex4d_command("run", "--help").out


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", Fraction(24)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
        ("25.", Fraction(25)),
        ("0.5", Fraction(1, 2)),
        ("1000", Fraction(1000)),
    ],
)
def test_rates(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


def test_sizes() -> None:
    assert parse_size("1280x720") == parse_size("1280X720") == (1280, 720)
    for text in ("65537x1", "1 x 1", "+1x1", "1x", "x1", "1.5x1"):
        with pytest.raises(UsageError):
            parse_size(text)


# Cameras


def test_two_cameras_at_once(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    both = ex4d_command("run", plate, "--cam", "hold", "--cam", "truck:.1", "--out", tmp_path / "s", *QUICK)
    assert [(take["camera"], Path(take["folder"]).name) for take in both.result["takes"]] == [
        ("hold", "v001"),
        ("truck:.1", "v002"),
    ]
    twice = ex4d_command("run", plate, "--cam", "hold", "--cam", "hold", "--out", tmp_path / "s", *QUICK)
    assert [Path(take["folder"]).name for take in twice.result["takes"]] == ["v001", "v001"]


def test_a_held_camera_gives_the_plate_back(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    take = Path(
        ex4d_command("run", plate, "--cam", "hold", "--out", tmp_path / "s", *QUICK).result["takes"][0]["folder"]
    )
    (frames,) = (tmp_path / "s" / "cache").glob("plate-*")
    for number in range(1001, 1009):
        source = read_image(frames / "frames" / f"{number:06d}.png").astype(int)
        mask = read_image(take / "mask" / f"mask.{number}.png")[..., 0] > 0
        result = read_image(take / "result" / f"result.{number}.png").astype(int)
        assert mask.mean() > 0.95
        assert np.abs(result - source)[mask].max() <= 1


@pytest.mark.parametrize("count", [7, 9])
def test_a_camera_file_of_another_length(ex4d_command: Run, plate: Path, tmp_path: Path, count: int) -> None:
    path = camera_file(tmp_path / "cam.json", count)
    failed = ex4d_command("run", plate, "--cam", path, "--out", tmp_path / "s", *QUICK)
    assert failed.refused(10) == f"cam.json has {count} cameras, the plate 8 frames."
    assert not (tmp_path / "s" / "takes").exists()


def test_a_camera_file(ex4d_command: Run, shot: Path, tmp_path: Path) -> None:
    """It keeps its own size; --size wins; the exported file says the same camera."""
    path = camera_file(tmp_path / "cam.json", width=48, height=32)
    for options, size in (([], (48, 32)), (["--size", "24x20"], (24, 20))):
        out = tmp_path / "x".join(map(str, size))
        done = ex4d_command("render", shot, "--cam", path, *options, "--out", out, *QUICK)
        files = done.result["renders"][0]["files"]
        assert read_trajectory(Path(files["trajectory"])).width == size[0]
        assert frames_of(Path(files["color"]))[1][0].shape == size[::-1]
        restored = read_trajectory(Path(files["camera"]))
        np.testing.assert_allclose(restored.K[0, 0, 0], 100 * size[0] / 48, rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1, 2]", b"not json", b"\xff\xfe", b"PK\x03\x04 no zip", b'{"format": "ex4d-trajectory"}', None],
)
@pytest.mark.parametrize("name", ["cam.json", "cam.npz", "cam.chan"])
def test_a_bad_camera_file_is_refused_before_any_work(
    ex4d_command: Run, plate: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    failed = ex4d_command("run", plate, "--cam", tmp_path / name, "--out", tmp_path / "s", *QUICK)
    failed.refused(10)
    assert [e["event"] for e in failed.events] == ["error"]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "move", ["dolly_in:1", "dolly_in:5", "dolly_in:100", "dolly_out:100", "orbit:180", "truck:-100"]
)
def test_cameras_inside_and_far_away(ex4d_command: Run, shot: Path, tmp_path: Path, move: str) -> None:
    done = ex4d_command("render", shot, "--cam", move, "--out", tmp_path, *QUICK)
    (render,) = done.result["renders"]
    assert all(0 <= share <= 1 for share in render["coverage"].values())
    assert render["coverage"]["1001"] > 0.9
    assert render["coverage"]["1008"] < 0.9 or move == "dolly_in:1"
    assert len(frames_of(Path(render["files"]["color"]))[1]) == 8


def test_a_take_that_shows_nothing_of_the_plate(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    done = ex4d_command("run", plate, "--cam", "pan:180..180", "--out", tmp_path / "s", *QUICK)
    (take,) = done.result["takes"]
    assert (take["generated_mean"], take["generated_max"]) == (1, 1)


def test_pivot_and_size(ex4d_command: Run, shot: Path, tmp_path: Path) -> None:
    options = ["--cam", "orbit:90..90", "--out", tmp_path, "--size", "40x30", "--pivot=-1,0,2"]
    done = ex4d_command("render", shot, *options, *QUICK)
    trajectory = read_trajectory(Path(done.result["renders"][0]["files"]["trajectory"]))
    assert (trajectory.width, trajectory.height) == (40, 30)
    # A quarter turn to the right about (-1, 0, 2) carries the camera from the origin to (-1 + 2, 0, 2 + 1).
    np.testing.assert_allclose(trajectory.centers(), [[1, 0, 3]] * 8, atol=1e-9)


# EX-4D's own commands


@pytest.fixture(scope="module")
def recon(plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `recon --cam 180 --save_mesh` leaves."""
    out = tmp_path_factory.mktemp("recon") / "out"
    command = ["recon", "--input_video", str(plate), "--cam", "180", "--output_dir", str(out), "--save_mesh"]
    assert cli.main([*command, "--raster", "embree"]) == 0
    return out


def test_recon_as_ex4d_has_it(recon: Path) -> None:
    names = {path.name for path in recon.iterdir() if path.is_file()}
    assert names == {"color_180.mp4", "mask_180.mp4", "camera_180.npz", "camera_180.json", "DW-Mesh.ply", "shot.json"}
    rate, color = frames_of(recon / "color_180.mp4")
    mask_rate, mask = frames_of(recon / "mask_180.mp4")
    assert rate == mask_rate == 25
    assert len(color) == len(mask) == 8
    assert color[0].shape == mask[0].shape == (64, 96)
    middle = mask[2]
    assert 0.1 < (middle > 200).mean() < 0.95
    assert ((middle < 40) | (middle > 215)).mean() > 0.8
    with np.load(recon / "camera_180.npz") as camera:
        assert camera["extrinsics"].shape == (8, 4, 4)
        assert camera["intrinsics"].shape == (3, 3)
        assert camera["extrinsics"].dtype == camera["intrinsics"].dtype == np.float32
    assert (recon / "DW-Mesh.ply").read_bytes().startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert leftovers(recon) == []


@pytest.mark.parametrize("camera", ["30", "60", "90", "180", "zoom_in", "zoom_out"])
def test_all_cameras_of_ex4d(ex4d_command: Run, shot: Path, tmp_path: Path, camera: str) -> None:
    done = ex4d_command("render", shot, "--cam", camera, "--out", tmp_path, *QUICK)
    files = done.result["renders"][0]["files"]
    assert {Path(path).name for path in files.values()} == set(files_below(tmp_path)) == {
        f"color_{camera}.mp4", f"mask_{camera}.mp4", f"camera_{camera}.npz", f"camera_{camera}.json",
    }  # fmt: skip
    assert frames_of(tmp_path / f"color_{camera}.mp4")[0] == 25
    assert len(frames_of(tmp_path / f"mask_{camera}.mp4")[1]) == 8


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30), Fraction(25, 2)])
def test_the_rate_is_kept(ex4d_command: Run, tmp_path: Path, rate: Fraction) -> None:
    plate = make_plate(tmp_path / "plate.mp4", 3, fps=rate)
    out = tmp_path / "out"
    assert ex4d_command("recon", plate, "--cam", "30", "--out", out, *QUICK).code == 0
    files = ["--color_video", out / "color_30.mp4", "--mask_video", out / "mask_30.mp4"]
    assert ex4d_command("generate", *files, "--output_video", tmp_path / "o.mp4", "--json").code == 0
    for path in (out / "color_30.mp4", out / "mask_30.mp4", tmp_path / "o.mp4"):
        found, frames = frames_of(path)
        assert (found, len(frames)) == (rate, 3)


def test_generate_as_ex4d_has_it(ex4d_command: Run, recon: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "out.mp4"
    files = ["--color_video", recon / "color_180.mp4", "--mask_video", recon / "mask_180.mp4"]
    done = ex4d_command("generate", *files, "--output_video", output, "--json")
    assert done.err == ""
    assert files_below(tmp_path) == ["new/out.json", "new/out.mp4"]
    rate, frames = frames_of(output)
    assert (rate, len(frames)) == (25, 8)
    record = json.loads(output.with_suffix(".json").read_text())
    assert record == done.result
    assert len(record["generated"]) == 8
    # The holes are filled, what was seen is kept.
    before, mask = frames_of(recon / "color_180.mp4")[1][2], frames_of(recon / "mask_180.mp4")[1][2]
    assert frames[2][mask < 40].mean() > before[mask < 40].mean() + 20
    inner = mask > 250
    assert np.abs(frames[2].astype(int) - before)[inner].mean() < 8


def test_generate_of_a_shot(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    recon = ex4d_command("recon", plate, *STILL, "--out", out, *QUICK[2:])
    assert recon.ran() == ["plate", "depth", "mesh"]
    assert recon.result["source_camera"] is None
    done = ex4d_command("generate", out, "--cam", "orbit:5", *QUICK)
    assert done.ran() == TAKE_STAGES
    assert Path(done.result["takes"][0]["folder"]) == out / "takes" / "v001"


def grey_movie(path: Path, pictures: list[np.ndarray]) -> Path:
    return write_movie(path, [np.repeat(p[..., None], 3, axis=2) for p in pictures], fps=25, matrix="bt709")


def half_mask(count: int = 8, width: int = 96, height: int = 64) -> list[np.ndarray]:
    mask = np.full((height, width), 255, np.uint8)
    mask[:, : width // 2] = 0
    return [mask] * count


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("size", "is 96x64 and"),
        ("short", "number of frames"),
        ("long", "number of frames"),
        ("no mask", "is not a mask"),
        ("missing", "does not exist"),
    ],
)
def test_wrong_pairs(ex4d_command: Run, plate: Path, tmp_path: Path, name: str, words: str) -> None:
    mask = tmp_path / "mask.mp4"
    if name == "no mask":
        make_plate(mask)
    elif name != "missing":
        sizes: dict[str, dict[str, int]] = {"size": {"width": 48}, "short": {"count": 7}, "long": {"count": 9}}
        grey_movie(mask, half_mask(**sizes[name]))
    out = tmp_path / "out"
    failed = ex4d_command(
        "generate", "--color_video", plate, "--mask_video", mask, "--output_video", out / "o.mp4", "--json"
    )
    assert words in failed.refused(10)
    assert not out.exists() or files_below(out) == []


def test_an_export_does_not_write_over_the_plate(ex4d_command: Run, tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "color_30.mp4", 2)
    content = plate.read_bytes()
    failed = ex4d_command("recon", plate, "--cam", "30", "--out", tmp_path, *QUICK)
    assert "would be written over" in failed.refused(10)
    assert plate.read_bytes() == content


@pytest.mark.parametrize(
    ("camera", "slug"),
    [
        ("180", "180"),
        ("orbit:60", "orbit_60"),
        ("orbit:-90..90", "orbit_-90..90"),
        ("dolly_in:0.3,ease=linear", "dolly_in_0.3_ease_linear"),
        ("a/b c/my cam.json", "my_cam"),
        ("cam.NPZ", "cam"),
        ("日本.json", "日本"),
    ],
)
def test_names_of_exports(camera: str, slug: str) -> None:
    assert file_name(TrajectoryCamera(b"", camera)) == slug


def test_notes_of_depth_files(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    depth = make_depth(tmp_path / "depth.npz")
    done = ex4d_command("recon", plate, "--depth", depth, "--out", tmp_path / "s", "--json")
    notes = [e["text"] for e in done.events if e["event"] == "note"]
    assert any("lens is not known" in note for note in notes)
    assert done.result["depth"] == "depth from files"


# The last line of defence


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def fail(job: TakeJob, progress: object) -> Path:
        raise request.param

    monkeypatch.setattr(TakeJob, "ensure", fail)


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        (ZeroDivisionError("oh"), 1, "ex4d has a bug: ZeroDivisionError: oh."),
        (MemoryError(), 20, "too little memory"),
        (np._core._exceptions._ArrayMemoryError((10**9, 10**9), np.dtype("f8")), 20, "too little memory"),
    ],
    indirect=["broken"],
)
@pytest.mark.usefixtures("broken")
def test_what_should_not_happen(ex4d_command: Run, plate: Path, tmp_path: Path, code: int, words: str) -> None:
    arguments = ["run", plate, "--cam", "hold", "--raster", "embree", "--out", tmp_path / "s"]
    failed = ex4d_command(*arguments, "--json")
    assert words in failed.refused(code)
    assert failed.err == ""
    assert "--mesh-grid" in failed.events[-1]["hint"] or "--debug" in failed.events[-1]["hint"]
    failed = ex4d_command(*arguments, "--debug")
    assert (failed.code, failed.out) == (code, "")
    assert "Traceback" in failed.err
    assert words in failed.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_library_swallows_a_signal(
    ex4d_command: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    def careless(*_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except Exception:  # noqa: BLE001
            pass

    monkeypatch.setattr("ex4d.commands.doctor.execute", careless)
    assert ex4d_command("doctor", "--json").refused(code) == "Cancelled."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_an_extension_module_is_loaded(
    ex4d_command: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    def loading(*_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except BaseException as stop:
            raise ImportError("initialization failed") from stop  # as pybind11 does

    monkeypatch.setattr("ex4d.commands.doctor.execute", loading)
    assert ex4d_command("doctor", "--json").refused(code) == "Cancelled."


def test_signal_handlers_are_put_back(ex4d_command: Run) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    ex4d_command("doctor", "extra")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_command_is_installed_under_its_name() -> None:
    import tomllib

    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"] == {"ex4d": "ex4d.__main__:main"}
