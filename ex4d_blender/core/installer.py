# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend: an environment of its own, made step by step, each step done once.

Nothing here blocks but ``InstallPlan.check`` (a second) and ``Installer.wait``; a timer polls. What has been done is
written down in the environment's folder, so that an installation that was stopped, or a machine that was switched off,
goes on where it was.
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
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError, CancelledError, Ex4dError, ResourceError, TransientError

from .environment import clean_environment, environment_python

MARKER = "ex4d-environment.json"
LOG = "install.log"
STEPS = ("venv", "packages", "backend", "check")
STEP_NAMES = {
    "venv": "Making the environment",
    "packages": "Installing packages",
    "backend": "Installing the backend",
    "check": "Checking",
}
#: After a cancel: seconds until the process is killed.
KILL_SECONDS = 5.0
#: Paths of packages are up to this long; Windows takes 260 characters in all.
WINDOWS_PATH = 120
_PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


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
        return f"{self.source}[{self.extra}]" if self.extra else str(self.source)

    def key(self) -> str:
        """Changes with everything that changes the installed packages."""
        digest = hashlib.sha256(f"{self.source.name}:{self.extra}".encode())
        if self.source.is_file():
            digest.update(self.source.read_bytes())
        return digest.hexdigest()[:16]

    def check(self) -> None:
        """Find what is wrong before anything is touched.

        Raises:
            BadInputError, ResourceError: with what to do.
        """
        folder = self.folder.absolute()
        if self.blender_folder is not None and folder.is_relative_to(self.blender_folder.absolute()):
            raise BadInputError(f"{folder} lies inside Blender's own folder.", "Choose a folder of your own.")
        if sys.platform == "win32" and len(str(folder)) > WINDOWS_PATH:
            raise BadInputError(f"The path {folder} is too long for Windows.", "Choose a shorter one.")
        if folder.exists() and not folder.is_dir():
            raise BadInputError(f"{folder} is a file.", "Choose a folder.")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise BadInputError(f"{folder} is not empty and not an environment of ours.", "Choose an empty folder.")
        if not self.source.exists():
            raise BadInputError(f"{self.source} does not exist.", "Install the extension again from its zip.")
        if self.wheels is not None and not any(self.wheels.glob("*.whl")):
            raise BadInputError(f"{self.wheels} holds no wheels.", "Choose the folder that the .whl files are in.")
        self._check_python()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".write"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise BadInputError(
                f"{folder} cannot be written: {error.strerror or error}.", "Choose another folder."
            ) from error

    def _check_python(self) -> None:
        try:
            found = subprocess.run(  # noqa: PLW1510  the code is looked at
                [str(self.base_python), "-I", "-c", _PROBE],
                capture_output=True,
                text=True,
                timeout=60,
                env=clean_environment(os.environ, self.blender_folder),
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ResourceError(f"{self.base_python} cannot be run: {error}.", "Choose another Python.") from error
        version = tuple(int(part) for part in re.findall(r"\d+", found.stdout)[:2])
        if found.returncode != 0:
            raise ResourceError(
                f"{self.base_python} has no venv.", "Choose another Python; on Debian: apt install python3-venv."
            )
        if version < (3, 11):
            raise ResourceError(f"{self.base_python} is Python {found.stdout.strip()}.", "Choose 3.11 or newer.")


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
        step, of: which of its steps.
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
    return record if isinstance(record, dict) and record.get("format") == "ex4d-environment" else {}


def environment_state(folder: Path) -> EnvironmentState:
    """What is installed in a folder; reads one small file."""
    record = _read_marker(folder)
    if not record:
        return EnvironmentState(False, problem="No backend is installed.")
    done = record.get("done", [])
    version, extra = record.get("version"), str(record.get("extra", ""))
    if not environment_python(folder).is_file():
        return EnvironmentState(True, version, extra, False, "The Python that the backend was installed with is gone.")
    if list(done) != list(STEPS):
        return EnvironmentState(True, version, extra, False, "The installation was not finished.")
    return EnvironmentState(True, version, extra, True)


def remove_environment(folder: Path) -> None:
    """Remove an environment of ours; raises BadInputError for any other folder."""
    if not (folder / MARKER).is_file():
        raise BadInputError(f"{folder} is not an environment of ours.", "Remove it by hand.")
    shutil.rmtree(folder, ignore_errors=True)


def bundled_wheel(extension: Path) -> Path | None:
    """The wheel of ex4d in the extension's folder; the project's folder where the add-on runs from its sources."""
    wheels = sorted((extension / "wheels").glob("ex4d-*.whl"))
    if wheels:
        return wheels[-1]
    project = extension.parent / "pyproject.toml"
    with suppress(OSError):
        if 'name = "ex4d"' in project.read_text(encoding="utf-8"):
            return project.parent
    return None


@dataclass
class Installer:
    """One installation."""

    plan: InstallPlan
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _todo: list[str] = field(default_factory=list, init=False)
    _record: dict[str, Any] = field(default_factory=dict, init=False)
    _error: Ex4dError | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)
    _cancelled_at: float | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    @property
    def log_path(self) -> Path:
        """Everything that the steps print."""
        return self.plan.folder / LOG

    def start(self) -> None:
        """Begin with what is not done yet."""
        folder = self.plan.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._record = _read_marker(folder) or {"format": "ex4d-environment", "done": []}
        done = list(self._record.get("done", []))
        if not environment_python(folder).is_file() or not self._starts():
            # The Python that it was made with is gone: nothing of it is of use.
            done = []
        if self._record.get("key") != self.plan.key():
            done = [step for step in done if step == "venv"]
        self._record.update(done=done, key=self.plan.key(), extra=self.plan.extra, python=str(self.plan.base_python))
        self._store()
        # The check is done each time: pressing Install is also the way to find out.
        self._todo = [step for step in STEPS if step not in done or step == "check"]
        self._next()

    def _starts(self) -> bool:
        try:
            command = [str(environment_python(self.plan.folder)), "-I", "-c", ""]
            subprocess.run(command, timeout=60, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def poll(self) -> InstallState:
        """Where it is; begins the next step when one has ended."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                self._insist()
            else:
                self._process = None
                self._step_ended(code)
        step = self._todo[0] if self._todo else STEPS[-1]
        number = STEPS.index(step) + (1 if self._ended and self._error is None else 0)
        tail = self.tail(1)
        return InstallState(STEP_NAMES[step], number, len(STEPS), tail[-1] if tail else "", self._ended, self._error)

    def wait(self, on_state: Callable[[InstallState], None]) -> InstallState:
        """Block until it has ended."""
        while True:
            state = self.poll()
            on_state(state)
            if state.done:
                return state
            time.sleep(0.1)

    def cancel(self) -> None:
        """Stop; what is done stays done."""
        if self._process is not None and self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self._signal(signal.SIGTERM)

    def tail(self, lines: int) -> list[str]:
        """The last lines of this installation's log."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(self._log_start)
                text = file.read()[-64_000:].decode("utf-8", errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-lines:]

    # Steps --------------------------------------------------------------------------------------------------------

    def _command(self, step: str) -> list[str]:
        python = str(environment_python(self.plan.folder))
        if step == "venv":
            return [str(self.plan.base_python), "-I", "-m", "venv", str(self.plan.folder)]
        if step in ("packages", "backend"):
            index = ["--no-index", "--find-links", str(self.plan.wheels)] if self.plan.wheels else []
            options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--upgrade"]
            if step == "backend":
                # pip leaves a package alone that has the right version, and this may be another build of it.
                options = [*options[:-1], "--no-deps", "--force-reinstall"]
            return [python, "-I", "-m", "pip", "install", *options, *index, self.plan.requirement]
        return [python, "-I", "-m", "ex4d", "doctor", "--json"]

    def _next(self) -> None:
        if not self._todo:
            self._ended = True
            return
        step = self._todo[0]
        if step == "venv":
            self._clear()
        self._begin(step)

    def _clear(self) -> None:
        """Empty the folder but for the marker and the log, which venv's own --clear would remove."""
        for path in self.plan.folder.iterdir():
            if path.name not in (MARKER, LOG):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _begin(self, step: str) -> None:
        try:
            with self.log_path.open("ab") as log:
                log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} {STEP_NAMES[step]}\n".encode())
                log.flush()
                self._log_start = log.tell()
                group: dict[str, Any] = {"start_new_session": True}
                if sys.platform == "win32":
                    group = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
                self._process = subprocess.Popen(
                    self._command(step),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.plan.folder,
                    env=clean_environment(os.environ, self.plan.blender_folder),
                    **group,
                )
        except OSError as error:
            self._fail(TransientError(f"A step cannot be started: {error.strerror or error}.", self._hint()))

    def _step_ended(self, code: int) -> None:
        step = self._todo[0]
        if self._cancelled_at is not None:
            self._fail(CancelledError())
        elif code != 0:
            self._fail(self._explain(step))
        else:
            if step == "check":
                self._record["version"] = self._checked_version()
            self._record["done"] = [*(done for done in self._record["done"] if done != step), step]
            self._store()
            del self._todo[0]
            self._next()

    def _checked_version(self) -> str:
        for line in reversed(self.tail(200)):
            with suppress(ValueError, TypeError, KeyError):
                findings = json.loads(line)["result"]["findings"]
                return next(item["detail"].split()[1] for item in findings if item["name"] == "ex4d")
        return "?"

    def _fail(self, error: Ex4dError) -> None:
        self._error, self._ended = error, True

    def _hint(self) -> str:
        return f"The log says more: {self.log_path}"

    def _explain(self, step: str) -> Ex4dError:
        text = "\n".join(self.tail(200))
        missing = re.search(r"No matching distribution found for (\S+)", text)
        if missing and self.plan.wheels is not None:
            return BadInputError(
                f"{self.plan.wheels} has no fitting wheel of {missing[1]}.",
                f"Add it, for Python {self._python_version()} on this system. {self._hint()}",
            )
        if re.search(r"No space left|Errno 28|not enough space", text):
            return TransientError("The disk is full.", f"Free some space and press Install again. {self._hint()}")
        if re.search(r"Permission denied|Access is denied|Errno 13", text):
            return BadInputError(
                "A file cannot be written.", f"Choose another folder, or close what uses it. {self._hint()}"
            )
        if re.search(r"NewConnectionError|Temporary failure|getaddrinfo|ConnectTimeout|ProxyError|SSLError", text):
            return TransientError(
                "The package index cannot be reached.",
                f"Check the network and proxy, or install from a folder of wheels. {self._hint()}",
            )
        if missing:
            return ResourceError(f"There is no {missing[1]} for this system and Python.", self._hint())
        return TransientError(f"{STEP_NAMES[step]} has failed.", f"Press Install again. {self._hint()}")

    def _python_version(self) -> str:
        config = self.plan.folder / "pyvenv.cfg"
        with suppress(OSError):
            found = re.search(r"version(?:_info)?\s*=\s*(\d+\.\d+)", config.read_text(encoding="utf-8"))
            if found:
                return found[1]
        return "3.11"

    def _insist(self) -> None:
        if self._cancelled_at is not None and time.monotonic() - self._cancelled_at > KILL_SECONDS:
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _signal(self, number: int) -> None:
        """To the whole group: pip starts processes of its own."""
        assert self._process is not None
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, number)

    def _store(self) -> None:
        path = self.plan.folder / MARKER
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(self._record, indent=1), encoding="utf-8")
        temporary.replace(path)
