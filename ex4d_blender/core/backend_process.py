# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and finding the backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ex4d.protocol.errors import Ex4dError, ResourceError, TransientError
from ex4d.protocol.identity import ProcessIdentity, identity_of
from ex4d.protocol.runtime import (
    START_LOG,
    Handshake,
    is_held,
    lock_holder,
    open_private,
    private_folder,
    running_backend,
)

from .environment import clean_environment

#: A backend that has not come up after this long will not; importing its packages from a cold disk takes a while.
START_SECONDS = 90.0
#: Starts that fail at once are not repeated more often than this.
RESTART_SECONDS = 5.0
#: A backend that does not answer is asked by signal to end, killed after this long, and given up after as long again.
END_SECONDS = 3.0

#: All that were ever started here. One that has ended counts as alive until its exit code is collected, also when the
#: add-on was disabled and enabled meanwhile.
_started: list[subprocess.Popen[bytes]] = []


@dataclass
class BackendProcess:
    """The backend of a runtime folder, whoever has started it.

    Attributes:
        runtime: the folder of its handshake and logs.
        python: that has ``ex4d`` installed; None where there is none, then a running backend can still be found.
        blender_folder: folder of Blender's executable, None outside Blender.
        variables: set for the backend besides those of this process.
        arguments: given to ``ex4d serve`` besides those that every backend gets.
        problem: one sentence on why there is no Python.
    """

    runtime: Path
    python: Path | None
    blender_folder: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    problem: str = "No backend is installed."
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _ended: ProcessIdentity | None = None
    _ended_at: float = 0.0
    _killed: bool = False
    _joined: bool = False

    def find(self) -> Handshake | None:
        """The handshake of the backend that holds the runtime folder and serves."""
        self.reap()
        return running_backend(self.runtime)

    def start(self, extra: tuple[str, ...] = ()) -> None:
        """Start one that lives as long as this process; ``find`` tells when it is up.

        Raises:
            ResourceError: no backend is installed.
            TransientError: the last start was a moment ago, the runtime folder is not the user's alone, or the system
                refuses.
        """
        if self._process is not None and self._process.poll() is None:
            # It comes up, or was asked to end a moment ago and has not yet.
            self._joined = True
            return
        self._joined = False
        if self.python is None:
            raise ResourceError(self.problem, "Open Preferences, Add-ons, EX-4D and press Install Backend.")
        if time.monotonic() - self._started < RESTART_SECONDS and self._started:
            raise TransientError("The backend has just failed to start.", "Wait a few seconds, then try again.")
        self._started = time.monotonic()
        command = [str(self.python), "-I", "-m", "ex4d", "serve"]
        command += ["--runtime-dir", str(self.runtime), "--parent", str(os.getpid()), *self.arguments, *extra]
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        private_folder(self.runtime)
        try:
            with os.fdopen(open_private(self.runtime / START_LOG, os.O_WRONLY | os.O_CREAT), "wb") as log:
                log.truncate()
                self._process = subprocess.Popen(
                    command,
                    cwd=self.runtime,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    close_fds=True,
                    env={**clean_environment(os.environ, self.blender_folder), **self.variables},
                    start_new_session=sys.platform != "win32",
                    creationflags=flags,
                )
            _started.append(self._process)
        except OSError as error:
            raise TransientError(
                f"The backend cannot be started: {error.strerror or error}.",
                "Antivirus software may block it; Diagnose in the preferences shows more.",
            ) from error

    def end_silent(self, handshake: Handshake) -> bool:
        """Make an end of a backend that does not answer, a step each time; whether it is gone.

        Its jobs are not lost: the next one takes them from the journal.

        Args:
            handshake: of the one that was asked in vain.

        Raises:
            TransientError: it cannot be ended, or is not known for sure to be that process.
        """
        self.reap()
        found = running_backend(self.runtime)
        if (found is not None and found != handshake) or not is_held(self.runtime):
            self._ended, self._killed, self._started = None, False, 0.0
            return True
        now = time.monotonic()
        if self._ended is None:
            self._ended, self._ended_at = self._holder(handshake), now
            _send_signal(self._ended, signal.SIGTERM)
        elif not self._killed and now - self._ended_at > END_SECONDS:
            self._killed = True
            _send_signal(self._ended, getattr(signal, "SIGKILL", signal.SIGTERM))
        elif now - self._ended_at > 3 * END_SECONDS:
            self._ended, self._killed = None, False
            raise _cannot_be_ended(handshake)
        return False

    def _holder(self, handshake: Handshake) -> ProcessIdentity:
        """The process behind a handshake. The number in it alone may be another one's by now."""
        holder = lock_holder(self.runtime)
        if holder is not None and holder.pid == handshake.pid and holder.is_running():
            return holder
        # An earlier version of the backend leaves no name in its lock; our own children keep their numbers.
        child = identity_of(handshake.pid) if any(process.pid == handshake.pid for process in _started) else None
        if child is None:
            raise _cannot_be_ended(handshake)
        return child

    def failure(self) -> Ex4dError | None:
        """Why the process that ``start`` made has ended without coming up; None while it may still come."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            if time.monotonic() - self._started < START_SECONDS:
                return None
            return TransientError(
                f"The backend has not come up within {START_SECONDS:.0f} seconds.", "Press Diagnose in the preferences."
            )
        if self.find() is not None:
            # Another Blender of the same user was faster; its backend serves us as well.
            return None
        if self._joined and code == 0:
            # The one that was there has ended as it was asked to.
            self._started = 0.0
            self.start()
            return None
        return TransientError(
            f"The backend has stopped with code {code}: {self._last_words()}", "See its log (Diagnose)."
        )

    def wait(self, seconds: float = START_SECONDS) -> Handshake:
        """Block until the backend is up; for background mode.

        Raises:
            Ex4dError: it does not come up.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handshake = self.find()
            if handshake is not None:
                return handshake
            failure = self.failure()
            if failure is not None:
                raise failure
            time.sleep(0.05)
        raise TransientError("The backend has not come up in time.", "Press Diagnose in the preferences.")

    def reap(self) -> None:
        """Collect the exit codes of processes that have ended."""
        _started[:] = [process for process in _started if process.poll() is None]

    def _last_words(self) -> str:
        try:
            text = (self.runtime / START_LOG).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            text = ""
        return text.splitlines()[-1] if text else "it said nothing."


def _send_signal(process: ProcessIdentity, number: signal.Signals) -> None:
    if process.is_running():
        with suppress(OSError):
            os.kill(process.pid, number)


def _cannot_be_ended(handshake: Handshake) -> TransientError:
    return TransientError(
        f"The backend (process {handshake.pid}) does not answer and cannot be ended from here.",
        "End that process, or restart the computer.",
    )
