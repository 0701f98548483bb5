# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend: an environment of its own, made step by step, each step done once.

Nothing here blocks but ``InstallPlan.check`` (a second), ``remove_environment`` and ``Installer.wait``; a timer polls.
What has been done is written down in the environment's folder, so that an installation that was stopped, or a machine
that was switched off, goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ex4d.protocol.errors import (
    BadInputError,
    CancelledError,
    Ex4dError,
    ResourceError,
    TransientError,
    error_from_record,
)

from .environment import clean_environment, environment_python

FORMAT = "ex4d-environment"
MARKER = "ex4d-environment.json"
LOG = "install.log"
STEPS = ("venv", "packages", "backend", "check")
#: Comes before the steps where there is an environment already.
PROBE = "probe"
STEP_NAMES = {
    PROBE: "Looking at what is there",
    "venv": "Making the environment",
    "packages": "Installing packages",
    "backend": "Installing the backend",
    "check": "Checking",
}
EXTRAS = ("", "gpu")
#: After a cancel: seconds until the process is killed.
KILL_SECONDS = 5.0
#: Paths of packages are up to this long; Windows takes 260 characters in all.
WINDOWS_PATH = 120
#: No more than this of the log is read for showing its end.
TAIL_BYTES = 64_000
OLDEST_PYTHON = (3, 11)

_MARKER_NEW = "ex4d-environment.new"
#: The folder that Blender removes when it updates the extension.
_EXTENSION = Path(__file__).resolve().parents[1]
#: The user's pip settings are respected (mirrors, proxies), but not those that install somewhere else.
_PIP_PLACES = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_NO_DEPS")

# The version comes first: it is told even where the rest is missing.
_ASK_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2], flush=True); import venv, ensurepip"

# Removes what venv and pip make, and nothing else: marker and log stay (venv's own --clear would take them), and so
# does what somebody else has put there.
_MAKE = """
import os, runpy, shutil, sys
folder = sys.argv[1]
for name in ("bin", "Scripts", "include", "Include", "lib", "Lib", "lib64", "share", "etc", "pyvenv.cfg"):
    path = os.path.join(folder, name)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
sys.argv = ["venv", folder]
runpy.run_module("venv", run_name="__main__", alter_sys=True)
"""

# pip takes a package for installed once its METADATA is there, also where it was killed before it had copied the rest.
# It writes RECORD last. Packages without it, or with less than it tells, lose their metadata: pip installs them again.
_MENDED = 3
_LOOK = f"""
import csv, pathlib, shutil, sys, sysconfig
import pip._internal.cli.main
def whole(site, info):
    try:
        with open(info / "RECORD", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3 and row[2]]
        return all((site / row[0]).stat().st_size >= int(row[2]) for row in rows)
    except OSError:
        return False
mended = False
for site in {{pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}}:
    for rest in site.glob("~*"):
        shutil.rmtree(rest, ignore_errors=True)
    for info in site.glob("*.dist-info"):
        if not info.name.startswith("pip-") and not whole(site, info):
            print("Incomplete, will be installed again:", info.name.partition("-")[0])
            shutil.rmtree(info)
            mended = True
sys.exit({_MENDED} if mended else 0)
"""


@dataclass(frozen=True)
class InstallPlan:
    """What is to be installed where.

    Attributes:
        folder: of the environment.
        base_python: makes it.
        source: the wheel of ex4d, or the project's folder.
        extra: "" or "gpu".
        wheels: folder to install from without network; None = the package index.
        blender_folder: of Blender's executable, which must stay as it is.
    """

    folder: Path
    base_python: Path
    source: Path
    extra: str = ""
    wheels: Path | None = None
    blender_folder: Path | None = None

    @property
    def requirement(self) -> str:
        """What pip is told."""
        source = self.source.absolute()
        return f"{source}[{self.extra}]" if self.extra else str(source)

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
        _check_ours(self.folder)
        self._check_source()
        self._check_python()
        self._check_writable()

    def _check_place(self) -> None:
        folder = self.folder.resolve()
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
            # Making the environment anew would remove them.
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
        if found.returncode != 0:
            raise ResourceError(
                f"{self.base_python} has no venv.", "Choose another Python; on Debian: apt install python3-venv."
            )

    def _check_writable(self) -> None:
        place = self.folder.absolute()
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


def _check_ours(folder: Path) -> None:
    """Raise BadInputError for a folder with somebody else's files; an empty one and none at all are fine."""
    if folder.exists() and not folder.is_dir():
        raise BadInputError(f"{folder} is a file.", "Choose a folder.")
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise BadInputError(f"{folder} cannot be read: {error.strerror or error}.", "Choose another folder.") from error
    if MARKER not in names and names - {_MARKER_NEW}:
        raise BadInputError(f"{folder} is not empty and not an environment of ours.", "Choose an empty folder.")


