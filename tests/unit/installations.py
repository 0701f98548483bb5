# SPDX-License-Identifier: GPL-3.0-or-later
"""Small installations for the tests: wheels of one module in place of the real ones."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest
from ex4d_blender.core.environment_state import MARKER, STEPS
from ex4d_blender.core.install_plan import InstallPlan
from ex4d_blender.core.install_steps import STEP_NAMES
from ex4d_blender.core.installer import Installer, InstallState

posix = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts, links and signals")


def answer(version: str) -> str:
    """A program that answers like the doctor."""
    found = {"event": "done", "result": {"findings": [{"name": "ex4d", "detail": f"ex4d {version} on Python"}]}}
    return f"print({json.dumps(found)!r})"


def make_wheel(
    folder: Path, name: str, version: str = "9.9", *, requires: tuple[str, ...] = (), main: str | None = None
) -> Path:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: gpu\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}/__main__.py", answer(version) if main is None else main)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}/__main__.py,,5\n")
    return path


def make_ex4d(folder: Path, version: str = "9.9", **changes: object) -> Path:
    values = {"requires": ("helper", 'graphics; extra == "gpu"'), **changes}
    return make_wheel(folder, "ex4d", version, **values)  # type: ignore[arg-type]


def make_locks(folder: Path, wheels: Path) -> Path:
    """Lock files of the small wheels: helper for all, graphics for the extra gpu."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in (("base.txt", "helper"), ("gpu.txt", "graphics")):
        wheel = next(wheels.glob(f"{name}-*.whl"))
        text = f"{name}=={wheel.name.split('-')[1]} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
        (folder / file).write_text(text, encoding="utf-8")
    (folder / "gpu-unhashed.txt").write_text("loose==9.9\n", encoding="utf-8")
    return folder


def plan_in(tmp_path: Path, **changes: object) -> InstallPlan:
    wheels = tmp_path / "my wheels"
    if not wheels.exists():
        make_ex4d(wheels)
        make_wheel(wheels, "helper")
        make_wheel(wheels, "graphics")
        make_wheel(wheels, "loose")
        make_locks(tmp_path / "locks", wheels)
    values = {
        "folder": tmp_path / "räume" / "env 1",
        "base_python": Path(sys.executable),
        "source": wheels / "ex4d-9.9-py3-none-any.whl",
        "wheels": wheels,
        "lock_folder": tmp_path / "locks",
    }
    return InstallPlan(**{**values, **changes})  # type: ignore[arg-type]


def make_script(path: Path, text: str) -> Path:
    """Something that is started in place of Python."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def run(installer: Installer) -> tuple[list[str], InstallState]:
    """Install to the end; returns the stages that were seen and the last state."""
    stages: list[str] = []
    installer.start()
    state = installer.wait(lambda state: stages.append(state.stage))
    return list(dict.fromkeys(stages)), state


def install(plan: InstallPlan) -> list[str]:
    """Install successfully; returns the stages that were seen."""
    stages, state = run(Installer(plan))
    if state.error is not None:
        raise state.error
    assert state.step == state.of
    return stages


_made: list[InstallPlan] = []


def installed_once(folders: pytest.TempPathFactory) -> InstallPlan:
    """An installed environment that tests share and copy; the first who asks waits for it."""
    if not _made:
        plan = plan_in(folders.mktemp("install"))
        plan.check()
        assert not plan.folder.exists()
        assert install(plan) == [STEP_NAMES[step] for step in STEPS]
        _made.append(plan)
    return _made[0]


def set_done(folder: Path, *steps: str) -> None:
    record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    (folder / MARKER).write_text(json.dumps({**record, "done": steps}), encoding="utf-8")
