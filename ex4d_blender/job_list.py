# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this Blender: who waits for them, and what is to happen when they end.

The module's one ``JobList`` is the truth. The window manager's properties mirror it for panels; scenes remember the
jobs they wait for, so that a file that is opened again can go on. Nothing here survives unregistration.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import bpy

from ex4d.protocol.errors import ErrorInfo, Ex4dError, InternalError, TransientError
from ex4d.protocol.jobs import CANCELLED, DONE, JobSnapshot
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import Request
from ex4d.protocol.results import Result

from . import backend_link, error_dialog, panel_updates
from .backend_link import BackendLink
from .core import records
from .core.texts import KIND_NAMES, job_bar, job_doing, job_end, job_state
from .scene.data import scene_state

log = logging.getLogger(__name__)

#: Kinds of jobs that nobody has asked for and that are over at once.
UNSEEN_KINDS = ("colour_spaces", "models")
#: Ended jobs that stay in the list, and those that are remembered at all.
SHOWN_JOBS, KEPT_JOBS = 20, 200

#: What follows from a job that is done: the scene that waits for it, the job's result, what the action needs besides.
ResultHandler: TypeAlias = Callable[[bpy.types.Scene, Result, dict[str, Any]], None]
#: What is read of a result before that, on a thread of its own, so that windows stay alive. It touches no data of
#: Blender's.
Preparation: TypeAlias = Callable[[Result, dict[str, Any]], None]


@dataclass(frozen=True)
class Waiting:
    """Who waits for a job.

    Attributes:
        scene: ``session_uid`` of the scene; it survives undo and renaming, and no other scene ever has it.
        action: name of a result handler.
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
        bar, doing: the same of a running job in two parts, the first for its bar.
        took: how long, of one that is done; else "".
        fraction: 0 to 1.
        thumbnail: a small picture of what is being made, a path or "".
    """

    job: str
    kind: str
    title: str
    state: str
    text: str
    bar: str
    doing: str
    took: str
    fraction: float
    thumbnail: str


