# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend: an environment of its own, made step by step, each step done once.

Nothing here blocks but ``Installer.wait``; a timer polls. What has been done is written down in the environment's
folder, so that an installation that was stopped, or a machine that was switched off, goes on where it was.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ex4d.protocol.errors import Ex4dError, ResourceError, TransientError

from .environment_files import ENVIRONMENT, FORMAT, has_earlier_layout, is_stamped, set_aside
from .environment_state import STEPS, check_ours, done_steps, has_python, read_marker, write_marker
from .install_errors import explain, interrupted, system_error
from .install_plan import InstallPlan
from .install_steps import CLEAR, MENDED, PROBE, STEP_NAMES, command, plain_version, told_error, told_version, variables

LOG = "install.log"
#: After a cancel: seconds until the process is killed.
KILL_SECONDS = 5.0
#: No more than this of the log is read for showing its end.
TAIL_BYTES = 64_000


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
        self._folder = self.plan.place

    @property
    def log_path(self) -> Path:
        """Everything that the steps print, of this and of earlier installations."""
        return self._folder / LOG

    def start(self) -> None:
        """Begin with what is not done yet."""
        try:
            check_ours(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
            if not read_marker(self._folder):
                # Before anything else: the folder is ours from now on, also where the next line is never reached.
                self._record = {"format": FORMAT, "done": []}
                self._store()
            self._open_log()
            self._set_out()
            self._next()
        except Ex4dError as error:
            self._fail(error)
        except OSError as error:
            self._fail(system_error(error, self._folder, self._hint()))

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
                    self._fail(system_error(error, self._folder, self._hint()))
        step = self._todo[0] if self._todo else STEPS[-1]
        number = STEPS.index(step) if step in STEPS else len(STEPS) if step == CLEAR else 0
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
        self._record = read_marker(self._folder) or {"format": FORMAT, "done": []}
        source = {"name": self.plan.source.name, "sha256": self.plan.digest(), "version": self.plan.version()}
        source["packages"] = self.plan.lock_digest()
        done = done_steps(self._record)
        if (self._record.get("source"), self._record.get("extra")) != (source, self.plan.extra):
            done = [step for step in done if step == "venv"]
        if not is_stamped(self._folder / ENVIRONMENT) or not has_python(self._folder):
            # It is of the earlier layout, or the Python that it was made with is gone: nothing of it is of use.
            done = []
        self._record.update(done=done, source=source, extra=self.plan.extra, problem="")
        self._store()
        # The check is done each time: pressing Install is also the way to find out.
        self._todo = [step for step in STEPS if step not in done or step == "check"]
        if "venv" in done:
            self._todo.insert(0, PROBE)
        self._todo.append(CLEAR)

    def _replaced(self) -> bool:
        """Whether there is an environment that the new one stands in for."""
        return has_earlier_layout(self._folder) or bool(set_aside(self._folder))

    def _next(self) -> None:
        if self._todo == [CLEAR] and not self._replaced():
            self._todo.clear()
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
            command(step, self.plan, self._folder),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            env=variables(self.plan),
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
        if self._cancelled_at is not None and code != 0 and step != CLEAR:
            self._fail(interrupted(self._hint()))
            return
        if step == PROBE:
            self._after_probe(code)
        elif step == CLEAR:
            # All is installed; what could not be removed is tried again next time.
            del self._todo[0]
        elif code != 0:
            self._step_failed(step, code, text)
            return
        elif step == "check" and not self._accept(text):
            return
        else:
            self._step_done(step)
        if self._cancelled_at is not None and self._todo == [CLEAR]:
            # All is there; what was replaced goes the next time.
            self._end()
        elif self._cancelled_at is not None and self._todo:
            self._fail(interrupted(self._hint()))
        else:
            self._next()

    def _after_probe(self, code: int) -> None:
        if code == 0:
            del self._todo[0]
        else:
            kept = ["venv"] if code == MENDED else []
            self._todo = [*(step for step in STEPS if step not in kept), CLEAR]
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
        version, wanted = told_version(text), self.plan.version()
        if version is not None and (wanted is None or plain_version(version) == plain_version(wanted)):
            self._record["version"] = version
            return True
        self._forget("packages", "backend", "check")
        found = f"version {version}" if version else "an unknown version"
        hint = f"Press Install again; if that does not help, choose an empty folder. {self._hint()}"
        self._fail(TransientError(f"The environment has {found} of the backend and not {wanted}.", hint))
        return False

    def _step_failed(self, step: str, code: int, text: str) -> None:
        told = told_error(text) if step == "check" else None
        if told is not None and told.kind == ResourceError.kind:
            # The backend runs, and says what this machine lacks; installing it again would not help.
            self._record.update(version=told_version(text) or self.plan.version(), problem=told.message)
            self._forget("check")
        elif step == "check":
            self._forget("packages", "backend", "check")
        if told is None:
            self._fail(
                explain(STEP_NAMES[step], code, text, folder=self._folder, wheels=self.plan.wheels, hint=self._hint())
            )
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
                system = os.environ.get("SYSTEMROOT", "C:/Windows")
                subprocess.Popen(
                    # By its path: Windows would look for a bare name in the current folder first.
                    [f"{system}/System32/taskkill.exe", "/PID", str(self._process.pid), "/T", "/F"],
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

    def _hint(self) -> str:
        return f"The log says more: {self.log_path}"

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
        write_marker(self._folder, self._record)
