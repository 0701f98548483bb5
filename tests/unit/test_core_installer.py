# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend into an environment of its own: real environments, a small wheel in place of the real one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ex4d_blender.core import installer as module
from ex4d_blender.core.environment import backend_python, environment_python
from ex4d_blender.core.environment_files import ENVIRONMENT
from ex4d_blender.core.environment_state import MARKER, STEPS, environment_state
from ex4d_blender.core.install_plan import InstallPlan
from ex4d_blender.core.install_steps import STEP_NAMES
from ex4d_blender.core.installer import Installer, InstallState
from installations import (
    answer,
    install,
    installed_once,
    make_ex4d,
    make_locks,
    make_script,
    make_wheel,
    plan_in,
    posix,
    run,
    set_done,
)

from ex4d.protocol.errors import BadInputError, CancelledError, TransientError

VENV, PACKAGES, BACKEND, CHECK = (STEP_NAMES[step] for step in STEPS)
PROBE = STEP_NAMES["probe"]


def poll_until(installer: Installer, reached: Callable[[InstallState], bool]) -> None:
    end = time.monotonic() + 60
    while not reached(state := installer.poll()):
        assert not state.done, state
        assert time.monotonic() < end, state
        time.sleep(0.01)


def done_steps(folder: Path) -> list[str]:
    done: list[str] = json.loads((folder / MARKER).read_text(encoding="utf-8"))["done"]
    return done


def python_in(folder: Path) -> Path:
    return environment_python(folder / ENVIRONMENT)


