# SPDX-License-Identifier: Apache-2.0
"""The lock of the backend's packages: it names all that is needed, in the versions that the tests run with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ex4d_blender.core import install_plan
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import lock_packages
from tools.lock_packages import GPU_PLATFORMS, PLATFORMS, PYTHONS, Index, LockError, Target, lock

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "ex4d_blender" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def entries(name: str) -> list[tuple[Requirement, list[str]]]:
    text = re.sub(r"^#.*\n", "", (LOCKS / name).read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", "")
    found = []
    for line in text.splitlines():
        head, *options = re.split(r"\s+--hash=sha256:", line)
        found.append((Requirement(head), options))
    return found


def packages_on(target: Target, *names: str) -> dict[str, Requirement]:
    return {
        canonicalize_name(entry.name): entry
        for name in names
        for entry, _ in entries(name)
        if target.takes(entry.marker)
    }


@pytest.mark.parametrize("name", ["base.txt", "gpu.txt", "moge.txt"])
def test_every_package_has_one_version_and_whole_hashes(name: str) -> None:
    found = entries(name)
    assert found
    for entry, hashes in found:
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(entry.specifier)), entry
        assert hashes
        assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes)
        assert entry.url is None


def test_no_lock_says_where_packages_come_from() -> None:
    for path in LOCKS.iterdir():
        assert not re.search(r"://|^-|index|host", path.read_text(encoding="utf-8").replace("package index", ""), re.M)


def test_the_versions_are_those_of_the_tests() -> None:
    pins = lock_packages.read_constraints([ROOT / "constraints-model.txt", ROOT / "constraints.txt"])
    for name in ("base.txt", "gpu.txt", "gpu-unhashed.txt"):
        for entry, _ in entries(name):
            pinned = pins.get(canonicalize_name(entry.name))
            assert pinned is None or str(entry.specifier) == f"=={pinned}", entry
            # Only what torch brings for its GPU, and what builds, are not in the tests' environment.
            assert pinned or re.match("nvidia-|cuda-|triton$|setuptools$|colorama$", entry.name), entry


@pytest.mark.parametrize("platform", list(PLATFORMS))
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_of_the_project_is_locked(platform: str, python: str) -> None:
    target = Target(platform, python)
    wanted = [(text, ("base.txt",)) for text in PROJECT["dependencies"]]
    if platform in GPU_PLATFORMS:
        files = ("base.txt", "gpu.txt", "gpu-unhashed.txt")
        wanted += [(text, files) for text in PROJECT["optional-dependencies"]["gpu"]]
    for text, files in wanted:
        requirement, have = Requirement(text), packages_on(target, *files)
        missing = not target.takes(lock_packages.WHERE_WHEELS.get(requirement.name))
        if not target.takes(requirement.marker) or missing:
            assert requirement.name.lower() not in have
            continue
        version = str(have[canonicalize_name(requirement.name)].specifier).removeprefix("==")
        assert requirement.specifier.contains(version), (requirement, version)


@pytest.mark.parametrize("platform", list(GPU_PLATFORMS))
@pytest.mark.parametrize("python", PYTHONS)
def test_moge_brings_three_packages_and_no_other_opencv(platform: str, python: str) -> None:
    have = packages_on(Target(platform, python), "moge.txt")
    assert set(have) == {"dlr-moge", "dlr-utils3d", "scipy"}
    (asked,) = (Requirement(text) for text in PROJECT["optional-dependencies"]["moge"])
    assert asked.specifier.contains(str(have["dlr-moge"].specifier).removeprefix("=="))


def test_what_the_locked_packages_require_is_locked_too() -> None:
    """As far as the packages in this environment tell."""
    have = packages_on(Target("linux-x86_64", f"{sys.version_info[0]}.{sys.version_info[1]}"), "base.txt")
    for name in have:
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in have, (name, text)


def test_the_pythons_are_those_that_the_installer_takes() -> None:
    oldest, newest = (".".join(map(str, one)) for one in (install_plan.OLDEST_PYTHON, install_plan.NEWEST_PYTHON))
    assert (PYTHONS[0], PYTHONS[-1]) == (oldest, newest)
    names = {
        name
        for found in (install_plan.LOCKS, install_plan.UNHASHED_LOCKS)
        for files in found.values()
        for name in files
    }
    assert names == {path.name for path in LOCKS.iterdir()}


# The script ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index of three packages; ``plain`` has one wheel for all, ``fast`` one for each target."""
    asked: dict[str, dict[str, Any]] = {
        "plain": {"requires_dist": ["fast>=1 ; sys_platform == 'linux'", "toy ; extra == 'toys'"]},
        "fast": {"requires_dist": ["plain<3"]},
        "toy": {},
    }

    def pip(command: list[str], **_: object) -> Any:
        names = [word.partition("==")[0].partition(">")[0].partition("<")[0] for word in command if word[0].islower()]
        names = [name for name in names if name in asked]
        where = command[command.index("--python-version") + 1] + command[command.index("--platform") + 1]
        found = []
        for name in names:
            text = name + (where if name == "fast" else "")
            url = f"https://x.invalid/{name}-2.0-py3-none-any.whl"
            digest = {"hashes": {"sha256": f"<{text}>"}}
            metadata = {"name": name, "version": "2.0", **asked[name]}
            found.append({"metadata": metadata, "download_info": {"url": url, "archive_info": digest}})
        Path(command[command.index("--report") + 1]).write_text(json.dumps({"install": found}), encoding="utf-8")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(lock_packages, "subprocess", SimpleNamespace(run=pip))
    return Index({"plain": "2.0"})