@dataclass
class JobList:
    """See the module.

    Attributes:
        link: to the backend.
        handlers: result handlers by the names that .blend files keep.
        preparations: what is done ahead for some of them, by the same names.
        waiting: who waits for a job, by its id.
        finished: ids of jobs whose end was dealt with.
        rows: what panels show.
        cut_off: jobs of the open file that ended with another Blender, before their time: what they were called.
    """

    link: BackendLink
    handlers: Mapping[str, ResultHandler]
    preparations: Mapping[str, Preparation] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    rows: tuple[JobRow, ...] = ()
    cut_off: dict[str, str] = field(default_factory=dict)
    _scrolled_to: str = ""
    _preparing: dict[str, threading.Thread] = field(default_factory=dict)

    # Asking -------------------------------------------------------------------------------------------------------

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

        Args:
            scene: that waits.
            request: what is asked for.
            action: name of the result handler.
            data: what that needs besides the result, JSON-able.
            title: for people.
            block: wait for the backend.

        Raises:
            Ex4dError: there is no backend.
        """
        self.link.connect(block=block)
        job = self.link.client.submit(request, title=title)
        self.expect(scene, job, action, data or {})
        self.mirror()
        return job

    def expect(self, scene: bpy.types.Scene, job: str, action: str, data: dict[str, Any]) -> None:
        """Remember what is to happen in a scene when a job ends, here and in the file."""
        self.waiting[job] = Waiting(scene.session_uid, action, data)
        entry = scene_state(scene).pending.add()
        entry.job, entry.action, entry.data = job, action, json.dumps(data)

    def retry(self, job: str) -> str | None:
        """Ask for an ended job once more, for the same scene and in the same row; returns its new id."""
        self.link.connect(block=bpy.app.background)
        again = self.link.client.retry(job)
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
        snapshot = self.link.wait(job, on_change)
        # Its error is raised here, and shown by whoever waits.
        self._finish(snapshot, show_failure=False)
        self.mirror()
        if snapshot.state != DONE:
            raise _error_of(snapshot)
        return snapshot

    # Ends ---------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Take what the backend has said; called by the timer."""
        self.link.follow()
        client = self.link.client
        updates = client.poll(budget_s=0.02)
        for error in updates.errors:
            error_dialog.show_error(error)
        ended = [job for job in client.jobs.values() if job.is_final and job.id not in self.finished]
        for snapshot in ended:
            # While Blender renders, its data must be left alone.
            blender: Any = bpy.app
            if not blender.is_job_running("RENDER") and self._is_prepared(snapshot):
                self._finish(snapshot)
        if updates or ended or client.unfinished:
            self.mirror()

    @property
    def is_preparing(self) -> bool:
        """Whether results are being read ahead."""
        return bool(self._preparing)

    def _is_prepared(self, snapshot: JobSnapshot) -> bool:
        """Whether nothing of a job's result remains to be read ahead; begins with it where that is not so."""
        thread = self._preparing.get(snapshot.id)
        if thread is not None:
            if not thread.is_alive():
                del self._preparing[snapshot.id]
            return not thread.is_alive()
        waiting, result = self.waiting.get(snapshot.id), snapshot.result
        prepare = self.preparations.get(waiting.action) if waiting is not None else None
        if snapshot.state != DONE or result is None or waiting is None or prepare is None:
            return True
        thread = threading.Thread(target=prepare, args=(result, waiting.data), name="EX-4D result", daemon=True)
        self._preparing[snapshot.id] = thread
        thread.start()
        return False

    def _finish(self, snapshot: JobSnapshot, *, show_failure: bool = True) -> None:
        """Do what a job's end calls for, once; ``show_failure``: show its error."""
        if snapshot.id in self.finished:
            return
        self.finished.add(snapshot.id)
        scene, waiting = self._settle(snapshot.id)
        self.cut_off.pop(snapshot.id, None)
        # A job without a kind is one that the backend has forgotten long ago.
        forgotten = snapshot.state not in (DONE, CANCELLED) and not snapshot.kind
        if snapshot.state == DONE and waiting is not None and scene is not None:
            self._handle(snapshot, waiting, scene)
        elif forgotten and waiting is not None:
            self._note_cut_off(snapshot.id, waiting)
        elif show_failure and not forgotten and snapshot.state not in (DONE, CANCELLED) and not bpy.app.background:
            error_dialog.show_error(_error_of(snapshot), scene=scene)
        for note in snapshot.notes:
            log.info("%s: %s", snapshot.title, note)
        self._forget_old()

    def _settle(self, job: str) -> tuple[bpy.types.Scene | None, Waiting | None]:
        """Who waits for a job; their files wait for it no longer."""
        waiting = self.waiting.get(job)
        scene = scene_by_uid(waiting.scene) if waiting else None
        for candidate in bpy.data.scenes:
            entries = scene_state(candidate).pending
            for index in reversed(range(len(entries))):
                if entries[index].job == job:
                    if scene is None:
                        scene = candidate
                        waiting = Waiting(candidate.session_uid, entries[index].action, _data_of(entries[index]))
                    entries.remove(index)
        return scene, waiting

    def _handle(self, snapshot: JobSnapshot, waiting: Waiting, scene: bpy.types.Scene) -> None:
        try:
            self.handlers[waiting.action](scene, _result_of(snapshot), waiting.data)
        except Ex4dError as error:
            _failed(error, scene=scene)
        except Exception as error:
            log.exception("the result of a job cannot be taken in")
            _failed(InternalError(error), traceback.format_exc(), scene=scene)

    def _forget_old(self) -> None:
        """Keep a long session's memory bounded: what is neither shown nor waited for goes."""
        client = self.link.client
        ended = sorted(
            (job for job in client.jobs.values() if job.is_final and job.id in self.finished),
            key=lambda job: job.created,
        )
        for job in ended[: max(0, len(ended) - KEPT_JOBS)]:
            client.forget(job.id)
        for gone in self.finished - client.jobs.keys():
            self.finished.discard(gone)
            self.waiting.pop(gone, None)

    # Files --------------------------------------------------------------------------------------------------------

    def take_up_pending(self) -> None:
        """Wait again for what the open file's scenes wait for: they may have asked before they were closed."""
        self.cut_off.clear()
        # The list of another file's window begins at its first row.
        self._scrolled_to = ""
        client = self.link.client
        for scene in bpy.data.scenes:
            if records.is_newer(scene_state(scene).version):
                continue
            for entry in scene_state(scene).pending:
                self.waiting[entry.job] = Waiting(scene.session_uid, entry.action, _data_of(entry))
                # Its end may have come while another file was open: it is dealt with now.
                self.finished.discard(entry.job)
                if entry.job not in client.jobs or client.jobs[entry.job].is_final:
                    client.resume(entry.job)
            if not len(scene_state(scene).pending):
                continue
            try:
                if self.link.backend_process().find() is not None:
                    self.link.connect(block=False)
                    continue
            except Exception:
                log.exception("EX-4D: the backend cannot be asked for this file's jobs")
            # Jobs end with the last Blender. Should a backend come and know better, the result comes all the same.
            for entry in scene_state(scene).pending:
                if entry.job not in client.jobs:
                    self._note_cut_off(entry.job, self.waiting[entry.job])
        self.mirror()

    def settle_pending(self) -> None:
        """Before the file is saved: scenes copied from one that waits for a job do not wait for it as well."""
        for scene in bpy.data.scenes:
            if scene.library is not None:
                continue
            entries = scene_state(scene).pending
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
            entries = scene_state(scene).pending
            for index in reversed(range(len(entries))):
                if entries[index].job in self.cut_off:
                    entries.remove(index)
        self.cut_off.clear()
        self.mirror()

    # What people see ----------------------------------------------------------------------------------------------

    def running(self) -> JobSnapshot | None:
        """The job that is being done."""
        return next((job for job in self.link.client.unfinished if job.state != "queued"), None)

    def shown_jobs(self) -> list[JobSnapshot]:
        """Jobs for the list, from top to bottom as they were asked for: what has ended, what runs, what waits."""
        jobs = [job for job in self.link.client.in_order if job.kind not in UNSEEN_KINDS]
        ended = [job.id for job in jobs if job.is_final]
        hidden = set(ended[: max(0, len(ended) - SHOWN_JOBS)])
        return [job for job in jobs if job.id not in hidden]

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
        self._scroll_to_running(manager.ex4d, jobs)
        panel_updates.show("jobs", (self.rows, tuple(self.cut_off.values())))

    def _scroll_to_running(self, state: Any, jobs: list[JobSnapshot]) -> None:
        """A list shows its active row; it becomes the job that is being done, once for each."""
        current = next((job.id for job in jobs if not job.is_final), jobs[-1].id if jobs else "")
        if current != self._scrolled_to:
            self._scrolled_to = current
            state.active_job = next((index for index, job in enumerate(jobs) if job.id == current), 0)

    def _row(self, job: JobSnapshot) -> JobRow:
        title = job.title or self.cut_off.get(job.id) or KIND_NAMES.get(job.kind, job.kind)
        return JobRow(
            job.id,
            job.kind,
            title,
            job.state,
            job_state(job),
            job_bar(job),
            job_doing(job),
            job_end(job),
            job.fraction,
            job.thumbnail,
        )


