# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend into an environment of its own: real environments, a small wheel in place of the real one."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from ex4d_blender.core.environment import backend_python, clean_environment, environment_python
from ex4d_blender.core.installer import (
    MARKER,
    STEPS,
    Installer,
    InstallPlan,
    bundled_wheel,
    environment_state,
    remove_environment,
)

from ex4d.protocol.errors import BadInputError, CancelledError, Ex4dError, ResourceError

ANSWER = {"event": "done", "result": {"findings": [{"name": "ex4d", "detail": "ex4d 9.9 on Python"}]}}


def make_wheel(folder: Path, name: str, requires: str = "", *, main: str | None = None) -> Path:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-9.9-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n" + (
        f"Requires-Dist: {requires}\n" if requires else ""
    )
    if main is None:
        main = f"print({json.dumps(json.dumps(ANSWER))})"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}/__main__.py", main)
        archive.writestr(f"{name}-9.9.dist-info/METADATA", metadata)
        archive.writestr(
            f"{name}-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-9.9.dist-info/RECORD", "")
    return path


def plan_in(tmp_path: Path, **changes: object) -> InstallPlan:
    wheels = tmp_path / "wheels"
    if not wheels.exists():
        make_wheel(wheels, "ex4d", "helper")
        make_wheel(wheels, "helper")
    values = {
        "folder": tmp_path / "env",
        "base_python": Path(sys.executable),
        "source": wheels / "ex4d-9.9-py3-none-any.whl",
        "wheels": wheels,
    }
    return InstallPlan(**{**values, **changes})  # type: ignore[arg-type]


def install(plan: InstallPlan) -> list[str]:
    """Install to the end; returns the stages that were seen."""
    installer, stages = Installer(plan), []
    installer.start()
    state = installer.wait(lambda state: stages.append(state.stage))
    if state.error is not None:
        raise state.error
    assert state.step == state.of
    return list(dict.fromkeys(stages))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> InstallPlan:
    plan = plan_in(tmp_path_factory.mktemp("install"))
    plan.check()
    assert install(plan) == [
        "Making the environment",
        "Installing packages",
        "Installing the backend",
        "Checking",
    ]
    return plan


def test_an_environment_is_made_and_found(made: InstallPlan) -> None:
    state = environment_state(made.folder)
    assert (state.installed, state.complete, state.version, state.problem) == (True, True, "9.9", "")
    assert backend_python(made.folder) == environment_python(made.folder)
    log = (made.folder / "install.log").read_text(encoding="utf-8")
    assert "Successfully installed ex4d-9.9 helper-9.9" in log
    assert time.strftime("%Y-") in log


def test_what_is_done_is_not_done_again(made: InstallPlan) -> None:
    made.check()
    assert install(made) == ["Checking"]


def test_another_build_is_installed_into_the_same_environment(made: InstallPlan, tmp_path: Path) -> None:
    answer = json.dumps(json.dumps(ANSWER).replace("9.9 on", "10.1 on"))
    other = make_wheel(tmp_path, "ex4d", main=f"print({answer})")
    before = environment_python(made.folder).lstat().st_ctime_ns
    plan = InstallPlan(made.folder, made.base_python, other, wheels=made.wheels)
    assert install(plan) == ["Installing packages", "Installing the backend", "Checking"]
    assert environment_python(made.folder).lstat().st_ctime_ns == before
    assert environment_state(made.folder).version == "10.1"


