# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be installed where, and what is wrong with that before anything is touched.

``InstallPlan.check`` blocks for a second.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ex4d.protocol.errors import BadInputError, ResourceError

from .environment import clean_environment
from .environment_state import check_ours

EXTRAS = ("", "gpu", "moge")
#: Lock files of the packages by extra; those of the second kind have exact versions and no hashes.
LOCKS = {"": ("base.txt",), "gpu": ("base.txt", "gpu.txt"), "moge": ("base.txt", "gpu.txt", "moge.txt")}
UNHASHED_LOCKS = {"": (), "gpu": ("gpu-unhashed.txt",), "moge": ("gpu-unhashed.txt",)}
#: Says which wheel of ex4d a zip was built with.
OWN_HASH = "ex4d.txt"
#: Paths of packages are up to this long; Windows takes 260 characters in all.
WINDOWS_PATH = 120
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)

#: The folder that Blender removes when it updates the extension.
_EXTENSION = Path(__file__).resolve().parents[1]

# The version comes first: it is told even where the rest is missing.
_ASK_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2], flush=True); import venv, ensurepip"


@dataclass(frozen=True)
class InstallPlan:
    """What is to be installed where.

    Attributes:
        folder: of the environment.
        base_python: makes it.
        source: the wheel of ex4d, or the project's folder.
        extra: one of ``EXTRAS``; each has what those before it have.
        wheels: folder to install from without network; None = the package index.
        blender_folder: of Blender's executable, which must stay as it is.
        lock_folder: of the files that say which packages are installed.
    """

    folder: Path
    base_python: Path
    source: Path
    extra: str = ""
    wheels: Path | None = None
    blender_folder: Path | None = None
    lock_folder: Path = _EXTENSION / "locks"

    @property
    def place(self) -> Path:
        """The folder as an absolute path, behind links: where it is a link, what it leads to is used."""
        # On Windows the real path of a network drive is a longer one, which some programs do not take.
        plain = sys.platform == "win32" and not self.folder.is_symlink()
        return self.folder.absolute() if plain else Path(os.path.realpath(self.folder))

    def locks(self, *, hashed: bool) -> list[Path]:
        """The lock files that say what is installed."""
        return [self.lock_folder / name for name in (LOCKS if hashed else UNHASHED_LOCKS)[self.extra]]

    def lock_digest(self) -> str:
        """Changes with the packages."""
        digest = hashlib.sha256()
        for path in (*self.locks(hashed=True), *self.locks(hashed=False)):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def requirement(self) -> str:
        """What pip is told of the source; for a wheel with the checksum that it compares."""
        source = self.source.absolute()
        return f"{source.as_uri()}#sha256={self.digest()}" if source.is_file() else str(source)

    def version(self) -> str | None:
        """Of the source; None where it does not tell."""
        if self.source.suffix == ".whl":
            parts = self.source.name.split("-")
            return parts[1] if len(parts) > 2 else None
        with suppress(OSError):
            text = (self.source / "backend" / "ex4d" / "__init__.py").read_text(encoding="utf-8")
            found = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
            return found[1] if found else None
        return None

    def digest(self) -> str:
        """Changes with the source."""
        digest = hashlib.sha256()
        if self.source.is_file():
            digest.update(self.source.read_bytes())
        else:
            package = sorted((self.source / "backend" / "ex4d").rglob("*"))
            for path in [self.source / "pyproject.toml", *package]:
                if path.is_file() and path.suffix != ".pyc":
                    digest.update(f"{path.relative_to(self.source)}\n".encode() + path.read_bytes())
        return digest.hexdigest()

    def check(self) -> None:
        """Find what is wrong before anything is touched.

        Raises:
            BadInputError, ResourceError: with what to do.
        """
        self._check_place()
        check_ours(self.place)
        self._check_source()
        self._check_locks()
        self._check_python()
        self._check_writable()

    def _check_place(self) -> None:
        folder = self.place
        if self.blender_folder is not None and folder.is_relative_to(_installation(self.blender_folder.resolve())):
            raise BadInputError(f"{folder} lies inside Blender's own folder.", "Choose a folder of your own.")
        if folder.is_relative_to(_EXTENSION):
            raise BadInputError(
                f"{folder} lies inside the extension's folder, which goes with its next update.",
                "Choose a folder of your own.",
            )
        if sys.platform == "win32" and len(str(folder)) > WINDOWS_PATH:
            raise BadInputError(f"The path {folder} is too long for Windows.", "Choose a shorter one.")
        if os.pathsep in str(folder):
            raise BadInputError(f"The path {folder} contains «{os.pathsep}».", "Choose a folder without it.")
        for path in (self.source, self.wheels, self.base_python):
            # Making the environment anew would move them.
            if path is not None and path.absolute().is_relative_to(self.folder.absolute()):
                raise BadInputError(f"{path} lies inside the environment's own folder.", "Choose another place.")

    def _check_source(self) -> None:
        if self.extra not in EXTRAS:
            raise BadInputError(f"There are no packages for «{self.extra}».", "Choose CPU or GPU.")
        if not self.source.exists():
            raise BadInputError(f"{self.source} does not exist.", "Install the extension again from its zip.")
        if not (zipfile.is_zipfile(self.source) if self.source.is_file() else _is_project(self.source)):
            raise BadInputError(f"{self.source} is no wheel of ex4d.", "Install the extension again from its zip.")
        if self.wheels is not None and not any(self.wheels.glob("*.whl")):
            raise BadInputError(f"{self.wheels} holds no wheels.", "Choose the folder that the .whl files are in.")

    def _check_locks(self) -> None:
        for path in (*self.locks(hashed=True), *self.locks(hashed=False)):
            if not path.is_file():
                raise BadInputError(f"{path} does not exist.", "Install the extension again from its zip.")
        stated = self.lock_folder / OWN_HASH
        if self.source.is_file() and stated.is_file() and stated.read_text(encoding="utf-8").strip() != self.digest():
            raise BadInputError(
                f"{self.source} is not the wheel that this extension was built with.",
                "Install the extension again from its zip.",
            )

    def _check_python(self) -> None:
        try:
            found = subprocess.run(
                [str(self.base_python), "-I", "-c", _ASK_PYTHON],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60,
                check=False,
                env=clean_environment(os.environ, self.blender_folder),
                stdin=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ResourceError(f"{self.base_python} cannot be run: {reason}.", "Choose another Python.") from error
        told = re.match(r"(\d+)\.(\d+)\s", found.stdout)
        if told is None:
            raise ResourceError(f"{self.base_python} does not work as a Python.", "Choose another Python.")
        if (int(told[1]), int(told[2])) < OLDEST_PYTHON:
            oldest = ".".join(map(str, OLDEST_PYTHON))
            raise ResourceError(f"{self.base_python} is Python {told[0].strip()}.", f"Choose {oldest} or newer.")
        if (int(told[1]), int(told[2])) > NEWEST_PYTHON:
            # The lock has no wheels for it.
            newest = ".".join(map(str, NEWEST_PYTHON))
            raise ResourceError(
                f"{self.base_python} is Python {told[0].strip()}, which the backend's packages were not tested with.",
                f"Choose {newest} or older.",
            )
        if found.returncode != 0:
            raise ResourceError(
                f"{self.base_python} has no venv.", "Choose another Python; on Debian: apt install python3-venv."
            )

    def _check_writable(self) -> None:
        place = self.place
        while not place.exists() and place != place.parent:
            place = place.parent
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise BadInputError(
                f"{place} cannot be written: {error.strerror or error}.", "Choose another folder."
            ) from error


def _installation(blender_folder: Path) -> Path:
    """All of Blender: on macOS its executable lies deep inside the application."""
    application = [path for path in (blender_folder, *blender_folder.parents) if path.suffix == ".app"]
    return application[-1] if application else blender_folder


def _is_project(folder: Path) -> bool:
    """Whether a folder holds the sources of ex4d."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == "ex4d"


def bundled_wheel(extension: Path) -> Path | None:
    """The wheel of ex4d in the extension's folder; the project's folder where the add-on runs from its sources."""
    wheels = list((extension / "wheels").glob("ex4d-*.whl"))
    if wheels:
        return max(wheels, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name.split("-")[1])])
    return extension.parent if _is_project(extension.parent) else None
