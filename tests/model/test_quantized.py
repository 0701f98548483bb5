# SPDX-License-Identifier: Apache-2.0
"""The converted folder whose transformer is in 8 bits: the same bits as the original files with the profile fast."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file

from ex4d.cli import main
from ex4d.diffusion import EX4DPipeline, load_pipeline
from ex4d.fill.ex4d_wan import host as host_module
from ex4d.fill.ex4d_wan.clip import Clip
from ex4d.fill.ex4d_wan.convert import save_lora
from ex4d.fill.ex4d_wan.host import ModelHost, Request
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.profiles import PROFILES
from ex4d.fill.ex4d_wan.weight_source import FileWeights
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models.locations import models_fingerprint
from ex4d.models.memory_plan import LayoutName, MemoryPlan
from ex4d.models.model_files import ModelFiles
from ex4d.models.tensors import all_finite
from ex4d.models.wan.fp8 import SENSITIVE_FIRST, SENSITIVE_LAST, Fp8Linear
from ex4d.models.wan.load import Layout, load_component
from ex4d.protocol.errors import BadInputError
from ex4d.system.progress import Silent

#: Two blocks more than those that stay in 16 bits.
LAYERS = SENSITIVE_FIRST + 2 + SENSITIVE_LAST
SCALE = "blocks.2.attn1.to_q.scale"
WEIGHT = "blocks.3.ffn.net.2.weight"
CHECKPOINT = Path("EX-4D") / "ex4d.ckpt"


def models_command(*arguments: object) -> int:
    return main(["models", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module", autouse=True)
def _cpu() -> Iterator[None]:
    """Of one core: so small a model is slower on several, and much slower where others use them."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EX4D_DEVICE", "cpu")
        yield
    torch.set_num_threads(former)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy in the released layout, float32."""
    return tiny.write_model(tmp_path_factory.mktemp("released") / "models", layers=LAYERS)


@pytest.fixture(scope="module")
def eight(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in 8 bits."""
    target = tmp_path_factory.mktemp("converted") / "eight"
    assert models_command("convert", released, "--to", target, "--dtype", "float8") == 0
    return target


@pytest.fixture
def copy(eight: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(eight, tmp_path / "copy"))


def weights(folder: Path) -> Path:
    return folder / "transformer" / "diffusion_pytorch_model.safetensors"


def change(folder: Path, action: Callable[[tiny.Tensors], object]) -> None:
    tensors = load_file(weights(folder))
    action(tensors)
    save_file(tensors, weights(folder))


def load(models: ModelFiles, *loras: Any) -> Any:
    return load_component(models.part("transformer"), torch.bfloat16, "cpu", loras, Layout(fp8=True))


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


# The same bits


def test_weights_are_those_that_fast_makes_of_the_original(released: Path, eight: Path) -> None:
    original = find_models([released])
    lora, _ = load_adapter(original, torch.bfloat16, "cpu")
    made, read = load(original, lora).state_dict(), load(find_models([eight])).state_dict()
    assert set(made) == set(read)
    for name, tensor in made.items():
        assert read[name].dtype == tensor.dtype, name
        assert torch.equal(bits(read[name]), bits(tensor)), name
    # And not those of a model without the LoRA.
    assert not torch.equal(bits(load(original).state_dict()[WEIGHT]), bits(read[WEIGHT]))


def test_the_key_of_its_fills_is_that_of_all_its_weights(eight: Path) -> None:
    assert find_models([eight]).fingerprint() == models_fingerprint([eight])


def test_blocks_that_stay_in_16_bits_do(eight: Path) -> None:
    tensors = load_file(weights(eight))
    quantized = {name.split(".")[1] for name, tensor in tensors.items() if tensor.dtype == torch.float8_e4m3fn}
    assert quantized == {"2", "3"}
    scales = {name for name in tensors if name.endswith(".scale")}
    # Four projections of self-attention, six of cross-attention, two of the feed-forward network, in two blocks.
    assert len(scales) == 2 * 12
    for name in scales:
        weight = tensors[name.removesuffix("scale") + "weight"]
        assert weight.dtype == torch.float8_e4m3fn
        assert tensors[name].dtype == torch.float32
        assert tensors[name].shape == (weight.shape[0], 1)
    assert tensors["blocks.0.attn1.to_q.weight"].dtype == torch.bfloat16
    assert not (eight / "lora").exists()


def clip() -> Clip:
    color = np.random.default_rng(5).random((5, 48, 64, 3), np.float32)
    visible = np.ones((5, 48, 64), np.bool_)
    visible[:, :, 50:] = False
    color[~visible] = 0
    return Clip(color, visible, visible, np.zeros_like(visible), tuple(range(5)), 0, 255, ())


