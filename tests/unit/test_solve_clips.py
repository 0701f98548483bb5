# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of clips that source cameras are scored on, and the verdicts of the score."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench_solve import Clip as Scored
from benchmarks.bench_solve import verdict
from ex4d.camera import Trajectory, intrinsics
from ex4d.media.frames import ArrayFrames
from tools.scenes import make_clips
from tools.scenes.make_clips import Edited, Rendered, of_groups, read_list
from tools.scenes.make_groundtruth import FULL
from tools.scenes.truth.edits import Clip, parse, write

LIST = Path("benchmarks/solve_clips.txt")


def test_the_list_has_the_clips_that_the_tables_count() -> None:
    entries = read_list(LIST)
    assert Counter(entry.name.partition("/")[0] for entry in entries) == {
        "base": 10,
        "held_out": 6,
        "further": 31,
        "fast": 3,
        "edited": 56,
    }
    for entry in entries:
        for edit in entry.edits if isinstance(entry, Edited) else ():
            if not edit.startswith("cut:"):
                parse(edit)
    by_name = {entry.name: entry for entry in entries}
    assert by_name["held_out/street_30"] == Rendered(
        "held_out/street_30", "street", 11, replace(FULL, size=176, frames=16, samples=3, fov=30.0)
    )
    assert by_name["edited/street_29"] == Edited("edited/street_29", "base/street", ("crop:64,64,128,128",))
    assert of_groups(entries, ["held_out"]) == entries[10:16]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a = street", "below a"),
        ("[g]\na = sea", "no scene sea"),
        ("[g]\na = street lens=3", "no setting lens"),
        ("[g] size=big\na = street", "big"),
        ("[g]\na = g/b mirror", "no clip g/b"),
        ("[g]\na = street\nb = g/a cut:g/c", "no clip g/c"),
        ("[g]\na = street\nb = g/a", "no edits"),
        ("[g]\na = street\na = subject", "two clips g/a"),
    ],
)
def test_lines_that_mean_nothing_are_named(lines: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(ValueError, match=f"line {len(lines.splitlines())}: .*{said}"):
        read_list(path)


def test_groups_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="no group sea"):
        of_groups(read_list(LIST), ["base", "sea"])


def _camera(centres: list[float], focal: float = 20.0) -> Trajectory:
    E = np.tile(np.eye(4), (len(centres), 1, 1))
    E[:, 0, 3] = -np.array(centres)
    K = np.stack([intrinsics(f, 16, 16) for f in np.linspace(20, focal, len(centres))])
    return Trajectory(K, E, 16, 16).numbered(range(1, len(centres) + 1), 24)


def _small(folder: Path) -> None:
    shape = (3, 16, 16)
    write(
        Clip(
            np.random.default_rng(1).uniform(0, 1, (*shape, 3)).astype(np.float32),
            np.ones(shape, np.float32),
            np.ones(shape, np.int32),
            np.zeros((*shape, 3), np.float32),
            _camera([0, 0.1, 0.2]),
            {
                "format": "ex4d-truth",
                "version": 1,
                "family": "wall",
                "matte": True,
                "pivot": 1.0,
                "objects": {"1": {"name": "wall", "moving": False}},
            },
        ),
        folder,
    )


def test_an_edited_clip_is_made_once_and_anew_where_the_list_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _small(tmp_path / "g" / "a")
    made = tmp_path / "g" / "b"

    def edit(*edits: str) -> str:
        make_clips.edit(Edited("g/b", "g/a", edits), tmp_path)
        return capsys.readouterr().out

    assert "6 frames of 16x16" in edit("mirror", "cut:g/a")
    assert json.loads((made / "scene.json").read_text())["shots"] == [1, 4]
    assert edit("mirror", "cut:g/a") == ""
    assert "2 frames" in edit("frames:1,2")
    assert len(list((made / "source" / "rgb").iterdir())) == 2


@pytest.mark.parametrize(
    ("found", "truth", "rotation", "path", "said", "expected"),
    [
        ("moves", "moves", 0.1, 0.3, True, "right"),
        ("moves", "moves", 0.6, 0.3, True, "off"),
        ("moves", "moves", 0.1, 2.1, False, "silent"),
        ("turns", "turns", 0.6, 0.0, True, "off"),
        ("turns", "turns", 0.1, 50.0, False, "right"),
        ("still", "moves", 9.0, 90.0, True, "refused"),
        ("still", "still", 0.9, 0.0, False, "right"),
        ("turns", "moves", 0.1, 0.1, True, "wrong"),
        ("moves", "still", 0.0, 0.0, True, "wrong"),
        ("still", "cut", 0.0, 0.0, True, "wrong"),
        ("cut", "cut", 9.0, 9.0, True, "right"),
        ("cut at 3", "moves", 0.0, 0.0, True, "wrong"),
    ],
)
def test_verdicts(found: str, truth: str, rotation: float, path: float, said: bool, expected: str) -> None:
    assert verdict(found, truth, rotation, path, said) == expected


def test_kinds_of_true_cameras() -> None:
    frames = ArrayFrames.of([np.zeros((16, 16, 3), np.uint8)] * 3, 24, [1, 2, 3])

    def kind(camera: Trajectory, *cuts: int) -> str:
        return Scored("clip", frames, camera, 2.0, cuts).kind

    assert kind(_camera([0, 0.02, 0.03])) == "still"
    assert kind(_camera([0, 0.03, 0.05])) == "moves"
    assert kind(_camera([0, 0, 0], focal=21.0)) == "turns"
    assert kind(_camera([0, 0.03, 0.05]), 2) == "cut"
