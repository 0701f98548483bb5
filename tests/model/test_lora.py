# SPDX-License-Identifier: Apache-2.0
"""LoRAs of public trainers: what each file changes, and how strongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import save_file

from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.models.wan.load import load_component
from ex4d.models.wan.lora import LoraScaling, fuse_lora, load_lora, parse_lora, scaling_from_config
from ex4d.protocol.errors import BadInputError

MODULE = "blocks.0.attn1.to_q"
DOWN, UP = torch.randn(4, tiny.DIM), torch.randn(tiny.DIM, 4)


def written(folder: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    """A file of tensors."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "lora.safetensors", metadata)
    return folder / "lora.safetensors"


@pytest.mark.case("lora_peft_alpha")
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "with_metadata.safetensors"])
def test_alpha_stands_beside_the_file_or_in_its_metadata(case: Path, name: str) -> None:
    assert load_lora(case / name).layers[MODULE].scale == 2.0


@pytest.mark.case("lora_peft_alpha")
def test_a_description_is_not_taken_for_another_files(case: Path) -> None:
    (case / "adapter_model.safetensors").rename(case / "other.safetensors")
    assert load_lora(case / "other.safetensors").layers[MODULE].scale == 1.0
    (case / "with_metadata.safetensors").unlink()
    assert load_lora(case / "other.safetensors").layers[MODULE].scale == 2.0


@pytest.mark.case("lora_step_distill_diffs")
def test_changes_of_norms_biases_and_modulation_are_read(case: Path) -> None:
    lora = load_lora(case / "step_distill.safetensors")
    assert set(lora.layers) == {MODULE}
    assert set(lora.changes) == {
        "blocks.0.scale_shift_table",
        "blocks.0.norm2.weight",
        "blocks.0.norm2.bias",
        "blocks.0.attn1.norm_q.weight",
        "blocks.0.attn1.to_q.bias",
    }


def distilled(prefix: str) -> dict[str, torch.Tensor]:
    """Every kind of change, in the original's names."""
    dim, text = tiny.DIM, tiny.transformer()["text_embedding.0.weight"].shape
    return {
        f"{prefix}blocks.0.self_attn.q.lora_down.weight": DOWN,
        f"{prefix}blocks.0.self_attn.q.lora_up.weight": UP,
        f"{prefix}blocks.0.self_attn.q.diff_b": torch.randn(dim),
        f"{prefix}blocks.0.self_attn.norm_q.diff": torch.randn(dim),
        f"{prefix}blocks.0.norm3.diff": torch.randn(dim),
        f"{prefix}blocks.0.norm3.diff_b": torch.randn(dim),
        f"{prefix}blocks.0.diff_m": torch.randn(1, 6, dim),
        f"{prefix}blocks.1.ffn.2.diff_b": torch.randn(dim),
        f"{prefix}head.diff_m": torch.randn(1, 2, dim),
        f"{prefix}text_embedding.0.diff": torch.randn(text),
    }


#: diffusers' parameter that each of ``distilled`` changes.
CHANGED = {
    "blocks.0.self_attn.q.diff_b": "blocks.0.attn1.to_q.bias",
    "blocks.0.self_attn.norm_q.diff": "blocks.0.attn1.norm_q.weight",
    "blocks.0.norm3.diff": "blocks.0.norm2.weight",
    "blocks.0.norm3.diff_b": "blocks.0.norm2.bias",
    "blocks.0.diff_m": "blocks.0.scale_shift_table",
    "blocks.1.ffn.2.diff_b": "blocks.1.ffn.net.2.bias",
    "head.diff_m": "scale_shift_table",
    "text_embedding.0.diff": "condition_embedder.text_embedder.linear_1.weight",
}


def test_every_kind_of_change_reaches_its_weight(model_folder: Path, tmp_path: Path) -> None:
    tensors = distilled("diffusion_model.")
    lora = load_lora(written(tmp_path, tensors))
    part = find_models([model_folder]).part("transformer")
    plain = load_component(part, torch.float32, "cpu").state_dict()
    fused = load_component(part, torch.float32, "cpu", (lora,))
    expected = {name: torch.zeros_like(value) for name, value in plain.items()}
    expected[f"{MODULE}.weight"] = UP @ DOWN
    for key, name in CHANGED.items():
        expected[name] = tensors[f"diffusion_model.{key}"]
    for name, value in fused.state_dict().items():
        torch.testing.assert_close(value - plain[name], expected[name], rtol=0, atol=1e-5, msg=name)
    again = load_component(part, torch.float32, "cpu")
    fuse_lora(again, lora)
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, fused.state_dict()[name], rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    "named",
    [
        lambda side: f"lora_unet_blocks_0_self_attn_q.lora_{side}.weight",
        lambda side: f"transformer.{MODULE}.lora_{'A' if side == 'down' else 'B'}.weight",
        lambda side: f"base_model.model.{MODULE}.lora_{'A' if side == 'down' else 'B'}.default.weight",
        lambda side: f"blocks.0.self_attn.q.lora_{'A' if side == 'down' else 'B'}.default.weight",
        lambda side: f"{MODULE}.lora.{side}.weight",
    ],
)
def test_names_of_trainers(named: Callable[[str], str]) -> None:
    lora = parse_lora({named("down"): DOWN, named("up"): UP}, "file")
    assert torch.equal(lora.layers[MODULE].delta(torch.device("cpu")), UP @ DOWN)


