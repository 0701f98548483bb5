# SPDX-License-Identifier: Apache-2.0
"""``ex4d bench`` on results whose score is known: the truth itself, and the truth spoiled."""

import json
import shutil

import pytest

from ex4d.cli import main


def score(capsys, *args):
    """The command's record."""
    assert main(["bench", *map(str, args), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return next(line for line in reversed(lines) if line["event"] == "done")["result"]


def test_the_truth_has_no_error(truth, tmp_path, capsys):
    view = truth / "street" / "right_30"
    record = score(capsys, "quality", view / "rgb", "--truth", view, "--out", tmp_path / "score.json")
    for name, region in record["regions"].items():
        assert region["psnr"] == "inf", name
        assert region["ssim"] == pytest.approx(1, abs=1e-6)
        assert region["flicker"] == region["flicker_truth"]
    assert record["bias_px"] < 0.01
    assert record["hole_iou"] is None, "pictures alone have no mask"
    assert sum(part["share"] for part in record["regions"].values()) == pytest.approx(2), "regions, and all"
    assert json.loads((tmp_path / "score.json").read_text()) == record


def test_another_view_is_far_from_it(truth, capsys):
    scene = truth / "street"
    record = score(capsys, "quality", scene / "left_30" / "rgb", "--truth", scene / "right_30")
    assert record["regions"]["all"]["psnr"] < 20


def test_depth_files(truth, capsys):
    scene = truth / "still_life"
    record = score(capsys, "depth", scene / "source" / "geometry", "--truth", scene)
    assert record["none"]["abs_rel"] < 1e-5
    assert record["none"]["edge_f1"] == pytest.approx(1)
    other = score(capsys, "depth", scene / "right_30" / "geometry", "--truth", scene)
    assert other["affine"]["abs_rel"] > 0.03


def test_camera_paths(truth, capsys):
    scene = truth / "street"
    same = score(capsys, "camera", scene / "dolly" / "camera.json", "--truth", scene / "dolly")
    assert same["rotation_max_deg"] < 1e-6
    assert same["translation"] < 1e-9
    other = score(capsys, "camera", scene / "zoom" / "camera.json", "--truth", scene / "dolly")
    assert other["translation"] > 1e-3


def test_wrong_results(truth, tmp_path, capsys):
    view = truth / "still_life" / "right_30"
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((view / "rgb").iterdir())[:3]:
        shutil.copy(path, few)
    for args, words in (
        (["quality", few, "--truth", view], "has 3 frames"),
        (["quality", view / "rgb", "--truth", view.parent / "right_31"], "right_31"),
        (["quality", view / "rgb", "--truth", tmp_path], "not a whole scene"),
        (["quality", tmp_path / "absent", "--truth", view], "absent"),
        (["depth", tmp_path / "absent", "--truth", view.parent], "absent"),
        (["camera", tmp_path / "absent.json", "--truth", view], "absent"),
        (["camera", view / "rgb", "--truth", view], "rgb"),
    ):
        assert main(["bench", *map(str, args)]) == 10, args
        assert words in capsys.readouterr().err
