# SPDX-License-Identifier: Apache-2.0
"""MoGe-2: one line over the clip to metres, and the lens; with a stand-in of known geometry and, where the package is
installed, with tiny random weights in the released layout."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_depth
import torch
from depth_factory import estimated, plate

from ex4d.cli import main
from ex4d.depth.estimators import create_estimator
from ex4d.depth.learned import depth_anything_network, moge_network
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.depth.learned.metric import KEY_FRAMES
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError

COUNT = 12
FOV_X = 60.0


class StandIn(torch.nn.Module):
    """As much of the package's model as is used; its depth is a line in disparity over the picture's grey."""

    asked: list[object]

    def __init__(self, spoil: str = "") -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.spoil = spoil

    @classmethod
    def from_pretrained(cls, path: Path) -> StandIn:
        checkpoint = torch.load(path, weights_only=True)
        model = cls(checkpoint["model_config"]["spoil"])
        model.load_state_dict(checkpoint["model"], strict=False)
        return model

    def infer(self, image: torch.Tensor, fov_x: float | None, use_fp16: bool) -> dict[str, torch.Tensor]:
        assert not use_fp16
        assert image.shape[0] == 3
        self.asked.append(fov_x)
        depth = 1 / (0.05 + 0.2 * image.mean(0))
        depth[:4] = torch.inf  # sky
        if self.spoil == "nan":
            depth[9, 9] = torch.nan
        if self.spoil == "sky":
            depth[:] = torch.inf
        share = 0.5 / np.tan(np.radians(fov_x or FOV_X) / 2)
        ratio = image.shape[2] / image.shape[1]
        K = torch.tensor([[share, 0, 0.5], [0, share * ratio, 0.5], [0, 0, 1.0]])
        return {"depth": depth, "intrinsics": K}


class Grey:
    """An estimator of shape that says 30·grey + 7."""

    def run(self, frames: FrameSource) -> Iterator[object]:
        from ex4d.depth.learned.depth_model import Estimate

        for number in frames.numbers:
            yield Estimate((30 * frames.read_8bit(number).mean(-1) / 255 + 7).astype(np.float32))


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.setattr(depth_anything_network, "SIDE", 70)
    folder = tmp_path / "models" / "depth" / "moge-2-vitl"
    folder.mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture
def stand_in(models: Path, monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """In place of the package."""
    StandIn.asked = []
    package, model, version = (
        types.ModuleType("moge"),
        types.ModuleType("moge.model"),
        types.ModuleType("moge.model.v2"),
    )
    version.MoGeModel = StandIn  # type: ignore[attr-defined]
    for name, module in (("moge", package), ("moge.model", model), ("moge.model.v2", version)):
        monkeypatch.setitem(sys.modules, name, module)
    find_spec = sys.modules["importlib.util"].find_spec
    monkeypatch.setattr(
        "ex4d.depth.learned.estimator_spec.find_spec", lambda name: object() if name == "moge" else find_spec(name)
    )
    write(models)
    return StandIn


def write(models: Path, spoil: str = "", **tensors: torch.Tensor) -> None:
    state = {"weight": torch.zeros(1), **tensors}
    path = models / "depth" / "moge-2-vitl" / "model.pt"
    torch.save({"model_config": {"spoil": spoil}, "model": state}, path)


@pytest.fixture
def frames(tmp_path: Path) -> FrameSource:
    return plate(tiny_depth.pictures(COUNT))


def test_shape_comes_onto_metres_by_one_line(
    stand_in: type[StandIn], frames: FrameSource, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_depth.write_depth_anything(models)
    monkeypatch.setattr(depth_anything_network, "load", lambda *_: Grey())
    source = create_estimator("moge", None)
    result, depth = estimated(source, frames, tmp_path / "scratch")
    expected = np.stack([1 / (0.05 + 0.2 * frames.read_8bit(n).mean(-1) / 255) for n in frames.numbers])
    # Depth Anything's steadying may move a frame a little; the pictures pan.
    assert np.allclose(depth, expected, rtol=0.03)
    assert len(stand_in.asked) == KEY_FRAMES
    assert result.intrinsics_known
    assert result.source.K[..., 0, 0] == pytest.approx(32 / np.tan(np.radians(FOV_X / 2)), rel=1e-5)
    assert "half of their pixels lie within 0%" in result.notes[0] or "within 1%" in result.notes[0]
    assert "MIT" in source.licence
    assert "Depth Anything V2 Small: Apache-2.0" in source.licence


def test_a_known_lens_is_told_to_the_network(stand_in: type[StandIn], tmp_path: Path) -> None:
    portrait = plate(tiny_depth.pictures(2, width=48, height=64))
    result, _ = estimated(create_estimator("moge", 70.0), portrait, tmp_path / "scratch")
    fov_x = np.degrees(2 * np.arctan(48 / 64 * np.tan(np.radians(35))))
    assert stand_in.asked == pytest.approx([fov_x] * 2)
    assert result.source.K[..., 0, 0] == pytest.approx(32 / np.tan(np.radians(35)))


def test_alone_it_is_run_on_every_frame(stand_in: type[StandIn], frames: FrameSource, tmp_path: Path) -> None:
    source = create_estimator("moge", None)
    assert "itself" in source.prepare()
    result, depth = estimated(source, frames, tmp_path / "scratch")
    assert len(stand_in.asked) == COUNT
    assert np.isfinite(depth).all()
    expected = 1 / (0.05 + 0.2 * frames.read_8bit(1006).mean(-1) / 255)
    assert np.allclose(depth[5][8:], expected[8:], rtol=0.1)
    assert result.intrinsics_known


@pytest.mark.parametrize(("spoil", "words"), [("nan", "no numbers"), ("sky", "nothing but sky")])
def test_what_cannot_be(
    stand_in: type[StandIn], frames: FrameSource, models: Path, tmp_path: Path, spoil: str, words: str
) -> None:
    tiny_depth.write_depth_anything(models)
    write(models, spoil)
    with pytest.raises(BadInputError, match=words):
        estimated(create_estimator("moge", None), frames, tmp_path / "scratch")


def test_a_missing_tensor(stand_in: type[StandIn], models: Path) -> None:
    path = models / "depth" / "moge-2-vitl" / "model.pt"
    torch.save({"model_config": {"spoil": ""}, "model": {"other": torch.zeros(1)}}, path)
    with pytest.raises(BadInputError, match="lacks the tensor «weight»"):
        moge_network.load(ESTIMATOR_SPECS["moge"], (path.parent,), None)


def test_other_shape_weights_are_another_result(stand_in: type[StandIn], models: Path) -> None:
    before = create_estimator("moge", None).inputs()
    tiny_depth.write_depth_anything(models)
    assert create_estimator("moge", None).inputs() != before


def test_recon(stand_in: type[StandIn], models: Path, tmp_path: Path) -> None:
    tiny_depth.write_depth_anything(models)
    (tmp_path / "pictures").mkdir()
    for index, picture in enumerate(tiny_depth.pictures(3)):
        cv2.imwrite(str(tmp_path / "pictures" / f"p.{1001 + index}.png"), picture[..., ::-1])
    assert (
        main(
            [
                "recon",
                str(tmp_path / "pictures"),
                "--depth",
                "moge",
                "--source-camera",
                "still",
                "--out",
                str(tmp_path / "shot"),
            ]
        )
        == 0
    )


def test_the_real_package(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    version = pytest.importorskip("moge.model.v2", reason="MoGe is not installed")
    stack = {"num_res_blocks": 1, "res_block_in_norm": "none", "res_block_hidden_norm": "none"}
    stack["resamplers"] = ["bilinear"] * 4
    levels = [16, 8, 8, 8, 8]
    config = {
        "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": 1, "dim_out": 16},
        "neck": {"dim_in": [18, 2, 2, 2, 2], "dim_res_blocks": levels, "dim_out": None, **stack},
        "points_head": {"dim_in": levels, "dim_res_blocks": levels, "dim_out": [None] * 4 + [3], **stack},
        "mask_head": {"dim_in": levels, "dim_res_blocks": levels, "dim_out": [None] * 4 + [1], **stack},
        "scale_head": {"dims": [384, 8, 1]},
        "remap_output": "exp",
        "num_tokens_range": [16, 32],
    }
    torch.manual_seed(0)
    model = version.MoGeModel(**config)
    torch.save({"model_config": config, "model": model.state_dict()}, models / "depth" / "moge-2-vitl" / "model.pt")
    tiny_depth.write_depth_anything(models)
    # Random weights say a lens that cannot be, so it is given.
    result, depth = estimated(create_estimator("moge", 50.0), frames, tmp_path / "scratch")
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
    assert any("metres" in note for note in result.notes)
