# SPDX-License-Identifier: GPL-3.0-or-later
"""The running session: the backend, its client, and what is to happen when jobs end.

The module's one ``Session`` is the truth. The window manager's properties mirror it for panels; scenes remember the
jobs they wait for, so that a file that is opened again can go on. Nothing here survives unregistration.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

from ex4d import __version__
from ex4d.protocol.errors import ErrorInfo, Ex4dError, InternalError, TransientError
from ex4d.protocol.jobs import CANCELLED, DONE, JobSnapshot
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import Request
from ex4d.protocol.runtime import RUNTIME_VARIABLE, Handshake, default_runtime_dir, private_folder

from .core import records
from .core.backend_process import BackendProcess
from .core.client import JobClient
from .core.environment_state import find_backend
from .core.texts import KIND_NAMES, error_report, job_state
from .core.versions import version_difference
from .redraw import Redraw

log = logging.getLogger(__name__)

BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0
#: A backend takes back its handshake sooner than this when it is asked to end.
STOP_SECONDS = 3.0
#: Backends that a job may outlive, one after the other, before its waiting is given up.
MAX_RESTARTS = 2
#: Ended jobs that stay in the list, and those that are remembered at all.
SHOWN_JOBS, KEPT_JOBS = 20, 200
#: How often disk is looked at for what panels show.
LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class Waiting:
    """Who waits for a job.

    Attributes:
        scene: ``session_uid`` of the scene; it survives undo and renaming, and no other scene ever has it.
        action: see ``finish.ACTIONS``.
        data: what the action needs, JSON-able.
    """

    scene: int
    action: str
    data: dict[str, Any]


@dataclass(frozen=True)
class JobRow:
    """What panels and the status bar show of a job.

    Attributes:
        job: its id.
        kind, title, state: see ``JobSnapshot``.
        text: where it is, in a few words.
        fraction: 0 to 1.
        look: a small picture of what is being made, a path or "".
    """

    job: str
    kind: str
    title: str
    state: str
    text: str
    fraction: float
    look: str


@dataclass
class Shown:
    """The error that the dialog shows.

    Attributes:
        error: what happened.
        details: a traceback or a log's end, for the copied text.
    """

    error: Ex4dError
    details: str = ""


@dataclass
class Session:
    """See the module."""

    client: JobClient = field(default_factory=lambda: JobClient(f"Blender {bpy.app.version_string}"))
    backend: BackendProcess | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    rows: tuple[JobRow, ...] = ()
    #: Jobs of the open file that ended with another Blender, before their time: what they were called.
    cut_off: dict[str, str] = field(default_factory=dict)
    #: One sentence on why no backend can be started, "" where one can be.
    lacks_backend: str = ""
    redraw: Redraw = field(default_factory=Redraw)
    _looked: float = -LOOK_SECONDS
    _nudges: int = 0
    starting: bool = False
    #: The backend that does not answer and is being ended; another one is started when it is gone.
    silent: Handshake | None = None
    #: The backend's version that was last told to be another than the extension's.
    told_version: str = ""
    shown: Shown | None = None
    doctor: dict[str, Any] | None = None

    # Backend ------------------------------------------------------------------------------------------------------

    def backend_process(self) -> BackendProcess:
        """The backend of this user, with the Python of the preferences."""
        python, problem = find_backend(environment_folder())
        runtime = runtime_folder()
        if self.backend is None or self.backend.runtime != runtime:
            self.backend = BackendProcess(runtime, python, _blender_folder())
        self.backend.python, self.backend.problem = python, problem
        self.backend.variables = model_variables()
        return self.backend

    def connect(self, *, block: bool) -> None:
        """Connect to the backend, starting it where none runs; without ``block`` the timer does the rest.

        Raises:
            Ex4dError: it cannot be started.
        """
        backend = self.backend_process()
        handshake = backend.find()
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
        self.client.connect(handshake)

    def _drop_silent(self, handshake: Handshake) -> None:
        """Leave a backend that does not answer; ``_follow_backend`` or ``connect`` replaces it."""
        log.warning("backend %d does not answer; it is ended and another one started", handshake.pid)
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

    def is_connected(self) -> bool:
        """Whether a backend answers."""
        return self.client.is_open and self.client.welcome is not None

    def stop_backend(self) -> None:
        """End the backend in good order."""
        if self.client.is_open:
            self.client.shutdown()
            # The message goes out before the socket is closed.
            end = time.monotonic() + STOP_SECONDS
            left = False
            while time.monotonic() < end and not left:
                left = self.client.poll(50).left
            asked, backend = self.client.handshake, self.backend_process()
            if not left and asked is not None and backend.find() == asked:
                # One that ends takes its handshake back at once: it does not listen.
                self._drop_silent(asked)
                self._end_silent(backend)
        self.client.disconnect()
        self.silent, self.starting = None, False

    # Jobs ---------------------------------------------------------------------------------------------------------

    def submit(
        self,
        scene: bpy.types.Scene,
        request: Request,
        *,
        action: str,
        data: dict[str, Any] | None = None,
        title: str,
        block: bool,
    ) -> str:
        """Ask for a job whose result this scene waits for; returns its id.

        Raises:
            Ex4dError: there is no backend.
        """
        self.connect(block=block)
        job = self.client.submit(request, title=title)
        self.expect(scene, job, action, data or {})
        self.mirror()
        return job

    def expect(self, scene: bpy.types.Scene, job: str, action: str, data: dict[str, Any]) -> None:
        """Remember what is to happen in a scene when a job ends, here and in the file."""
        self.waiting[job] = Waiting(scene.session_uid, action, data)
        entry = scene.ex4d.pending.add()
        entry.job, entry.action, entry.data = job, action, json.dumps(data)

    def retry(self, job: str) -> str | None:
        """Ask for an ended job once more, for the same scene."""
        self.connect(block=bpy.app.background)
        again = self.client.retry(job)
        known = self.waiting.get(job)
        if again is not None and known is not None:
            scene = scene_by_uid(known.scene)
            if scene is not None:
                self.expect(scene, again, known.action, known.data)
        self.mirror()
        return again

    def wait(self, job: str, on_change: Callable[[JobSnapshot], None] = lambda _: None) -> JobSnapshot:
        """Block until a job has ended and what follows from it is done.

        Raises:
            Ex4dError: the job's own, or the backend is gone.
        """
        snapshot = self._wait_for_end(job, on_change)
        # Its error is raised here, and shown by whoever waits.
        self._finish(snapshot, tell=False)
        self.mirror()
        if snapshot.state != DONE:
            raise (snapshot.error or ErrorInfo()).error()
        return snapshot

    def _wait_for_end(self, job: str, on_change: Callable[[JobSnapshot], None]) -> JobSnapshot:
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

    def _version_difference(self) -> Ex4dError | None:
        """What to say of a backend of another version, once."""
        version = self.client.welcome.version if self.client.welcome is not None else __version__
        if version == self.told_version:
            return None
        self.told_version = version
        return version_difference(version, __version__)

    def pump(self) -> None:
        """Take what the backend has said; called by the timer."""
        self._follow_backend()
        updates = self.client.poll(budget_s=0.02)
        for error in updates.errors:
            self.report(error)
        ended = [job for job in self.client.jobs.values() if job.is_final and job.id not in self.finished]
        for snapshot in ended:
            # While Blender renders, its data must be left alone.
            if not bpy.app.is_job_running("RENDER"):
                self._finish(snapshot)
        if updates or ended or self.client.unfinished:
            self.mirror()

    def _follow_backend(self) -> None:
        backend = self.backend
        if backend is None:
            return
        if self.silent is not None:
            self._replace_silent(backend)
        elif self.starting:
            handshake = backend.find()
            if handshake is not None:
                self.starting = False
                self.client.connect(handshake)
            elif (failure := backend.failure()) is not None:
                self.starting = False
                self._give_up(failure)
        elif self.client.is_open:
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
                self.report(difference)

    def _replace_silent(self, backend: BackendProcess) -> None:
        """One step of ending the backend that does not answer, and then of starting another one."""
        assert self.silent is not None
        try:
            if backend.end_silent(self.silent):
                self.silent, self.starting = None, False
                self.connect(block=False)
                self.report(
                    TransientError(
                        "The backend did not answer any more and was started anew.",
                        "Its jobs go on from their finished stages. Its log may tell why.",
                    )
                )
        except Ex4dError as error:
            self.silent, self.starting = None, False
            self._give_up(error)

    def _give_up(self, error: Ex4dError) -> None:
        for job in self.client.unfinished:
            self.client.cancel(job.id)
        self.report(error)

    def _finish(self, snapshot: JobSnapshot, *, tell: bool = True) -> None:
        """Do what a job's end calls for, once; ``tell``: show its error."""
        if snapshot.id in self.finished:
            return
        self.finished.add(snapshot.id)
        from . import finish

        waiting = self.waiting.get(snapshot.id)
        scene = scene_by_uid(waiting.scene) if waiting else None
        for candidate in bpy.data.scenes:
            entries = candidate.ex4d.pending
            for index in reversed(range(len(entries))):
                if entries[index].job == snapshot.id:
                    if scene is None:
                        scene = candidate
                        waiting = Waiting(candidate.session_uid, entries[index].action, _data_of(entries[index]))
                    entries.remove(index)
        self.cut_off.pop(snapshot.id, None)
        # A job without a kind is one that the backend has forgotten long ago.
        forgotten = snapshot.state not in (DONE, CANCELLED) and not snapshot.kind
        if snapshot.state == DONE and waiting is not None and scene is not None:
            try:
                finish.ACTIONS[waiting.action](scene, snapshot, waiting.data)
            except Ex4dError as error:
                self._failed(error, scene=scene)
            except Exception as error:
                log.exception("the result of a job cannot be taken in")
                self._failed(InternalError(error), traceback.format_exc(), scene=scene)
        elif forgotten and waiting is not None:
            self._note_cut_off(snapshot.id, waiting)
        elif tell and not forgotten and snapshot.state not in (DONE, CANCELLED) and not bpy.app.background:
            self.report((snapshot.error or ErrorInfo()).error(), scene=scene)
        for note in snapshot.notes:
            log.info("%s: %s", snapshot.title, note)
        self._forget_old()

    def _failed(self, error: Ex4dError, details: str = "", *, scene: bpy.types.Scene | None = None) -> None:
        if bpy.app.background:
            raise error
        self.report(error, details, scene=scene)

    def _forget_old(self) -> None:
        """Keep a long session's memory bounded: what is neither shown nor waited for goes."""
        ended = sorted(
            (job for job in self.client.jobs.values() if job.is_final and job.id in self.finished),
            key=lambda job: job.created,
        )
        for job in ended[: max(0, len(ended) - KEPT_JOBS)]:
            self.client.forget(job.id)
        for gone in self.finished - self.client.jobs.keys():
            self.finished.discard(gone)
            self.waiting.pop(gone, None)

    def take_up_pending(self) -> None:
        """Wait again for what the open file's scenes wait for: they may have asked before they were closed."""
        self.cut_off.clear()
        for scene in bpy.data.scenes:
            if records.is_newer(scene.ex4d.version):
                continue
            for entry in scene.ex4d.pending:
                self.waiting[entry.job] = Waiting(scene.session_uid, entry.action, _data_of(entry))
                # Its end may have come while another file was open: it is dealt with now.
                self.finished.discard(entry.job)
                if entry.job not in self.client.jobs or self.client.jobs[entry.job].is_final:
                    self.client.resume(entry.job)
            if not len(scene.ex4d.pending):
                continue
            try:
                if self.backend_process().find() is not None:
                    self.connect(block=False)
                    continue
            except Exception:
                log.exception("EX-4D: the backend cannot be asked for this file's jobs")
            # Jobs end with the last Blender. Should a backend come and know better, the result comes all the same.
            for entry in scene.ex4d.pending:
                if entry.job not in self.client.jobs:
                    self._note_cut_off(entry.job, self.waiting[entry.job])
        self.mirror()

    def settle_pending(self) -> None:
        """Before the file is saved: scenes copied from one that waits for a job do not wait for it as well."""
        for scene in bpy.data.scenes:
            if scene.library is not None:
                continue
            entries = scene.ex4d.pending
            for index in reversed(range(len(entries))):
                waiting = self.waiting.get(entries[index].job)
                if waiting is not None and waiting.scene != scene.session_uid and scene_by_uid(waiting.scene):
                    entries.remove(index)

    def _note_cut_off(self, job: str, waiting: Waiting) -> None:
        # A preview is of no use later.
        if waiting.action in ("reconstruct", "generate"):
            title = waiting.data.get("title") or waiting.data.get("name") or ""
            self.cut_off[job] = f"{KIND_NAMES[waiting.action]} {title}".strip()

    def forget_cut_off(self) -> None:
        """The artist has read of them; the file waits for them no longer."""
        for scene in bpy.data.scenes:
            entries = scene.ex4d.pending
            for index in reversed(range(len(entries))):
                if entries[index].job in self.cut_off:
                    entries.remove(index)
        self.cut_off.clear()
        self.mirror()

    # What people see ----------------------------------------------------------------------------------------------

    def report(
        self,
        error: Ex4dError,
        details: str = "",
        *,
        window: bpy.types.Window | None = None,
        scene: bpy.types.Scene | None = None,
    ) -> None:
        """Show an error where it is read: in a dialog, or on the terminal where there is no window.

        Args:
            window: where the button was pressed; None: one that shows the scene, else the first.
            scene: the one that the error is about.
        """
        self.shown = Shown(error, details)
        log.error("%s %s", error.message, error.hint)
        if bpy.app.background:
            print(f"error: {error.message}\n       {error.hint}", file=sys.stderr)
            return
        chosen = dialog_window(list(bpy.context.window_manager.windows), window, scene)
        if chosen is not None:
            with bpy.context.temp_override(window=chosen):
                bpy.ops.ex4d.show_error("INVOKE_DEFAULT")

    def error_text(self) -> str:
        """The shown error with all that a helper needs."""
        if self.shown is None:
            return ""
        backend = self.client.welcome.version if self.client.welcome is not None else ""
        return error_report(
            self.shown.error,
            blender=bpy.app.version_string,
            extension=__version__,
            backend=backend,
            details=self.shown.details,
        )

    def shown_jobs(self) -> list[JobSnapshot]:
        """Jobs for the list, the newest first."""
        jobs = sorted(self.client.jobs.values(), key=lambda job: job.created, reverse=True)
        unfinished = [job for job in jobs if not job.is_final]
        return (unfinished + [job for job in jobs if job.is_final])[: SHOWN_JOBS + len(unfinished)]

    def running(self) -> JobSnapshot | None:
        """The job that is being done."""
        return next((job for job in self.client.unfinished if job.state != "queued"), None)

    def mirror(self) -> None:
        """Keep what panels show of the jobs, and draw again where that has changed.

        Setting a property of the window manager draws all of Blender again, so only the list's ids stand there.
        """
        manager = bpy.context.window_manager
        if manager is None or not hasattr(manager, "ex4d"):
            return
        jobs = self.shown_jobs()
        self.rows = tuple(self._row(job) for job in jobs)
        items = manager.ex4d.jobs
        while len(items) > len(jobs):
            items.remove(len(items) - 1)
        while len(items) < len(jobs):
            items.add()
        for item, job in zip(items, jobs, strict=True):
            if item.job != job.id:
                item.name = item.job = job.id
        self._show()

    def _row(self, job: JobSnapshot) -> JobRow:
        title = job.title or self.cut_off.get(job.id) or KIND_NAMES.get(job.kind, job.kind)
        return JobRow(job.id, job.kind, title, job.state, job_state(job), job.fraction, job.thumbnail)

    def nudge(self) -> None:
        """Something else has changed that panels show."""
        self._nudges += 1
        self._show()

    def _show(self) -> None:
        self.redraw.show((self.rows, tuple(self.cut_off.values()), self.lacks_backend, self._nudges))

    def look(self, now: float) -> None:
        """Look at the disk for what panels show, every ``LOOK_SECONDS``; called by the timer."""
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        from . import installation
        from .ui import cached

        self.lacks_backend = "" if self.is_connected() else installation.missing()

        for window in bpy.context.window_manager.windows:
            if cached.refresh(window.scene):
                self._nudges += 1
        self._show()


