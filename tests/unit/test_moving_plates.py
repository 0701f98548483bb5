# SPDX-License-Identifier: Apache-2.0
"""Plates whose camera moves, from their files to a reconstruction: what is solved, measured, told and made anew."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from command import make_depth
from solve_scenes import room_pictures

from ex4d.camera import Trajectory, write_json
from ex4d.composite.result_files import sequence_file
from ex4d.evaluation.poses import camera_errors
from ex4d.fill import create_generator
from ex4d.jobs import reconstruct
from ex4d.jobs.context import JobContext
from ex4d.jobs.takes import TakePipeline
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import (
    DepthRequest,
    MeshRequest,
    MoveCamera,
    OutputRequest,
    PlateRequest,
    ReconstructRequest,
)
from ex4d.protocol.results import ReconstructResult
from ex4d.shot.folder import Shot
from ex4d.shot.mattes import read_mattes
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.system.progress import Silent

FIRST, LENGTH = 1001, 13


@dataclass
class Bench:
    """A plate's folder, and the camera that filmed it."""

    root: Path
    camera: Trajectory

    @classmethod
    def of(cls, root: Path, kind: str) -> Bench:
        pictures, camera = room_pictures(kind)
        (root / "plate").mkdir(parents=True)
        for index, picture in enumerate(pictures):
            cv2.imwrite(str(root / f"plate/p.{FIRST + index}.png"), picture[..., ::-1])
        return cls(root, camera)

    def request(self, depth: str = "auto", *, compat: Any = "none", **options: Any) -> ReconstructRequest:
        camera, mattes = options.pop("camera", None), options.pop("mattes", None)
        return ReconstructRequest(
            str(self.root / "shot"),
            PlateRequest(str(self.root / "plate")),
            DepthRequest(depth, camera=camera, mattes=None if mattes is None else str(mattes)),
            MeshRequest(compat=compat),
            viewport_side=None,
            **options,
        )

    def run(self, *args: Any, **options: Any) -> ReconstructResult:
        return reconstruct.run(self.request(*args, **options), JobContext(Silent()))

    def open(self) -> Reconstruction:
        return open_reconstruction(Shot(self.root / "shot"))

    @property
    def stages(self) -> dict[str, str]:
        return dict(json.loads((self.root / "shot/shot.json").read_text(encoding="utf-8"))["stages"])


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, ReconstructResult]:
    bench = Bench.of(tmp_path_factory.mktemp("sliding"), "slides")
    return bench, bench.run(source_camera="auto")


def test_a_camera_that_moves_is_solved_and_depth_is_measured(sliding: tuple[Bench, ReconstructResult]) -> None:
    bench, result = sliding
    made = bench.open()
    assert made.source_camera is not None
    assert made.source_camera.kind == "moves"
    assert (result.depth.name, result.depth.source_poses_known) == ("parallax", True)
    error = camera_errors(made.depth.source.E, bench.camera.E)
    assert error.rotation_deg < 0.2
    assert error.translation < 0.01
    assert any(note.startswith("The source camera moves: solved (median error 0.") for note in result.notes)
    assert not any("assumed" in note and "camera" in note for note in result.notes)
    assert 0.3 < (made.depth.measured or 0) <= 1
    assert list(bench.stages) == ["plate", "solve", "depth", "mesh"]


def test_a_take_tells_measured_surfaces_from_guessed_ones(sliding: tuple[Bench, ReconstructResult]) -> None:
    bench, result = sliding
    made = bench.open()
    assert result.depth.measured == made.depth.measured
    pipeline = TakePipeline(Shot(bench.root / "shot"), made, "embree", Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera("orbit:0")))
    folder = pipeline.deliver(rendered, create_generator("preview"), output=OutputRequest(aov=True))
    record = json.loads((folder / "take.json").read_text(encoding="utf-8"))
    assert record["depth"]["measured"] == pytest.approx(made.depth.measured, abs=1e-6)
    with OpenEXR.File(str(sequence_file(folder / "aov", FIRST + 1, ".exr")), separate_channels=True) as file:
        data = next(part.channels for part in file.parts if "measured.Y" in part.channels)
        told, seen = (np.array(data[name].pixels) for name in ("measured.Y", "source.Y"))
    mask = made.depth.read_measured(FIRST + 1)
    assert mask is not None
    # In the source view every pixel is the plate's own.
    assert (seen == 1).all()
    np.testing.assert_array_equal(told, mask)
    assert 0 < mask.mean() < 1


