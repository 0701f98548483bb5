# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 from its released layout, with tiny random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_depth
import torch
from depth_factory import estimated, plate
from safetensors.torch import load_file, save_file
from transformers import DepthAnythingForDepthEstimation

from ex4d.cli import main
from ex4d.depth.estimators import create_estimator
from ex4d.depth.learned import depth_anything_network
from ex4d.media.frames import FrameSource
from ex4d.models.hub import Record
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import DEFAULT_FOV_DEG

COUNT = 4


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    tiny_depth.write_depth_anything(models)
    return models


@pytest.fixture(autouse=True)
def models(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the models' folder that a test may spoil; smaller pictures than the real ones are faster."""
    folder = Path(shutil.copytree(released, tmp_path / "models"))
    monkeypatch.setenv("EX4D_MODELS", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.setattr(depth_anything_network, "SIDE", 70)
    return folder


@pytest.fixture
def frames(tmp_path: Path) -> FrameSource:
    return plate(tiny_depth.pictures(COUNT))


def weights(models: Path) -> Path:
    return models / "depth" / "Depth-Anything-V2-Small-hf" / "model.safetensors"


def test_depth_is_what_the_library_says_of_the_same_picture(frames: FrameSource, models: Path) -> None:
    model = depth_anything_network.load(create_estimator("depth_anything", None).spec, (weights(models).parent,), None)  # type: ignore[attr-defined]
    (estimate, *others) = model.run(frames)
    assert len(others) == COUNT - 1
    assert estimate.disparity.shape == (70, 98)  # 48x64, the shorter side 70, multiples of 14
    reference = DepthAnythingForDepthEstimation.from_pretrained(weights(models).parent)
    picture = cv2.resize(frames.read_8bit(1001).astype(np.float32) / 255, (98, 70), interpolation=cv2.INTER_CUBIC)
    picture = (picture - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.no_grad():
        expected = reference(torch.from_numpy(picture).permute(2, 0, 1)[None].float()).predicted_depth[0].numpy()
    assert np.ptp(expected) > 0
    assert np.allclose(estimate.disparity, expected, rtol=1e-4, atol=1e-4)


def test_the_estimator_gives_depth_at_the_plates_size(frames: FrameSource, tmp_path: Path) -> None:
    source = create_estimator("depth_anything", None)
    assert source.prepare() == "on cpu"
    result, depth = estimated(source, frames, tmp_path / "scratch")
    assert depth.shape == (COUNT, 48, 64)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
    assert np.ptp(depth[0]) > 0
    assert not result.intrinsics_known
    assert any(f"{DEFAULT_FOV_DEG:.0f}°" in note for note in result.notes)
    assert source.licence == "Depth Anything V2 Small: Apache-2.0"


def test_a_known_lens_is_used(frames: FrameSource, tmp_path: Path) -> None:
    result, _ = estimated(create_estimator("depth_anything", 40.0), frames, tmp_path / "scratch")
    assert result.intrinsics_known
    assert result.source.K[..., 0, 0] == pytest.approx(32 / np.tan(np.radians(20)))


def test_other_weights_are_another_result(frames: FrameSource, models: Path) -> None:
    before = create_estimator("depth_anything", None).inputs()
    assert create_estimator("depth_anything", None).inputs() == before
    tensors = load_file(weights(models))
    save_file({**tensors, "head.conv3.bias": tensors["head.conv3.bias"] + 1}, weights(models), {"format": "pt"})
    assert create_estimator("depth_anything", None).inputs() != before


def spoil(models: Path, name: str, tensor: torch.Tensor | None) -> None:
    tensors = load_file(weights(models))
    tensors.pop(name)
    if tensor is not None:
        tensors[name] = tensor
    save_file(tensors, weights(models), {"format": "pt"})


def test_a_missing_tensor(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    spoil(models, "neck.convs.2.weight", None)
    with pytest.raises(BadInputError, match=r"lacks the tensor «neck\.convs\.2\.weight»"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_a_tensor_of_another_shape(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    spoil(models, "head.conv1.bias", torch.zeros(3))
    with pytest.raises(BadInputError, match=r"another shape of the tensor «head\.conv1\.bias»|cannot be loaded"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_weights_that_are_no_numbers(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    spoil(models, "head.conv1.bias", torch.full((16,), torch.nan))
    with pytest.raises(BadInputError, match="no numbers for frame 1001"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_a_truncated_file(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    weights(models).write_bytes(weights(models).read_bytes()[:-1000])
    with pytest.raises(BadInputError, match="cannot be loaded"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_a_configuration_of_another_model(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    path = weights(models).with_name("config.json")
    path.write_text(path.read_text() + "}")
    with pytest.raises(BadInputError, match="cannot be loaded"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_missing_weights_say_how_to_get_them(models: Path) -> None:
    weights(models).unlink()
    with pytest.raises(BadInputError) as caught:
        create_estimator("depth_anything", None).prepare()
    assert "lacks model.safetensors" in caught.value.message
    assert "ex4d models download --depth depth_anything" in caught.value.hint
    assert "Apache-2.0" in caught.value.hint
    with pytest.raises(BadInputError, match="not on this machine"):
        create_estimator("depth_anything_large", None).prepare()


def test_a_larger_model_does_not_pass_for_small(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    shutil.rmtree(weights(models).parent)
    large = tiny_depth.write_depth_anything(models, "Large", channels=448)
    large.rename(weights(models).parent)
    with pytest.raises(BadInputError, match="licence forbids commercial use"):
        estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")


def test_large_says_what_its_licence_forbids(frames: FrameSource, models: Path, tmp_path: Path) -> None:
    tiny_depth.write_depth_anything(models, "Large")
    source = create_estimator("depth_anything_large", None)
    assert "CC-BY-NC-4.0" in source.licence
    result, _ = estimated(source, frames, tmp_path / "scratch")
    assert any("forbids commercial use" in note for note in result.notes)


def test_weights_in_the_hugging_face_cache(
    models: Path, frames: FrameSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "cache" / "models--depth-anything--Depth-Anything-V2-Small-hf"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    shutil.move(weights(models).parent, repository / "snapshots" / ("a" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    _, depth = estimated(create_estimator("depth_anything", None), frames, tmp_path / "scratch")
    assert np.isfinite(depth).all()


def test_recon_and_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, picture in enumerate(tiny_depth.pictures(3)):
        (tmp_path / "plate").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "plate" / f"p.{1001 + index}.png"), picture[..., ::-1])
    shot = tmp_path / "shot"
    assert (
        main(
            [
                "recon",
                str(tmp_path / "plate"),
                "--depth",
                "depth_anything",
                "--source-camera",
                "still",
                "--out",
                str(shot),
            ]
        )
        == 0
    )
    (record,) = shot.rglob("depth.json")
    assert json.loads(record.read_text())["licence"] == "Depth Anything V2 Small: Apache-2.0"
    capsys.readouterr()
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "ok  depth    depth_anything" in said
    assert "no  depth    depth_anything_large" in said


def test_models_list_and_verify(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--depth", "depth_anything"]) == 0
    assert "licence: Apache-2.0" in capsys.readouterr().out
    assert main(["models", "verify", "--depth", "depth_anything"]) == 0
    assert "no checksums" in capsys.readouterr().err
    record = {
        "repository": "depth-anything/Depth-Anything-V2-Small-hf",
        "revision": "c" * 40,
        "licence": "apache-2.0",
        "sha256": {"model.safetensors": "0" * 64},
    }
    weights(models).with_name("ex4d-model.json").write_text(json.dumps(record))
    assert main(["models", "verify", "--depth", "depth_anything"]) == 10
    assert "differs from the hub's checksum" in capsys.readouterr().err
    weights(models).unlink()
    assert main(["models", "list", "--depth", "depth_anything"]) == 10


def test_a_download_gets_only_what_is_needed(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(wanted, progress):
        ((source, folder),) = wanted
        asked.append((source.repository, source.patterns))
        folder.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_bytes(b"x")
        return [Record(source.repository, "c" * 40, "cc-by-nc-4.0", {})]

    monkeypatch.setattr("ex4d.commands.depth_models.download", fetch)
    assert main(["models", "download", str(tmp_path / "to"), "--depth", "depth_anything_large"]) == 0
    assert asked == [
        ("depth-anything/Depth-Anything-V2-Large-hf", ("config.json", "model.safetensors", "LICENSE*")),
    ]
    assert (tmp_path / "to" / "depth" / "Depth-Anything-V2-Large-hf" / "config.json").is_file()
