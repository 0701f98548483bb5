# SPDX-License-Identifier: Apache-2.0
"""Plates that cut: each of their shots made a shot of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from command import Run, runner
from solve_scenes import FIRST, room_pictures

from ex4d.protocol.values import shot_folder_of_frames
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import open_reconstruction

SIZE = (192, 144)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


def write(folder: Path, pictures: np.ndarray) -> Path:
    folder.mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"p.{FIRST + index}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that slides past a room, then another that turns in a negative of it."""
    first = room_pictures("slides", count=7, size=SIZE)[0]
    second = 255 - room_pictures("turns", count=5, size=SIZE)[0][:, ::-1]
    return write(tmp_path_factory.mktemp("cut") / "plate", np.concatenate([first, second]))


def test_each_shot_of_a_plate_that_cuts_becomes_one(plate: Path, tmp_path: Path, command: Run) -> None:
    out = tmp_path / "shot"
    done = command("recon", plate, "--out", out, "--depth", "prior", "--split-cuts", "--export-camera", "--json")
    ranges = [(FIRST, FIRST + 6), (FIRST + 7, FIRST + 11)]
    shots = done.result["shots"]
    assert [shot["shot"] for shot in shots] == [f"{out}-{first}-{last}" for first, last in ranges]
    assert [shot["frames"] for shot in shots] == [7, 5]
    for shot, (first, last) in zip(shots, ranges, strict=True):
        made = open_reconstruction(Shot(Path(shot["shot"])))
        assert (made.frames.numbers[0], made.frames.numbers[-1]) == (first, last)
        assert made.source_camera is not None
        assert made.source_camera.cuts == ()
        assert Path(shot["files"]["source_camera_json"]).parent == Path(shot["shot"])
    assert shots[0]["source_camera"]["kind"] == "moves"
    assert any(event.get("text") == "The plate has 2 shots." for event in done.events)
    # The whole plate was looked at, no more.
    assert not (out / "shot.json").exists()
    again = command("recon", plate, "--out", out, "--depth", "prior", "--split-cuts", "--json")
    assert again.ran() == []
    # A way to move that the whole plate cannot have is asked of each shot; what was looked at is not again.
    forced = command(
        "recon", plate, "--out", out, "--depth", "prior", "--split-cuts", "--source-camera", "turns", "--json"
    )
    assert [event["stage"] for event in forced.events if event["event"] == "begin"][:2] == ["plate", "solve"]
    assert forced.ran()[0] == "solve"


def test_a_plate_without_a_cut_is_one_shot(tmp_path: Path, command: Run) -> None:
    plate = write(tmp_path / "plate", room_pictures("slides", count=5, size=SIZE)[0])
    out = tmp_path / "shot"
    done = command("recon", plate, "--out", out, "--depth", "prior", "--split-cuts", "--json")
    assert [shot["shot"] for shot in done.result["shots"]] == [str(out)]
    assert done.ran() == ["plate", "solve", "depth", "mesh"]
    one = command(
        "recon", plate, "--frames", FIRST, "--out", tmp_path / "one", "--depth", "prior", "--split-cuts", "--json"
    )
    assert [shot["frames"] for shot in one.result["shots"]] == [1]


def test_cuts_are_not_found_where_nobody_looks(plate: Path, tmp_path: Path, command: Run) -> None:
    done = command(
        "recon",
        plate,
        "--out",
        tmp_path / "shot",
        "--split-cuts",
        "--source-camera",
        "still",
        "--depth",
        "prior",
        "--json",
    )
    assert "Cuts are found" in done.refused(2)


def test_folders_of_shots_lie_beside_that_of_the_plate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shot_folder_of_frames(str(tmp_path / "bikes"), -4, 12) == str(tmp_path / "bikes--4-12")
    monkeypatch.chdir(tmp_path)
    assert shot_folder_of_frames(".", 1, 2) == f"{tmp_path}-1-2"