def test_a_stopped_installation_goes_on(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    # Installing it takes a second: enough to stop it in the middle.
    installer = Installer(plan)
    installer.start()
    while installer.poll().stage != "Installing packages":
        time.sleep(0.02)
    installer.cancel()
    state = installer.wait(lambda _: None)
    assert isinstance(state.error, CancelledError)
    assert not environment_state(plan.folder).complete
    assert environment_state(plan.folder).problem
    plan.check()
    assert "Making the environment" not in install(plan)
    assert environment_state(plan.folder).complete


@pytest.mark.skipif(sys.platform == "win32", reason="environments have links only elsewhere")
def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    install(plan)
    python = environment_python(plan.folder)
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert "gone" in environment_state(plan.folder).problem
    assert install(plan)[0] == "Making the environment"
    assert environment_state(plan.folder).complete


def test_a_missing_wheel_is_named(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    (tmp_path / "wheels" / "helper-9.9-py3-none-any.whl").unlink()
    with pytest.raises(BadInputError, match="helper") as caught:
        install(plan)
    assert "install.log" in caught.value.hint


def test_a_backend_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    make_wheel(tmp_path / "wheels", "ex4d", main="raise SystemExit(3)")
    with pytest.raises(Ex4dError, match="Checking has failed"):
        install(plan)
    assert not environment_state(plan.folder).complete


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    plan.folder.mkdir()
    (plan.folder / "thesis.txt").write_text("words", encoding="utf-8")
    with pytest.raises(BadInputError, match="not empty"):
        plan.check()
    with pytest.raises(BadInputError):
        remove_environment(plan.folder)
    assert [path.name for path in plan.folder.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"source": Path("/nowhere/ex4d.whl")}, BadInputError, "does not exist"),
        ({"wheels": Path("/nowhere")}, BadInputError, "no wheels"),
        ({"base_python": Path("/nowhere/python")}, ResourceError, "cannot be run"),
        ({"blender_folder": Path("/")}, BadInputError, "Blender's own"),
    ],
)
def test_wrong_plans(tmp_path: Path, changes: dict[str, object], error: type[Ex4dError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        plan_in(tmp_path, **changes).check()
    assert caught.value.hint
    assert not (tmp_path / "env").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("", encoding="utf-8")
    with pytest.raises(BadInputError, match="is a file"):
        plan_in(tmp_path).check()


def test_environments_are_removed_with_their_marker_only(made: InstallPlan, tmp_path: Path) -> None:
    folder = tmp_path / "env"
    folder.mkdir()
    (folder / MARKER).write_text("{}", encoding="utf-8")
    remove_environment(folder)
    assert not folder.exists()


def test_states_of_folders(tmp_path: Path) -> None:
    assert not environment_state(tmp_path).installed
    (tmp_path / MARKER).write_text("damaged", encoding="utf-8")
    assert not environment_state(tmp_path).installed
    record = {"format": "ex4d-environment", "done": list(STEPS)}
    (tmp_path / MARKER).write_text(json.dumps(record), encoding="utf-8")
    assert "gone" in environment_state(tmp_path).problem


def test_where_the_wheel_is(tmp_path: Path) -> None:
    extension = tmp_path / "extension"
    assert bundled_wheel(extension) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ex4d"\n', encoding="utf-8")
    assert bundled_wheel(extension) == tmp_path
    wheel = make_wheel(extension / "wheels", "ex4d")
    assert bundled_wheel(extension) == wheel


def test_blenders_own_variables_stay_with_blender(tmp_path: Path) -> None:
    path = os.pathsep.join([str(tmp_path), "/usr/bin"])
    variables = {"PYTHONPATH": "x", "PYTHONHOME": "y", "LD_LIBRARY_PATH": "z", "PATH": path, "HTTPS_PROXY": "p"}
    out = clean_environment(variables, tmp_path)
    assert out == {"PATH": "/usr/bin", "HTTPS_PROXY": "p", "PYTHONUTF8": "1"}


def test_the_backends_python_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EX4D_BACKEND_PYTHON", sys.executable)
    assert backend_python(tmp_path) == Path(sys.executable)
    monkeypatch.setenv("EX4D_BACKEND_PYTHON", str(tmp_path / "none"))
    assert backend_python(tmp_path) is None
    monkeypatch.delenv("EX4D_BACKEND_PYTHON")
    assert backend_python(None) is None
