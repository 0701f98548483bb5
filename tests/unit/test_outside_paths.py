# SPDX-License-Identifier: Apache-2.0
"""What comes from outside is read in the one place that is made for it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import ex4d
from ex4d.camera import Trajectory, intrinsics, names_file, static_trajectory
from ex4d.camera.transforms import rigid, rotation_x
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import (
    CheckRequest,
    CleanRequest,
    ColourSpacesRequest,
    DepthRequest,
    DoctorRequest,
    ExportRequest,
    FillMoviesRequest,
    FillRequest,
    GenerateRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ProjectionRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
    RunRequest,
    TrajectoryCamera,
    ViewportRequest,
)
from ex4d.protocol.values import AUTOMATIC, PARALLAX, parse_pivot
from ex4d.raster.sight import check_sight, sight_notes
from ex4d.server.absolute_paths import check_absolute

ROOT = Path(ex4d.__file__).parents[2]
#: Fractions of text are made here alone.
PARSING = "ex4d/protocol/parsing.py"


def bare_fractions(source: str) -> list[int]:
    """Lines that call ``Fraction`` with one argument which is no number in the source."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        call.lineno
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", None)) == "Fraction"
        and len(call.args) == 1
        and not isinstance(call.args[0], ast.Constant)
    ]


def test_fractions_of_text_are_read_in_one_place() -> None:
    files = [path for folder in ("backend", "ex4d_blender") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    found = {path.as_posix(): bare_fractions(path.read_text(encoding="utf-8")) for path in files}
    assert [path for path, lines in found.items() if lines and not path.endswith(PARSING)] == []
    assert bare_fractions("import fractions\nFraction(3)\nfractions.Fraction(text)\nFraction(a, b)") == [3]


# ------------------------------------------------------------------------------------------------------ camera or move


@pytest.mark.parametrize("move", ["180", "orbit:20", "hold"])
def test_a_file_in_the_current_folder_is_no_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: str) -> None:
    (tmp_path / move).write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert not names_file(move)
    assert names_file(f"./{move}")


def test_the_service_takes_absolute_paths_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's current folder is not the backend's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.npz").write_bytes(b"")
    shot, plate, fill = str(tmp_path / "shot"), PlateRequest("/p.mp4"), FillRequest(models=("/m",))
    move, sent = MoveCamera("orbit:20"), TrajectoryCamera(b"{}")
    fine: tuple[Request, ...] = (
        RenderRequest(shot, move),
        PreviewRequest(shot, sent),
        GenerateRequest(shot, TrajectoryCamera(b"{}", "/cam.json"), fill=fill),
        GenerateRequest(shot, move, fill=FillRequest("draft", {"distill_lora": "/lora.safetensors", "prompt": "a/b"})),
        GenerateRequest(shot, move, fill=FillRequest("draft", {"distill_lora": "", "seed": 3})),
        ReconstructRequest(shot, plate),
        ReconstructRequest(shot, plate, DepthRequest("prior")),
        ReconstructRequest(shot, plate, DepthRequest("/d.npz", camera="/cam.json")),
        ReconstructRequest(shot, plate, DepthRequest(mattes="/mattes")),
        ExportRequest(shot, "/out", cameras=(move,)),
        FillMoviesRequest("/c.mp4", "/m.mp4", "/o.mp4"),
        DoctorRequest(),
        ColourSpacesRequest(),
        ColourSpacesRequest("/config.ocio"),
        ColourSpacesRequest("ocio://default"),
        ReconstructRequest(shot, PlateRequest("/p.exr", ocio="/config.ocio")),
    )
    for request in fine:
        check_absolute(request)
    relative: tuple[Request, ...] = (
        RenderRequest("shot", move),
        PreviewRequest(shot, TrajectoryCamera(b"{}", "cam.json")),
        GenerateRequest(shot, move, fill=FillRequest(models=("models",))),
        GenerateRequest(shot, move, fill=FillRequest("draft", {"distill_lora": "lora.safetensors"})),
        ReconstructRequest(shot, PlateRequest("p.mp4")),
        ReconstructRequest(shot, PlateRequest("/p.exr", ocio="config.ocio")),
        ColourSpacesRequest("config.ocio"),
        ReconstructRequest(shot, plate, DepthRequest("/d.npz", camera="cam.json")),
        ReconstructRequest(shot, plate, DepthRequest(mattes="mattes")),
        RunRequest(ReconstructRequest("shot", plate), (GenerateRequest("shot", move),)),
        ViewportRequest("shot"),
        ProjectionRequest(shot, "v001"),
        ProjectionRequest("shot", "/v001"),
        CheckRequest("shot"),
        CleanRequest("shot"),
        ExportRequest(shot, "out"),
        FillMoviesRequest("/c.mp4", "/m.mp4", "o.mp4"),
    )
    for request in relative:
        with pytest.raises(UsageError, match="not an absolute path"):
            check_absolute(request)
    for source in ("d.npz", "./d.npz", "smal"):
        with pytest.raises(UsageError, match="names no estimator"):
            check_absolute(ReconstructRequest(shot, plate, DepthRequest(source)))
    for source in (AUTOMATIC, PARALLAX, "small"):
        check_absolute(ReconstructRequest(shot, plate, DepthRequest(source)))


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1e10", "0", "-1", "0,0,1e-12", "1e10,0,1", "1,2", ""])
def test_pivots_out_of_range(text: str) -> None:
    with pytest.raises(UsageError, match="pivot"):
        parse_pivot(text)


# ------------------------------------------------------------------------------------------------- what a camera sees

SOURCE = static_trajectory(intrinsics(50, 40, 30), 40, 30, 4).numbered((11, 12, 13, 14), None)


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        ([0, 0, 0, 0], "nothing of the plate in any frame"),
        ([0.001, 0.015, 0, 0], "1.5% of the plate at most"),
        ([0.9, 0, 0, 0.5], "nothing of the plate in frame 12-13."),
        ([0, 0.9, 0, 0.5], "nothing of the plate in frame 11, 13."),
        ([0.9, 0.03, 0.1, 0.5], ""),
    ],
)
def test_what_a_camera_sees_is_said(coverage: list[float], words: str) -> None:
    found = sight_notes(SOURCE, SOURCE, coverage)
    assert [words in note for note in found] == ([True] if words else [])


def test_a_camera_on_its_head_is_noted() -> None:
    upside = np.broadcast_to(rigid(rotation_x(np.pi), np.zeros(3)), (4, 4, 4))
    turned = Trajectory(SOURCE.K, upside, 40, 30, frame_numbers=SOURCE.frame_numbers)
    assert "on its head" in sight_notes(turned, SOURCE, [0.5] * 4)[0]


def test_a_file_whose_camera_sees_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"cam\.json sees nothing"):
        check_sight("cam.json", [0, 0.0005])
    check_sight("cam.json", [0, 0.002])
