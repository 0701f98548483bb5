# SPDX-License-Identifier: Apache-2.0
"""Files of weights: told by what they hold, checked tensor by tensor."""

from __future__ import annotations

import json
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import save_file

from ex4d.fill.ex4d_wan.adapter import RELEASED_BLOCKS, RELEASED_LORA_TENSORS, TARGETS, split_checkpoint
from ex4d.fill.ex4d_wan.file_kinds import ADAPTER, EX4D_FILES
from ex4d.fill.ex4d_wan.load import load_pipeline
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models import tensor_reader as reading
from ex4d.models.file_spec import FileKind
from ex4d.models.locations import models_fingerprint
from ex4d.models.tensors import TensorFile, TensorSet
from ex4d.models.wan import kinds
from ex4d.models.wan.load import load_component
from ex4d.models.wan.lora import parse_lora
from ex4d.protocol.errors import BadInputError, TransientError


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the toy model that may be changed."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def checkpoint(folder: Path) -> Path:
    return folder / "EX-4D" / "ex4d.ckpt"


def change(path: Path, action: Callable[[tiny.Tensors], object]) -> None:
    tensors = torch.load(path, weights_only=True)
    action(tensors)
    torch.save(tensors, path)


# Finding


def test_every_part_is_found_by_its_contents(model_folder: Path) -> None:
    models = find_models([model_folder])
    assert {role: part.kind for role, part in models.parts.items()} == {
        "transformer": kinds.WAN_TRANSFORMER,
        "vae": kinds.WAN_VAE,
        "text": kinds.WAN_TEXT,
        "image": kinds.WAN_IMAGE,
        "adapter": ADAPTER,
    }
    assert models.tokenizer == model_folder / "Wan2.1-I2V-14B-480P" / "google" / "umt5-xxl"
    assert len(models.files()) == 3 + 4


def test_names_do_not_matter(folder: Path) -> None:
    wan = folder / "Wan2.1-I2V-14B-480P"
    (wan / "Wan2.1_VAE.pth").rename(wan / "ex4d.bin")
    checkpoint(folder).rename(folder / "EX-4D" / "Wan2.1_VAE.pth")
    models = find_models([folder])
    assert models.part("vae").tensors.name == "ex4d.bin"
    assert models.part("adapter").tensors.name == "Wan2.1_VAE.pth"


def test_a_file_may_be_named(folder: Path) -> None:
    models = find_models([folder / "Wan2.1-I2V-14B-480P", checkpoint(folder)])
    assert set(models.parts) == {"transformer", "vae", "text", "image", "adapter"}


@pytest.mark.parametrize(
    ("prefix", "kind"), [("model.diffusion_model.", kinds.WAN_TRANSFORMER), ("", kinds.WAN_TRANSFORMER)]
)
def test_prefixes_of_other_programs_are_taken_off(tmp_path: Path, prefix: str, kind: FileKind) -> None:
    path = tmp_path / "any.safetensors"
    save_file({prefix + name: tensor for name, tensor in tiny.transformer().items()}, path)
    file = TensorFile.open(path)
    assert EX4D_FILES.identify(file.shapes) is kind
    assert torch.equal(file.read("head.head.bias"), tiny.transformer()["head.head.bias"])


def test_unrelated_files_are_ignored(folder: Path) -> None:
    save_file({"some.weight": torch.zeros(2)}, folder / "other.safetensors")
    for name in ("style.safetensors", "steps.safetensors"):
        # LoRAs for something else, or for --distill-lora.
        save_file({"blocks.0.self_attn.q.lora_down.weight": torch.zeros(2, 3)}, folder / name)
    assert len(find_models([folder]).parts) == 5


def test_two_of_a_part_are_refused(folder: Path) -> None:
    (folder / "more").mkdir()
    shutil.copy(checkpoint(folder), folder / "more" / "ex4d-2.ckpt")
    with pytest.raises(BadInputError, match=r"more than one EX-4D checkpoint: in .*EX-4D and in .*more"):
        find_models([folder])