@dataclass(frozen=True)
class EnvironmentState:
    """What a folder holds.

    Attributes:
        installed: whether there is an environment of ours.
        version: of the backend in it.
        extra: "" or "gpu".
        complete: whether the installation went through to its end and its Python is there.
        problem: one sentence, where it did not.
    """

    installed: bool
    version: str | None = None
    extra: str = ""
    complete: bool = False
    problem: str = ""


@dataclass(frozen=True)
class InstallState:
    """Where an installation is.

    Attributes:
        stage: what it does.
        step, of: how many of its steps are done.
        line: the last line of the log.
        done: whether it has ended.
        error: why it did not end well.
    """

    stage: str
    step: int
    of: int
    line: str
    done: bool
    error: Ex4dError | None


def _read_marker(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("format") == FORMAT else {}


def _done_steps(record: dict[str, Any]) -> list[str]:
    done = record.get("done")
    return [step for step in STEPS if step in done] if isinstance(done, list) else []


def _has_python(folder: Path) -> bool:
    """Whether the environment's Python and the one that made it are there."""
    if not environment_python(folder).is_file():
        return False
    with suppress(OSError, ValueError):
        # On Windows the environment's Python is a small program that starts the other one.
        home = re.search(r"^home\s*=\s*(.+)$", (folder / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE)
        return home is not None and Path(home[1].strip()).is_dir()
    return False


def environment_state(folder: Path) -> EnvironmentState:
    """What is installed in a folder; reads two small files."""
    record = _read_marker(folder)
    if not record:
        return EnvironmentState(False, problem="No backend is installed.")
    done, version = _done_steps(record), record.get("version")
    version = version if isinstance(version, str) else None
    extra = str(record.get("extra", ""))
    if "venv" in done and not _has_python(folder):
        return EnvironmentState(True, version, extra, False, "The Python that the backend was installed with is gone.")
    if done != list(STEPS):
        problem = str(record.get("problem") or "The installation was not finished.")
        return EnvironmentState(True, version, extra, False, problem)
    return EnvironmentState(True, version, extra, True)


def remove_environment(folder: Path) -> None:
    """Remove an environment of ours.

    Raises:
        BadInputError: the folder is none.
        TransientError: something in it is in use; the rest is removed, and trying again goes on.
    """
    if not (folder / MARKER).is_file():
        raise BadInputError(f"{folder} is not an environment of ours.", "Remove it by hand.")
    try:
        # The marker goes last: what is left of the folder stays ours.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == MARKER):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if not folder.is_symlink():
            folder.rmdir()
    except OSError as error:
        raise TransientError(
            f"{error.filename or folder} cannot be removed: {error.strerror or error}.",
            "Stop the backend and close what uses the folder, then try again.",
        ) from error


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


def candidate_pythons(blender_python: Path) -> list[Path]:
    """Pythons that may make an environment: Blender's own, then those on PATH. ``InstallPlan.check`` tries them."""
    names = ["python3.13", "python3.12", "python3.11", "python3", *(["python"] if sys.platform == "win32" else [])]
    found = [blender_python, *(Path(path) for path in map(shutil.which, names) if path)]
    # Several names may lead to one Python.
    pythons: dict[Path, Path] = {}
    for path in found:
        if path.is_file():
            pythons.setdefault(path.resolve(), path)
    return list(pythons.values())


def _plain_version(version: str) -> str:
    """A version without what a wheel's name writes in another way: «1.0.0-rc1» is «1.0.0rc1» there."""
    return re.sub(r"[-_+]|\.(?=[a-z])", "", version.lower())


@dataclass
class Installer:
    """One installation. ``start`` and ``poll`` raise nothing: what goes wrong is the state's error."""

    plan: InstallPlan
    _folder: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)
    _todo: list[str] = field(default_factory=lambda: list(STEPS), init=False)
    _record: dict[str, Any] = field(default_factory=dict, init=False)
    _error: Ex4dError | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)
    _cancelled_at: float | None = field(default=None, init=False)
    _begun_at: float = field(default=0.0, init=False)
    # Where this installation and its present step begin in the log.
    _log_start: int = field(default=0, init=False)
    _step_start: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        # The steps run in the folder, where a relative path would lead elsewhere.
        self._folder = self.plan.folder.absolute()

    @property
    def log_path(self) -> Path:
        """Everything that the steps print, of this and of earlier installations."""
        return self._folder / LOG

    def start(self) -> None:
        """Begin with what is not done yet."""
        try:
            _check_ours(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
            if not (self._folder / MARKER).is_file():
                # Before anything else: the folder is ours from now on, also where the next line is never reached.
                self._record = {"format": FORMAT, "done": []}
                self._store()
            self._open_log()
            self._set_out()
            self._next()
        except Ex4dError as error:
            self._fail(error)
        except OSError as error:
            self._fail(self._system_error(error))

    def poll(self) -> InstallState:
        """Where it is; begins the next step when one has ended."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                self._insist()
            else:
                try:
                    self._step_ended(code)
                except OSError as error:
                    self._fail(self._system_error(error))
        step = self._todo[0] if self._todo else STEPS[-1]
        number = STEPS.index(step) if step in STEPS else 0
        if self._ended and self._error is None:
            number = len(STEPS)
        tail = self.tail(1)
        return InstallState(STEP_NAMES[step], number, len(STEPS), tail[-1] if tail else "", self._ended, self._error)

    def wait(self, on_state: Callable[[InstallState], None]) -> InstallState:
        """Block until it has ended; Ctrl-C cancels it."""
        try:
            while True:
                try:
                    state = self.poll()
                    on_state(state)
                    if state.done:
                        return state
                    time.sleep(0.1)
                except KeyboardInterrupt:
                    # The steps do not see it: they run in a session of their own.
                    self.cancel()
        finally:
            if not self._ended:
                self.cancel()

    def cancel(self) -> None:
        """Stop; what is done stays done."""
        if self._process is not None and self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self._signal(signal.SIGTERM)

    def tail(self, lines: int) -> list[str]:
        """The last lines of this installation's log."""
        text = self._log_text(self._log_start)
        return [line for line in text.splitlines() if line.strip()][-lines:]

    # Steps --------------------------------------------------------------------------------------------------------

    def _set_out(self) -> None:
        """Find what is to be done."""
        self._record = _read_marker(self._folder) or {"format": FORMAT, "done": []}
        source = {"name": self.plan.source.name, "sha256": self.plan.digest(), "version": self.plan.version()}
        done = _done_steps(self._record)
        if (self._record.get("source"), self._record.get("extra")) != (source, self.plan.extra):
            done = [step for step in done if step == "venv"]
        if not _has_python(self._folder):
            # The Python that it was made with is gone: nothing of it is of use.
            done = []
        self._record.update(done=done, source=source, extra=self.plan.extra, problem="")
        self._store()
        # The check is done each time: pressing Install is also the way to find out.
        self._todo = [step for step in STEPS if step not in done or step == "check"]
        if "venv" in done:
            self._todo.insert(0, PROBE)

    def _command(self, step: str) -> list[str]:
        python = str(environment_python(self._folder))
        if step == PROBE:
            return [python, "-I", "-c", _LOOK]
        if step == "venv":
            base = shutil.which(str(self.plan.base_python)) or str(self.plan.base_python)
            return [str(Path(base).absolute()), "-I", "-c", _MAKE, str(self._folder)]
        if step == "check":
            return [python, "-I", "-m", "ex4d", "doctor", "--json"]
        options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-user"]
        # pip leaves a package alone that has the right version, and this may be another build of it.
        options += ["--no-deps", "--force-reinstall"] if step == "backend" else ["--upgrade"]
        if self.plan.wheels:
            options += ["--no-index", "--find-links", str(self.plan.wheels.absolute())]
        return [python, "-I", "-m", "pip", "install", *options, self.plan.requirement]

    def _variables(self) -> dict[str, str]:
        variables = clean_environment(os.environ, self.plan.blender_folder)
        return {name: value for name, value in variables.items() if name not in _PIP_PLACES}

    def _next(self) -> None:
        if not self._todo:
            self._end()
            return
        try:
            self._begin(self._todo[0])
        except OSError:
            if self._todo[0] != PROBE:
                raise
            # The environment's Python is no program any more.
            self._after_probe(1)
            self._begin(self._todo[0])

    def _begin(self, step: str) -> None:
        assert self._log is not None
        self._note(STEP_NAMES[step])
        self._step_start = self._log.tell()
        self._begun_at = time.monotonic()
        group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(
            self._command(step),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            env=self._variables(),
            **group,
        )

    def _step_ended(self, code: int) -> None:
        step = self._todo[0]
        if self._cancelled_at is not None and sys.platform != "win32":
            # What the step has started may have outlived it.
            self._signal(signal.SIGKILL)
        self._process = None
        text = self._log_text(self._step_start)
        self._note(f"{STEP_NAMES[step]}: code {code} after {time.monotonic() - self._begun_at:.0f} s")
        if self._cancelled_at is not None and code != 0:
            self._fail(self._interrupted())
            return
        if step == PROBE:
            self._after_probe(code)
        elif code != 0:
            self._step_failed(step, code, text)
            return
        elif step == "check" and not self._accept(text):
            return
        else:
            self._step_done(step)
        if self._cancelled_at is not None and self._todo:
            self._fail(self._interrupted())
        else:
            self._next()

    def _after_probe(self, code: int) -> None:
        if code == 0:
            del self._todo[0]
        else:
            kept = ["venv"] if code == _MENDED else []
            self._todo = [step for step in STEPS if step not in kept]
            self._forget(*self._todo)

    def _step_done(self, step: str) -> None:
        if step == "venv":
            self._record["python"] = str(self.plan.base_python)
        self._record["done"] = [*(done for done in self._record["done"] if done != step), step]
        self._store()
        del self._todo[0]

    def _forget(self, *steps: str) -> None:
        """Do steps again next time."""
        self._record["done"] = [step for step in self._record["done"] if step not in steps]
        self._store()

    def _accept(self, text: str) -> bool:
        """Take note of the version that the backend tells; fail where it is not the one that was to be installed."""
        version, wanted = _told_version(text), self.plan.version()
        if version is not None and (wanted is None or _plain_version(version) == _plain_version(wanted)):
            self._record["version"] = version
            return True
        self._forget("packages", "backend", "check")
        found = f"version {version}" if version else "an unknown version"
        hint = f"Press Install again; if that does not help, choose an empty folder. {self._hint()}"
        self._fail(TransientError(f"The environment has {found} of the backend and not {wanted}.", hint))
        return False

    def _step_failed(self, step: str, code: int, text: str) -> None:
        told = _told_error(text) if step == "check" else None
        if told is not None and told.kind == ResourceError.kind:
            # The backend runs, and says what this machine lacks; installing it again would not help.
            self._record.update(version=_told_version(text) or self.plan.version(), problem=told.message)
            self._forget("check")
        elif step == "check":
            self._forget("packages", "backend", "check")
        if told is None:
            self._fail(self._explain(step, code, text))
        else:
            told.hint = f"{told.hint} {self._hint()}".strip()
            self._fail(told)

    def _fail(self, error: Ex4dError) -> None:
        self._error = error
        with suppress(OSError):
            self._note(error.message)
        self._end()

    def _end(self) -> None:
        self._ended = True
        if self._log is not None:
            with suppress(OSError):
                self._log.close()
            self._log = None

    # Errors -------------------------------------------------------------------------------------------------------

    def _hint(self) -> str:
        return f"The log says more: {self.log_path}"

    def _interrupted(self) -> Ex4dError:
        error = CancelledError()
        error.hint = f"What is done is kept; press Install again to go on. {self._hint()}"
        return error

    def _system_error(self, error: OSError) -> Ex4dError:
        """An error of our own work with files and processes."""
        reason = error.strerror or str(error)
        known = self._file_error(f"Error: {error}")
        if known is not None:
            return known
        return TransientError(f"{error.filename or self._folder} cannot be used: {reason}.", self._hint())

    def _explain(self, step: str, code: int, text: str) -> Ex4dError:
        known = self._file_error(text) or self._network_error(text) or self._package_error(text)
        if known is not None:
            return known
        if code < 0:
            return TransientError(
                f"{STEP_NAMES[step]} was interrupted (signal {-code}).", f"Press Install again to go on. {self._hint()}"
            )
        return TransientError(f"{STEP_NAMES[step]} has failed.", f"Press Install again. {self._hint()}")

    def _file_error(self, text: str) -> Ex4dError | None:
        # Only in what ended the step: pip's warnings about the network speak of permissions as well.
        text = "\n".join(re.findall(r"^(?:ERROR|Error|error|\w+Error)\b.*", text, re.MULTILINE))
        if re.search(r"No space left|Errno 28\b|WinError 112\b|not enough space|Disk quota|Errno 122\b", text):
            return TransientError("The disk is full.", f"Free some space and press Install again. {self._hint()}")
        if re.search(r"Permission denied|Access is denied|Read-only|Errno (?:13|30)\b|WinError (?:5|32)\b", text):
            return BadInputError(
                "A file cannot be written.", f"Choose another folder, or close what uses it. {self._hint()}"
            )
        if re.search(r"long path|File ?name too long|Errno 36\b|WinError 206\b", text, re.IGNORECASE):
            return BadInputError("The path is too long.", f"Choose a folder with a shorter one. {self._hint()}")
        return None

    def _network_error(self, text: str) -> Ex4dError | None:
        if self.plan.wheels is None and re.search(
            r"NewConnectionError|NameResolutionError|Temporary failure|getaddrinfo|Connect(?:ion)?Timeout|ReadTimeout"
            r"|Read timed out|ProxyError|SSLError|SSLCertVerification|ConnectionResetError|RemoteDisconnected"
            r"|IncompleteRead|ProtocolError|(?:HTTP error|ERROR:) (?:401|403|407|429|5\d\d)",
            text,
        ):
            return TransientError(
                "The package index cannot be reached.",
                f"Check the network and proxy, or install from a folder of wheels. {self._hint()}",
            )
        return None

    def _package_error(self, text: str) -> Ex4dError | None:
        missing = re.search(r"No matching distribution found for ([^\s;(]+)", text)
        if missing and self.plan.wheels is not None:
            return BadInputError(
                f"{self.plan.wheels} has no fitting wheel of {missing[1]}.",
                f"Add it, for Python {self._python_version()} on this system. {self._hint()}",
            )
        if missing:
            return ResourceError(f"There is no {missing[1]} for this system and Python.", self._hint())
        if "requires a different Python" in text:
            return ResourceError(
                f"The backend does not run with Python {self._python_version()}.", f"Choose another. {self._hint()}"
            )
        damaged = re.search(r"Wheel '?([^\s']+)'? .*is invalid|BadZipFile|DO NOT MATCH THE HASH", text)
        if damaged:
            return TransientError(
                f"{damaged[1] or 'A package'} is damaged.", f"Get it again and press Install again. {self._hint()}"
            )
        if "ResolutionImpossible" in text:
            return BadInputError(
                "The packages do not fit together.", f"Get all wheels anew, or install from the index. {self._hint()}"
            )
        return None

    def _python_version(self) -> str:
        with suppress(OSError):
            config = (self._folder / "pyvenv.cfg").read_text(encoding="utf-8")
            found = re.search(r"version(?:_info)?\s*=\s*(\d+\.\d+)", config)
            if found:
                return found[1]
        return ".".join(map(str, OLDEST_PYTHON))

    # Processes and files ------------------------------------------------------------------------------------------

    def _insist(self) -> None:
        if self._cancelled_at is not None and time.monotonic() - self._cancelled_at > KILL_SECONDS:
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _signal(self, number: int) -> None:
        """To the whole group: pip starts processes of its own."""
        assert self._process is not None
        with suppress(OSError):
            if sys.platform == "win32":
                # Without a console there is no gentle way, and ending the first process would leave the others.
                subprocess.Popen(
                    ["taskkill", "/PID", str(self._process.pid), "/T", "/F"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    creationflags=subprocess.CREATE_NO_WINDOW,
                )
            else:
                os.killpg(self._process.pid, number)

    def _open_log(self) -> None:
        """Open the log and hold it: only one installation at a time writes to it."""
        self._log = self.log_path.open("ab")
        self._log_start = self._step_start = self._log.tell()
        if sys.platform == "win32":
            return
        import fcntl

        try:
            # The steps inherit the lock with the file, so that it also tells of those that a Blender left behind.
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._log.close()
            self._log = None
            raise TransientError(
                f"Another installation into {self._folder} is under way.", f"Wait for its end. {self._hint()}"
            ) from error
        except OSError:
            # Some network drives know no locks.
            pass

    def _note(self, text: str) -> None:
        """Write a line of our own to the log."""
        if self._log is not None:
            self._log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())
            self._log.flush()

    def _log_text(self, start: int) -> str:
        try:
            with self.log_path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(start, size - TAIL_BYTES))
                return file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""

    def _store(self) -> None:
        temporary = self._folder / _MARKER_NEW
        temporary.write_text(json.dumps(self._record, indent=1), encoding="utf-8")
        temporary.replace(self._folder / MARKER)


def _doctor_lines(text: str) -> list[dict[str, Any]]:
    """What the doctor says, a JSON object each line, among other programs' words."""
    records = []
    for line in text.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records


def _told_version(text: str) -> str | None:
    for record in reversed(_doctor_lines(text)):
        with suppress(TypeError, KeyError, IndexError, AttributeError, StopIteration):
            findings = record["result"]["findings"]
            return str(next(item["detail"].split()[1] for item in findings if item["name"] == "ex4d"))
    return None


def _told_error(text: str) -> Ex4dError | None:
    """The error that the doctor ends with, where it gets as far as to tell one."""
    found = [record for record in _doctor_lines(text) if record.get("event") == "error"]
    return error_from_record(found[-1]) if found else None
