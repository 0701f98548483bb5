# SPDX-License-Identifier: Apache-2.0
"""Cases of camera and depth files from public bug reports: tests/cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Outcome, Run, runner

from ex4d.camera import read_trajectory
from ex4d.protocol.errors import BadInputError


@pytest.fixture
def ex4d_command(capfd: Any) -> Run:
    return runner(capfd)


def notes(outcome: Outcome) -> str:
    return " ".join(event["text"] for event in outcome.events if event["event"] == "note")


def x_of(trajectory: Any) -> list[float]:
    return [float(x) for x in trajectory.centers()[:, 0].round(3) + 0.0]


@pytest.mark.case("transforms_unordered")
def test_frames_listed_in_a_solvers_order(case: Path) -> None:
    unordered, ordered = read_trajectory(case / "unordered.json"), read_trajectory(case / "sorted.json")
    assert unordered.frame_numbers == ordered.frame_numbers == tuple(range(1001, 1009))
    assert x_of(unordered) == x_of(ordered) == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35]
    for trajectory in (unordered, ordered):
        assert x_of(trajectory.for_frames([1003, 1004], None, "it")) == [0.1, 0.15]
        assert trajectory.for_frames(range(1001, 1009), None, "it").notes == ()


@pytest.mark.case("transforms_camera_model")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fisheye.json", "OPENCV_FISHEYE"),
        ("is_fisheye.json", "fisheye"),
        ("equirectangular.json", "EQUIRECTANGULAR"),
        ("full_opencv_k5.json", "k5"),
    ],
)
def test_lenses_that_are_no_pinhole(case: Path, name: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        read_trajectory(case / name)
    assert "Undistort" in caught.value.hint


@pytest.mark.case("transforms_camera_model")
def test_a_model_without_distortion_is_a_pinhole(case: Path) -> None:
    np.testing.assert_allclose(read_trajectory(case / "opencv.json").K[0], [[94.2, 0, 48], [0, 94.2, 32], [0, 0, 1]])


@pytest.mark.case("json_bom")
@pytest.mark.parametrize("name", ["utf8_bom.json", "utf16.json"])
def test_encodings_of_windows(case: Path, name: str) -> None:
    assert len(read_trajectory(case / name)) == 4


def run(ex4d_command: Run, case: Path, camera: str) -> Outcome:
    depth = ["--depth", case / "depth.npz", "--fov", "54"]
    options = ["--cam", case / camera, "--raster", "embree", "--out", case / "shot", "--json"]
    return ex4d_command("run", case / "plate.mp4", *depth, *options)


@pytest.mark.case("trajectory_own_world")
def test_a_camera_of_another_world_is_refused(ex4d_command: Run, case: Path) -> None:
    failed = run(ex4d_command, case, "nerfstudio_identity.json")
    assert "sees nothing of the plate" in failed.refused(10)
    assert "world" in failed.events[-1]["hint"]
    assert not list((case / "shot" / "takes").glob("v*"))


@pytest.mark.case("trajectory_own_world")
def test_a_camera_of_the_shots_world(ex4d_command: Run, case: Path) -> None:
    done = run(ex4d_command, case, "own_same.json")
    assert done.result["takes"][0]["generated_mean"] == pytest.approx(0.06, abs=0.02)
    assert "world" not in notes(done)


def depth_run(ex4d_command: Run, case: Path, name: str, *options: str) -> tuple[Outcome, float, float]:
    """The outcome, z of the near square, z of the wall."""
    shot = case / "shot"
    done = ex4d_command(
        "recon", case / "plate.mp4", "--depth", case / name, "--fov", "54", *options, "--out", shot, "--json"
    )
    assert done.code == 0, done.out
    (first, *_) = sorted(shot.glob("cache/depth-*/z/*.npy"))
    z = np.load(first)
    return done, float(z[30, 28]), float(z[5, 90])


@pytest.mark.case("npz_relative_disparity")
def test_normalised_disparity_under_the_name_of_depth(ex4d_command: Run, case: Path) -> None:
    done, near, far = depth_run(ex4d_command, case, "depthcrafter.npz")
    assert (near, far) == pytest.approx((1, 50))
    assert "relative disparity" in notes(done)


@pytest.mark.case("npz_relative_disparity")
def test_the_kind_that_is_said_counts(ex4d_command: Run, case: Path) -> None:
    done, near, _ = depth_run(ex4d_command, case, "depthcrafter.npz", "--depth-kind", "depth")
    assert near == 1
    assert "disparity" not in notes(done)


@pytest.mark.case("npz_relative_disparity")
def test_a_name_under_which_both_are_saved(ex4d_command: Run, case: Path) -> None:
    done, near, far = depth_run(ex4d_command, case, "video_depth_anything.npz")
    assert near > far
    assert "--depth-kind disparity" in notes(done)


@pytest.mark.case("npz_relative_disparity")
def test_the_way_out_of_it(ex4d_command: Run, case: Path) -> None:
    done, near, far = depth_run(ex4d_command, case, "video_depth_anything.npz", "--depth-kind", "disparity")
    assert near < far
    assert "disparity" not in notes(done)


@pytest.mark.case("npz_vggt_poses")
def test_poses_as_vggt_saves_them(ex4d_command: Run, case: Path) -> None:
    done = ex4d_command(
        "recon", case / "plate.mp4", "--depth", case / "predictions.npz", "--out", case / "shot", "--json"
    )
    assert done.code == 0, done.out
    (camera,) = (case / "shot").glob("cache/depth-*/source_camera.json")
    source = read_trajectory(camera)
    assert x_of(source) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert source.K[0, 0, 0] == pytest.approx(94.2)
    assert "not read" not in notes(done)