def test_another_models_transformer_in_the_same_place_is_passed_over(folder: Path) -> None:
    """Of the same blocks, as VACE's and text-to-video's are."""
    own = find_models([folder]).part("transformer")
    for name, more in (("vace", {"vace_blocks.0.before_proj.bias": torch.zeros(3)}), ("text", {})):
        (folder / name).mkdir()
        others = {**tiny.transformer(), **more}
        if name == "text":
            others = {key: value for key, value in others.items() if not key.startswith("img_emb.")}
        save_file(others, folder / name / "diffusion_pytorch_model.safetensors")
    assert find_models([folder]).part("transformer").folder == own.folder
    assert find_models([folder / "vace"]).part("transformer").folder == folder / "vace"
    (folder / "again").mkdir()
    for file in own.tensors.files:
        shutil.copy(file.path, folder / "again")
    with pytest.raises(BadInputError, match=r"more than one Wan 2.1 transformer: in .*480P and in .*again"):
        find_models([folder])


def test_the_fingerprint_leaves_out_what_is_passed_over(folder: Path) -> None:
    """Of all weights else, as earlier keys of fills have it: those refused two transformers."""
    own = find_models([folder]).fingerprint()
    assert own == models_fingerprint([folder])
    (folder / "vace").mkdir()
    others = {**tiny.transformer(), "vace_blocks.0.before_proj.bias": torch.zeros(3)}
    save_file(others, folder / "vace" / "diffusion_pytorch_model.safetensors")
    assert find_models([folder]).fingerprint() == own != models_fingerprint([folder])
    change(checkpoint(folder), lambda tensors: tensors.update({"latent_patch_embedding.bias": torch.zeros(tiny.DIM)}))
    assert find_models([folder]).fingerprint() != own


def test_the_same_tensor_in_two_files_is_refused(folder: Path) -> None:
    shutil.copy(checkpoint(folder), checkpoint(folder).with_name("copy.ckpt"))
    with pytest.raises(BadInputError, match=r"Both copy.ckpt and ex4d.ckpt hold the tensor"):
        find_models([folder])


def test_missing_parts_and_folders(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInputError, match="There is no model folder"):
        find_models([tmp_path / "nowhere"])
    checkpoint(folder).unlink()
    with pytest.raises(BadInputError, match="No EX-4D checkpoint was found in") as failure:
        load_pipeline(folder)
    assert "ex4d models download" in failure.value.hint


# Damage


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "Wan2.1-I2V-14B-480P" / "diffusion_pytorch_model-00002-of-00003.safetensors").unlink()
    with pytest.raises(BadInputError, match=r"lacks diffusion_pytorch_model-00002-of-00003.safetensors"):
        find_models([folder])


def test_a_missing_unnumbered_shard_shows_as_missing_tensors(folder: Path) -> None:
    wan = folder / "Wan2.1-I2V-14B-480P"
    for path in sorted(wan.glob("*.safetensors")):
        path.rename(path.with_name(f"part{path.name[24:29]}.safetensors"))
    (wan / "part00003.safetensors").unlink()
    with pytest.raises(BadInputError, match="transformer lacks the tensor"):
        load_pipeline(folder)


@pytest.mark.parametrize("keep", [0, 7, 40, 4000, -100])
def test_truncated_files_are_named(folder: Path, keep: int) -> None:
    for path in (
        folder / "Wan2.1-I2V-14B-480P" / "diffusion_pytorch_model-00001-of-00003.safetensors",
        folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth",
    ):
        whole = path.read_bytes()
        path.write_bytes(whole[:keep])
        with pytest.raises(BadInputError, match=f"{path.name} is truncated or damaged") as failure:
            find_models([folder])
        assert "ex4d models verify" in failure.value.hint
        path.write_bytes(whole)


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    torch.save({"latent_encoder.0.weight": torch.zeros(1), "x": Payload()}, tmp_path / "ex4d.ckpt")
    with pytest.raises(BadInputError, match="could run code"):
        TensorFile.open(tmp_path / "ex4d.ckpt")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(BadInputError):
        TensorFile.open(tmp_path / "bare.pth")
    assert not (tmp_path / "ran").exists()


def test_a_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(BadInputError, match="holds no named tensors"):
        TensorFile.open(tmp_path / "a.pth")
    with pytest.raises(TransientError, match="cannot be read"):
        TensorFile.open(tmp_path)


# Reading ahead


