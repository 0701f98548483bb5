# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and finding the backend."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from ex4d.processes import process_alive
from ex4d.protocol.errors import Ex4dError, ResourceError, TransientError
from ex4d.protocol.runtime import Handshake, read_handshake

from .environment import clean_environment

#: A backend that has not come up after this long will not; importing its packages from a cold disk takes a while.
START_SECONDS = 90.0
#: Starts that fail at once are not repeated more often than this.
RESTART_SECONDS = 5.0
START_LOG = "start.log"

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
        problem: one sentence on why there is no Python.
    """

    runtime: Path
    python: Path | None
    blender_folder: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    problem: str = "No backend is installed."
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0

    def find(self) -> Handshake | None:
        """The handshake of a backend that lives."""
        self.reap()
        handshake = read_handshake(self.runtime)
        return handshake if handshake is not None and process_alive(handshake.pid) else None

    def start(self, extra: tuple[str, ...] = ()) -> None:
        """Start one that lives as long as this process; ``find`` tells when it is up.

        Raises:
            ResourceError: no backend is installed.
            TransientError: the last start was a moment ago, or the system refuses.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if self.python is None:
            raise ResourceError(self.problem, "Open Preferences, Add-ons, EX-4D and press Install Backend.")
        if time.monotonic() - self._started < RESTART_SECONDS and self._started:
            raise TransientError("The backend has just failed to start.", "Wait a few seconds, then try again.")
        self._started = time.monotonic()
        command = [str(self.python), "-I", "-m", "ex4d", "serve"]
        command += ["--runtime-dir", str(self.runtime), "--parent", str(os.getpid()), *extra]
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            self.runtime.mkdir(parents=True, exist_ok=True)
            with (self.runtime / START_LOG).open("wb") as log:
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