def _error_of(snapshot: JobSnapshot) -> Ex4dError:
    return (snapshot.error or ErrorInfo()).error()


def _result_of(snapshot: JobSnapshot) -> Result:
    """The result of a done job.

    Raises:
        TransientError: there is none: the job is one that this version does not know.
    """
    if snapshot.result is None:
        raise TransientError(f"The job «{snapshot.title or snapshot.kind}» has no result.", "Update the extension.")
    return snapshot.result


def _failed(error: Ex4dError, details: str = "", *, scene: bpy.types.Scene) -> None:
    if bpy.app.background:
        raise error
    error_dialog.show_error(error, details, scene=scene)


def _data_of(entry: Any) -> dict[str, Any]:
    """What a pending entry of a .blend says; nothing where it is damaged."""
    try:
        data = parse_json(entry.data or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def scene_by_uid(uid: int) -> bpy.types.Scene | None:
    """The scene of that ``session_uid``, if its file is still open."""
    return next((scene for scene in bpy.data.scenes if scene.session_uid == uid), None)


_handlers: dict[str, ResultHandler] = {}
_preparations: dict[str, Preparation] = {}
_jobs: JobList | None = None


def current() -> JobList:
    """The list; made when first asked for."""
    global _jobs  # noqa: PLW0603  the one place that holds state
    if _jobs is None:
        _jobs = JobList(backend_link.current(), _handlers, _preparations)
    return _jobs


def register(handlers: Mapping[str, ResultHandler], preparations: Mapping[str, Preparation]) -> None:
    """Begin, with what is to happen when jobs are done.

    Args:
        handlers: by the names that .blend files keep.
        preparations: what is done ahead for some of them.
    """
    _handlers.clear()
    _handlers.update(handlers)
    _preparations.clear()
    _preparations.update(preparations)
    # While Blender starts there is no file yet; switched on later, the add-on finds one that may wait for jobs.
    if hasattr(bpy.data, "scenes"):
        current().take_up_pending()


def unregister() -> None:
    """Forget all jobs; the backend goes on with them as long as it lives."""
    global _jobs  # noqa: PLW0603
    _jobs = None