def test_reading_ahead_gives_what_is_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 1000)
    monkeypatch.setattr(reading, "AHEAD_BYTES", 3000)
    tensors = {
        "b": torch.randn(70, 9),
        "a": torch.randn(33, 5).bfloat16(),
        "scalar": torch.tensor(3.0),
        "none": torch.zeros(0, 4),
        "c": torch.arange(500),
        "flags": torch.tensor([True, False, True]),
        "eight": torch.randn(20).to(torch.float8_e4m3fn),
    }
    save_file(tensors, tmp_path / "a.safetensors")
    more = {"strided": torch.randn(40, 30).t(), "d": torch.randn(6).half()}
    torch.save(more, tmp_path / "b.pth")
    files = TensorSet.of([TensorFile.open(tmp_path / name) for name in ("a.safetensors", "b.pth")])
    read = dict(files.tensors())
    # Within a file in the order in which they lie there, or the disk would go back and forth.
    raw = (tmp_path / "a.safetensors").read_bytes()
    begins = [
        json.loads(raw[8 : 8 + raw[0] + 256 * raw[1]])[name]["data_offsets"] for name in list(read)[: len(tensors)]
    ]
    assert begins == sorted(begins)
    assert set(read) == {*tensors, *more}
    for name, tensor in {**tensors, **more}.items():
        assert read[name].dtype == tensor.dtype
        assert read[name].shape == tensor.shape
        assert torch.equal(read[name].float(), tensor.float())
        assert read[name].untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_reading_ahead_keeps_to_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AHEAD_BYTES", 1000)
    asked = []

    def wanted() -> Iterator[tuple[str, reading.TensorSource]]:
        for index in range(20):
            asked.append(index)
            yield str(index), reading.source_in_memory(torch.full((400,), index, dtype=torch.uint8))

    for taken, (name, tensor) in enumerate(reading.read_ahead(wanted())):
        assert name == str(taken)
        assert int(tensor.sum()) == 400 * taken
        # Three of 400 bytes are the first to fill 1000; one of them is here.
        assert len(asked) == min(20, taken + 3)


def test_a_file_that_ends_too_early_is_named_where_it_is_read(folder: Path) -> None:
    models = find_models([folder])
    path = folder / "Wan2.1-I2V-14B-480P" / "diffusion_pytorch_model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInputError, match=f"{path.name} is truncated or damaged") as failure:
        load_component(models.part("transformer"), torch.float32, "cpu")
    assert "ex4d models verify" in failure.value.hint
    path.unlink()
    with pytest.raises(BadInputError, match=f"{path.name} is truncated or damaged"):
        load_component(models.part("transformer"), torch.float32, "cpu")


def test_types_that_no_model_has_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(4, dtype=torch.complex64)}, path)
    file = TensorFile.open(path)
    assert file.shapes == {"x": (4,)}
    with pytest.raises(BadInputError, match=r"a.safetensors holds «x» as C64"):
        file.read("x")


def test_threads_end_with_the_reading(folder: Path) -> None:
    part = find_models([folder]).part("transformer")
    tensors = part.tensors.tensors()
    next(tensors)
    assert any(thread.name.startswith("weights") for thread in threading.enumerate())
    tensors.close()
    with pytest.raises(BadInputError, match="unexpected tensor"):
        load_component(replace(part, kind=kinds.WAN_VAE, tensors=vae_with_a_stranger(folder)), torch.float32, "cpu")
    assert not any(thread.name.startswith("weights") for thread in threading.enumerate())


def vae_with_a_stranger(folder: Path) -> TensorSet:
    path = folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
    change(path, lambda tensors: tensors.update({"stranger": torch.zeros(1)}))
    return TensorSet.of([TensorFile.open(path)])


def test_parts_of_a_tensor_do_not_keep_the_whole(model_folder: Path) -> None:
    models = find_models([model_folder])
    for role in ("image", "vae"):
        component = load_component(models.part(role), torch.float32, "cpu")
        for name, parameter in component.named_parameters():
            assert parameter.untyped_storage().nbytes() == parameter.nbytes, name


