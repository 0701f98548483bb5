#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the lock of the backend's packages: exact versions, and the sha256 of each wheel that Blender's Pythons need.

The versions are those that the tests run with, constraints.txt and constraints-model.txt. pip is asked for the wheel of
every platform and Python; where the index serves metadata apart, nothing is downloaded but that. Run it after a change
of those files or of pyproject.toml, and commit what it writes. The hashes are those of the index that pip's settings
name: check that it is the public one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "ex4d_blender" / "locks"

#: Blender 4.2 to 5.0 has 3.11, 5.1 and later 3.13; the others are what a user may name.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_MANYLINUX = ("2014", *(f"_2_{minor}" for minor in range(17, 29)))
#: Platform -> pip's tags, the one that the oldest system runs first, and what markers are told.
PLATFORMS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    f"linux-{machine}": (
        tuple(f"manylinux{glibc}_{machine}" for glibc in _MANYLINUX),
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": machine},
    )
    for machine in ("x86_64", "aarch64")
}
PLATFORMS |= {
    f"macos-{machine}": (
        tuple(f"macosx_{version}_0_{machine}" for version in (11, 12, 13, 14)),
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": machine},
    )
    for machine in ("arm64", "x86_64")
}
PLATFORMS["windows-x86_64"] = (
    ("win_amd64",),
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
)
#: torch has no wheels for Macs with Intel.
GPU_PLATFORMS = tuple(name for name in PLATFORMS if name != "macos-x86_64")
_INTEL_LINUX = "sys_platform == 'linux' and platform_machine == 'x86_64'"
_APPLE_SILICON = "sys_platform == 'darwin' and platform_machine == 'arm64'"
#: Packages that not every platform has wheels of, with the marker of those that do. Elsewhere they are left out: the
#: backend takes another rasterizer, and a user may build them.
WHERE_WHEELS = {"moderngl": Marker(f"sys_platform == 'win32' or {_INTEL_LINUX} or {_APPLE_SILICON}")}
#: What MoGe-2's network imports that the extra gpu lacks. Its packages ask for much besides that only their own demo
#: needs, and for another build of OpenCV than ours: what they ask for is left out.
MOGE = ("dlr-moge>=2.0", "dlr-utils3d>=1.3", "scipy>=1.17")
TAKEN_ALONE = ("dlr-moge", "dlr-utils3d")
#: torch's GPU build for Windows is not in the package index but in torch's own, under another hash.
NOT_HASHED = {"torch": Marker("sys_platform == 'win32'")}


class LockError(Exception):
    """The lock cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class Target:
    """A Python on a platform."""

    platform: str
    python: str

    @property
    def markers(self) -> dict[str, str]:
        """What its Python tells the markers of requirements."""
        return {
            **PLATFORMS[self.platform][1],
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }

    def takes(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether a requirement with this marker counts."""
        return marker is None or marker.evaluate({**self.markers, "extra": extra})


@dataclass
class Package:
    """A package at its version.

    Attributes:
        version: exact.
        requires: its own requirements by target; wheels of one version may differ in them.
        wheels: sha256 of its wheel by target.
    """

    version: str
    requires: dict[Target, list[Requirement]] = field(default_factory=dict)
    wheels: dict[Target, str] = field(default_factory=dict)

    def required_on(self, target: Target) -> list[Requirement]:
        """Its requirements on a target; as long as they are not known, another target's."""
        return self.requires[target] if target in self.requires else next(iter(self.requires.values()), [])