TARGETS = [Target(platform, python) for platform in ("linux-x86_64", "windows-x86_64") for python in ("3.11", "3.13")]


def test_a_lock_has_each_targets_wheel_and_the_marker_of_its_platforms(index: Index) -> None:
    hashed, loose = lock([Requirement("plain>=1")], TARGETS, index, set())
    assert loose == []
    assert hashed == [
        "fast==2.0 ; sys_platform == 'linux' \\\n"
        "    --hash=sha256:<fast3.11manylinux2014_x86_64> \\\n    --hash=sha256:<fast3.13manylinux2014_x86_64>",
        "plain==2.0 \\\n    --hash=sha256:<plain>",
    ]


def test_extras_bring_what_they_name_and_other_files_are_left_out(index: Index) -> None:
    hashed, _ = lock([Requirement("plain[toys]")], TARGETS, index, {"fast", "plain"})
    assert hashed == ["toy==2.0 \\\n    --hash=sha256:<toy>"]


def test_what_the_public_index_has_no_hash_of_keeps_its_version(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_packages, "NOT_HASHED", {"plain": Marker("sys_platform == 'win32'")})
    hashed, loose = lock([Requirement("plain")], TARGETS, index, {"fast"})
    assert loose == ["plain==2.0 ; sys_platform == 'win32'"]
    assert hashed == ["plain==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:<plain>"]


def test_versions_that_do_not_agree_are_refused(index: Index) -> None:
    with pytest.raises(LockError, match=r"plain>=3 does not take the pinned version 2\.0"):
        lock([Requirement("plain>=3")], TARGETS, index, set())


def test_wheels_of_this_machine_alone_are_refused(index: Index) -> None:
    item = {
        "metadata": {"name": "torch", "version": "2.13.0+cpu"},
        "download_info": {"url": "file:///x/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "archive_info": {}},
    }
    with pytest.raises(LockError, match="is no public wheel"):
        index._note(item, TARGETS[0])


def test_pip_takes_the_lock_as_it_is_written() -> None:
    code = (
        "from pip._internal.req import parse_requirements\nfrom pip._internal.network.session import PipSession\n"
        "import sys\nprint(sum(1 for name in sys.argv[1:] for _ in parse_requirements(name, PipSession())))"
    )
    names = [str(LOCKS / name) for name in ("base.txt", "gpu.txt", "gpu-unhashed.txt", "moge.txt")]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert int(done.stdout) == sum(len(entries(Path(name).name)) for name in names)
