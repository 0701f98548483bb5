# SPDX-License-Identifier: Apache-2.0
"""The wheels that the extension carries: ``ex4d`` itself, and pyzmq for each platform and Python of Blender."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.extension.manifest import BuildError

#: Platform in Blender's words -> tags of pip. Blender itself needs glibc 2.28 and macOS 11.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2"),
}
#: All files that dates are taken from carry this one: the first that a zip can say.
SOURCE_DATE = "315532800"
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>\S+)")


@dataclass(frozen=True)
class BlenderPython:
    """One zip: the Blender versions that share a Python, and the wheels which that Python loads.

    Attributes:
        python: name in options, ``py311``.
        label: of the zip's file name.
        version_min: first Blender version.
        version_max: first Blender version that is no longer meant; None while there is none.
        pip_python: ``--python-version`` of pip.
        abi: ABI tag of the pyzmq wheels.
        tag: the Python tag with the ABI tag in those wheels' names.
    """

    python: str
    label: str
    version_min: str
    version_max: str | None
    pip_python: str
    abi: str
    tag: str


# A zip has wheels of one of the two kinds only: Blender takes a zip with cp311 and abi3 wheels for one that is meant
# for Python 3.11 alone and refuses it elsewhere. A zip of abi3 wheels seems right to it on any Python 3, so that
# version_min has to keep Python 3.11 away.
PYTHONS = {
    "py311": BlenderPython("py311", "blender-4.2-to-5.0", "4.2.0", "5.1.0", "3.11", "cp311", "cp311-cp311"),
    "py313": BlenderPython("py313", "blender-5.1-up", "5.1.0", None, "3.13", "abi3", "cp312-abi3"),
}


def build_project_wheel(root: Path, out: Path) -> Path:
    """Build the wheel of ``ex4d`` from the working tree; the same tree gives the same bytes.

    Args:
        root: the project's folder.
        out: folder for the wheel, made when it is not there.

    Raises:
        BuildError: the build fails; its output is on stderr.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ex4d-wheel-") as temporary:
        # A copy: building in the tree leaves build/lib behind, and the next wheel would carry files since deleted.
        source = Path(temporary) / "source"
        source.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(root / name, source / name)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", ".DS_Store")
        for name in ("LICENSES", "backend"):
            shutil.copytree(root / name, source / name, ignore=ignored)
        for path in source.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        built = Path(temporary) / "out"
        command = [sys.executable, "-P", "-m", "build", "--wheel", "--outdir", str(built), str(source)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        environment.pop("PYTHONPATH", None)
        if not _run(command, environment):
            raise BuildError("The wheel of ex4d could not be built; the reason is above. Mend it and run this again.")
        wheels = list(built.glob("ex4d-*-py3-none-any.whl"))
        if len(wheels) != 1:
            raise BuildError("The build of ex4d made no wheel that fits every platform. Keep compiled files out of it.")
        # At once, since another build may be reading the same one.
        fresh = shutil.copy2(wheels[0], out / f"{wheels[0].name}.{os.getpid()}")
        return Path(fresh).replace(out / wheels[0].name)


def read_pins(requirements: Path) -> dict[str, str]:
    """Names and versions pinned in a requirements file."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return {match["name"].lower(): match["version"] for match in map(_PINNED.match, lines) if match}


def fetch_wheels(
    requirements: Path, python: BlenderPython, platforms: Sequence[str], cache: Path
) -> dict[str, list[Path]]:
    """Fetch the wheels of other projects, those in the cache without asking the package index.

    Args:
        requirements: pins with hashes; pip compares them.
        python: which Blender's Python they are for.
        platforms: keys of ``PLATFORMS``.
        cache: folder that keeps them between builds.

    Returns:
        Platform -> its wheels, sorted by name.

    Raises:
        BuildError: there is no such wheel, its hash is another, or the package index does not answer.
    """
    out: dict[str, list[Path]] = {}
    known = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements.read_text(encoding="utf-8")))
    for platform in platforms:
        folder = cache / python.python / platform
        wheels = sorted(folder.glob("*.whl"))
        if len(wheels) != len(read_pins(requirements)) or any(_sha256(wheel) not in known for wheel in wheels):
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f"{platform}.", dir=folder.parent))
            command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements)]
            command += ["--implementation", "cp", "--python-version", python.pip_python, "--abi", python.abi]
            for tag in PLATFORMS[platform]:
                command += ["--platform", tag]
            if not _run([*command, "--dest", str(fresh)], dict(os.environ)):
                shutil.rmtree(fresh)
                raise BuildError(
                    f"pip could not fetch the wheels for {platform}; it says why above. "
                    "Look at the network connection, then run this again."
                )
            shutil.rmtree(folder, ignore_errors=True)
            # Another build may have been quicker: one is as good as the other.
            with suppress(OSError):
                fresh.rename(folder)
            shutil.rmtree(fresh, ignore_errors=True)
            wheels = sorted(folder.glob("*.whl"))
        for wheel in wheels:
            if f"-{python.tag}-" not in wheel.name:
                raise BuildError(f"{wheel.name} is not a {python.tag} wheel. Pin a version that has one.")
        out[platform] = wheels
    return out


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(command: Sequence[str], environment: dict[str, str]) -> bool:
    """Run; what it says goes to stderr only when it fails."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode == 0
