# SPDX-License-Identifier: Apache-2.0
"""Plates whose camera moves, from their files to a reconstruction: what is solved, measured, told and made anew."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import OpenEXR
import pytest
from command import make_depth
from solve_scenes import room_pictures

from ex4d.camera import Trajectory, read_trajectory, write_json
from ex4d.composite.result_files import sequence_file
from ex4d.evaluation.poses import camera_errors
from ex4d.fill import create_generator
from ex4d.jobs import export, reconstruct
from ex4d.jobs.context import JobContext
from ex4d.jobs.source_camera import KEPT_STILL
from ex4d.jobs.takes import TakePipeline
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.requests import (
    CameraFormat,
    DepthRequest,
    ExportRequest,
    MeshRequest,
    MoveCamera,
    OutputRequest,
    PlateRequest,
    ReconstructRequest,
)
from ex4d.protocol.results import ReconstructResult, parse_result, result_record
from ex4d.shot.folder import Shot
from ex4d.shot.mattes import read_mattes
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.system.progress import Silent

FIRST, LENGTH = 1001, 9
#: Where it is no matter how exactly the camera is found.
FEW = 7


@dataclass
class Bench:
    """A plate's folder, and the camera that filmed it."""

    root: Path
    camera: Trajectory

    @classmethod
    def of(cls, root: Path, kind: str, count: int = LENGTH) -> Bench:
        pictures, camera = room_pictures(kind, count=count)
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


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, ReconstructResult]:
    bench = Bench.of(tmp_path_factory.mktemp("turning"), "turns")
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


def test_the_result_tells_where_the_solve_is_and_what_was_measured(sliding: tuple[Bench, ReconstructResult]) -> None:
    bench, result = sliding
    assert result.depth.measured == bench.open().depth.measured
    with np.load(Path(result.solve) / "solve.npz") as arrays:
        assert len(arrays["point_xyz"]) > 20
    assert from_record(ReconstructResult, result_record(result), "result") == result


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


def test_what_was_found_is_told(sliding: tuple[Bench, ReconstructResult]) -> None:
    bench, result = sliding
    found = result.source_camera
    assert found is not None
    assert (found.kind, found.interpolated, found.cuts) == ("moves", (), ())
    assert found.headline in result.notes
    view = bench.open().mesh.view
    assert found.fov_deg == pytest.approx(np.degrees(2 * np.arctan(view.width / 2 / view.K[0, 0, 0])), abs=0.01)
    # As clients get it, and as the shot keeps it.
    assert parse_result("reconstruct", json.loads(json.dumps(result_record(result)))) == result
    assert bench.open().source_camera == found


def test_the_solve_is_written_for_other_programs(sliding: tuple[Bench, ReconstructResult], tmp_path: Path) -> None:
    bench, _ = sliding
    made, shot = bench.open(), str(bench.root / "shot")
    formats: tuple[CameraFormat, ...] = get_args(CameraFormat)
    request = ExportRequest(shot, str(tmp_path), source_camera=formats)
    paths = export.run(request, JobContext(Silent())).source_camera
    view = made.mesh.view
    assert set(paths) == set(formats)
    for path in paths.values():
        found = read_trajectory(Path(path), (view.width, view.height))
        np.testing.assert_allclose(found.E, view.E, atol=1e-9)
        np.testing.assert_allclose(found.K, view.K, rtol=1e-9)
        assert found.frame_numbers == view.frame_numbers
    # Each point of the model lies where the pictures are said to show it.
    rows = [line.split() for line in Path(paths["colmap"], "points3D.txt").read_text().splitlines() if line[0] != "#"]
    images = [line.split() for line in Path(paths["colmap"], "images.txt").read_text().splitlines() if line[0] != "#"]
    assert len(rows) > 50
    errors = []
    for row in rows:
        point = np.array([list(map(float, row[1:4]))])
        for image, place in zip(row[8::2], row[9::2], strict=True):
            index, at = int(image) - 1, 3 * int(place)
            x, y, name = images[2 * index + 1][at : at + 3]
            assert name == row[0]
            errors.append(np.hypot(*(view[index].project(point)[0][0] - (float(x), float(y)))))
    assert np.median(errors) < 0.5
    # What is there already is no earlier result of this command.
    with pytest.raises(BadInputError, match="would be written over"):
        export.run(request, JobContext(Silent()))


