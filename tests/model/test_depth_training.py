# SPDX-License-Identifier: Apache-2.0
"""How the depth estimator `small` is made (research/small_depth): frames, batches, and a run of seconds."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ex4d.depth.small.network import SmallNetwork
from research.small_depth import batches, lens
from research.small_depth import train as training
from research.small_depth.codes import encode_z
from research.small_depth.export import export
from research.small_depth.losses import abs_rel
from research.small_depth.network import SmallDepth, folded, keep, unfolded, with_places
from research.small_depth.pack import pack, unpack
from research.small_depth.start import load_exported, mix

SIDE, WALL = 64, 4.0


def frame(folder: Path, name: str, near: float) -> None:
    """A box before a wall and the sky, as ``small_depth render`` writes frames."""
    folder.mkdir(exist_ok=True)
    z = np.full((SIDE, SIDE), WALL, np.float32)
    z[:8] = np.inf
    picture, ids = np.full((SIDE, SIDE, 3), 90, np.uint8), np.ones((SIDE, SIDE), np.uint8)
    ids[:8] = 0
    z[30:50, 20:44], ids[30:50, 20:44], picture[30:50, 20:44] = near, 2, (30, 60, 200)
    cv2.imwrite(str(folder / f"{name}.jpg"), picture)
    cv2.imwrite(str(folder / f"{name}.z.png"), encode_z(z))
    cv2.imwrite(str(folder / f"{name}.id.png"), ids)


@pytest.fixture
def packed(tmp_path: Path) -> list[Path]:
    """Two files, of three frames and of two."""
    files = []
    for name, count in (("one", 3), ("two", 2)):
        for index in range(count):
            frame(tmp_path / name, f"{index:06d}_0", 1.0 + index)
        files.append(tmp_path / f"{name}.npz")
        assert pack([tmp_path / name], files[-1]) == count
    return files


def test_frames_of_several_files(packed: list[Path]) -> None:
    frames = unpack(*packed)
    assert frames.labels == ["one"] * 3 + ["two"] * 2
    assert frames.pictures.shape == (5, SIDE, SIDE, 3)
    assert np.isinf(frames.depth[:, :8]).all()
    np.testing.assert_allclose(np.exp(frames.depth[[1, 4], 40, 30].astype(float)), 2.0, rtol=0.02)
    np.testing.assert_allclose(np.exp(frames.depth[:, 60, 60].astype(float)), WALL, rtol=0.02)


def test_batches(packed: list[Path]) -> None:
    torch.manual_seed(0)
    store = batches.Store(unpack(*packed), "cpu")
    np.testing.assert_array_equal(store.sizes[:, :3].numpy(), [[8 * SIDE, SIDE * SIDE - 8 * SIDE - 480, 480]] * 5)
    for _ in range(3):
        pictures, disparity = batches.batch(store, 8)
        height, width = pictures.shape[-2:]
        assert (height, width) in batches.SIZES
        assert pictures.shape == (8, 3, height, width)
        assert disparity.shape == (8, 1, height, width)
        assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
        # In ln, less the median; the sky is at the bound.
        assert float(disparity.min()) >= math.log(batches.LEAST) - 1e-4
        assert bool(torch.isfinite(disparity).all())
        assert len({round(float(d.max() - d.min()), 3) for d in disparity}) > 1


def test_a_share_of_frames_is_whole() -> None:
    torch.manual_seed(0)
    grid = batches._parts_and_wholes(200, (64, 64), torch.zeros(1))
    wide = (grid[:, :, -1, 0] - grid[:, :, 0, 0]).abs().amax(1)
    # Pixel centres of a whole frame reach from −1 + 1/64 to 1 − 1/64; frames are also squeezed a little.
    assert 0.25 <= float((wide > 1.7).float().mean()) <= 0.6
    assert float(wide.min()) < 1.2


def test_flaws_of_some_pictures() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(40, 3, 64, 64)
    changed = lens._some(pictures, 0.3, lambda some: 1 - some)
    assert int((changed != pictures).flatten(1).any(1).sum()) == 12
    assert torch.equal(lens._some(pictures, 0.0, lambda some: some * torch.nan), pictures)
    out = lens.sensor(pictures)
    assert bool(torch.isfinite(out).all())
    touched = (out != pictures).flatten(1).any(1).float().mean()
    assert 0.5 < float(touched) < 1.0


def test_score_knows_scale_and_shift() -> None:
    true = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    same = torch.log(0.5 * torch.exp(true) + 0.2)
    assert float(abs_rel(same, true)) < 1e-3
    assert float(abs_rel(torch.zeros_like(true), true)) > 0.1


def test_a_run(packed: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training.train(packed, packed[0], None, tmp_path / "out", seconds=4, size=2, device="cpu")
    told = capsys.readouterr().out
    assert "5 frames, 3 held out" in told
    assert "one 0." in told, "the score by kind"
    model = SmallDepth()
    state = torch.load(tmp_path / "out" / "weights.pt", weights_only=True)
    model.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    assert bool(torch.isfinite(model.eval()(torch.zeros(1, 5, 64, 64))).all())
    for name in ("examples.jpg", "held.png"):
        assert cv2.imread(str(tmp_path / "out" / name)) is not None


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallDepth, Path]:
    """A network whose normalisations have seen something, and its ONNX file."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    model = SmallDepth()
    for name, parameter in model.named_parameters():
        # What is equal, as all shifts are at first, stands in the file once.
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.1)
    for _ in range(3):
        model(torch.rand(2, 5, 64, 64))
    weights, path = folder / "weights.pt", folder / "weights.onnx"
    keep(model.state_dict(), weights)
    export(weights, path)
    return model.eval(), path


