# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command that renders scenes with known truth asks for."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.scenes import make_groundtruth
from tools.scenes.make_groundtruth import FULL, SMALL, TARGETS, Setting


def _asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[Any, ...]:
    """What ``make`` is called with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(make_groundtruth, "make", lambda *given: calls.append(given))
    monkeypatch.setattr(sys, "argv", ["make_groundtruth", "--out", "x", *arguments])
    make_groundtruth.main()
    (call,) = calls
    return call


def test_the_sets_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _asked(monkeypatch) == (Path("x"), make_groundtruth.FAMILIES, 1, FULL, 2, TARGETS, 1)
    assert _asked(monkeypatch, "--small")[3] == Setting(128, 9, 4, 24, None)


def test_other_lenses_lengths_and_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (
        "--scenes",
        "street_drone",
        "--fov",
        "25",
        "--fps",
        "120",
        "--frames",
        "80",
        "--targets",
        "up=tilt:0..9",
    )
    _, scenes, _, setting, _, targets, _ = _asked(monkeypatch, *arguments)
    assert scenes == ["street_drone"]
    assert setting == replace(FULL, frames=80, fps=120, fov=25.0)
    assert targets == {"up": "tilt:0..9"}
    assert _asked(monkeypatch, "--targets")[5] == {}


@pytest.mark.parametrize(
    "arguments", [("--fov", "0.5"), ("--fov", "180"), ("--size", "0"), ("--targets", "30"), ("--scenes", "sea")]
)
def test_what_cannot_be_rendered_is_refused(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        _asked(monkeypatch, *arguments)


def test_folders_begun_earlier_go_on_and_other_lenses_do_not_mix(tmp_path: Path) -> None:
    before = {"family": "street", "seed": 1, "size": 128, "frames": 9, "samples": 4, "targets": {}}
    assert before == {"family": "street", "seed": 1, **SMALL.record(), "targets": {}}
    (tmp_path / "job.json").write_text(json.dumps(before), encoding="utf-8")
    make_groundtruth._check_setting(tmp_path, before, 1)
    with pytest.raises(SystemExit, match="other settings"):
        make_groundtruth._check_setting(tmp_path, {**before, **replace(SMALL, fov=40.0).record()}, 1)
    with pytest.raises(SystemExit, match="other settings"):
        make_groundtruth._check_setting(tmp_path, {**before, **replace(SMALL, fps=120).record()}, 1)