# Loading


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (float("nan"), torch.float32, "NaN or infinity"),
        (float("inf"), torch.bfloat16, "NaN or infinity"),
        (1e5, torch.float16, "values that float16 cannot hold"),
    ],
)
def test_values_that_are_not_finite_are_named(folder: Path, value: float, dtype: torch.dtype, words: str) -> None:
    vae = folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
    change(vae, lambda tensors: tensors["decoder.conv1.weight"].__setitem__((0, 0, 0, 0, 0), value))
    with pytest.raises(BadInputError, match=f"decoder.conv_in.weight» of the Wan 2.1 VAE holds {words}"):
        load_component(find_models([folder]).part("vae"), dtype, "cpu")


def test_missing_and_unexpected_tensors_are_named(folder: Path) -> None:
    vae = folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
    change(vae, lambda tensors: tensors.pop("decoder.head.2.bias"))
    with pytest.raises(BadInputError, match=r"VAE lacks the tensor «decoder.conv_out.bias»"):
        load_component(find_models([folder]).part("vae"), torch.float32, "cpu")
    change(vae, lambda tensors: tensors.update({"decoder.head.2.bias": torch.zeros(3), "extra.x": torch.zeros(1)}))
    with pytest.raises(BadInputError, match=r"VAE has the unexpected tensor «extra.x»"):
        load_component(find_models([folder]).part("vae"), torch.float32, "cpu")


def test_another_shape_is_named(folder: Path) -> None:
    vae = folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
    change(vae, lambda tensors: tensors.update({"decoder.head.2.bias": torch.zeros(4)}))
    with pytest.raises(BadInputError, match=r"decoder.conv_out.bias» of the Wan 2.1 VAE is \(4,\) instead of \(3,\)"):
        load_component(find_models([folder]).part("vae"), torch.float32, "cpu")


def test_text_to_video_models_are_refused(folder: Path) -> None:
    wan = folder / "Wan2.1-I2V-14B-480P"
    for path in wan.glob("*.safetensors"):
        path.unlink()
    tensors = {name: value for name, value in tiny.transformer().items() if "img" not in name}
    tensors["patch_embedding.weight"] = tensors["patch_embedding.weight"][:, :16].contiguous()
    tiny.save_shards(tensors, wan, 2)
    with pytest.raises(BadInputError, match=r"not Wan 2.1's image-to-video model"):
        load_component(find_models([folder]).part("transformer"), torch.float32, "cpu")


# The adapter


def test_the_released_count_of_tensors() -> None:
    assert 2 * len(TARGETS) * RELEASED_BLOCKS == RELEASED_LORA_TENSORS == 800


def test_the_adapter_is_fused_in_float32(folder: Path) -> None:
    models = find_models([folder])
    lora, _ = load_adapter(models, torch.float32, "cpu")
    assert lora.rank == tiny.RANK
    assert len(lora.layers) == len(TARGETS) * tiny.LAYERS
    for dtype in (torch.float32, torch.bfloat16):
        fused = load_component(models.part("transformer"), dtype, "cpu", (lora,))
        raw, tensors = tiny.transformer(), tiny.adapter()
        name = "blocks.1.cross_attn.v"
        delta = tensors[f"{name}.lora_B.default.weight"] @ tensors[f"{name}.lora_A.default.weight"]
        wanted = (raw[f"{name}.weight"] + delta).to(dtype)
        assert torch.equal(fused.blocks[1].attn2.to_v.weight, wanted)  # type: ignore[union-attr,index]
        untouched = fused.blocks[1].attn2.add_v_proj.weight  # type: ignore[union-attr,index]
        assert torch.equal(untouched, raw["blocks.1.cross_attn.v_img.weight"].to(dtype))


def damage_adapter(folder: Path, action: Callable[[tiny.Tensors], object]) -> BadInputError:
    change(checkpoint(folder), action)
    with pytest.raises(BadInputError) as failure:
        load_pipeline(folder, dtype=torch.float32)
    return failure.value


def test_a_missing_half_of_a_layer_is_named(folder: Path) -> None:
    error = damage_adapter(folder, lambda tensors: tensors.pop("blocks.1.ffn.0.lora_B.default.weight"))
    assert "lacks lora_B of the layer «blocks.1.ffn.net.0.proj»" in error.message


