# SPDX-License-Identifier: Apache-2.0
"""Video Depth Anything from its released layout, with tiny random weights; against the released code's output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_depth
import torch
from depth_factory import estimated, plate

from ex4d.cli import main
from ex4d.depth.estimators import create_estimator
from ex4d.depth.learned import video_depth_anything_network as network
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.protocol.errors import BadInputError, Ex4dError

EXPECTED = Path(__file__).parent / "data" / "video_depth_anything_tiny" / "expected.npz"


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of weights."""
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.setattr(network, "SIDE", 70)
    return tiny_depth.write_video_depth_anything(tmp_path / "models")


def disparities(weights: Path, folder: Path, pictures: list[np.ndarray]) -> np.ndarray:
    model = network.load(ESTIMATOR_SPECS["video_depth_anything"], (weights.parent,), None)
    return np.stack([estimate.disparity for estimate in model.run(plate(pictures))])


def test_a_clip_of_three_windows_is_the_released_codes(weights: Path, tmp_path: Path) -> None:
    found = disparities(weights, tmp_path / "plate", tiny_depth.pictures(60, 98, 70))
    assert found.shape == (60, 70, 98)
    expected = np.load(EXPECTED)["disparity"]
    assert expected.std() > 100
    assert np.allclose(found[::3, 3::7, 3::7], expected, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 55])
def test_every_frame_gets_one_estimate(
    weights: Path, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "SIDE", 28)
    found = disparities(weights, tmp_path / "plate", tiny_depth.pictures(count, 64, 64))
    assert len(found) == count
    assert np.isfinite(found).all()
    assert np.abs(np.diff(found, axis=0)).max(initial=0) < np.ptp(found)


def test_wide_plates_are_made_smaller() -> None:
    assert network._side(1920, 1080) == 70
    assert network._side(2048, 858) == 56
    assert network._side(858, 2048) == 56


def test_the_estimator(tmp_path: Path) -> None:
    source = create_estimator("video_depth_anything", None)
    result, depth = estimated(source, plate(tiny_depth.pictures(5)), tmp_path / "scratch")
    assert depth.shape == (5, 48, 64)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
    assert np.ptp(depth[2]) > 0
    assert source.licence == "Video Depth Anything Small: Apache-2.0"
    assert any("relative" in note for note in result.notes)


Spoil = Callable[[dict[str, torch.Tensor]], object]
SPOILS: dict[str, tuple[Spoil, str]] = {
    "a missing part of the vision transformer": (
        lambda t: t.pop("pretrained.blocks.3.ls1.gamma"),
        "lacks the tensor «backbone.encoder.layer.3.layer_scale1.lambda1»",
    ),
    "a missing temporal tensor": (
        lambda t: t.pop("head.motion_modules.2.temporal_transformer.proj_in.weight"),
        "lacks the tensor «temporal.2.proj_in.weight»",
    ),
    "a temporal tensor of another shape": (
        lambda t: t.update({"head.motion_modules.0.temporal_transformer.norm.bias": torch.zeros(7)}),
        "another shape of the tensor «temporal.0.norm.bias»",
    ),
    "an unknown tensor": (lambda t: t.update({"head.other.weight": torch.zeros(7)}), "which Video Depth Anything has"),
    "another number of blocks": (
        lambda t: [t.pop(name) for name in list(t) if name.startswith("pretrained.blocks.11.")],
        "vision transformer of 11 blocks",
    ),
    "no head": (lambda t: t.pop("head.projects.0.weight"), "lacks the tensor «head.projects.0.weight»"),
    "no numbers": (lambda t: t["pretrained.norm.bias"].fill_(torch.nan), "no numbers for frame 1001"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_wrong_weights(weights: Path, tmp_path: Path, name: str) -> None:
    spoil, words = SPOILS[name]
    tensors = torch.load(weights, weights_only=True)
    spoil(tensors)
    torch.save(tensors, weights)
    with pytest.raises(BadInputError) as caught:
        estimated(
            create_estimator("video_depth_anything", None),
            plate(tiny_depth.pictures(2)),
            tmp_path / "scratch",
        )
    assert words in caught.value.message
    assert caught.value.hint


def test_code_in_the_file_is_not_run(weights: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"pretrained.cls_token": Trap()}, weights)
    with pytest.raises(Ex4dError, match="could run code"):
        disparities(weights, tmp_path / "plate", tiny_depth.pictures(2))
    assert not (tmp_path / "ran").exists()


def test_a_larger_model_does_not_pass_for_small(weights: Path, tmp_path: Path) -> None:
    torch.save(tiny_depth.video_depth_anything_tensors(channels=448), weights)
    with pytest.raises(BadInputError, match="licence forbids commercial use"):
        disparities(weights, tmp_path / "plate", tiny_depth.pictures(2))


def test_recon(tmp_path: Path) -> None:
    (tmp_path / "plate").mkdir()
    for index, picture in enumerate(tiny_depth.pictures(3)):
        cv2.imwrite(str(tmp_path / "plate" / f"p.{1001 + index}.png"), picture[..., ::-1])
    shot = tmp_path / "shot"
    assert (
        main(
            [
                "recon",
                str(tmp_path / "plate"),
                "--depth",
                "video_depth_anything",
                "--source-camera",
                "still",
                "--out",
                str(shot),
            ]
        )
        == 0
    )
    (record,) = shot.rglob("depth.json")
    assert json.loads(record.read_text())["name"] == "video_depth_anything"