def test_opencv_runs_what_is_exported(exported: tuple[SmallDepth, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = exported
    monkeypatch.setattr("ex4d.depth.small.network.SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    picture = np.random.default_rng(1).integers(0, 256, (288, 288, 3), dtype=np.uint8)
    with torch.no_grad():
        own = model(with_places(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255))[0, 0].numpy()
    # Weights are stored in 16 bits.
    assert np.abs(SmallNetwork(path)(picture) - own).max() < 0.02 * own.std()


def test_going_on_begins_where_the_weights_are(exported: tuple[SmallDepth, Path]) -> None:
    model, path = exported
    again = load_exported(path)
    x = torch.rand(2, 5, 96, 64)
    with torch.no_grad():
        # Stored in 16 bits.
        spread = float(model(x).std())
        assert float((again(x) - model(x)).abs().max()) < 0.02 * spread
        kept = unfolded(again)
        assert float((kept(x) - again(x)).abs().max()) < 1e-4 * spread
        assert float((folded(kept)(x) - again(x)).abs().max()) < 1e-4 * spread
    assert kept.state_dict().keys() == model.state_dict().keys()


def test_weights_of_another_network_are_refused(
    exported: tuple[SmallDepth, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.small_depth.network.STEM", 16)
    with pytest.raises(ValueError, match=r"no stem\.0"):
        load_exported(exported[1])


def test_going_on_learns_the_layout_alone(
    exported: tuple[SmallDepth, Path], packed: list[Path], tmp_path: Path
) -> None:
    start = exported[1]
    options = {"seconds": 3, "size": 2, "device": "cpu"}
    training.train(packed, packed[0], None, tmp_path / "out", start=start, **options)  # type: ignore[arg-type]
    before = load_exported(start)
    # All weights are kept in 16 bits, of which ONNX stores the small ones in 32.
    export(tmp_path / "out" / "weights.pt", tmp_path / "new.onnx")
    changed = {
        name
        for (name, one), two in zip(
            before.named_parameters(), load_exported(tmp_path / "new.onnx").parameters(), strict=True
        )
        if not torch.equal(one.half(), two.half())
    }
    assert changed
    fine = (
        "stem.",
        "first.",
        "stages.0.",
        "last.",
        *(f"{k}.{i}." for k in ("lateral", "narrow", "smooth") for i in (2, 3)),
    )
    assert not any(name.startswith(fine) for name in changed)
    assert {name.split(".")[0] for name in changed} >= {"stages", "lateral", "narrow", "smooth"}


def test_between_two_weights(exported: tuple[SmallDepth, Path], packed: list[Path], tmp_path: Path) -> None:
    _, start = exported
    other = SmallDepth()
    other.load_state_dict(unfolded(load_exported(start)).state_dict())
    with torch.no_grad():
        other.last[1].bias += 1
    keep(other.state_dict(), tmp_path / "other.pt")
    told = mix(start, tmp_path / "other.pt", 0.25, packed[0], tmp_path / "mixed.pt")
    assert told.startswith("all ")
    mixed = SmallDepth()
    mixed.load_state_dict({k: v.float() for k, v in torch.load(tmp_path / "mixed.pt", weights_only=True).items()})
    x = torch.rand(1, 5, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(mixed.eval()(x), load_exported(start)(x) + 0.25, atol=5e-3, rtol=0)
