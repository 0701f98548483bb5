# SPDX-License-Identifier: Apache-2.0
"""The model against values of the released code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.reference import BOUND, check, compute, errors
from ex4d.models.wan.image import encode_image
from ex4d.models.wan.load import load_component

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT.parent / "shared" / "fixtures" / "upstream_tiny"
DATA = Path(__file__).parent / "data" / "encoders_tiny"

needs_fixture = [
    pytest.mark.shared,
    pytest.mark.skipif(not FIXTURE.is_dir(), reason="../shared/fixtures/upstream_tiny is absent"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the fixture that may be changed."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "fixture", copy_function=shutil.copyfile))


class TestReleasedCode:
    pytestmark = needs_fixture

    def test_every_value_is_within_the_bound(self) -> None:
        report = check(FIXTURE)
        assert set(report) == {
            "geometry_embeds",
            "condition",
            "sigmas",
            "timesteps",
            "velocity_cond_step0",
            "velocity_uncond_step0",
            "latents",
            "video",
        }
        assert max(report.values()) <= BOUND, report

    def test_bfloat16_drifts_little(self) -> None:
        report = check(FIXTURE, torch.bfloat16)
        # Eight bits of mantissa: about 0.4 % an operation; a wrong mask coding or schedule is far above this.
        assert report["geometry_embeds"] < 0.01
        assert report["velocity_cond_step0"] < 0.02
        assert report["latents"] < 0.03
        assert report["video"] < 0.06

    def test_original_shards_under_other_names_give_the_same(self, folder: Path) -> None:
        tensors = load_file(folder / "dit.safetensors")
        (folder / "dit.safetensors").unlink()
        names = sorted(tensors)
        for index in range(7):
            save_file({name: tensors[name] for name in names[index::7]}, folder / f"vae part {index}.safetensors")
        vae = load_file(folder / "vae.safetensors")
        (folder / "vae.safetensors").unlink()
        torch.save({"model_state": vae}, folder / "model.pth")
        (folder / "ex4d.ckpt").rename(folder / "something.bin")
        assert max(check(folder).values()) <= BOUND

    def test_a_changed_weight_is_seen(self, folder: Path) -> None:
        tensors = load_file(folder / "dit.safetensors")
        tensors["blocks.1.ffn.2.bias"] += 0.05
        save_file(tensors, folder / "dit.safetensors")
        report = check(folder)
        assert report["geometry_embeds"] <= BOUND < report["velocity_cond_step0"]

    def test_the_script_says_so(self, folder: Path) -> None:
        def run() -> subprocess.CompletedProcess[str]:
            command = [sys.executable, str(ROOT / "tools" / "check_reference.py"), str(folder)]
            return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

        good = run()
        assert good.returncode == 0, good.stderr
        assert "latents" in good.stdout
        expected = dict(np.load(folder / "expected.npz"))
        expected["video"] = expected["video"] * 1.01
        np.savez(folder / "expected.npz", **expected)
        bad = run()
        assert bad.returncode == 1
        assert [line.split()[0] for line in bad.stdout.splitlines() if "above" in line] == ["video"]
        (folder / "inputs.npz").unlink()
        missing = run()
        assert missing.returncode == 10
        assert "inputs.npz" in missing.stderr


def test_errors_are_infinite_for_what_is_missing_or_not_finite() -> None:
    ones = torch.ones(3)
    report = errors({"a": ones * 1.5, "b": ones[:2], "c": ones * torch.nan}, dict.fromkeys("abcd", ones))
    assert report["a"] == pytest.approx(0.5)
    assert all(np.isinf(report[name]) for name in "bcd")


# Text and image encoder: values of the released code's classes at toy size with random weights, computed once.


def test_the_text_encoder_gives_the_released_values() -> None:
    expected = np.load(DATA / "expected.npz")
    encoder = load_component(find_models([DATA]).part("text"), torch.float32, "cpu")
    with torch.no_grad():
        short = encoder(torch.from_numpy(expected["ids"]), attention_mask=torch.from_numpy(expected["mask"]))
        long = encoder(torch.from_numpy(expected["long_ids"]), attention_mask=torch.ones(1, 150))
    # 150 tokens reach past the largest relative distance that has a bucket of its own, 128.
    np.testing.assert_allclose(short.last_hidden_state[:, :9], expected["text"], rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(long.last_hidden_state, expected["long_text"], rtol=2e-5, atol=2e-5)


def test_the_image_encoder_gives_the_released_values() -> None:
    expected = np.load(DATA / "expected.npz")
    part = find_models([DATA]).part("image")
    encoder = load_component(replace(part, config={"num_attention_heads": 2}), torch.float32, "cpu")
    embeds = encode_image(encoder, torch.from_numpy(expected["picture"]))
    np.testing.assert_allclose(embeds, expected["image"], rtol=1e-5, atol=1e-5)


def test_compute_needs_no_encoders(pipeline: object, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "color": torch.rand((1, 3, 5, 32, 32), generator=generator) * 2 - 1,
        "mask": torch.ones(1, 3, 5, 32, 32),
        "clip_features": torch.randn((1, 257, tiny.IMAGE_DIM), generator=generator),
        "prompt_embeds": torch.randn((1, 5, tiny.TEXT_DIM), generator=generator),
        "negative_prompt_embeds": torch.randn((1, 3, tiny.TEXT_DIM), generator=generator),
        "noise": torch.randn((1, 16, 2, 4, 4), generator=generator),
    }
    found = compute(pipeline, inputs, 2, 5.0)  # type: ignore[arg-type]
    assert found["latents"].shape == (2, 1, 16, 2, 4, 4)
    assert found["video"].shape == (1, 3, 5, 32, 32)
    assert json.dumps(errors(found, found)) == json.dumps(dict.fromkeys(found, 0.0))
