# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip's own installation, with its lock and the package index; takes a minute and the network."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ex4d_blender.core.environment_state import environment_state
from ex4d_blender.core.install_plan import InstallPlan, bundled_wheel
from installations import install
from packaging.utils import canonicalize_name

from ex4d.protocol.errors import BadInputError
from tools.extension import build as build_extension

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's folder as Blender unpacks it."""
    out = tmp_path_factory.mktemp("extension")
    (archive,) = build_extension.build(out, ["py311"], ["linux-x64"])
    with zipfile.ZipFile(archive) as content:
        content.extractall(out / "ex4d_blender")
    return out / "ex4d_blender"


def plan(extension: Path, folder: Path, wheels: Path | None = None) -> InstallPlan:
    source = bundled_wheel(extension)
    assert source is not None
    made = InstallPlan(folder, Path(sys.executable), source, wheels=wheels, lock_folder=extension / "locks")
    made.check()
    return made


def locked(extension: Path) -> dict[str, str]:
    text = (extension / "locks" / "base.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}


def test_the_environment_is_the_locks(extension: Path, tmp_path: Path) -> None:
    install(plan(extension, tmp_path / "backend"))
    assert environment_state(tmp_path / "backend").complete
    python = tmp_path / "backend" / "environment" / "bin" / "python"
    done = subprocess.run([python, "-I", "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    have = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.M)}
    assert have == locked(extension)
    done = subprocess.run([python, "-I", "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_folder_of_wheels_with_a_changed_one_is_refused(extension: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(wheels),
    ]
    subprocess.run([*command, "--requirement", str(extension / "locks" / "base.txt")], check=True)
    rich = next(wheels.glob("rich-*.whl"))
    whole = rich.read_bytes()
    with zipfile.ZipFile(rich, "a") as archive:
        # The record does not name it.
        archive.writestr("planted.pth", f"import os; open({str(tmp_path / 'planted')!r}, 'w')")
    with pytest.raises(BadInputError, match=f"{rich.name} is not the file that this extension was tested with"):
        install(plan(extension, tmp_path / "backend", wheels))
    assert not environment_state(tmp_path / "backend").usable
    assert not list((tmp_path / "backend").rglob("planted.pth"))
    rich.write_bytes(whole)
    install(plan(extension, tmp_path / "backend", wheels))
    assert environment_state(tmp_path / "backend").complete
    assert not (tmp_path / "planted").exists()
