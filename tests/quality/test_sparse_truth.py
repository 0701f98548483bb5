# SPDX-License-Identifier: Apache-2.0
"""Scenes whose targets have only every so many frames."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_quality
from ex4d.evaluation.regions import write_region_maps
from ex4d.evaluation.truth import TruthScene
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