def write_mattes(folder: Path, shape: tuple[int, int], first: int = FIRST, count: int | None = None) -> Path:
    """The left third moves, in every frame."""
    picture = np.zeros((*shape, 3), np.uint8)
    picture[:, : shape[1] // 3] = 255
    folder.mkdir()
    for number in range(first, first + (LENGTH if count is None else count)):
        cv2.imwrite(str(folder / f"m.{number}.png"), picture)
    return folder


def test_mattes_say_what_moves_and_are_found_again(sliding: tuple[Bench, ReconstructResult], tmp_path: Path) -> None:
    plain, _ = sliding
    bench = Bench(tmp_path / "bench", plain.camera)
    shutil.copytree(plain.root, bench.root)
    before = bench.stages
    height, width = plain.open().depth.read(FIRST).shape
    mattes = write_mattes(tmp_path / "mattes", (height, width))
    bench.run(source_camera="auto", mattes=mattes)
    made, shot = bench.open(), Shot(bench.root / "shot")
    assert bench.stages["solve"] == before["solve"]
    assert bench.stages["depth"] != before["depth"]
    mask = made.depth.read_measured(FIRST + 2)
    assert mask is not None
    assert not mask[:, : width // 3].any()
    assert mask[:, width // 3 :].mean() > 0.3
    depth = made.depth.read(FIRST + 2)
    shutil.rmtree(shot.cache.root / f"depth-{bench.stages['depth']}")
    np.testing.assert_array_equal(bench.open().depth.read(FIRST + 2), depth)
    # Their content counts, wherever they are.
    plan = bench.request(source_camera="auto", mattes=mattes)
    other = write_mattes(tmp_path / "other", (height, width), first=1)
    keys = {path: read_mattes(shot, path, FIRST, made.frames, Silent()).key for path in (mattes, other)}
    cv2.imwrite(str(other / "m.1.png"), np.zeros((height, width, 3), np.uint8))
    assert read_mattes(shot, other, FIRST, made.frames, Silent()).key not in keys.values()
    assert reconstruct.depth_plan(plan, shot).mattes == str(mattes)


def test_mattes_that_do_not_fit_are_refused(sliding: tuple[Bench, ReconstructResult], tmp_path: Path) -> None:
    bench, _ = sliding
    made = bench.open()
    shot, (width, height) = Shot(tmp_path / "shot"), made.frames.size
    short = write_mattes(tmp_path / "short", (height, width), count=LENGTH - 1)
    with pytest.raises(BadInputError, match="The mattes have the frames"):
        read_mattes(shot, short, FIRST, made.frames, Silent())
    wide = write_mattes(tmp_path / "wide", (height, 2 * width))
    with pytest.raises(BadInputError, match="another shape"):
        read_mattes(shot, wide, FIRST, made.frames, Silent())
    half = write_mattes(tmp_path / "half", (height // 2, width // 2), first=1)
    assert read_mattes(shot, half, FIRST, made.frames, Silent()).numbers[0] == 1
    for options in (
        {"source_camera": "still"},
        {"source_camera": "turns"},
        {"depth": "small", "source_camera": "auto"},
    ):
        with pytest.raises(UsageError, match="Mattes tell"):
            bench.run(**options, mattes=half)


def test_what_is_gone_is_made_anew_with_the_same_camera(sliding: tuple[Bench, ReconstructResult]) -> None:
    bench, _ = sliding
    before, shot = bench.open(), Shot(bench.root / "shot")
    for name in ("solve", "depth", "mesh"):
        shutil.rmtree(shot.cache.root / f"{name}-{bench.stages[name]}")
    after = bench.open()
    np.testing.assert_array_equal(after.depth.source.E, before.depth.source.E)
    np.testing.assert_array_equal(after.depth.read(FIRST), before.depth.read(FIRST))
    assert after.source_camera == before.source_camera


def test_an_estimator_that_is_named_is_fitted_and_nothing_is_measured(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides")
    result = bench.run("small", source_camera="moves")
    assert result.depth.name == "small"
    assert "on the scale of the solved camera" in result.depth.label
    assert bench.open().depth.measured is None


def test_a_camera_that_turns_keeps_its_place(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "turns")
    result = bench.run(source_camera="auto")
    made = bench.open()
    assert made.source_camera is not None
    assert made.source_camera.kind == "turns"
    assert result.depth.source_poses_known
    np.testing.assert_allclose(made.depth.source.centers(), 0, atol=1e-12)
    assert camera_errors(made.depth.source.E, bench.camera.E).rotation_deg < 0.15


def test_a_camera_that_stands_still_has_the_depth_that_it_had(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides")
    first, *others = sorted((tmp_path / "plate").iterdir())
    for path in others:
        shutil.copyfile(first, path)
    assumed = bench.run(source_camera="still")
    before = bench.stages
    assert "solve" not in before
    assert any("assumed to stand still" in note for note in assumed.notes)
    looked = bench.run(source_camera="auto")
    assert {**bench.stages, "solve": ""} == {**before, "solve": ""}
    assert any(note.startswith("The source camera stands still") for note in looked.notes)
    assert not any("assumed to stand still" in note for note in looked.notes)


def test_cameras_that_are_given_stay_as_they_are(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides")
    numbers = tuple(range(FIRST, FIRST + len(bench.camera)))
    write_json(tmp_path / "given.json", bench.camera.numbered(numbers, None))
    bench.run(camera=str(tmp_path / "given.json"))
    made = bench.open()
    assert made.source_camera is not None
    assert made.source_camera.lens == "given"
    np.testing.assert_array_equal(made.depth.source.E, bench.camera.E)
    np.testing.assert_array_equal(made.depth.source.K, bench.camera.K)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides")
    make_depth(tmp_path / "d.npz", len(bench.camera), bench.camera.width, bench.camera.height)
    with pytest.raises(UsageError, match="needs a source camera that moves"):
        bench.run("parallax", source_camera="still")
    with pytest.raises(UsageError, match="depth files are given"):
        bench.run(str(tmp_path / "d.npz"), source_camera="auto")
    with pytest.raises(UsageError, match="released construction"):
        bench.run(source_camera="moves", compat="ex4d")
    assert not (tmp_path / "shot").exists()
