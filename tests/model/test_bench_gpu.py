# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of the model (benchmarks/bench_gpu.py), on a toy without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from benchmarks.gpu import cold, files, jobs, takes
from benchmarks.gpu.sizes import RELEASED, TOY
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models.wan.load import load_component

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of one core: so small a model is slower on several, and much slower where others use them."""
    monkeypatch.setenv("EX4D_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model in four shards."""
    target = tmp_path_factory.mktemp("bench") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EX4D_DEVICE", "cpu")
        patch.setattr(files, "_SHARD_SIZE", "500KB")
        files.write_files(target, TOY)
    return target


def layout(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of each tensor, by file and name."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            assert file.metadata() == {"format": "pt"}
            for name in file.keys():  # noqa: SIM118  not a dict
                part = file.get_slice(name)
                found[f"{path.name}:{name}"] = (part.get_dtype(), tuple(part.get_shape()))
    return found


def table(text: str) -> list[list[str]]:
    """Rows of a Markdown table, without its head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if row[0] != "---"][1:]


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, (name, _) in files._FOLDERS.items()])
def test_files_are_those_that_the_libraries_save(folder: Path, tmp_path: Path, role: str, name: str) -> None:
    models = find_models([folder])
    dtype = torch.float32 if role == "geometry" else torch.bfloat16
    model = load_adapter(models, dtype, "cpu")[1] if role == "geometry" else None
    model = model or load_component(models.part(role), dtype, "cpu")
    model.save_pretrained(tmp_path, max_shard_size="500KB")
    assert layout(folder / name) == layout(tmp_path)
    assert {path.name for path in (folder / name).iterdir()} == {path.name for path in tmp_path.iterdir()}
    for index in tmp_path.glob("*.index.json"):
        written = json.loads((folder / name / index.name).read_text(encoding="utf-8"))
        assert written["weight_map"] == json.loads(index.read_text(encoding="utf-8"))["weight_map"]


def test_a_cold_job_from_files(folder: Path, tmp_path: Path) -> None:
    told = cold.run_job(folder, "fast", tmp_path, toy=True)
    ends = [told["ends"][name] for name in ("imports", "prompt", "load", "encode", "first step", "denoise", "job")]
    assert 0 < ends[0] < ends[-1] == max(ends)
    assert ends == sorted(ends)
    assert told["pictures"] == TOY.frames
    # The whole model, and not the image encoder while loading.
    image = (folder / "image_encoder" / "model.safetensors").stat().st_size
    parts = [path for path in folder.rglob("*.safetensors") if not {"text_encoder", ".cache"} & set(path.parts)]
    assert told["gb"] == pytest.approx(sum(path.stat().st_size for path in parts) / 1e9)
    assert told["gb"] - told["load_gb"] == pytest.approx(image / 1e9)


def test_a_cold_job_from_files_in_8_bits(folder: Path, tmp_path: Path) -> None:
    eight = tmp_path / "eight"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    files.bench_files(folder, eight, TOY)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert find_models([eight]).quantized
    # The text encoder, a stand-in, is not asked: the prompts' embeddings are kept, the same as for the other folder.
    kept = [
        sorted(path.read_bytes() for path in (each / cold.CACHE_FOLDER / "ex4d" / "prompts").iterdir())
        for each in (folder, eight)
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2
    told = cold.run_job(eight, "fast", tmp_path, toy=True)
    assert told["pictures"] == TOY.frames
    parts = [path for path in eight.rglob("*.safetensors") if not {"text_encoder", ".cache"} & set(path.parts)]
    assert told["gb"] == pytest.approx(sum(path.stat().st_size for path in parts) / 1e9)


def test_an_empty_folder_and_caches_that_may_not_be_dropped(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks.bench_gpu", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = script("cold", tmp_path, "--toy")
    assert (done.returncode, done.stdout) == (10, "")
    assert "There is no model in" in done.stderr
    monkeypatch.setattr(cold, "_DROP", tmp_path / "none" / "drop_caches")
    with pytest.raises(cold.ColdError, match="cannot be dropped") as failure:
        cold.bench_cold(folder, ["fast"], toy=True, drop=True, evicted=False)
    assert failure.value.code == 30


def test_the_parent_of_cold_jobs_maps_no_libraries() -> None:
    code = "import sys, benchmarks.gpu.cold; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_profiles_with_guidance_that_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    jobs.bench_profiles(["turbo"], TOY)
    rows = table(capsys.readouterr().out)
    assert [row[0] for row in rows] == ["turbo", "turbo, guidance held as long as it may be"]
    # 25 with the prompt; without it the first 6 steps and then every fourth.
    assert rows[1][3] == "35"
    assert rows[0][8] == "inf"


def test_takes_on_several_gpus(capfd: pytest.CaptureFixture[str]) -> None:
    takes.bench_takes(["draft"], 2, TOY)
    rows = table(capfd.readouterr().out)
    assert [row[1] for row in rows] == [
        "2 on one GPU, one after the other",
        "2, each on 2 GPUs, one after the other",
        "2 at once, each on its own GPU",
    ]
    for row in rows:
        wall, rate, first = map(float, row[2:])
        assert rate == pytest.approx(120 / wall, rel=0.05)
        assert 0 < first <= wall


def test_memory_of_several_profiles(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Estimates of a toy are those of the released model, or all would fit.
    plans, pixels = jobs.profile_plans, RELEASED.width * RELEASED.height / 1e6
    monkeypatch.setattr(
        jobs,
        "profile_plans",
        lambda profile, *_: plans(profile, RELEASED.tokens, pixels),
    )
    for name in ("exact", "fast"):
        monkeypatch.setitem(jobs.PROFILES, name, replace(jobs.PROFILES[name], steps=2))
    jobs.bench_memory(["exact", "fast"], None, TOY)
    rows = [row[:4] for row in table(capsys.readouterr().out)]
    assert rows == [
        ["80 GB", "exact", "resident", "16 bits"],
        ["48 GB", "exact", "resident", "16 bits"],
        ["24 GB", "exact", "streamed", "16 bits"],
        ["80 GB", "fast", "resident", "8 bits"],
        ["24 GB", "fast", "resident", "8 bits"],
        ["16 GB", "fast", "streamed", "8 bits"],
        ["12 GB", "fast", "streamed", "8 bits"],
    ]


def test_the_released_size_is_the_released_models() -> None:
    assert RELEASED.parameters == pytest.approx(16.4e9, rel=0.01)
    assert RELEASED.tokens == 13312