def site(folder: Path) -> Path:
    return next((folder / ENVIRONMENT).glob("[Ll]ib/**/site-packages"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> InstallPlan:
    return installed_once(tmp_path_factory)


@pytest.fixture
def copied(made: InstallPlan, tmp_path: Path) -> InstallPlan:
    """The same environment at another place, to be spoilt."""
    shutil.copytree(made.folder, tmp_path / "env", symlinks=True)
    return replace(made, folder=tmp_path / "env")


# Installing ---------------------------------------------------------------------------------------------------------


def test_an_environment_is_made_and_found(made: InstallPlan) -> None:
    state = environment_state(made.folder)
    assert (state.installed, state.complete, state.version, state.extra, state.problem) == (True, True, "9.9", "", "")
    assert backend_python(made.folder) == python_in(made.folder)
    assert not (site(made.folder) / "graphics").exists()
    record = json.loads((made.folder / MARKER).read_text(encoding="utf-8"))
    assert record["done"] == list(STEPS)
    digests = {"sha256": made.digest(), "packages": made.lock_digest()}
    assert record["source"] == {"name": made.source.name, "version": "9.9", **digests}
    assert record["python"] == str(made.base_python)


def test_the_log_tells_what_when_and_how_it_ended(made: InstallPlan) -> None:
    log = (made.folder / "install.log").read_text(encoding="utf-8")
    assert "Successfully installed helper-9.9" in log
    assert "Successfully installed ex4d-9.9" in log
    for name in (VENV, PACKAGES, BACKEND, CHECK):
        assert re.search(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {name}$", log, re.MULTILINE)
        assert re.search(rf"^\S+ \S+ {name}: code 0 after \d+ s$", log, re.MULTILINE)


def test_what_is_done_is_not_done_again(made: InstallPlan) -> None:
    made.check()
    before = (made.folder / "install.log").read_bytes()
    installer = Installer(made)
    stages, state = run(installer)
    assert (stages, state.error) == ([PROBE, CHECK], None)
    # The log goes on, and only the new part is shown.
    after = (made.folder / "install.log").read_bytes()
    assert after.startswith(before)
    assert installer.tail(100)[0].endswith(PROBE)
    assert installer.tail(1) == [state.line]
    assert f"{CHECK}: code 0" in state.line


def test_another_version_is_installed_into_the_same_environment(copied: InstallPlan, tmp_path: Path) -> None:
    before = python_in(copied.folder).lstat().st_ctime_ns
    plan = replace(copied, source=make_ex4d(tmp_path / "new", "10.1"))
    assert install(plan) == [PROBE, PACKAGES, BACKEND, CHECK]
    assert python_in(copied.folder).lstat().st_ctime_ns == before
    assert environment_state(copied.folder).version == "10.1"


def test_gpu_packages_are_added_to_the_same_environment(copied: InstallPlan) -> None:
    plan = replace(copied, extra="gpu")
    assert install(plan) == [PROBE, PACKAGES, BACKEND, CHECK]
    assert (site(copied.folder) / "graphics").is_dir()
    assert (site(copied.folder) / "loose").is_dir()
    assert environment_state(copied.folder).extra == "gpu"


def test_the_projects_folder_is_installed(copied: InstallPlan, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    (project / "backend" / "ex4d").mkdir(parents=True)
    (project / "backend" / "ex4d" / "__init__.py").write_text('__version__ = "9.10"\n', encoding="utf-8")
    wheel = make_ex4d(tmp_path / "built", "9.10")
    (project / "maker.py").write_text(
        "import shutil\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        f"    return shutil.copy({str(wheel)!r}, folder) and {wheel.name!r}\n",
        encoding="utf-8",
    )
    text = '[build-system]\nrequires = []\nbuild-backend = "maker"\nbackend-path = ["."]\n[project]\nname = "ex4d"\n'
    (project / "pyproject.toml").write_text(f'{text}version = "9.10"\n', encoding="utf-8")
    plan = replace(copied, source=project)
    plan.check()
    assert install(plan) == [PROBE, PACKAGES, BACKEND, CHECK]
    assert environment_state(copied.folder).version == "9.10"
    before = plan.digest()
    (project / "backend" / "ex4d" / "new.py").touch()
    assert plan.digest() != before


@posix
def test_places_of_the_users_pip_settings_do_not_count(
    copied: InstallPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    monkeypatch.setenv("PYTHONPATH", "/blender")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/blender/lib")
    python = make_script(tmp_path / "python", "env\nexit 1")
    installer = Installer(replace(copied, folder=tmp_path / "new", base_python=python))
    run(installer)
    names = dict(line.partition("=")[::2] for line in installer.tail(200))
    assert names["PIP_INDEX_URL"] == "https://mirror.invalid/simple"
    assert names["PYTHONUTF8"] == "1"
    assert not {"PIP_TARGET", "PYTHONPATH", "LD_LIBRARY_PATH"} & set(names)


# Interruptions ------------------------------------------------------------------------------------------------------


def stop_in(plan: InstallPlan, stage: str, seconds: float) -> None:
    """Begin an installation and stop it some time into a stage."""
    installer = Installer(plan)
    installer.start()
    poll_until(installer, lambda state: state.stage == stage)
    time.sleep(seconds)
    installer.cancel()
    state = installer.wait(lambda _: None)
    assert isinstance(state.error, CancelledError)
    assert "install.log" in state.error.hint
    assert state.stage == stage
    assert not environment_state(plan.folder).complete
    assert "not finished" in environment_state(plan.folder).problem
    plan.check()


def test_an_environment_that_was_stopped_on_its_way_is_made_again(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    for _ in range(2):
        stop_in(plan, VENV, 0.4)
        assert done_steps(plan.folder) == []
    assert (plan.folder / MARKER).is_file()


def test_a_stopped_installation_goes_on(copied: InstallPlan) -> None:
    set_done(copied.folder, "venv")
    for rest in [*site(copied.folder).glob("ex4d*"), *site(copied.folder).glob("helper*")]:
        shutil.rmtree(rest)
    stop_in(copied, PACKAGES, 0.2)
    assert done_steps(copied.folder) == ["venv"]
    assert install(copied) == [PROBE, PACKAGES, BACKEND, CHECK]
    assert environment_state(copied.folder).complete


@posix
def test_packages_that_a_killed_pip_left_incomplete_are_installed_again(copied: InstallPlan) -> None:
    set_done(copied.folder, "venv")
    installer = Installer(copied)
    installer.start()
    poll_until(installer, lambda state: state.stage == PACKAGES)
    assert installer._process is not None
    os.killpg(installer._process.pid, signal.SIGKILL)
    state = installer.wait(lambda _: None)
    assert "interrupted" in str(state.error)
    # pip copies the files before it writes RECORD, and without it takes the package for installed all the same.
    (site(copied.folder) / "helper-9.9.dist-info" / "RECORD").unlink()
    (site(copied.folder) / "helper" / "__main__.py").unlink()
    (site(copied.folder) / "~orch").mkdir()
    assert install(copied) == [PROBE, PACKAGES, BACKEND, CHECK]
    assert (site(copied.folder) / "helper" / "__main__.py").is_file()
    assert not (site(copied.folder) / "~orch").exists()
    assert "again: helper" in (copied.folder / "install.log").read_text(encoding="utf-8")


def test_a_file_that_has_gone_from_a_complete_environment_is_noticed(copied: InstallPlan) -> None:
    (site(copied.folder) / "ex4d" / "__main__.py").write_text("", encoding="utf-8")
    assert install(copied) == [PROBE, PACKAGES, BACKEND, CHECK]


@posix
@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_an_environment_whose_python_does_not_start_is_made_anew(
    copied: InstallPlan, tmp_path: Path, mode: int
) -> None:
    python = python_in(copied.folder)
    python.unlink()
    make_script(python, "exit 127").chmod(mode)
    plan = replace(copied, base_python=make_script(tmp_path / "python", 'echo "Error: as far as here"; exit 1'))
    installer = Installer(plan)
    _, state = run(installer)
    assert installer.tail(20)[0].endswith(PROBE)
    assert "Making the environment has failed" in str(state.error)
    assert done_steps(copied.folder) == []


@posix
def test_what_does_not_end_is_killed_with_all_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KILL_SECONDS", 0.3)
    python = make_script(tmp_path / "python", "trap '' TERM\nsleep 600 &\necho stubborn\nwait")
    installer = Installer(plan_in(tmp_path, base_python=python))
    installer.start()
    poll_until(installer, lambda state: state.line == "stubborn")
    other = Installer(plan_in(tmp_path, base_python=make_script(tmp_path / "python2", "echo second; exit 1")))
    _, state = run(other)
    assert "is under way" in str(state.error)
    installer.cancel()
    begun = time.monotonic()
    assert isinstance(installer.wait(lambda _: None).error, CancelledError)
    # What it started sleeps for ten minutes.
    assert time.monotonic() - begun < 120
    # The lock is held by whoever holds the log: nobody does any more.
    time.sleep(0.2)
    again = Installer(other.plan)
    run(again)
    assert "second" in again.tail(10)


def test_control_c_stops_a_waiting_command(tmp_path: Path) -> None:
    installer = Installer(plan_in(tmp_path))
    installer.start()

    def interrupt(state: InstallState) -> None:
        if not state.done and installer._cancelled_at is None:
            raise KeyboardInterrupt

    assert isinstance(installer.wait(interrupt).error, CancelledError)


# Errors -------------------------------------------------------------------------------------------------------------


def test_a_missing_wheel_is_named(copied: InstallPlan, tmp_path: Path) -> None:
    locks = Path(shutil.copytree(copied.lock_folder, tmp_path / "locks"))
    with (locks / "base.txt").open("a", encoding="utf-8") as file:
        file.write(f"absent==2 --hash=sha256:{'0' * 64}\n")
    plan = replace(copied, lock_folder=locks)
    with pytest.raises(BadInputError, match=r"my wheels has no fitting wheel of absent==2\.") as caught:
        install(plan)
    assert str(copied.folder / "install.log") in caught.value.hint
    assert done_steps(copied.folder) == ["venv"]


def tampered(wheel: Path) -> None:
    """Give a wheel a file that runs with every start of Python, and a record that does not fit."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("planted.pth", "import os; open(os.path.join(os.path.expanduser('~'), 'planted'), 'w')")


@pytest.mark.parametrize("extra", ["", "gpu"])
def test_a_wheel_that_was_changed_is_refused(
    copied: InstallPlan, tmp_path: Path, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert copied.wheels is not None
    wheels = Path(shutil.copytree(copied.wheels, tmp_path / "wheels"))
    tampered(wheels / f"{'graphics' if extra else 'helper'}-9.9-py3-none-any.whl")
    set_done(copied.folder, "venv")
    for rest in site(copied.folder).glob("helper*"):
        shutil.rmtree(rest)
    plan = replace(copied, wheels=wheels, extra=extra)
    with pytest.raises(BadInputError, match=r"(graphics|helper)-9\.9-py3-none-any\.whl is not the file") as caught:
        install(plan)
    assert "Get it again" in caught.value.hint
    assert not (tmp_path / "planted").exists()
    assert not list(plan.folder.rglob("planted.pth"))
    assert not environment_state(plan.folder).usable
    # With the right one it goes on.
    assert install(replace(plan, wheels=copied.wheels)) == [PROBE, PACKAGES, BACKEND, CHECK]


def test_sources_are_not_built(copied: InstallPlan, tmp_path: Path) -> None:
    assert copied.wheels is not None
    wheels = Path(shutil.copytree(copied.wheels, tmp_path / "wheels"))
    (wheels / "helper-9.9-py3-none-any.whl").unlink()
    setup = tmp_path / "setup.py"
    setup.write_text(f"open({str(tmp_path / 'planted')!r}, 'w')", encoding="utf-8")
    with tarfile.open(wheels / "helper-9.9.tar.gz", "w:gz") as archive:
        archive.add(setup, "helper-9.9/setup.py")
    set_done(copied.folder, "venv")
    shutil.rmtree(next(site(copied.folder).glob("helper-*")))
    with pytest.raises(BadInputError, match=r"no fitting wheel of helper==9\.9"):
        install(replace(copied, wheels=wheels))
    assert not (tmp_path / "planted").exists()


def test_packages_that_are_not_the_locks_are_replaced(copied: InstallPlan, tmp_path: Path) -> None:
    assert copied.wheels is not None
    wheels = Path(shutil.copytree(copied.wheels, tmp_path / "wheels"))
    make_wheel(wheels, "helper", "10.0")
    make_wheel(wheels, "helper", "9.8")
    locks = make_locks(tmp_path / "locks", tmp_path / "wheels")
    for version in ("9.8", "10.0"):
        wheel = wheels / f"helper-{version}-py3-none-any.whl"
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (locks / "base.txt").write_text(f"helper=={version} --hash=sha256:{digest}\n", encoding="utf-8")
        assert install(replace(copied, wheels=wheels, lock_folder=locks)) == [PROBE, PACKAGES, BACKEND, CHECK]
        assert (site(copied.folder) / f"helper-{version}.dist-info").is_dir()


def test_a_backend_that_does_not_start_is_installed_again(copied: InstallPlan, tmp_path: Path) -> None:
    plan = replace(copied, source=make_ex4d(tmp_path / "new", main="raise SystemExit(3)"))
    with pytest.raises(TransientError, match="Checking has failed") as caught:
        install(plan)
    assert "install.log" in caught.value.hint
    assert not environment_state(plan.folder).complete
    assert done_steps(plan.folder) == ["venv"]


def test_a_backend_of_another_version_is_an_error(copied: InstallPlan, tmp_path: Path) -> None:
    plan = replace(copied, source=make_ex4d(tmp_path / "new", "9.11", main=answer("9.9")))
    with pytest.raises(TransientError, match=r"has version 9\.9 of the backend and not 9\.11"):
        install(plan)


def test_what_the_machine_lacks_is_told_and_nothing_installed_again(copied: InstallPlan, tmp_path: Path) -> None:
    error = {"event": "error", "kind": "resources", "message": "No rasterizer.", "hint": "Buy one.", "exit_code": 20}
    main = f"{answer('9.9')}\nprint({json.dumps(error)!r})\nraise SystemExit(20)"
    plan = replace(copied, source=make_ex4d(tmp_path / "new", main=main))
    _, state = run(Installer(plan))
    assert state.error is not None
    assert (state.error.kind, state.error.message) == ("resources", "No rasterizer.")
    assert state.error.hint.startswith("Buy one. The log")
    assert environment_state(plan.folder).problem == "No rasterizer."
    assert run(Installer(plan))[0] == [PROBE, CHECK]


def test_a_full_disk_between_the_steps_is_an_error_and_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Installer) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Installer, "_store", full)
    installer = Installer(plan_in(tmp_path))
    installer.start()
    state = installer.poll()
    assert state.done
    assert state.error is not None
    assert state.error.message == "The disk is full."
