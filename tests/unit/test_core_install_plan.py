# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are refused before anything is touched, and what a plan may be made of."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ex4d_blender.core import install_plan as module
from ex4d_blender.core.install_plan import OWN_HASH, bundled_wheel
from installations import make_script, make_wheel, plan_in, posix

from ex4d.protocol.errors import BadInputError, Ex4dError, ResourceError


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"source": Path("/nowhere/ex4d.whl")}, BadInputError, "does not exist"),
        ({"source": Path(__file__)}, BadInputError, "no wheel"),
        ({"source": Path(__file__).parent}, BadInputError, "no wheel"),
        ({"lock_folder": Path("/nowhere")}, BadInputError, "base.txt does not exist"),
        ({"extra": "tpu"}, BadInputError, "tpu"),
        ({"wheels": Path("/nowhere")}, BadInputError, "no wheels"),
        ({"base_python": Path("/nowhere/python")}, ResourceError, "cannot be run"),
        ({"blender_folder": Path("/")}, BadInputError, "Blender's own"),
        ({"folder": Path(module.__file__).parents[1] / "env"}, BadInputError, "extension's folder"),
        ({"folder": Path(__file__) / "env"}, BadInputError, "cannot be written"),
        ({"folder": Path(f"/tmp/a{os.pathsep}b")}, BadInputError, "contains"),
    ],
)
def test_wrong_plans(tmp_path: Path, changes: dict[str, object], error: type[Ex4dError], words: str) -> None:
    plan = plan_in(tmp_path, **changes)
    with pytest.raises(error, match=words) as caught:
        plan.check()
    assert caught.value.hint
    assert not plan.folder.exists()


@posix
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 3.9; exit 1", r"is Python 3\.9\."),
        ("echo 3.12; exit 1", "has no venv"),
        ("echo 3.15", r"is Python 3\.15, which the backend's packages were not tested with"),
        ("echo Usage", "does not work as a Python"),
    ],
)
def test_pythons_that_cannot_make_environments(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        plan_in(tmp_path, base_python=make_script(tmp_path / "python", script)).check()


@pytest.mark.parametrize("name", ["source", "wheels", "base_python"])
def test_nothing_that_is_needed_may_lie_in_the_environment(tmp_path: Path, name: str) -> None:
    plan = plan_in(tmp_path)
    with pytest.raises(BadInputError, match="environment's own folder"):
        replace(plan, **{name: plan.folder / "x"}).check()  # type: ignore[arg-type]


def test_a_link_into_blenders_folder_is_followed(tmp_path: Path) -> None:
    application = tmp_path / "Blender.app"
    executable = application / "Contents" / "MacOS"
    executable.mkdir(parents=True)
    (application / "Resources").mkdir()
    try:
        (tmp_path / "link").symlink_to(application / "Resources", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(BadInputError, match="Blender's own"):
        plan_in(tmp_path, folder=tmp_path / "link" / "env", blender_folder=executable).check()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("", encoding="utf-8")
    with pytest.raises(BadInputError, match="is a file"):
        plan_in(tmp_path, folder=tmp_path / "env").check()


def test_a_wheel_of_ex4d_that_the_zip_was_not_built_with_is_refused(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    (plan.lock_folder / OWN_HASH).write_text(f"{plan.digest()}\n", encoding="utf-8")
    plan.check()
    with zipfile.ZipFile(plan.source, "a") as archive:
        archive.writestr("planted.pth", "import os")
    with pytest.raises(BadInputError, match="not the wheel that this extension was built with"):
        plan.check()


def test_long_paths_are_refused_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_in(tmp_path, folder=tmp_path / ("x" * 121))
    plan.check()
    monkeypatch.setattr(module.sys, "platform", "win32")
    with pytest.raises(BadInputError, match="too long"):
        plan._check_place()


def test_where_the_wheel_is(tmp_path: Path) -> None:
    extension = tmp_path / "extension"
    assert bundled_wheel(extension) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n', encoding="utf-8")
    assert bundled_wheel(extension) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ex4d"\n', encoding="utf-8")
    assert bundled_wheel(extension) == tmp_path
    make_wheel(extension / "wheels", "ex4d", "0.9.0")
    wheel = make_wheel(extension / "wheels", "ex4d", "0.10.0")
    assert bundled_wheel(extension) == wheel
