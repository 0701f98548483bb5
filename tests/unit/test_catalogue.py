# SPDX-License-Identifier: Apache-2.0
"""What can be downloaded, as a base install sees it."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest

from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.fill.ex4d_wan.profiles import PROFILES, profile_plans
from ex4d.jobs import catalogue, run_job
from ex4d.jobs.catalogue import downloadables, find_downloadable
from ex4d.jobs.context import JobContext
from ex4d.models.downloads import BEGUN_FILE, Begun
from ex4d.models.pins import Pin, PinnedFile
from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.protocol.models import ModelInfo
from ex4d.protocol.requests import DownloadRequest, ModelsRequest
from ex4d.protocol.results import ModelsResult


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path))
    return tmp_path


def listed() -> dict[str, ModelInfo]:
    result = run_job(ModelsRequest(), JobContext())
    assert isinstance(result, ModelsResult)
    return {model.name: model for model in result.models}


def test_models_for_commercial_work_come_first_and_say_so() -> None:
    infos = listed()
    assert list(infos) == [*(name for name, info in infos.items() if info.kind == "depth"), "ex4d"]
    commercial = [info.commercial for info in infos.values() if info.kind == "depth"]
    assert commercial == sorted(commercial, key=lambda one: one != "yes")
    assert {name for name, info in infos.items() if info.commercial == "yes"} == {
        name for name, spec in ESTIMATOR_SPECS.items() if spec.commercial
    }
    # Its adapter's page says what nobody here has read.
    assert infos["ex4d"].commercial == "read"
    assert infos["depthcrafter"].gated
    assert "no commercial use" in infos["depth_anything_large"].licence


def test_the_memory_is_that_of_the_plans_that_jobs_choose_from() -> None:
    infos = listed()
    assert infos["depth_pro"].memory == ()
    assert infos["depth_pro"].use() == ["Commercial use: no.", "GPU memory: not measured."]
    needs = {name: need for need in infos["ex4d"].memory for name in need.profiles}
    assert set(needs) == set(PROFILES)
    for name, profile in PROFILES.items():
        # 49 frames of 512x512: 13 groups of frames, a token for 16x16 pixels.
        plans = {plan.name: plan for plan in profile_plans(profile, 32 * 32 * 13, 0.262144) if plan.fp8 == profile.fp8}
        assert needs[name].gpu_gib == round(plans["resident"].gib)
        assert (needs[name].least_gpu_gib, needs[name].ram_gib) == (
            round(plans["streamed"].gib),
            ceil(plans["streamed"].ram_gib),
        )
        assert f"about {needs[name].gpu_gib} GiB" in plans["resident"].describe()
    # The pages say what the plans do.
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
    for name in ("exact", "fast"):
        need = needs[name]
        assert f"| `{name}`, everything resident | {need.gpu_gib} GiB" in page
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`, blocks streamed"))
        assert f"| {need.least_gpu_gib} GiB" in row
        assert f"| {need.ram_gib} GiB |" in row
    assert len(infos["ex4d"].use("fast")) == 2
    assert "21 GiB" in infos["ex4d"].use("fast")[1]


def test_sizes_are_estimates_until_pins_or_the_hub_tell(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = listed()["depth_anything"]
    assert (info.size, info.size_known, info.pinned) == (99_000_000, False, False)
    folder = models / "depth" / "Depth-Anything-V2-Small-hf"
    folder.mkdir(parents=True)
    Begun("c" * 40, 99_173_660).write(folder)
    (folder / "model.safetensors.abc.part").write_bytes(bytes(1000))
    info = listed()["depth_anything"]
    assert (info.size, info.size_known, info.state, info.got) == (99_173_660, True, "begun", 1000)
    (folder / BEGUN_FILE).unlink()
    pin = Pin("c" * 40, {"config.json": PinnedFile(1, "0" * 64), "other.txt": PinnedFile(7, "0" * 64)})
    monkeypatch.setattr(catalogue, "read_pins", lambda: {"depth-anything/Depth-Anything-V2-Small-hf": pin})
    info = listed()["depth_anything"]
    assert (info.size, info.size_known, info.pinned) == (1, True, True)


def test_what_is_missing_is_said_before_anything_is_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == "torch" else object())
    monkeypatch.setattr(catalogue, "find_weights", lambda _spec: ())
    info = {model.name: model.info() for model in downloadables() if model.kind == "depth"}["depth_anything"]
    assert (info.missing, info.extra) == (("torch",), "gpu")
    with pytest.raises(ResourceError, match="needs packages that are not installed: torch"):
        run_job(DownloadRequest("depth_anything"), JobContext())


def test_there_is_no_other_model() -> None:
    with pytest.raises(UsageError, match="no model «dance»"):
        find_downloadable("dance")
