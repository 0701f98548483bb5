# SPDX-License-Identifier: Apache-2.0
"""The base install: everything but the model works where torch and its companions are absent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ex4d.models.packages import PACKAGES

#: Runs the command line in a process in which none of the model's packages can be found.
WITHOUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PACKAGES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in PACKAGES else find_spec(name, *rest)
sys.meta_path.insert(0, Absent())
from ex4d.cli import main
code = main(sys.argv[1:])
assert not {name.partition(".")[0] for name in sys.modules} & set(PACKAGES)
sys.exit(code)
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = f"PACKAGES = {PACKAGES!r}\n{WITHOUT}"
    command = [sys.executable, "-c", script, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plate")
    rng = np.random.default_rng(1)
    for index in range(3):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3), np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f"plate.{1001 + index}.png"), picture)
    return folder


def test_a_plate_is_reshot(plate: Path, tmp_path: Path) -> None:
    done = run("run", plate, "--out", tmp_path / "shot", "--cam", "orbit:15")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "shot" / "takes" / "v001" / "result").iterdir())) == 3


@pytest.mark.parametrize(
    "arguments", [["run", "--cam", "orbit:5", "--fill", "exact"], ["run", "--cam", "orbit:5", "--fill", "fast"]]
)
def test_the_model_says_what_it_needs(plate: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, plate, "--out", tmp_path / "shot")
    assert done.returncode == 20
    assert "needs packages that are not installed: torch, diffusers" in done.stderr
    assert 'pip install "ex4d[gpu]"' in done.stderr
    assert not (tmp_path / "shot").exists()


def test_models_says_so_too() -> None:
    done = run("models", "list")
    assert done.returncode == 20
    assert "not installed" in done.stderr


def test_the_doctor_names_each_profile_and_why_it_does_not_work() -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout.splitlines()[-1])["result"]["findings"]
    fills = {finding["name"]: finding for finding in findings if finding["area"] == "fill"}
    assert fills["preview"]["works"]
    for name in ("exact", "fast"):
        assert not fills[name]["works"]
        assert "not installed" in fills[name]["detail"]
        assert "Apache-2.0" in fills[name]["licence"]
