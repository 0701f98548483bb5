# SPDX-License-Identifier: Apache-2.0
"""DepthCrafter from its released layout, with tiny random weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_depth
import torch
from depth_factory import estimated, plate
from safetensors.torch import load_file, save_file

from ex4d.cli import main
from ex4d.depth.estimators import create_estimator
from ex4d.depth.learned import depthcrafter_network as network
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two folders of weights."""
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    return tiny_depth.write_depthcrafter(tmp_path / "models")


@pytest.fixture
def frames(tmp_path: Path) -> FrameSource:
    return plate(tiny_depth.pictures(3, 64, 64))


def test_the_released_settings() -> None:
    assert (network.WINDOW, network.OVERLAP, network.STEPS) == (110, 25, 5)
    assert network.model_size(1920, 1080) == (1024, 576)
    assert network.model_size(64, 30) == (64, 64)


def test_depth_spans_what_the_released_code_gives(frames: FrameSource, tmp_path: Path) -> None:
    source = create_estimator("depthcrafter", None)
    result, depth = estimated(source, frames, tmp_path / "scratch")
    assert depth.shape == (3, 64, 64)
    assert depth.min() == pytest.approx(10000 / 3900, rel=1e-4)
    assert depth.max() == pytest.approx(1e4, rel=1e-4)
    assert "research" in source.licence
    assert "Stability AI" in source.licence
    assert any("forbids commercial use" in note for note in result.notes)
    _, again = estimated(create_estimator("depthcrafter", None), frames, tmp_path / "again")
    assert np.array_equal(depth, again)


@pytest.mark.parametrize("count", [1, 6, 7, 11])
def test_windows_give_one_estimate_per_frame(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(network, "WINDOW", 6)
    monkeypatch.setattr(network, "OVERLAP", 2)
    model = network.load(ESTIMATOR_SPECS["depthcrafter"], folders, None)
    found = list(model.run(plate(tiny_depth.pictures(count, 64, 64))))
    assert len(found) == count
    assert all(np.isfinite(estimate.disparity).all() for estimate in found)


def test_each_frame_is_told_its_own_picture(folders: tuple[Path, Path]) -> None:
    """With equal embeddings the U-Net does what it does with one for the clip, with others something else."""
    model = network.load(ESTIMATOR_SPECS["depthcrafter"], folders, None)
    torch.manual_seed(1)
    latents, context = torch.randn(1, 4, 8, 8, 8), torch.randn(1, 1, 32)
    told = torch.tensor([[7.0, 127.0, 0.02]])

    def predicted(embeddings: object) -> torch.Tensor:
        with torch.no_grad():
            return model.unet(latents, torch.tensor(3.0), embeddings, added_time_ids=told, return_dict=False)[0]

    same = predicted(network._PerFrame(context.expand(4, 1, 32)))
    assert torch.allclose(same, predicted(context), atol=1e-5)
    assert not torch.allclose(same, predicted(network._PerFrame(torch.randn(4, 1, 32))), atol=1e-4)


@pytest.mark.parametrize(("part", "name"), [(0, "conv_in.bias"), (1, "decoder.conv_in.bias")])
@pytest.mark.parametrize(("value", "words"), [(None, "lacks the tensor"), (torch.nan, "no numbers")])
def test_wrong_weights(
    folders: tuple[Path, Path],
    frames: FrameSource,
    tmp_path: Path,
    part: int,
    name: str,
    value: float | None,
    words: str,
) -> None:
    own, base = folders
    path = (own / "diffusion_pytorch_model.safetensors", base / "vae" / "diffusion_pytorch_model.fp16.safetensors")[
        part
    ]
    tensors = load_file(path)
    if value is None:
        tensors.pop(name)
    else:
        tensors[name].fill_(value)
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(BadInputError, match=words):
        estimated(create_estimator("depthcrafter", None), frames, tmp_path / "scratch")


def test_a_part_that_is_missing(folders: tuple[Path, Path]) -> None:
    (folders[1] / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(BadInputError, match=r"lacks scheduler/scheduler_config\.json"):
        create_estimator("depthcrafter", None).prepare()


def test_recon(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for index, picture in enumerate(tiny_depth.pictures(2, 64, 64)):
        cv2.imwrite(str(tmp_path / "pictures" / f"p.{1001 + index}.png"), picture[..., ::-1])
    assert (
        main(
            [
                "recon",
                str(tmp_path / "pictures"),
                "--depth",
                "depthcrafter",
                "--source-camera",
                "still",
                "--out",
                str(tmp_path / "shot"),
            ]
        )
        == 0
    )
