# SPDX-License-Identifier: Apache-2.0
"""Learned estimators where they cannot run: what is said, and that nothing else suffers. Needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ex4d.cli import main
from ex4d.depth import BUILT_IN, create_depth_source, default_estimator, depth_names, working_estimators
from ex4d.depth.learned import files
from ex4d.depth.learned.estimator_spec import DEFAULT, ESTIMATOR_SPECS, EstimatorSpec
from ex4d.jobs import doctor
from ex4d.models.locations import DEPTH_FOLDER, candidate_files
from ex4d.protocol.errors import BadInputError, ResourceError
from ex4d.system.machine import Gpu

Missing = Callable[..., None]


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Missing:
    """Makes it look as if only these packages were missing."""

    def hide(*names: str) -> None:
        found = object()
        monkeypatch.setattr(
            "ex4d.depth.learned.estimator_spec.find_spec", lambda name: None if name in names else found
        )
        # Which device there is, only torch could tell.
        device = SimpleNamespace(pick_device=lambda: "cpu")
        monkeypatch.setitem(sys.modules, "ex4d.models.torch_device", device)

    return hide


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models' folder, and no Hugging Face cache."""
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path))
    monkeypatch.setattr(files, "_cached", lambda weights: None)
    return tmp_path


def lay_down(spec: EstimatorSpec, folder: Path) -> None:
    for weights in spec.weights:
        for name in weights.files:
            path = folder / weights.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"weights of " + spec.name.encode())


@pytest.mark.parametrize("name", ESTIMATOR_SPECS)
def test_missing_packages_are_named(name: str, missing: Missing) -> None:
    missing("torch")
    with pytest.raises(ResourceError) as caught:
        create_depth_source(name).prepare()
    assert "not installed: torch." in caught.value.message
    assert "pip install" in caught.value.hint


def test_every_card_is_an_estimator_with_a_licence() -> None:
    assert {*ESTIMATOR_SPECS, "prior", BUILT_IN} == set(depth_names())
    for name, spec in ESTIMATOR_SPECS.items():
        assert spec.name == name
        source = create_depth_source(name)
        assert source.licence == spec.licence
        for weights in spec.weights:
            assert weights.licence in source.licence
        assert spec.commercial is not any(word in spec.licence for word in ("NC", "research", "no commercial"))
    assert ESTIMATOR_SPECS[DEFAULT].commercial


def test_the_default_is_the_built_in_one_until_the_weights_are_there(
    models: Path, missing: Missing, monkeypatch
) -> None:
    missing("torch")
    assert default_estimator() == BUILT_IN
    missing()
    assert default_estimator() == BUILT_IN
    monkeypatch.setattr("ex4d.depth.learned.source.LearnedDepth.prepare", lambda self: "on cpu")
    assert default_estimator() == DEFAULT
    assert create_depth_source("auto").name == DEFAULT
    assert working_estimators()[0].name == DEFAULT


def test_only_estimators_that_work_are_offered(models: Path, missing: Missing) -> None:
    missing("torch")
    assert [source.name for source in working_estimators()] == [BUILT_IN, "prior"]
    missing()
    lay_down(ESTIMATOR_SPECS["depth_anything"], models)
    assert [source.name for source in working_estimators()] == [BUILT_IN, "depth_anything", "prior"]


def test_weights_are_found_in_each_place(models: Path, tmp_path: Path, missing: Missing) -> None:
    missing()
    spec = ESTIMATOR_SPECS[DEFAULT]
    with pytest.raises(BadInputError, match="not on this machine"):
        files.find_weights(spec)
    lay_down(spec, models)
    assert files.find_weights(spec) == (models / spec.weights[0].folder,)
    lay_down(spec, models / DEPTH_FOLDER)
    assert files.find_weights(spec) == (models / DEPTH_FOLDER / spec.weights[0].folder,)
    other = tmp_path / "other"
    with pytest.raises(BadInputError):
        files.find_weights(spec, [other])


