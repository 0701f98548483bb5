# SPDX-License-Identifier: Apache-2.0
"""Getting, checking, listing and converting the model's files."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from local_hub import Hub, serving
from peft import PeftModel

from ex4d.cli import main
from ex4d.commands.depth_models import sources as depth_sources
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.diffusion import EX4DPipeline, load_pipeline
from ex4d.fill.ex4d_wan.file_kinds import SOURCES
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.models.hub import Record, merged_sources
from ex4d.models.locations import models_fingerprint
from ex4d.models.pins import read_pins
from ex4d.protocol.errors import BadInputError

Take = tuple[torch.Tensor, torch.Tensor]


def run(*arguments: object) -> int:
    return main(["models", *(str(argument) for argument in arguments)])


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])["result"]


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


# List and verify


def test_list_says_what_a_folder_holds(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", model_folder) == 0
    text = capsys.readouterr().out
    for kind in ("Wan transformer", "Wan VAE", "Wan text encoder", "Wan image encoder", "EX-4D checkpoint"):
        assert kind in text
    assert run("list", model_folder / "EX-4D", "--json") == 0
    listed = result(capsys)
    assert [part["kind"] for part in listed["parts"]] == ["EX-4D checkpoint"]
    assert listed["parts"][0]["tensors"] == 2 * 10 * 2 + 8
    assert "Wan 2.1 transformer" in listed["missing"]


def test_verify_without_a_record_checks_names_and_shapes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", folder) == 0
    out = capsys.readouterr()
    assert "The model is whole" in out.out
    assert "no checksums" in out.err
    path = folder / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
    tensors = torch.load(path, weights_only=True)
    tensors.pop("encoder.head.2.bias")
    torch.save(tensors, path)
    assert run("verify", folder) == 10
    assert "VAE lacks the tensor «encoder.conv_out.bias»" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["verify", "/nowhere"], 10, "no model folder"),
        (["verify", "--to", "/x"], 2, "Only convert and pin take --to"),
        (["convert"], 2, "No folder to write"),
        (["pin", "a"], 2, "pinned at once"),
        (["pin", "--depth", "moge"], 2, "pinned at once"),
        (["download", "a", "b"], 2, "into one folder"),
    ],
)
def test_wrong_use(arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == code
    assert words in capsys.readouterr().err


# Convert


@pytest.fixture(scope="module")
def converted(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "ex4d"
    assert run("convert", model_folder, "--to", target, "--dtype", "float32") == 0
    return target


def latents(pipeline: EX4DPipeline, take: Take) -> torch.Tensor:
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    options = {"prompt": "a house by the sea", "num_inference_steps": 2, "output_type": "latent"}
    return pipeline(*take, generator=generator, **options).frames  # type: ignore[arg-type]


def test_the_converted_folder_is_the_model(pipeline: EX4DPipeline, converted: Path, take_tensors: Take) -> None:
    reference = latents(pipeline, take_tensors)
    through_diffusers = EX4DPipeline.from_pretrained(converted)
    torch.testing.assert_close(latents(through_diffusers, take_tensors), reference, rtol=1e-4, atol=1e-5)
    through_ours = load_pipeline(converted, dtype=torch.float32)
    torch.testing.assert_close(latents(through_ours, take_tensors), reference, rtol=1e-4, atol=1e-5)


def test_its_parts_are_what_other_programs_load(pipeline: EX4DPipeline, converted: Path) -> None:
    index = json.loads((converted / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "EX4DPipeline"
    assert index["transformer"] == ["diffusers", "WanTransformer3DModel"]
    base = WanTransformer3DModel.from_pretrained(converted, subfolder="transformer")
    config = json.loads((converted / "lora" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["r"], config["lora_alpha"]) == (4, 4)
    merged = PeftModel.from_pretrained(base, str(converted / "lora")).merge_and_unload()
    for name, parameter in pipeline.transformer.named_parameters():
        torch.testing.assert_close(merged.get_parameter(name), parameter, rtol=1e-4, atol=1e-5)


def test_a_converted_folder_passes_verify_and_list(converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", converted) == 0
    assert run("list", converted, "--json") == 0
    roles = {part["role"] for part in result(capsys)["parts"]}
    assert roles == {"transformer", "vae", "text", "image", "lora", "geometry"}
    # So its fills keep the keys that they had.
    assert find_models([converted]).fingerprint() == models_fingerprint([converted])


def test_convert_leaves_nothing_half_done(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "EX-4D" / "ex4d.ckpt").unlink()
    assert run("convert", folder, "--to", tmp_path / "out" / "model") == 10
    assert "No EX-4D checkpoint" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "there").mkdir()
    assert run("convert", folder, "--to", tmp_path / "there") == 10
    assert "exists already" in capsys.readouterr().err


def test_from_pretrained_wants_the_lora(converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(converted, tmp_path / "copy"))
    shutil.rmtree(copy / "lora")
    assert run("verify", copy) == 10
    assert "EX-4D LoRA" in capsys.readouterr().err
    with pytest.raises(Exception, match="has no lora"):
        EX4DPipeline.from_pretrained(copy)


# Download


@pytest.fixture
def hub(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    root = tmp_path / "hub"
    for source, name in zip(SOURCES, ("Wan2.1-I2V-14B-480P", "EX-4D"), strict=True):
        shutil.copytree(model_folder / name, root / source.repository)
        (root / source.repository / "assets").mkdir()
        (root / source.repository / "assets" / "picture.png").write_bytes(b"not needed")
    # Settings are read when huggingface_hub is imported, so each command is a process of its own.
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with serving(root) as (handler, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield handler


def command(code: int, *arguments: object) -> str:
    """What `ex4d models` says, on both streams."""
    words = [sys.executable, "-m", "ex4d", "models", *(str(argument) for argument in arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_download_gets_what_is_needed_and_records_it(hub: type[Hub], tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert "licence: apache-2.0" in command(0, "download", target)
    assert not (target / "Wan2.1-I2V-14B-480P" / "assets").exists()
    record = json.loads((target / "EX-4D" / "ex4d-model.json").read_text(encoding="utf-8"))
    assert record["licence"] == "apache-2.0"
    assert record["revision"] == "c" * 40
    assert set(record["sha256"]) == {"ex4d.ckpt"}
    assert "no checksums" not in command(0, "verify", target)
    assert "licence of yihouxiang/EX-4D: apache-2.0" in command(0, "list", target)
    load_pipeline(target, dtype=torch.float32)

    path = target / "Wan2.1-I2V-14B-480P" / "google" / "umt5-xxl" / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert "tokenizer.json differs from the hub's checksum" in command(10, "verify", target)


def test_a_download_goes_on_where_it_stopped(hub: type[Hub], tmp_path: Path) -> None:
    target = tmp_path / "models"
    hub.broken = {"Wan2.1_VAE.pth"}
    assert "could not be downloaded" in command(30, "download", target)
    first = set(hub.asked) - hub.broken
    hub.broken = set()
    hub.asked.clear()
    command(0, "download", target)
    assert "Wan2.1_VAE.pth" in hub.asked
    assert not first & set(hub.asked)


def test_a_file_that_breaks_off_is_gone_on_with(hub: type[Hub], tmp_path: Path) -> None:
    # What has come is written in pieces of 10 MB.
    large = hub.root / "yihouxiang/EX-4D/LICENSE.txt"
    large.write_bytes(bytes(range(256)) * 100_000)
    hub.cut = {large.name}
    target = tmp_path / "models"
    said = command(0, "download", target)
    (resumed,) = hub.ranges
    assert 0 < int(resumed.split()[1]) <= large.stat().st_size // 2
    assert (target / "EX-4D" / large.name).read_bytes() == large.read_bytes()
    # Nobody has written down yet which revision is meant.
    for source in SOURCES:
        assert f"{source.repository} is not pinned: the newest revision is taken; its hashes are what the hub" in said


def test_a_file_that_arrives_changed_is_not_taken(hub: type[Hub], tmp_path: Path) -> None:
    hub.changed = {"Wan2.1_VAE.pth"}
    target = tmp_path / "models"
    said = command(30, "download", target)
    assert "Wan2.1_VAE.pth of Wan-AI/Wan2.1-I2V-14B-480P arrived damaged and was removed" in said
    assert not (target / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth").exists()
    assert not (target / "Wan2.1-I2V-14B-480P" / "ex4d-model.json").exists()
    hub.changed = set()
    hub.asked.clear()
    command(0, "download", target)
    assert "Wan2.1_VAE.pth" in hub.asked
    assert "diffusion_pytorch_model.safetensors" not in hub.asked
    assert (target / "Wan2.1-I2V-14B-480P" / "ex4d-model.json").is_file()


# Pins

PINNED = """
import sys
from pathlib import Path
from ex4d.cli import main
from ex4d.commands.depth_models import sources as depth_sources
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.models import downloads
from ex4d.models import pins
table = pins.read_pins(Path(sys.argv[1]))
downloads.read_pins = lambda: table
sys.exit(main(["models", *sys.argv[2:]]))
"""


def pinned(code: int, table: Path, *arguments: object) -> str:
    """What `ex4d models` says with another table of pins."""
    words = [sys.executable, "-c", PINNED, str(table), *(str(argument) for argument in arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def table(hub: type[Hub], tmp_path: Path) -> Path:
    """The pins that the command writes of this hub; some of its files are kept as text."""
    for weights in {
        weights.repository: weights for spec in ESTIMATOR_SPECS.values() for weights in spec.weights
    }.values():
        for name in weights.files:
            path = hub.root / weights.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
    hub.text = {"config.json", "tokenizer_config.json"}
    command(0, "pin", "--to", tmp_path / "pins.json")
    return tmp_path / "pins.json"


def test_pin_takes_down_the_revision_and_every_files_checksum(hub: type[Hub], table: Path) -> None:
    pins = read_pins(table)
    assert set(pins) == {source.repository for source in merged_sources([*SOURCES, *depth_sources()])}
    for repository, pin in pins.items():
        assert pin.revision == "c" * 40
        assert pin.files
        for name, file in pin.files.items():
            data = (hub.root / repository / name).read_bytes()
            assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert "assets/picture.png" not in pins["yihouxiang/EX-4D"].files


def test_a_pinned_revision_is_what_is_downloaded(hub: type[Hub], table: Path, tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert "not pinned" not in pinned(0, table, "download", target)
    record = json.loads((target / "EX-4D" / "ex4d-model.json").read_text(encoding="utf-8"))
    assert record["revision"] == "c" * 40
    # Also the small files that the hub tells no checksum of are compared.
    config = target / "Wan2.1-I2V-14B-480P" / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    assert "config.json differs" in pinned(10, table, "verify", target)
    hub.revision = "d" * 40
    assert "no longer has the revision" in pinned(10, table, "download", tmp_path / "other")


@pytest.mark.parametrize("name", ["ex4d.ckpt", "config.json"])
def test_other_files_than_the_pinned_ones_are_not_taken(hub: type[Hub], table: Path, tmp_path: Path, name: str) -> None:
    repository = "yihouxiang/EX-4D" if name == "ex4d.ckpt" else "Wan-AI/Wan2.1-I2V-14B-480P"
    path = hub.root / repository / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = pinned(10 if name == "ex4d.ckpt" else 30, table, "download", tmp_path / "models")
    assert ("is not the file on the hub" if name == "ex4d.ckpt" else "arrived damaged") in said
    assert not (tmp_path / "models" / repository.rpartition("/")[2] / name).exists()


def test_a_table_is_written_whole_or_not_at_all(hub: type[Hub], table: Path) -> None:
    before = table.read_bytes()
    shutil.rmtree(hub.root / "yihouxiang")
    assert "has no model yihouxiang/EX-4D" in command(10, "pin", "--to", table)
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"a/b": {}}', '{"a/b": {"revision": "main", "files": {}}}', "[" * 100_000,
     '{"a/b": {"revision": "' + "c" * 40 + '", "files": {"x": {"size": 1, "sha256": ""}}}}'],
)  # fmt: skip
def test_a_damaged_table_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "pins.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_pins(tmp_path / "pins.json")


def test_the_packages_own_table_can_be_read() -> None:
    assert set(read_pins()) <= {source.repository for source in merged_sources([*SOURCES, *depth_sources()])}


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"repository": "a", "revision": "b", "licence": "c", "sha256": 3}', "{}"):
        (tmp_path / "ex4d-model.json").write_text(text, encoding="utf-8")
        assert Record.read(tmp_path) is None


def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    said = command(30, "download", tmp_path / "models")
    assert "Wan-AI/Wan2.1-I2V-14B-480P could not be downloaded" in said
    assert "goes on where it stopped" in said


def test_a_model_that_the_hub_does_not_have(hub: type[Hub], tmp_path: Path) -> None:
    shutil.rmtree(hub.root / "yihouxiang")
    assert "The hub has no model yihouxiang/EX-4D" in command(10, "download", tmp_path / "models")
