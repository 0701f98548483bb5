# SPDX-License-Identifier: Apache-2.0
"""Depth Pro from its released layout, with tiny random weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_depth
import torch
from depth_factory import estimated, plate
from safetensors.torch import load_file, save_file
from transformers import DepthProForDepthEstimation

from ex4d.cli import main
from ex4d.depth import BUILT_IN, default_estimator
from ex4d.depth.estimators import create_estimator
from ex4d.depth.learned import depth_pro_network
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError

COUNT = 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights."""
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    return tiny_depth.write_depth_pro(tmp_path / "models")


@pytest.fixture
def frames(tmp_path: Path) -> FrameSource:
    return plate(tiny_depth.pictures(COUNT))


def test_metres_and_lens_are_what_the_model_says(folder: Path, frames: FrameSource) -> None:
    estimates = list(depth_pro_network.load(ESTIMATOR_SPECS["depth_pro"], (folder,), None).run(frames))
    assert len(estimates) == COUNT
    reference = DepthProForDepthEstimation.from_pretrained(folder).eval()
    picture = cv2.resize(frames.read_8bit(1001).astype(np.float32) / 255, (128, 128), interpolation=cv2.INTER_CUBIC)
    with torch.no_grad():
        found = reference(torch.from_numpy(picture * 2 - 1).permute(2, 0, 1)[None])
    fov = float(found.field_of_view[0])
    assert estimates[0].fov_deg == pytest.approx(fov, rel=1e-4)
    # 1/z = canonical · width / focal, and width / focal = 2 tan(fov / 2)
    expected = found.predicted_depth[0].numpy() * 2 * np.tan(np.radians(fov) / 2)
    assert np.ptp(expected) > 0
    assert np.allclose(estimates[0].disparity, np.clip(expected, 1e-4, 1e4), rtol=1e-3)


def test_the_estimator(frames: FrameSource, tmp_path: Path) -> None:
    source = create_estimator("depth_pro", None)
    result, depth = estimated(source, frames, tmp_path / "scratch")
    assert depth.shape == (COUNT, 48, 64)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
    assert result.intrinsics_known
    assert 40 < np.degrees(2 * np.arctan(32 / result.source.K[..., 0, 0])).mean() < 70
    assert "research only" in source.licence
    assert any("forbids commercial use" in note for note in result.notes)
    assert default_estimator() == BUILT_IN  # never this one


def test_a_known_lens_changes_the_metres(folder: Path, frames: FrameSource) -> None:
    def disparity(fov: float | None) -> np.ndarray:
        return next(depth_pro_network.load(ESTIMATOR_SPECS["depth_pro"], (folder,), fov).run(frames)).disparity

    ratio = disparity(80.0) / disparity(40.0)
    assert np.allclose(ratio, np.tan(np.radians(40)) / np.tan(np.radians(20)), rtol=1e-3)


@pytest.mark.parametrize(("value", "words"), [(torch.nan, "no numbers"), (None, "lacks the tensor")])
def test_wrong_weights(folder: Path, frames: FrameSource, tmp_path: Path, value: float | None, words: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.startswith("head.") and name.endswith("bias"))
    if value is None:
        tensors.pop(name)
    else:
        tensors[name].fill_(value)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadInputError, match=words):
        estimated(create_estimator("depth_pro", None), frames, tmp_path / "scratch")


def test_missing_weights(folder: Path) -> None:
    shutil.rmtree(folder)
    with pytest.raises(BadInputError, match="not on this machine") as caught:
        create_estimator("depth_pro", None).prepare()
    assert "research only" in caught.value.hint


def test_recon(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for index, picture in enumerate(tiny_depth.pictures(2)):
        cv2.imwrite(str(tmp_path / "pictures" / f"p.{1001 + index}.png"), picture[..., ::-1])
    assert (
        main(
            [
                "recon",
                str(tmp_path / "pictures"),
                "--depth",
                "depth_pro",
                "--source-camera",
                "still",
                "--out",
                str(tmp_path / "shot"),
            ]
        )
        == 0
    )
