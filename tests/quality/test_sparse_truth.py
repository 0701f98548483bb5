# SPDX-License-Identifier: Apache-2.0
"""Scenes whose targets have only every so many frames."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import bench_quality
from benchmarks.quality.takes import beside
from ex4d.evaluation.regions import write_region_maps
from ex4d.evaluation.score import ResultFrame, score_clip, target_indices
from ex4d.evaluation.truth import TruthScene
from ex4d.protocol.errors import BadInputError
from ex4d.system.progress import Silent
from tools.scenes import make_groundtruth

STEP = 4


@pytest.fixture
def sparse(truth: Path, tmp_path: Path) -> Path:
    """A scene as `--step 4` renders it: frames 1, 5 and 9 of the targets, no region maps yet."""
    folder = tmp_path / "subject"
    shutil.copytree(truth / "subject", folder, ignore=shutil.ignore_patterns("regions"))
    record = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    for target in record["targets"]:
        for path in (folder / target).glob("*/*"):
            if (int(path.stem) - 1) % STEP:
                path.unlink()
    (folder / "scene.json").write_text(json.dumps({**record, "step": STEP}), encoding="utf-8")
    return folder


def test_region_maps_of_the_frames_that_are_there(sparse: Path, truth: Path) -> None:
    scene, whole = TruthScene.open(sparse), TruthScene.open(truth / "subject")
    write_region_maps(scene, Silent())
    for name, view in scene.targets.items():
        assert sorted(path.stem for path in (view.folder / "regions").iterdir()) == ["000001", "000005", "000009"]
        # What other frames of the plate have seen does not change.
        np.testing.assert_array_equal(view.regions(5), whole.targets[name].regions(5))


@pytest.mark.parametrize(("step", "whole"), [(1, False), (2, False), (4, True), (8, True), (6, False), (9, True)])
def test_more_frames_are_asked_for(sparse: Path, step: int, whole: bool) -> None:
    assert make_groundtruth._is_whole(sparse, step) is whole


def test_a_scene_with_all_frames_does_for_any_step(truth: Path, tmp_path: Path) -> None:
    assert make_groundtruth._is_whole(truth / "street", 3)
    assert not make_groundtruth._is_whole(tmp_path, 3)


def test_no_more_frames_are_rendered_than_are_looked_at() -> None:
    assert bench_quality.target_step(["raster", "fill", "depth"], 12, 49) == 1
    assert bench_quality.target_step(["raster", "depth"], 12, 49) == 12
    assert bench_quality.target_step(["depth"], 1, 49) == 49


def test_the_frames_that_are_there_are_scored(sparse: Path, truth: Path, tmp_path: Path) -> None:
    scene, whole = TruthScene.open(sparse), TruthScene.open(truth / "subject")
    write_region_maps(scene, Silent())
    view = scene.targets["right_30"]
    spoiled = [255 - picture for picture in map(whole.targets["right_30"].picture, whole.numbers)]
    for index in target_indices(scene):
        spoiled[index] = view.picture(scene.numbers[index])
    right = score_clip((ResultFrame(picture, None) for picture in spoiled), scene, view)
    assert right.frames == 3
    assert right.regions["all"].psnr == right.regions["all"].psnr_low_pass == math.inf
    assert math.isnan(right.regions["all"].flicker_truth), "neighbours are not there"
    spoiled[4] = spoiled[0]
    assert score_clip((ResultFrame(picture, None) for picture in spoiled), scene, view).regions["all"].psnr < 40
    with pytest.raises(BadInputError, match="has 3 frames"):
        score_clip((ResultFrame(picture, None) for picture in spoiled[::STEP]), scene, view)


def test_a_takes_camera_stands_to_the_plates_as_the_target_to_the_true_one(truth: Path) -> None:
    scene = TruthScene.open(truth / "street")
    source, target = scene.source.camera, scene.targets["right_30"].camera
    # Another world, half as large and turned, and a lens 10 % too long.
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = cv2.Rodrigues(np.array([0.3, -0.5, 0.2]))[0], (1.0, 2.0, 3.0)
    E, K = source.E @ world, source.K.copy()
    E[:, :3, 3] *= 0.5
    K[:, (0, 1), (0, 1)] *= 1.1
    take = beside(replace(source, E=E, K=K), source, target, 0.5)
    moved = target.E @ world
    moved[:, :3, 3] *= 0.5
    np.testing.assert_allclose(take.E, moved, atol=1e-9)
    np.testing.assert_allclose(take.K[:, 0, 0], 1.1 * target.K[:, 0, 0])