def dialog_window(
    windows: list[bpy.types.Window], pressed: bpy.types.Window | None, scene: bpy.types.Scene | None
) -> bpy.types.Window | None:
    """The window for a dialog: where the button was pressed, else one that shows the scene, else the first."""
    showing = [window for window in windows if scene is not None and window.scene == scene]
    if pressed is not None and pressed in windows:
        return pressed
    return next(iter([*showing, *windows]), None)


def _data_of(entry: Any) -> dict[str, Any]:
    """What a pending entry of a .blend says; nothing where it is damaged."""
    try:
        data = parse_json(entry.data or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


_session: Session | None = None


def current() -> Session:
    """The session; made when first asked for."""
    global _session  # noqa: PLW0603  the one place that holds state
    if _session is None:
        _session = Session()
    return _session


def runtime_folder() -> Path:
    """Where the backend leaves its address: ``EX4D_RUNTIME_DIR``, or the extension's own folder."""
    if os.environ.get(RUNTIME_VARIABLE):
        return default_runtime_dir()
    own = user_folder("runtime")
    return _private_or_default(own) if own is not None else default_runtime_dir()


@lru_cache(maxsize=4)
def _private_or_default(folder: Path) -> Path:
    """A folder that nobody has chosen; where it cannot be the user's alone (a drive without permissions, a group that
    shares it) the one of a backend that is started by hand."""
    try:
        private_folder(folder)
    except TransientError as error:
        log.warning("%s The backend uses %s.", error.message, default_runtime_dir())
        return default_runtime_dir()
    return folder


def user_folder(name: str) -> Path | None:
    """A folder of the extension that outlives updates; None where the add-on runs from sources."""
    try:
        return Path(bpy.utils.extension_path_user(__package__, path=name, create=True))
    except ValueError:
        return None
    except OSError as error:
        raise TransientError(
            f"The extension's folder cannot be written: {error.strerror or error}.",
            "Check the permissions of Blender's user folder.",
        ) from error


def environment_folder() -> Path | None:
    """The backend's environment: the preferences' folder, or the extension's own."""
    preferences = addon_preferences()
    if preferences is not None and preferences.environment_folder:
        return Path(bpy.path.abspath(preferences.environment_folder))
    return user_folder("backend")


def model_variables() -> dict[str, str]:
    """What the preferences say of the model, as the backend's variables; nothing where they say nothing."""
    preferences = addon_preferences()
    if preferences is None:
        return {}
    named = {"EX4D_MODELS": preferences.models_folder, "EX4D_DISTILL_LORA": preferences.distill_lora}
    return {name: bpy.path.abspath(path) for name, path in named.items() if path}


def addon_preferences() -> Any:
    """The add-on's preferences, None where it was not enabled as an add-on."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def _blender_folder() -> Path | None:
    return Path(bpy.app.binary_path).parent if bpy.app.binary_path else None


def scene_by_uid(uid: int) -> bpy.types.Scene | None:
    """The scene of that ``session_uid``, if its file is still open."""
    return next((scene for scene in bpy.data.scenes if scene.session_uid == uid), None)


def redraw() -> None:
    """Draw the panels again, and the status bar, as soon as that is due."""
    current().nudge()


def _tick() -> float:
    """The timer; one that raises would be gone for good."""
    session = current()
    from . import installation

    try:
        windows = bpy.context.window_manager.windows
        if not len(windows):
            return BUSY_SECONDS
        # There is none in the context after another timer has opened a file, and operators crash without.
        with bpy.context.temp_override(window=bpy.context.window or windows[0]):
            session.pump()
            installation.pump()
            session.look(time.monotonic())
            session.redraw.flush()
    except Exception:
        log.exception("EX-4D: the timer stumbles")
        return IDLE_SECONDS
    busy = session.client.unfinished or session.starting or installation.is_running() or session.redraw.is_due
    return BUSY_SECONDS if busy else IDLE_SECONDS


def wake() -> None:
    """Let the timer look at once: something was asked for."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.timers.register(_tick, first_interval=BUSY_SECONDS, persistent=True)


def register() -> None:
    """Start the timer. In background mode timers do not run; there operators block."""
    session = current()
    bpy.app.timers.register(_tick, first_interval=IDLE_SECONDS, persistent=True)
    # While Blender starts there is no file yet; switched on later, the add-on finds one that may wait for jobs.
    if hasattr(bpy.data, "scenes"):
        session.take_up_pending()


def unregister() -> None:
    """Stop the timer and close the socket. The backend ends by itself when Blender does, or by its idle limit."""
    global _session  # noqa: PLW0603
    from . import installation

    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    installation.cancel()
    if _session is not None:
        _session.client.disconnect()
        _session = None