def test_a_missing_layer_is_named(folder: Path) -> None:
    def action(tensors: tiny.Tensors) -> None:
        for side in "AB":
            del tensors[f"blocks.1.self_attn.o.lora_{side}.default.weight"]

    error = damage_adapter(folder, action)
    assert "lacks layer «blocks.1.attn1.to_out.0»" in error.message
    assert "800 LoRA and 8 encoder tensors" in error.hint


def test_a_missing_encoder_tensor_is_named(folder: Path) -> None:
    error = damage_adapter(folder, lambda tensors: tensors.pop("latent_encoder.2.bias"))
    assert "lacks tensor «latent_encoder.2.bias»" in error.message


def test_unexpected_tensors_of_the_checkpoint_are_named(folder: Path) -> None:
    error = damage_adapter(folder, lambda tensors: tensors.update({"latent_encoder.6.bias": torch.zeros(1)}))
    assert "unexpected tensor «latent_encoder.6.bias»" in error.message


def test_nan_in_the_checkpoint_is_named(folder: Path) -> None:
    error = damage_adapter(folder, lambda tensors: tensors["blocks.0.ffn.2.lora_A.default.weight"].fill_(float("nan")))
    assert "«blocks.0.ffn.2.lora_A.default.weight» of ex4d.ckpt holds NaN" in error.message


@pytest.mark.parametrize(("dim", "layers"), [(120, 2), (96, 3), (96, 1)])
def test_a_checkpoint_of_another_model_is_refused(folder: Path, dim: int, layers: int) -> None:
    torch.save(tiny.adapter(dim=dim, layers=layers), checkpoint(folder))
    words = {120: "as if it were 120x120; it is 96x96", 3: "«blocks.2.* does not have", 1: "changes 1 blocks of the"}
    with pytest.raises(BadInputError, match=words.get(dim) or words[layers]):
        load_pipeline(folder, dtype=torch.float32)


def test_another_rank_is_taken_as_it_is(folder: Path) -> None:
    torch.save(tiny.adapter(rank=9), checkpoint(folder))
    lora, _ = load_adapter(find_models([folder]), torch.float32, "cpu")
    assert lora.rank == 9
    assert {layer.scale for layer in lora.layers.values()} == {1.0}


def test_mixed_ranks_are_refused(folder: Path) -> None:
    def action(tensors: tiny.Tensors) -> None:
        tensors["blocks.0.self_attn.q.lora_A.default.weight"] = torch.zeros(2, tiny.DIM)
        tensors["blocks.0.self_attn.q.lora_B.default.weight"] = torch.zeros(tiny.DIM, 2)

    assert "of different ranks" in damage_adapter(folder, action).message


def test_public_lora_formats_give_the_same_layers() -> None:
    down, up = torch.randn(4, 96), torch.randn(96, 4)
    variants = [
        {"blocks.0.self_attn.q.lora_A.weight": down, "blocks.0.self_attn.q.lora_B.weight": up},
        {"blocks.0.self_attn.q.lora_down.weight": down, "blocks.0.self_attn.q.lora_up.weight": up},
        {"transformer.blocks.0.attn1.to_q.lora_A.weight": down, "transformer.blocks.0.attn1.to_q.lora_B.weight": up},
    ]
    for tensors in variants:
        lora = parse_lora(tensors, "file")
        assert list(lora.layers) == ["blocks.0.attn1.to_q"]
        assert torch.equal(lora.layers["blocks.0.attn1.to_q"].delta(torch.device("cpu")), up @ down)
    with_alpha = {**variants[1], "blocks.0.self_attn.q.alpha": torch.tensor(2.0)}
    assert parse_lora(with_alpha, "file").layers["blocks.0.attn1.to_q"].scale == 0.5
    with pytest.raises(BadInputError, match="no part of a LoRA"):
        parse_lora({"blocks.0.self_attn.q.weight": down}, "file")


def test_a_checkpoint_on_its_own(model_folder: Path) -> None:
    tensors = TensorSet.of([TensorFile.open(checkpoint(model_folder))])
    lora, geometry = split_checkpoint(tensors, alpha=8.0)
    assert {layer.scale for layer in lora.layers.values()} == {8.0 / tiny.RANK}
    assert len(geometry) == 8
