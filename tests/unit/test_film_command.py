# SPDX-License-Identifier: Apache-2.0
"""Film plates on the command line: what is asked for has its effect, or it is said that it has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from command import Run, files_below, make_depth, make_plate, runner, textured

from ex4d.camera import read_trajectory
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import PlateRequest

SIZE = (96, 64)
COUNT = 3


@pytest.fixture
def ex4d_command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


def make_exr_plate(folder: Path, **header: Any) -> Path:
    folder.mkdir()
    for index in range(COUNT):
        picture = ((textured(index, *SIZE).astype(np.float32) / 255) ** 2.2).astype(np.float16)
        planes = {name: np.ascontiguousarray(picture[..., k]) for k, name in enumerate("RGB")}
        attributes = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
        with OpenEXR.File({"colorInteropID": "lin_ap1_scene", **attributes}, planes) as file:
            file.write(str(folder / f"p.{1001 + index}.exr"))
    return folder


@pytest.fixture
def exr(tmp_path: Path) -> Path:
    return make_exr_plate(tmp_path / "plate")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return make_plate(tmp_path / "plate.mp4", COUNT, width=SIZE[0], height=SIZE[1])


def given(root: Path, count: int = COUNT, size: tuple[int, int] = SIZE) -> list[object]:
    """Options by which no estimator is needed."""
    return ["--depth", make_depth(root / "depth.npz", count, *size), "--fov", 50, "--out", root / "shot", "--json"]


def notes(outcome: Any) -> str:
    assert outcome.code == 0, outcome.err
    return " ".join(event["text"] for event in outcome.events if event["event"] == "note")


def test_take_lens_none_is_a_pinhole(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    lens = tmp_path / "lens.json"
    lens.write_text(json.dumps({"model": "brown", "coefficients": {"k1": -0.1}}))
    run = ["run", exr, "--cam", "orbit:5", "--lens", lens, *given(tmp_path)]
    ex4d_command(*run)
    ex4d_command(*run, "--take-lens", "none")
    ex4d_command("generate", tmp_path / "shot", "--cam", "orbit:6", "--take-lens", "none", "--json")
    takes = [read_trajectory(path) for path in sorted((tmp_path / "shot/takes").glob("*/trajectory.json"))]
    assert [take.lens is None for take in takes] == [False, True, True]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--audio"], "no sound"),
        (["--movie", "h265", "--size", "97x64"], "97x64"),
    ],
)
def test_what_cannot_be_delivered_is_refused_before_any_work(
    ex4d_command: Run, exr: Path, tmp_path: Path, options: list[object], words: str
) -> None:
    failed = ex4d_command("run", exr, "--cam", "orbit:5", *given(tmp_path), *options)
    assert words in failed.refused(10 if "--audio" in options else 2)
    assert not (tmp_path / "shot").exists() or files_below(tmp_path / "shot") == []


def test_odd_plates_have_no_h265(ex4d_command: Run, tmp_path: Path) -> None:
    plate = tmp_path / "odd"
    plate.mkdir()
    for index in range(COUNT):
        planes = {name: np.full((63, 95), 0.2 * index, np.float16) for name in "RGB"}
        with OpenEXR.File({"colorInteropID": "lin_ap1_scene"}, planes) as file:
            file.write(str(plate / f"p.{1001 + index}.exr"))
    failed = ex4d_command("run", plate, "--cam", "hold", *given(tmp_path, size=(95, 63)), "--movie", "h265")
    assert "95x63" in failed.refused(2)
    assert not (tmp_path / "shot").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--over-range", "keep"], "--over-range has no effect"),
        (["--colour-matrix", "bt601"], "--colour-matrix has no effect"),
        (["--colour-range", "full"], "--colour-range has no effect"),
        (["--pictures", "codes"], "--pictures codes has no effect"),
        (["--grain"], "--grain has no effect"),
        (["--handles", 2], "has 0 before the range and 0 after"),
    ],
)
def test_options_without_effect_are_told_of(
    ex4d_command: Run, exr: Path, tmp_path: Path, options: list[object], words: str
) -> None:
    run = ["run", exr, "--cam", "hold", *given(tmp_path)]
    assert words not in notes(ex4d_command(*run))
    assert words in notes(ex4d_command(*run, *options))


def test_another_colour_matrix_is_another_plate(ex4d_command: Run, movie: Path, tmp_path: Path) -> None:
    run = ["recon", movie, *given(tmp_path)]

    def plates() -> set[str]:
        return {path.name for path in (tmp_path / "shot" / "cache").glob("plate-*")}

    said = notes(ex4d_command(*run, "--colour-matrix", "auto"))
    assert "BT.2020" not in said
    plain = plates()
    assert len(plain) == 1
    ex4d_command(*run)
    assert plates() == plain
    said = notes(ex4d_command(*run, "--colour-matrix", "bt2020"))
    assert "BT.2020 is used, as was asked for" in said
    assert len(plates() - plain) == 1
    said = notes(ex4d_command(*run, "--colour-matrix", "bt2020", "--colour-range", "full"))
    assert "full is used, as was asked for" in said
    assert len(plates() - plain) == 2


@pytest.mark.parametrize("option", ["--colour-matrix", "--colour-range"])
def test_what_is_no_matrix_is_refused(ex4d_command: Run, movie: Path, tmp_path: Path, option: str) -> None:
    refused = ex4d_command("recon", movie, *given(tmp_path), option, "rec709").refused(2)
    assert "rec709" in refused
    assert not (tmp_path / "shot").exists()
    with pytest.raises(UsageError, match="«rec709» is no choice for colour-"):
        PlateRequest("p.mp4", **{option[2:].replace("-", "_"): "rec709"})


def test_options_without_effect_on_movies(ex4d_command: Run, movie: Path, tmp_path: Path) -> None:
    run = ["run", movie, "--cam", "hold", *given(tmp_path)]
    assert "no effect" not in notes(ex4d_command(*run))
    said = notes(ex4d_command(*run, "--layer", "beauty", "--exr-compression", "piz", "--pictures", "codes"))
    for option in ("--layer", "--exr-compression", "--pictures codes"):
        assert f"{option} has no effect" in said
    # Maps for compositing are OpenEXR files whatever the plate is.
    assert "--exr-compression" not in notes(ex4d_command(*run, "--exr-compression", "piz", "--aov"))


def test_movies_without_alpha_say_so(ex4d_command: Run, tmp_path: Path) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    planes = {name: np.full(SIZE[::-1], 0.5, np.float16) for name in "RGBA"}
    with OpenEXR.File({"colorInteropID": "lin_ap1_scene"}, dict(planes)) as file:
        file.write(str(plate / "p.1001.exr"))
    run = ["run", plate, "--cam", "hold", *given(tmp_path, 1), "--movie"]
    assert "without the plate's alpha" in notes(ex4d_command(*run, "prores422hq"))
    assert "without the plate's alpha" not in notes(ex4d_command(*run, "prores4444"))


def test_handles_that_the_shot_was_not_read_with(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    assert ex4d_command("recon", exr, "--frames", "1002", "--handles", 1, *given(tmp_path, 3)).code == 0
    generate = ["generate", tmp_path / "shot", "--cam", "hold", "--json", "--handles"]
    assert "Handles" not in notes(ex4d_command(*generate, 1))
    assert "Handles of 2 frames were asked for; the shot was read with 1" in notes(ex4d_command(*generate, 2))


@pytest.mark.parametrize("kind", ["exr", "movie"])
def test_ranges_without_an_end_have_handles_before_them(
    ex4d_command: Run, exr: Path, movie: Path, tmp_path: Path, kind: str
) -> None:
    plate = exr if kind == "exr" else movie
    said = notes(ex4d_command("recon", plate, "--frames", "1003-", "--handles", 2, *given(tmp_path)))
    assert "the plate has 2 before the range and 0 after" in said


def test_run_delivers_the_handles_that_it_reads(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    run = ["run", exr, "--frames", "1002", "--cam", "hold", *given(tmp_path)]
    ex4d_command(*run, "--handles", 1)
    ex4d_command("generate", tmp_path / "shot", "--cam", "hold", "--json")
    with_handles, without = (
        [path.name for path in sorted((tmp_path / "shot/takes" / name / "result").iterdir())]
        for name in ("v001", "v002")
    )
    assert with_handles == ["result.1001.exr", "result.1002.exr", "result.1003.exr"]
    assert without == ["result.1002.exr"]
    frames = json.loads((tmp_path / "shot/takes/v001/take.json").read_text())["frames"]
    assert [frame.get("handle", False) for frame in frames] == [True, False, True]


@pytest.mark.parametrize("pattern", [False, True])
def test_a_plate_that_is_gone_is_named_where_it_was(
    ex4d_command: Run, exr: Path, tmp_path: Path, pattern: bool
) -> None:
    plate = exr / "p.####.exr" if pattern else exr
    assert ex4d_command("recon", plate, *given(tmp_path)).code == 0
    shutil.move(exr, tmp_path / "elsewhere")
    message = ex4d_command("generate", tmp_path / "shot", "--cam", "hold", "--json").refused(10)
    assert str(exr / "p.1001.exr") in message
    moved = tmp_path / "elsewhere" / plate.name if pattern else tmp_path / "elsewhere"
    again = ex4d_command("recon", moved, *given(tmp_path))
    assert again.code == 0
    assert all(event["cached"] for event in again.events if event["event"] == "end")
    assert ex4d_command("generate", tmp_path / "shot", "--cam", "hold", "--json").code == 0


def test_a_map_of_no_lens_is_refused_before_any_work(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    assert "no lens" in ex4d_command("recon", exr, "--save-stmap", *given(tmp_path)).refused(2)
    assert not (tmp_path / "shot").exists()


def test_maps_have_the_plates_pixel_aspect(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    lens = tmp_path / "lens.json"
    lens.write_text(json.dumps({"model": "brown", "coefficients": {"k1": -0.1}}))
    options = ["--lens", lens, "--pixel-aspect", 2, "--save-stmap"]
    assert ex4d_command("recon", exr, *options, *given(tmp_path)).code == 0
    for name in ("undistort", "redistort"):
        with OpenEXR.File(str(tmp_path / f"shot/stmap_{name}.exr")) as file:
            assert file.header()["pixelAspectRatio"] == 2


def test_negative_values_of_options(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    failed = ex4d_command("run", exr, "--cam", "hold", "--out", tmp_path / "shot", "--frames", "-4-4", "--json")
    assert "--frames" in failed.refused(2)
    assert "--frames=-…" in failed.events[-1]["hint"]


def test_layers_of_files_without_any(ex4d_command: Run, exr: Path, tmp_path: Path) -> None:
    failed = ex4d_command("run", exr, "--cam", "hold", *given(tmp_path), "--layer", "beauty")
    assert "has none" in failed.refused(10)
    assert failed.events[-1]["hint"] == "Leave --layer out."