def test_other_weights_have_another_fingerprint(models: Path) -> None:
    spec = ESTIMATOR_SPECS[DEFAULT]
    lay_down(spec, models)
    folders = files.find_weights(spec)
    before = files.weights_fingerprint(spec, folders)
    (folders[0] / spec.weights[0].files[0]).write_bytes(b"others")
    assert files.weights_fingerprint(spec, folders) != before


def test_depth_models_are_no_part_of_the_fills_model(models: Path) -> None:
    (models / "adapter.safetensors").touch()
    lay_down(ESTIMATOR_SPECS[DEFAULT], models / DEPTH_FOLDER)
    assert candidate_files([models]) == [models / "adapter.safetensors"]


def test_the_command_line_says_what_is_missing(tmp_path: Path, missing: Missing, capsys) -> None:
    missing("torch", "transformers")
    assert main(["recon", str(tmp_path), "--depth", DEFAULT, "--out", str(tmp_path / "shot")]) == 20
    assert "not installed: torch, transformers" in capsys.readouterr().err
    assert not (tmp_path / "shot").exists()


def test_models_for_an_estimator_that_is_none(capsys) -> None:
    assert main(["models", "download", "--depth", "zoe"]) == 2
    assert "no estimator «zoe»" in capsys.readouterr().err
    assert main(["models", "convert", "--depth", DEFAULT]) == 2
    assert "Leave --depth out" in capsys.readouterr().err


def test_the_doctor_knows_what_makes_hopper_faster(monkeypatch) -> None:
    found = {}
    for card in (Gpu(0, "NVIDIA H200", 143771, 143000), Gpu(0, "NVIDIA A100-SXM4-80GB", 81920, 80000)):
        for installed in (True, False):
            monkeypatch.setattr(doctor, "gpus", lambda card=card: (card,))
            monkeypatch.setattr(doctor, "find_spec", lambda _name, installed=installed: installed or None)
            rows = [finding for finding in doctor._machine() if finding.name == "FlashAttention-3"]
            found[card.name[7:11], installed] = [(row.works, row.hint) for row in rows]
    assert found["A100", True] == found["A100", False] == []
    assert found["H200", True] == [(True, "")]
    assert found["H200", False] == [(False, 'pip install "ex4d[hopper]".')]


def test_the_doctor_shows_each_gpu_with_its_memory(monkeypatch) -> None:
    cards = (Gpu(0, "NVIDIA H200", 143771, 143000), Gpu(1, "NVIDIA GB10", 0, 0))
    monkeypatch.setattr(doctor, "gpus", lambda: cards)
    rows = {finding.name: finding for finding in doctor._machine() if "GPU" in finding.name}
    assert rows["GPU 0"].detail == "NVIDIA H200, 140.4 GiB of memory, 139.6 GiB free"
    assert rows["GPU 1"].detail == "NVIDIA GB10; its driver tells no memory"
    assert all(row.works and "--gpus all" in row.hint for row in rows.values())
    monkeypatch.setattr(doctor, "gpus", lambda: cards[:1])
    assert [row.hint for row in doctor._machine() if row.name == "GPU 0"] == [""]
    monkeypatch.setattr(doctor, "gpus", tuple)
    assert [row.works for row in doctor._machine() if "GPU" in row.name] == [False]


def test_the_doctor_steers_to_a_real_estimator(models: Path, missing: Missing, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "gpus", lambda: (Gpu(0, "a GPU", 24576, 24000),))
    missing("torch")
    findings = doctor._depth()
    assert not next(finding for finding in findings if finding.name == DEFAULT).works
    advice = doctor.depth_advice(findings)
    assert f"«{BUILT_IN}»" in advice
    assert 'pip install "ex4d[gpu]"' in advice
    assert "Apache-2.0" in advice
    assert "slow" not in advice
    missing()
    advice = doctor.depth_advice(doctor._depth())
    assert "pip install" not in advice
    assert f"`ex4d models download --depth {DEFAULT}`" in advice