@dataclass
class Index:
    """What the index has; asks pip for what is not known yet.

    Attributes:
        pins: versions by name; packages that are not in it get the newest that fits.
    """

    pins: dict[str, str]
    packages: dict[str, Package] = field(default_factory=dict)

    def closure(self, roots: Sequence[Requirement], target: Target) -> set[str]:
        """Names of all packages that a target needs, their wheels known afterwards.

        Raises:
            LockError: one has no wheel, or not in a version that all agree to.
        """
        while True:
            needed = self._walk(roots, target)
            missing = [
                wanted
                for name, wanted in needed.items()
                if name not in self.packages or target not in self.packages[name].wheels
            ]
            if not missing:
                return set(needed)
            unknown = [wanted for wanted in missing if canonicalize_name(wanted.name) not in self.packages]
            # First what leads on to others: they may narrow down the version of one another.
            self._ask(unknown or missing, target)

    def _walk(self, roots: Sequence[Requirement], target: Target) -> dict[str, Requirement]:
        needed: dict[str, Requirement] = {}
        waiting = [(wanted, "") for wanted in roots]
        seen: set[tuple[str, str]] = set()
        while waiting:
            wanted, extra = waiting.pop()
            name = canonicalize_name(wanted.name)
            if not target.takes(wanted.marker, extra) or not target.takes(WHERE_WHEELS.get(name)):
                continue
            needed[name] = (
                Requirement(f"{name}{wanted.specifier & needed[name].specifier}") if name in needed else wanted
            )
            package = self.packages.get(name)
            version = package.version if package else self.pins.get(name)
            if version is not None and not wanted.specifier.contains(version, prereleases=True):
                raise LockError(f"{wanted} does not take the pinned version {version}. Pin another in the constraints.")
            if package is None:
                continue
            for part in ("", *sorted(wanted.extras)):
                if (name, part) not in seen:
                    seen.add((name, part))
                    waiting += [(required, part) for required in package.required_on(target)]
        return needed

    def _ask(self, wanted: Sequence[Requirement], target: Target) -> None:
        lines = []
        for requirement in wanted:
            name = canonicalize_name(requirement.name)
            pin = self.packages[name].version if name in self.packages else self.pins.get(name)
            lines.append(f"{name}=={pin}" if pin else f"{name}{requirement.specifier}")
        print(f"{target.platform}, Python {target.python}: {', '.join(lines)}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="ex4d-lock-") as temporary:
            report = Path(temporary) / "report.json"
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
            command += ["--ignore-installed", "--no-deps", "--only-binary=:all:", "--target", temporary]
            command += ["--implementation", "cp", "--python-version", target.python, "--report", str(report)]
            for tag in PLATFORMS[target.platform][0]:
                command += ["--platform", tag]
            done = subprocess.run([*command, *lines], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LockError(
                    f"pip finds no wheels for {target.platform}, Python {target.python}: {done.stderr.strip()}\n"
                    "Pin versions that have them."
                )
            found = json.loads(report.read_text(encoding="utf-8"))["install"]
        for item in found:
            self._note(item, target)

    def _note(self, item: Mapping[str, object], target: Target) -> None:
        metadata, source = item["metadata"], item["download_info"]
        assert isinstance(metadata, dict)
        assert isinstance(source, dict)
        name, version = canonicalize_name(metadata["name"]), metadata["version"]
        url = source["url"]
        if not url.endswith(".whl") or "+" in version:
            raise LockError(f"{url.rpartition('/')[2]} is no public wheel. Take local ones out of pip's settings.")
        package = self.packages.setdefault(name, Package(version))
        required = () if name in TAKEN_ALONE else metadata.get("requires_dist") or ()
        package.requires[target] = [Requirement(text) for text in required]
        package.wheels[target] = source["archive_info"]["hashes"]["sha256"]


def read_constraints(paths: Iterable[Path]) -> dict[str, str]:
    """Versions pinned by constraints files, by canonical name."""
    pins: dict[str, str] = {}
    for path in paths:
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            pins[canonicalize_name(name)] = version
    return pins


def _all_markers(roots: Iterable[Requirement], packages: Iterable[Package]) -> Iterator[Marker]:
    """Markers that requirements have, the shortest first; without those that speak of extras."""
    required = list(roots)
    for package in packages:
        required += [wanted for found in package.requires.values() for wanted in found]
    texts = {
        str(wanted.marker) for wanted in required if wanted.marker is not None and "extra" not in str(wanted.marker)
    }
    yield from (Marker(text) for text in sorted(texts, key=lambda text: (len(text), text)))
    yield from WHERE_WHEELS.values()


def _marker_for(name: str, needing: set[Target], targets: Sequence[Target], markers: Sequence[Marker]) -> str:
    """The marker that is true for these targets alone; "" for all."""
    if needing == set(targets):
        return ""
    for marker in markers:
        if {target for target in targets if target.takes(marker)} == needing:
            return str(marker).replace('"', "'")
    raise LockError(f"No marker tells the platforms that need {name}. Add one to pyproject.toml.")


def lock(
    roots: Sequence[Requirement], targets: Sequence[Target], index: Index, without: set[str]
) -> tuple[list[str], list[str]]:
    """Lines of a lock file, and those of packages whose wheels have no hash.

    Args:
        roots: what is to be installed.
        targets: where.
        index: knows the versions.
        without: names that stand in another lock file.

    Raises:
        LockError: see ``Index.closure``.
    """
    needing: dict[str, set[Target]] = {}
    for target in targets:
        for name in index.closure(roots, target) - without:
            needing.setdefault(name, set()).add(target)
    markers = list(_all_markers(roots, index.packages.values()))
    hashed, loose = [], []
    for name in sorted(needing):
        package, marker = index.packages[name], _marker_for(name, needing[name], targets, markers)
        unhashed = NOT_HASHED.get(name)
        if unhashed is not None:
            loose.append(f"{name}=={package.version} ; {str(unhashed).replace(chr(34), chr(39))}")
            marker = " and ".join(filter(None, [f"({marker})" if marker else "", "sys_platform != 'win32'"]))
        sums = sorted(
            {
                sha256
                for target, sha256 in package.wheels.items()
                if target in needing[name] and not (unhashed is not None and target.takes(unhashed))
            }
        )
        head = f"{name}=={package.version}" + (f" ; {marker}" if marker else "")
        hashed.append(" \\\n    ".join([head, *(f"--hash=sha256:{sha256}" for sha256 in sums)]))
    return hashed, loose


def _targets(platforms: Iterable[str]) -> list[Target]:
    return [Target(platform, python) for platform in platforms for python in PYTHONS]


def _write(name: str, head: str, lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in (f"# {head}", "# Written by tools/lock_packages.py.", *lines))
    (LOCKS / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line: 0 written, 1 not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = [Requirement(text) for text in project["dependencies"]]
    gpu = [*base, *(Requirement(text) for text in project["optional-dependencies"]["gpu"])]
    # What no constraints file names keeps the version that the lock has.
    known = [LOCKS / "gpu.txt", LOCKS / "moge.txt", ROOT / "constraints-model.txt", ROOT / "constraints.txt"]
    pins = read_constraints(path for path in known if path.is_file())
    index = Index(pins)
    try:
        hashed, _ = lock(base, _targets(PLATFORMS), index, set())
        names = set(index.packages)
        more, loose = lock(gpu, _targets(GPU_PLATFORMS), index, names)
        names = set(index.packages)
        moge, _ = lock([Requirement(text) for text in MOGE], _targets(GPU_PLATFORMS), index, names)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    LOCKS.mkdir(exist_ok=True)
    _write(
        "base.txt", "The backend's packages, with the sha256 of each wheel for Blender's Pythons and systems.", hashed
    )
    _write("gpu.txt", "What the extra gpu brings besides, with the sha256 of each wheel.", more)
    _write("moge.txt", "What MoGe-2 needs besides, with the sha256 of each wheel.", moge)
    _write("gpu-unhashed.txt", "What the package index has no hash of; the version is exact.", loose)
    return 0


if __name__ == "__main__":
    sys.exit(main())
