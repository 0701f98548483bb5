# SPDX-License-Identifier: Apache-2.0
"""The small-scale proof of adapter training (research/fill_proof): its parts, and a run of seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ex4d.fill.base import PixelOrigin
from ex4d.training.model import AdaptedTransformer, adapt
from ex4d.training.settings import TrainingSettings
from research.fill_proof import crops, score
from research.fill_proof import model as proof
from research.fill_proof import train as training
from research.fill_proof.pack import KINDS, VARIANTS, pack, unpack

FRAMES, SIDE = 9, 32


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    small = {"num_attention_heads": 2, "attention_head_dim": 24, "ffn_dim": 96, "num_layers": 2}
    monkeypatch.setattr(proof, "BACKBONE", {**proof.BACKBONE, **small})


def videos(count: int = 4) -> torch.Tensor:
    """Moving gradients (B, 3, T, H, W)."""
    t, y, x = torch.meshgrid(*(torch.linspace(0, 1, n) for n in (FRAMES, SIDE, SIDE)), indexing="ij")
    waves = [
        torch.sin(3 * x + (k + 1) * t + phase) * torch.cos(2 * y * (k + 1))
        for k in range(count)
        for phase in (0.0, 1.0, 2.0)
    ]
    return torch.stack(waves).reshape(count, 3, FRAMES, SIDE, SIDE)


@pytest.fixture
def codec() -> proof.PatchCodec:
    return proof.PatchCodec.fit(videos(16))


def adapted(base: torch.nn.Module) -> AdaptedTransformer:
    return adapt(base, TrainingSettings(rank=4, alpha=4, channels=16, checkpointing=False))  # type: ignore[arg-type]


def clip_file(folder: Path, name: str) -> np.ndarray:
    """A ball before a wall, as ``prove_training.py clips`` writes clips."""
    y, x = np.mgrid[:80, :80]
    rgb = np.zeros((FRAMES, 80, 80, 3), np.uint8)
    z = np.full((FRAMES, 80, 80), 4, np.float16)
    for t in range(FRAMES):
        ball = (x - 30 - 2 * t) ** 2 + (y - 40) ** 2 < 200
        rgb[t] = (((x // 8 + y // 8) % 2 * 80 + 80)[..., None] * [1, 0.9, 0.7]).astype(np.uint8)
        rgb[t][ball], z[t][ball] = (200, 40, 40), 1.5
    np.savez_compressed(folder / f"{name}.npz", rgb=rgb, z=z, fov=np.float32(0.9))
    return rgb


def test_patches_come_back(codec: proof.PatchCodec) -> None:
    given = videos(3)
    latents = codec.encode(given)
    assert latents.shape == (3, proof.CHANNELS, 3, SIDE // 4, SIDE // 4)
    assert float((codec.decode(latents) - given).square().mean()) < 1e-4
    # The first frame has a latent of its own, and no other frame changes it.
    changed = given.clone()
    changed[:, :, 1:] = 0
    assert torch.equal(codec.encode(changed)[:, :, 0], latents[:, :, 0])


def test_holes_are_not_seen(codec: proof.PatchCodec) -> None:
    given, kept = videos(2), torch.ones(2, 1, FRAMES, SIDE, SIDE, dtype=torch.bool)
    kept[:, :, 5:, 8:24] = False
    other = torch.where(kept, given, torch.rand_like(given))
    one, two = proof.conditions(codec, given, kept), proof.conditions(codec, other, kept)
    for name in ("color", "mask", "condition"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    assert not torch.equal(one.clips, two.clips)
    assert not torch.equal(one.mask, proof.conditions(codec, given, torch.ones_like(kept)).mask)


def test_a_new_adapter_changes_nothing_and_hears_of_the_holes_once_it_learns(codec: proof.PatchCodec) -> None:
    base = proof.backbone().eval()
    kept = torch.rand(2, 1, FRAMES, SIDE, SIDE) > 0.3
    batch = proof.conditions(codec, videos(2), kept)
    noisy, moment = torch.randn_like(batch.clips), torch.full((2,), 500.0)
    with torch.no_grad():
        plain = proof.velocity(base, noisy, moment, batch)
        model = adapted(base)
        assert torch.allclose(proof.velocity(model, noisy, moment, batch), plain, atol=1e-5)
        torch.nn.init.normal_(model.geometry.latent_patch_embedding.weight)
        assert not torch.allclose(proof.velocity(model, noisy, moment, batch), plain, atol=1e-2)


def test_masks_are_packed_with_their_clips(tmp_path: Path) -> None:
    pictures = [clip_file(tmp_path, f"{seed:06d}_0") for seed in range(2)]
    assert pack([tmp_path], tmp_path / "data.npz", workers=1) == 2
    clips = unpack(tmp_path / "data.npz")
    assert clips.masks.shape == (2, len(KINDS), VARIANTS, FRAMES, 80, 80)
    # In 8 bits, as lossy as the pictures are stored.
    assert np.abs(clips.rgb[0].astype(int) - pictures[0]).mean() < 8
    assert clips.masks[:, :, :, 0].all(), "first frames are whole"
    assert 0.02 < 1 - clips.masks[:, 0].mean() < 0.95
    assert 1 - clips.masks[:, 1].mean() > 0


def test_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(training, "STEPS", 2)
    monkeypatch.setattr(training, "GEOMETRY_CHANNELS", 16)
    monkeypatch.setattr(training, "SAMPLES", 2)
    for seed in (1, 2):
        clip_file(tmp_path, f"{seed:06d}_0")
    pack([tmp_path], tmp_path / "data.npz", workers=1)
    color = np.zeros((2, FRAMES, 64, 64, 3), np.uint8)
    kept = np.ones(color.shape[:-1], np.bool_)
    kept[:, 3:, :, 40:] = False
    np.savez(tmp_path / "takes.npz", color=color, kept=kept, labels=np.array(["a left", "b right"]))
    options = {"seconds": 3.0, "adapter_seconds": 1.0, "device": "cpu", "batch": 2}
    training.train(tmp_path / "data.npz", tmp_path / "takes.npz", tmp_path / "out", **options)  # type: ignore[arg-type]
    made = {}
    for name in ("backbone", *training.POLICIES, "mean"):
        with np.load(tmp_path / "out" / f"{name}.npz") as file:
            made[name] = file["videos"]
        assert made[name].shape == color.shape
        assert made[name].dtype == np.uint8
    assert (made["backbone"] != made["either"]).any()
    # Of two samples, the one that is known and another.
    assert (made["mean"] != made["either"]).any()
    assert np.abs(made["mean"].astype(int) - made["either"]).max() <= 128
    told = capsys.readouterr().out
    assert "steps in" in told
    assert told.count("held-out loss") == 5
    # Interrupted after the backbone and two adapters, it makes what is missing, on the same backbone; an adapter that
    # was trained already fills the same.
    (tmp_path / "out" / "both.pt").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.npz")}
    for name in ("tracking", "both", "mean"):
        (tmp_path / "out" / f"{name}.npz").unlink()
    training.train(tmp_path / "data.npz", tmp_path / "takes.npz", tmp_path / "out", **options)  # type: ignore[arg-type]
    told = capsys.readouterr().out
    assert [word for word in ("rendering", "tracking", "either", "both") if f"{word}: held-out" in told] == [
        "tracking",
        "either",
        "both",
    ]
    assert "backbone: held-out" not in told
    assert told.count("steps in") == 1, "of both"
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.npz")}
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name != "both.npz")
    # On from that backbone, with one adapter.
    training.train(
        tmp_path / "data.npz",
        tmp_path / "takes.npz",
        tmp_path / "on",
        **options,  # type: ignore[arg-type]
        policies=["tracking"],
        start=tmp_path / "out" / "backbone.pt",
    )
    assert {path.name for path in (tmp_path / "on").glob("*.npz")} == {"backbone.npz", "tracking.npz"}
    old, new = (torch.load(tmp_path / name / "backbone.pt", weights_only=True) for name in ("out", "on"))
    assert all(torch.equal(old["codec"][key], new["codec"][key]) for key in old["codec"])
    changed = max(float((old["backbone"][key] - new["backbone"][key]).abs().max()) for key in old["backbone"])
    assert 0 < changed < 0.02, "a little further, not from the beginning"


def test_clips_are_cut_out_of_footage(tmp_path: Path) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    y, x = np.mgrid[:72, :96]
    for t in range(12):
        picture = np.stack([x * 2 + t, y * 3, np.full_like(x, 10 * t)], axis=-1).astype(np.uint8)
        cv2.imwrite(str(plate / f"{t + 1:04d}.png"), picture[..., ::-1])
    assert crops.cut(plate, tmp_path / "crops", 6, FRAMES, SIDE) == 6
    directions, sides = set(), set()
    for path in sorted((tmp_path / "crops").glob("*_0.npz")):
        with np.load(path) as clip:
            assert clip["rgb"].shape == (FRAMES, SIDE, SIDE, 3)
            assert clip["z"].shape == (FRAMES, SIDE, SIDE)
            assert (clip["z"] > 0).all()
            times = clip["rgb"][..., 2].reshape(FRAMES, -1).mean(1)
            directions.add(float(np.sign(times[-1] - times[0])))
            sides.add(round(float(clip["fov"]), 4))
    assert directions == {-1.0, 1.0}
    assert len(sides) > 1
    assert pack([tmp_path / "crops"], tmp_path / "data.npz", workers=1) == 6
    with pytest.raises(ValueError, match="smaller than clips of 13 frames"):
        crops.cut(plate, tmp_path / "none", 1, 13, SIDE)


def test_what_other_frames_show_lies_over_what_was_made_up() -> None:
    origin = np.array([[PixelOrigin.MEASURED, PixelOrigin.OTHER_FRAME, PixelOrigin.INVENTED]], np.uint8)
    preview = [(np.full((1, 3, 3), 200 + t, np.uint8), origin) for t in range(2)]
    frames = list(score.laid(preview, np.full((2, 1, 3, 3), 7, np.uint8)))
    assert [frame[0, :, 0].tolist() for frame in frames] == [[7, 200, 7], [7, 201, 7]]
    with pytest.raises(ValueError, match="zip"):
        list(score.laid(preview, np.zeros((3, 1, 3, 3), np.uint8)))