def test_an_estimator_that_is_named_is_fitted_and_nothing_is_measured(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides", FEW)
    result = bench.run("small", source_camera="moves")
    assert result.depth.name == "small"
    assert "on the scale of the solved camera" in result.depth.label
    assert bench.open().depth.measured is None


def test_a_camera_that_turns_keeps_its_place(turning: tuple[Bench, ReconstructResult]) -> None:
    bench, result = turning
    made = bench.open()
    assert made.source_camera is not None
    assert made.source_camera.kind == "turns"
    assert result.depth.source_poses_known
    np.testing.assert_allclose(made.depth.source.centers(), 0, atol=1e-12)
    assert camera_errors(made.depth.source.E, bench.camera.E).rotation_deg < 0.15


def test_a_camera_that_stands_still_has_the_depth_that_it_had(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides", FEW)
    first, *others = sorted((tmp_path / "plate").iterdir())
    for path in others:
        shutil.copyfile(first, path)
    assumed = bench.run(source_camera="still")
    before = bench.stages
    assert "solve" not in before
    assert any("assumed to stand still" in note for note in assumed.notes)
    looked = bench.run(source_camera="auto")
    assert {**bench.stages, "solve": ""} == {**before, "solve": ""}
    (told,) = [note for note in looked.notes if "still" in note]
    assert told.startswith("The source camera stands still; its depth is a guess. The picture moves by no more than 0.")
    assert not any("assumed to stand still" in note for note in looked.notes)


def test_cameras_that_are_given_stay_as_they_are(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides", FEW)
    numbers = tuple(range(FIRST, FIRST + len(bench.camera)))
    write_json(tmp_path / "given.json", bench.camera.numbered(numbers, None))
    bench.run(camera=str(tmp_path / "given.json"))
    made = bench.open()
    assert made.source_camera is not None
    assert made.source_camera.lens == "given"
    assert made.source_camera.headline.startswith("The source camera moves: given (median error 0.")
    np.testing.assert_array_equal(made.depth.source.E, bench.camera.E)
    np.testing.assert_array_equal(made.depth.source.K, bench.camera.K)


def as_before(bench: Bench) -> dict[str, str]:
    """Make of the shot one of before cameras were solved; returns its stages."""
    bench.run(source_camera="still")
    shot = Shot(bench.root / "shot")
    record = {name: value for name, value in shot.record.items() if name != "checksum"}
    del record["recipe"]["depth"]["solve"], record["recipe"]["depth"]["measured"]
    shot.write_record(record)
    return bench.stages


def test_shots_of_before_stand_still_until_they_are_solved_on_purpose(
    turning: tuple[Bench, ReconstructResult], tmp_path: Path
) -> None:
    solved_before, _ = turning
    bench = Bench(tmp_path, solved_before.camera)
    shutil.copytree(solved_before.root / "plate", tmp_path / "plate")
    before = as_before(bench)
    # The solve of the same plate, which is not done here once more; nothing takes it that was not asked to.
    solve = f"solve-{solved_before.stages['solve']}"
    shutil.copytree(solved_before.root / "shot/cache" / solve, tmp_path / "shot/cache" / solve)
    again = bench.run()
    assert bench.stages == before
    assert again.source_camera is None
    assert KEPT_STILL in again.notes
    # And the next time too.
    bench.run()
    assert bench.stages == before
    solved = bench.run(source_camera="auto")
    assert solved.source_camera is not None
    assert solved.source_camera.kind == "turns"
    assert KEPT_STILL not in solved.notes
    assert bench.stages["depth"] != before["depth"]
    # From then on it is solved, and nothing is done again.
    stages = bench.stages
    assert bench.run().source_camera == solved.source_camera
    assert bench.stages == stages


def test_a_shot_keeps_what_was_said_of_its_camera(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "turns")
    said = bench.run("prior", source_camera="still")
    stages = bench.stages
    assert KEPT_STILL not in said.notes
    kept = bench.run("prior")
    assert bench.stages == stages
    assert kept.source_camera is None
    assert KEPT_STILL not in kept.notes


def test_one_frame_is_not_solved(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "turns")
    for path in sorted((tmp_path / "plate").iterdir())[1:]:
        path.unlink()
    found = bench.run("prior")
    assert list(bench.stages) == ["plate", "depth", "mesh"]
    assert found.source_camera is None
    assert KEPT_STILL not in found.notes


def test_what_has_its_own_camera_stands_still_without_a_word(tmp_path: Path) -> None:
    bench = Bench.of(tmp_path, "slides")
    make_depth(tmp_path / "d.npz", len(bench.camera), bench.camera.width, bench.camera.height)
    for root, depth, compat in (("files", str(tmp_path / "d.npz"), "none"), ("released", "prior", "ex4d")):
        bench.root = tmp_path / root
        request = replace(bench.request(depth, compat=compat), plate=PlateRequest(str(tmp_path / "plate")))
        result = reconstruct.run(request, JobContext(Silent()))
        assert list(bench.stages) == ["plate", "depth", "mesh"]
        assert result.source_camera is None
        assert KEPT_STILL not in result.notes


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