def request(folder: Path, profile: str) -> Request:
    return Request((folder,), replace(PROFILES[profile], steps=2), "a house", "dog", 0)


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("layout", ["resident", "swapped", "streamed"])
def test_pictures_are_the_same_in_every_layout(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: LayoutName
) -> None:
    # As on a GPU, where all is in bfloat16; so are the encoders in both folders.
    monkeypatch.setattr(host_module, "_dtype", lambda _device: torch.bfloat16)
    assert models_command("convert", released, "--to", tmp_path / "sixteen") == 0
    assert models_command("convert", tmp_path / "sixteen", "--to", tmp_path / "eight", "--dtype", "float8") == 0

    def pictures(name: str, profile: str, layout: MemoryPlan | None = None) -> Any:
        made, _ = ModelHost(layout=layout).run(request(tmp_path / name, profile), clip(), Silent())
        return np.stack(list(made))

    fast = pictures("sixteen", "fast")
    assert not np.array_equal(fast, pictures("sixteen", "exact"))
    assert np.array_equal(pictures("eight", "fast", MemoryPlan(layout, True, 1.0)), fast)


@pytest.mark.usefixtures("_own_cache")
def test_turbo_runs_on_a_cpu_in_float32(eight: Path) -> None:
    host = ModelHost()
    assert host.plan([eight], PROFILES["turbo"], (64, 48), 5).text == "on the CPU"
    made, _ = host.run(request(eight, "turbo"), clip(), Silent())
    assert len(list(made)) == 5


def test_load_pipeline_loads_it_without_a_lora_on_top(eight: Path, released: Path) -> None:
    pipeline = load_pipeline(eight, encoders=False)
    layers = [module for module in pipeline.transformer.modules() if isinstance(module, Fp8Linear)]
    assert len(layers) == 2 * 12
    assert not any(layer.multiply for layer in layers)
    read = load(find_models([eight])).state_dict()
    assert all(
        torch.equal(bits(tensor), bits(read[name])) for name, tensor in pipeline.transformer.state_dict().items()
    )
    lora, _ = load_adapter(find_models([released]), torch.float32, "cpu")
    assert lora is not None
    with pytest.raises(
        BadInputError, match="is in 8 bits with EX-4D's LoRA fused, and another LoRA needs the original"
    ):
        load_pipeline(eight, encoders=False, extra_loras=[lora])


def test_shards_without_scales_belong_to_it(copy: Path, eight: Path) -> None:
    tensors = load_file(weights(copy))
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith(".scale")}
    weights(copy).unlink()
    tiny.save_shards(tensors, copy / "transformer", 2)
    save_file(scales, copy / "transformer" / "scales.safetensors")
    made, read = load(find_models([eight])).state_dict(), load(find_models([copy])).state_dict()
    assert all(torch.equal(bits(read[name]), bits(tensor)) for name, tensor in made.items())


# What cannot use it


@pytest.mark.parametrize("profile", ["exact", "draft"])
def test_profiles_that_cannot_use_it_say_so_before_anything_is_loaded(
    eight: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setattr(FileWeights, "component", lambda *_: pytest.fail("something was loaded"))
    words = f"is in 8 bits with EX-4D's LoRA fused, and the profile «{profile}» needs the original one"
    with pytest.raises(BadInputError, match=words) as failure:
        ModelHost().plan([eight], PROFILES[profile], None, None)
    assert "profiles fast and turbo" in failure.value.hint
    with pytest.raises(BadInputError, match=words):
        ModelHost().run(request(eight, profile), clip(), Silent())


def test_a_second_lora_is_refused(eight: Path, released: Path, copy: Path) -> None:
    lora, _ = load_adapter(find_models([released]), torch.float32, "cpu")
    assert lora is not None
    save_lora(lora, copy / "lora")
    for places in ([eight, released / CHECKPOINT], [copy]):
        words = r"(EX-4D|lora) holds a LoRA, and EX-4D's is fused into the 8-bit transformer in .*transformer already"
        with pytest.raises(BadInputError, match=words):
            ModelHost().plan(places, PROFILES["fast"], None, None)
        with pytest.raises(BadInputError, match=words):
            load_pipeline(places)


def test_what_needs_16_bits_says_so(eight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dtype in ("float8", "bfloat16"):
        assert models_command("convert", eight, "--to", tmp_path / "again", "--dtype", dtype) == 10
        assert "and convert needs the original one" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
    with pytest.raises(BadInputError, match="and from_pretrained needs the original one") as failure:
        EX4DPipeline.from_pretrained(eight)
    assert "load_pipeline" in failure.value.hint
    with pytest.raises(ValueError, match="Unknown quantization type, got ex4d_float8"):
        WanTransformer3DModel.from_pretrained(eight, subfolder="transformer")
    with pytest.raises(BadInputError, match="and a transformer in 16 bits needs the original one"):
        load_component(find_models([eight]).part("transformer"), torch.float32, "cpu")


def test_an_adapter_that_lacks_a_block_leaves_no_folder(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(released, tmp_path / "released"))
    torch.save(tiny.adapter(layers=LAYERS - 1), folder / CHECKPOINT)
    assert models_command("convert", folder, "--to", tmp_path / "out" / "eight", "--dtype", "float8") == 10
    assert f"changes {LAYERS - 1} blocks of the transformer's {LAYERS}" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


# Damage


def damage(folder: Path, action: Callable[[tiny.Tensors], object]) -> BadInputError:
    change(folder, action)
    with pytest.raises(BadInputError) as failure:
        load_pipeline(folder, encoders=False)
    return failure.value


def test_missing_scales_are_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"lacks the tensor «{SCALE}»." in damage(copy, lambda tensors: tensors.pop(SCALE)).message
    assert models_command("verify", copy) == 10
    assert f"lacks the tensor «{SCALE}»." in capsys.readouterr().err

    def all_of_them(tensors: tiny.Tensors) -> None:
        for name in [name for name in tensors if name.endswith(".scale")]:
            del tensors[name]

    # Then the values are 8-bit ones without their scales, and must not pass for weights.
    assert "lacks the tensor «blocks.2.attn1.to_k.scale» and 23 more." in damage(copy, all_of_them).message


@pytest.mark.parametrize("byte", [0x7F, 0xFF])
def test_nan_in_8_bits_is_named(copy: Path, byte: int) -> None:
    error = damage(copy, lambda tensors: tensors[WEIGHT].view(torch.uint8).__setitem__((5, 7), byte))
    assert error.message == f"The tensor «{WEIGHT}» of the Wan 2.1 transformer holds NaN or infinity."


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "NaN or infinity"), (0.0, "scales that are not positive"), (-1.0, "scales that are not positive")],
)
def test_scales_that_are_none_are_named(copy: Path, value: float, words: str) -> None:
    error = damage(copy, lambda tensors: tensors[SCALE].__setitem__((3, 0), value))
    assert f"«{SCALE}» of the Wan 2.1 transformer holds {words}" in error.message