def test_kohyas_underscores_become_the_models_dots() -> None:
    names = {
        "lora_unet_blocks_1_cross_attn_k_img": "blocks.1.attn2.add_k_proj",
        "lora_unet_blocks_1_ffn_0": "blocks.1.ffn.net.0.proj",
        "lora_unet_time_projection_1": "condition_embedder.time_proj",
        "lora_unet_img_emb_proj_1": "condition_embedder.image_embedder.ff.net.0.proj",
        "lora_unet_head_head": "proj_out",
        "lora_unet_blocks_0_attn1_to_out_0": "blocks.0.attn1.to_out.0",
    }
    for name, module in names.items():
        assert set(parse_lora({f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP}, "file").layers) == {
            module
        }


def test_strength_as_the_trainers_compute_it() -> None:
    halves = {f"{MODULE}.lora_A.weight": DOWN, f"{MODULE}.lora_B.weight": UP}

    def scale(config: dict[str, object], more: dict[str, torch.Tensor] | None = None) -> float:
        lora = parse_lora({**halves, **(more or {})}, "file", scaling_from_config(config, "file"))
        return lora.layers[MODULE].scale

    assert scale({}) == 1.0
    assert scale({"r": 4, "lora_alpha": 8}) == 2.0
    assert scale({"r": 4, "lora_alpha": 8, "use_rslora": True}) == 4.0
    assert scale({"lora_alpha": 8, "alpha_pattern": {"attn1.to_q": 2}}) == 0.5
    assert scale({"lora_alpha": 8, "alpha_pattern": {r"blocks\.[0-9]\.attn1\.to_q": 2}}) == 0.5
    assert scale({"lora_alpha": 8, "alpha_pattern": {"attn2.to_q": 2}}) == 2.0
    assert scale({"lora_alpha": 8}, {f"{MODULE}.alpha": torch.tensor(1.0)}) == 0.25
    bias = torch.randn(tiny.DIM)
    lora = parse_lora({**halves, f"{MODULE}.lora_B.bias": bias}, "file", LoraScaling(8))
    torch.testing.assert_close(lora.changes[f"{MODULE}.bias"], 2 * bias)


def test_kohyas_metadata_count_where_no_tensor_says(tmp_path: Path) -> None:
    layer = "lora_unet_blocks_0_self_attn_q"
    halves = {f"{layer}.lora_down.weight": DOWN, f"{layer}.lora_up.weight": UP}
    path = written(tmp_path, halves, {"ss_network_alpha": "2.0", "ss_network_dim": "4"})
    assert load_lora(path).layers[MODULE].scale == 0.5


@pytest.mark.parametrize(
    ("key", "word"),
    [
        (f"{MODULE}.lora_magnitude_vector", "DoRA"),
        (f"{MODULE}.hada_w1_a", "LoHa"),
        (f"{MODULE}.lokr_w1", "LoKr"),
        ("lora_te1_layer.lora_down.weight", "text encoder"),
        ("text_encoder.layer.lora_A.weight", "text encoder"),
        (f"{MODULE}.set_weight", "no part of a LoRA"),
    ],
)
def test_what_cannot_be_added_is_refused_by_name(key: str, word: str) -> None:
    halves = {f"{MODULE}.lora_A.weight": DOWN, f"{MODULE}.lora_B.weight": UP}
    with pytest.raises(BadInputError, match=word):
        parse_lora({**halves, key: torch.zeros(4)}, "file")


@pytest.mark.parametrize("config", [{"use_dora": True}, {"init_lora_weights": "pissa_niter_16"}, {"lora_alpha": "x"}])
def test_descriptions_that_cannot_be_followed_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        scaling_from_config(config, "file")


def test_a_damaged_description_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {f"{MODULE}.lora_A.weight": DOWN, f"{MODULE}.lora_B.weight": UP})
    for text in ("{", "[]", "[" * 100_000, json.dumps({"lora_alpha": 1})[:-3]):
        (tmp_path / "adapter_config.json").write_text(text)
        with pytest.raises(BadInputError, match="description"):
            load_lora(path)


def test_two_adapters_in_one_file_are_refused() -> None:
    tensors = {
        f"{MODULE}.lora_{side}.{adapter}.weight": value
        for adapter in ("default", "style")
        for side, value in (("A", DOWN), ("B", UP))
    }
    with pytest.raises(BadInputError, match="default, style"):
        parse_lora(tensors, "file")


def test_changes_of_another_model_are_refused(model_folder: Path) -> None:
    part = find_models([model_folder]).part("transformer")
    for name, message in (("blocks.9.norm3.diff", "does not have"), ("blocks.0.norm3.diff", "as if it were 3")):
        lora = parse_lora({name: torch.zeros(3)}, "file")
        with pytest.raises(BadInputError, match=message):
            load_component(part, torch.float32, "cpu", (lora,))
        with pytest.raises(BadInputError, match=message):
            fuse_lora(load_component(part, torch.float32, "cpu"), lora)
