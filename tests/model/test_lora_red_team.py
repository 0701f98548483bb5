# SPDX-License-Identifier: Apache-2.0
"""LoRA files that say the same twice, or what is no number, or what takes for ever to look up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ex4d.models.wan.lora import load_lora, parse_lora, scaling_from_config
from ex4d.protocol.errors import BadInputError

DOWN, UP = torch.ones(2, 4), torch.ones(4, 2)


def layer(module: str) -> dict[str, torch.Tensor]:
    return {f"{module}.lora_A.weight": DOWN, f"{module}.lora_B.weight": UP}


@pytest.mark.parametrize(
    "tensors",
    [
        layer("diffusion_model.blocks.0.self_attn.q") | layer("transformer.blocks.0.self_attn.q"),
        layer("blocks.0.self_attn.q") | layer("blocks.0.attn1.to_q"),
        layer("blocks.0.self_attn.q") | layer("lora_unet_blocks_0_self_attn_q"),
        {"blocks.0.self_attn.norm_q.diff": UP, "diffusion_model.blocks.0.self_attn.norm_q.w_norm": UP},
        {"blocks.0.self_attn.q.diff_b": UP[:, 0], "blocks.0.attn1.to_q.diff_b": UP[:, 0]},
        layer("blocks.0.self_attn.q")
        | {"blocks.0.self_attn.q.alpha": DOWN[0, 0], "transformer.blocks.0.self_attn.q.alpha": DOWN[0, 0]},
    ],
)
def test_one_layer_under_two_names_is_refused(tensors: dict[str, torch.Tensor]) -> None:
    """The second one was taken and the first one forgotten, without a word."""
    with pytest.raises(BadInputError, match="twice"):
        parse_lora(tensors, "x.safetensors")


@pytest.mark.parametrize("alpha", ["nan", "inf", "-inf", "1e999", [1], {}])
@pytest.mark.parametrize("where", ["lora_alpha", "alpha_pattern"])
def test_strengths_that_are_not_finite_are_refused(where: str, alpha: object) -> None:
    """A picture of NaN is black."""
    config = {"lora_alpha": alpha} if where == "lora_alpha" else {"alpha_pattern": {"to_q": alpha}}
    with pytest.raises(BadInputError, match="alpha"):
        scaling_from_config(config, "x.safetensors")


@pytest.mark.parametrize("number", ["1e999", "NaN"])
def test_numbers_that_json_has_and_no_alpha(tmp_path: Path, number: str) -> None:
    save_file(layer("blocks.0.attn1.to_q"), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(f'{{"lora_alpha": {number}}}')
    with pytest.raises(BadInputError):
        load_lora(tmp_path / "adapter_model.safetensors")


@pytest.mark.parametrize("key", ["(a+)+b", "(a|a)*b", "a?" * 40 + "a" * 40, "(?=a)a", "(a|aa)" * 30, ".*.*.*.*.*b"])
def test_an_expression_that_takes_for_ever_is_refused(key: str) -> None:
    """One line in a description made loading wait without end."""
    module = "blocks.0." + "a" * 60
    began = time.process_time()
    with pytest.raises(BadInputError, match="without end"):
        scaling_from_config({"lora_alpha": 4, "alpha_pattern": {key: 8}}, "x").scale(module, 2, None)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "key",
    ["to_q", "blocks.0.attn1.to_q", r"blocks\.[0-9]+\.attn[12]\.to_q", r".*\.(to_q|to_k|to_v)", "^blocks.0.*to_q$"],
)
def test_usual_expressions_choose_layers(key: str) -> None:
    scaling = scaling_from_config({"lora_alpha": 4, "alpha_pattern": {key: json.loads("8")}}, "x")
    assert scaling.scale("blocks.0.attn1.to_q", 2, None) == 4
    assert scaling.scale("blocks.0.ffn.net.2", 2, None) == 2


def test_a_description_that_is_a_device_is_none(tmp_path: Path) -> None:
    save_file(layer("blocks.0.attn1.to_q"), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").symlink_to("/dev/zero")
    assert load_lora(tmp_path / "adapter_model.safetensors").layers["blocks.0.attn1.to_q"].scale == 1
    (tmp_path / "adapter_config.json").unlink()
    os.mkfifo(tmp_path / "adapter_config.json")
    assert load_lora(tmp_path / "adapter_model.safetensors").layers["blocks.0.attn1.to_q"].scale == 1
