# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the backend: its process, the client that speaks with it, and what is done when it falls silent or ends.

The module's one ``BackendLink`` is the truth; nothing of it survives unregistration.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import bpy

from ex4d import __version__
from ex4d.protocol.errors import Ex4dError, TransientError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.results import DoctorResult
from ex4d.protocol.runtime import Handshake
from ex4d.protocol.wire import VERSION

from . import error_dialog, panel_updates, paths
from .core.backend_process import BackendProcess
from .core.client import JobClient
from .core.environment_state import find_backend
from .core.versions import protocol_difference, version_difference
from .scene import colour_tables

log = logging.getLogger(__name__)

PROTOCOL = VERSION.decode()

#: A backend takes back its handshake sooner than this when it is asked to end.
STOP_SECONDS = 3.0
#: Backends that a job may outlive, one after the other, before its waiting is given up.
MAX_RESTARTS = 2


@dataclass
class BackendLink:
    """See the module.

    Attributes:
        client: speaks with the backend.
        backend: its process; None until it was first asked for.
        starting: one is being started.
        silent: the backend that does not answer and is being ended; another one is started when it is gone.
        refused: the backend that runs and speaks another version of the protocol; ``stop`` ends it.
        told_version: the backend's version that was last told to be another than the extension's.
        doctor: what the backend last found out about the machine.
    """

    client: JobClient = field(default_factory=lambda: JobClient(f"Blender {bpy.app.version_string}"))
    backend: BackendProcess | None = None
    starting: bool = False
    silent: Handshake | None = None
    refused: Handshake | None = None
    told_version: str = ""
    doctor: DoctorResult | None = None

    def backend_process(self) -> BackendProcess:
        """The backend of this user, with the Python of the preferences."""
        python, problem = find_backend(paths.environment_folder())
        runtime = paths.runtime_folder()
        if self.backend is None or self.backend.runtime != runtime:
            self.backend = BackendProcess(runtime, python, paths.blender_folder())
        self.backend.python, self.backend.problem = python, problem
        self.backend.variables = {**paths.model_variables(), **colour_tables.backend_variables()}
        self.backend.arguments = paths.serve_arguments()
        return self.backend

    def connect(self, *, block: bool) -> None:
        """Connect to the backend, starting it where none runs; without ``block`` the timer does the rest.

        Raises:
            Ex4dError: it cannot be started, or speaks another version of the protocol.
        """
        backend = self.backend_process()
        handshake = backend.find()
        self._check_protocol(handshake)
        if self.client.is_open and handshake is not None and handshake == self.client.handshake:
            if not self.client.is_silent:
                return
            self._drop_silent(handshake)
        if self.silent is not None:
            if not block:
                # The timer ends it and starts another one.
                self.starting = True
                return
            handshake = self._end_silent(backend)
        if handshake is None:
            backend.start()
            if not block:
                self.starting = True
                return
            handshake = backend.wait()
        self.starting = False
        self._check_protocol(handshake)
        self.client.connect(handshake)

    def is_connected(self) -> bool:
        """Whether a backend answers."""
        return self.client.is_open and self.client.welcome is not None

    def is_busy(self) -> bool:
        """Whether there is something to look after often."""
        return bool(self.client.unfinished) or self.starting

    def version(self) -> str:
        """Of the backend that answers, "" where none does."""
        return self.client.welcome.version if self.client.welcome is not None else ""

    def stop(self) -> None:
        """End the backend in good order; one that speaks another version of the protocol, by signal."""
        backend = self.backend_process()
        if not self.client.is_open:
            found = backend.find()
            if found is not None and found.protocol != PROTOCOL:
                self._drop_silent(found)
                self._end_silent(backend)
        else:
            self.client.shutdown()
            # The message goes out before the socket is closed.
            end = time.monotonic() + STOP_SECONDS
            left = False
            while time.monotonic() < end and not left:
                left = self.client.poll(50).left
            asked = self.client.handshake
            if not left and asked is not None and backend.find() == asked:
                # One that ends takes its handshake back at once: it does not listen.
                self._drop_silent(asked)
                self._end_silent(backend)
        self.client.disconnect()
        self.silent, self.refused, self.starting = None, None, False

    def wait(self, job: str, on_change: Callable[[JobSnapshot], None]) -> JobSnapshot:
        """Block until a job has ended, whatever becomes of the backends meanwhile.

        Raises:
            TransientError: they are gone, ``MAX_RESTARTS`` after the first one.
        """
        backend = self.backend_process()

        def serves() -> bool:
            found = backend.find()
            return found is not None and found == self.client.handshake

        for restarts in range(MAX_RESTARTS + 1):
            try:
                snapshot = self.client.wait(job, on_change, alive=serves)
                break
            except TransientError:
                if restarts == MAX_RESTARTS:
                    raise
                # It was just ending with another Blender, was killed, or hangs: once more, with a new one.
                self.connect(block=True)
        difference = self._version_difference()
        if difference is not None:
            snapshot = replace(snapshot, notes=(*snapshot.notes, f"{difference.message} {difference.hint}"))
        return snapshot

    def follow(self) -> None:
        """One look at the process: connect to one that has come up, replace one that has gone or does not answer."""
        backend = self.backend
        if backend is None:
            return
        if self.silent is not None:
            self._replace_silent(backend)
        elif self.starting:
            handshake = backend.find()
            if handshake is not None:
                self.starting = False
                try:
                    self._check_protocol(handshake)
                    self.client.connect(handshake)
                except Ex4dError as error:
                    self._give_up(error)
            elif (failure := backend.failure()) is not None:
                self.starting = False
                self._give_up(failure)
        elif self.client.is_open:
            self._follow_open(backend)
        elif self.refused is not None and backend.find() != self.refused:
            self.refused = None
            panel_updates.nudge()

    def _follow_open(self, backend: BackendProcess) -> None:
        handshake = backend.find()
        if handshake is None:
            self.client.disconnect()
            if self.client.unfinished:
                # It was killed: a new one takes up the journal and we ask for our jobs again.
                try:
                    self.connect(block=False)
                except Ex4dError as error:
                    self._give_up(error)
        elif handshake != self.client.handshake:
            self.client.connect(handshake)
        elif self.client.is_silent:
            self._drop_silent(handshake)
        elif (difference := self._version_difference()) is not None:
            error_dialog.show_error(difference)

    def _version_difference(self) -> Ex4dError | None:
        """What to say of a backend of another version, once."""
        version = self.version()
        if version in ("", self.told_version):
            return None
        self.told_version = version
        return version_difference(version, __version__)

    def _drop_silent(self, handshake: Handshake) -> None:
        """Leave a backend that does not answer, or not in our words; ``follow`` or ``connect`` replaces it."""
        log.warning("backend %d does not answer and is ended", handshake.pid)
        self.client.disconnect()
        self.silent, self.starting = handshake, True

    def _end_silent(self, backend: BackendProcess) -> Handshake | None:
        """Block until the backend that does not answer is gone; returns that of another one, if there is."""
        assert self.silent is not None
        try:
            while not backend.end_silent(self.silent):
                time.sleep(0.05)
        finally:
            self.silent, self.starting = None, False
        return backend.find()

    def _replace_silent(self, backend: BackendProcess) -> None:
        """One step of ending the backend that does not answer, and then of starting another one."""
        assert self.silent is not None
        try:
            if backend.end_silent(self.silent):
                self.silent, self.starting = None, False
                self.connect(block=False)
                error_dialog.show_error(
                    TransientError(
                        "The backend did not answer any more and was started anew.",
                        "Its jobs go on from their finished stages. Its log may tell why.",
                    )
                )
        except Ex4dError as error:
            self.silent, self.starting = None, False
            self._give_up(error)

    def _check_protocol(self, handshake: Handshake | None) -> None:
        """Raise ResourceError for a backend of another version of the protocol."""
        self.refused = handshake if handshake is not None and handshake.protocol != PROTOCOL else None
        if self.refused is not None:
            raise protocol_difference(self.refused.protocol, PROTOCOL)

    def _give_up(self, error: Ex4dError) -> None:
        for job in self.client.unfinished:
            self.client.cancel(job.id)
        error_dialog.show_error(error)


_link: BackendLink | None = None


def current() -> BackendLink:
    """The link; made when first asked for."""
    global _link  # noqa: PLW0603  the one place that holds state
    if _link is None:
        _link = BackendLink()
    return _link


def close() -> None:
    """Close the socket. The backend ends by itself when Blender does, or by its idle limit."""
    global _link  # noqa: PLW0603
    if _link is not None:
        _link.client.disconnect()
        _link = None