def test_other_types_and_shapes_are_named(copy: Path, eight: Path) -> None:
    def widen(tensors: tiny.Tensors) -> None:
        tensors[WEIGHT] = tensors[WEIGHT].bfloat16()

    assert f"«{WEIGHT}» of the Wan 2.1 transformer is bfloat16 instead of float8_e4m3fn" in damage(copy, widen).message
    shutil.copy(weights(eight), weights(copy))
    error = damage(copy, lambda tensors: tensors.update({SCALE: torch.ones(1, 1)}))
    assert f"«{SCALE}» of the Wan 2.1 transformer is (1, 1) instead of (96, 1)" in error.message


def test_8_bit_layers_of_other_programs_are_not_taken_for_fused(copy: Path) -> None:
    path = copy / "transformer" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config.pop("quantization_config")["quant_method"] == "ex4d_float8"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BadInputError, match="was not written by `ex4d models convert`"):
        ModelHost().plan([copy], PROFILES["fast"], None, None)
    with pytest.raises(BadInputError, match="was not written by `ex4d models convert`"):
        load_pipeline(copy)


def test_a_geometry_encoder_that_is_lost_is_missed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "geometry_encoder")
    assert models_command("list", copy) == 0
    listed = capsys.readouterr().out
    assert "EX-4D geometry encoder" in listed
    assert "EX-4D checkpoint" not in listed
    with pytest.raises(BadInputError, match="No EX-4D geometry encoder was found"):
        ModelHost().plan([copy], PROFILES["fast"], None, None)


def test_every_byte_but_two_is_finite() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    for dtype, wrong in (
        (torch.float8_e4m3fn, {0x7F, 0xFF}),
        (torch.float8_e5m2, {*range(0x7C, 0x80), *range(0xFC, 0x100)}),
    ):
        assert {byte for byte in range(256) if not all_finite(every[byte : byte + 1].view(dtype))} == wrong
        assert not all_finite(every.view(dtype).view(16, 16))
    assert all_finite(every.view(torch.float8_e4m3fn)[:0x7F])


# What it is


def test_bytes_and_parameters_are_counted_rightly(released: Path, eight: Path) -> None:
    original, converted = find_models([released]), find_models([eight])
    assert FileWeights().parameters(converted) == FileWeights().parameters(original)
    read = load_file(weights(eight))
    # Of 32 bits diffusers keeps some, which the estimate takes for 16.
    size = sum(
        tensor.nbytes if name.endswith(".scale") else min(tensor.element_size(), 2) * tensor.numel()
        for name, tensor in read.items()
    )
    assert converted.part("transformer").gib * 2**30 == pytest.approx(size)
    assert converted.part("transformer").gib < 0.9 * original.part("transformer").gib
    assert original.part("transformer").gib * 2**30 == pytest.approx(2 * FileWeights().parameters(original))


def test_list_and_verify_say_what_it_is(eight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models_command("verify", eight) == 0
    assert "The model is whole: " in (said := capsys.readouterr().out)
    assert "8-bit fused transformer" in said
    assert models_command("list", eight) == 0
    said = capsys.readouterr().out
    assert "8-bit fused transformer" in said
    assert "missing" not in said
