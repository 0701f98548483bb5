# SPDX-License-Identifier: Apache-2.0
"""What of a shot's cache may go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ex4d.jobs import clean
from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import CleanRequest
from ex4d.shot import folder as folders

STAYS = ("plate-new", "depth-new", "mesh-new", "viewport-old", "viewport-new", ".raster-9.tmp")
GOES = ("depth-old", "fill-1", "mesh-old", "preview-1", "raster-1", "raster-2")


@pytest.fixture
def shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    record = {"stages": {"plate": "new", "depth": "new", "mesh": "new"}}
    (tmp_path / "shot.json").write_text(json.dumps(record))
    monkeypatch.setattr(folders.Shot, "read_record", staticmethod(lambda root: record))
    for name in (*STAYS, *GOES):
        (tmp_path / "cache" / name / "color").mkdir(parents=True)
        (tmp_path / "cache" / name / "color" / "1.png").write_bytes(b"x" * 100)
        (tmp_path / "cache" / name / "done.json").write_bytes(b"y" * 20)
    (tmp_path / "takes" / "v001").mkdir(parents=True)
    return tmp_path


def names(shot: Path) -> set[str]:
    return {path.name for path in (shot / "cache").iterdir()}


def test_it_is_told_before_it_goes(shot: Path) -> None:
    told = clean.run(CleanRequest(str(shot)), JobContext())
    assert [stage.name for stage in told.stages] == list(GOES)
    assert (told.stages[0].stage, told.stages[0].files, told.stages[0].size) == ("depth", 2, 120)
    assert names(shot) == {*STAYS, *GOES}
    gone = clean.run(CleanRequest(str(shot), remove=True, keep=("raster-2",)), JobContext())
    assert gone.removed
    assert [stage.name for stage in gone.stages] == [name for name in GOES if name != "raster-2"]
    assert names(shot) == {*STAYS, "raster-2"}
    assert (shot / "takes" / "v001").is_dir()
    assert clean.run(CleanRequest(str(shot), keep=("raster-2",)), JobContext()).stages == ()


def test_what_is_no_shot_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cache" / "raster-1").mkdir(parents=True)
    with pytest.raises(BadInputError, match="holds no shot"):
        clean.run(CleanRequest(str(tmp_path), remove=True), JobContext())
    assert names(tmp_path) == {"raster-1"}
