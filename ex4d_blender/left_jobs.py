# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of a file that was closed before they had ended: Blender asks nobody about them, the backend goes on.

They are told in the status bar and above the list of jobs for as long as their file is closed. Where it is opened
again it waits for them as before, also where it was not saved after they were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ex4d.protocol.jobs import CANCELLED, DONE, FAILED, JobSnapshot
from ex4d.protocol.results import GenerateResult, ProjectionResult, ReconstructResult

from . import job_list, panel_updates
from .core import records
from .core.shot_folders import same_path
from .job_list import Waiting
from .scene.data import scene_state

#: What an artist waits for: a preview, or a look at a folder, is of no use later.
ACTIONS = ("reconstruct", "generate", "projection")


@dataclass(frozen=True)
class LeftJob:
    """A job whose file is closed.

    Attributes:
        job: its id.
        file: the .blend that asked for it; "" where it was never saved.
        scene: the scene's name in there.
        waiting: what is to happen in that scene.
    """

    job: str
    file: str
    scene: str
    waiting: Waiting

    @property
    def name(self) -> str:
        """Of the file, for people."""
        return Path(self.file).name if self.file else "a file that was not saved"


_left: dict[str, LeftJob] = {}
#: Those that the artist has read of.
_put_away: set[str] = set()


def note() -> None:
    """Another file is about to be opened: keep what the open one waits for."""
    jobs = job_list.current()
    for snapshot in jobs.link.client.unfinished:
        waiting = jobs.waiting.get(snapshot.id)
        scene = job_list.scene_by_uid(waiting.scene) if waiting is not None else None
        if waiting is not None and scene is not None and waiting.action in ACTIONS:
            _left[snapshot.id] = LeftJob(snapshot.id, bpy.data.filepath, scene.name, waiting)


def come_back() -> None:
    """A file was opened: its scenes wait for their jobs again, also where it was saved before they were asked for.
    Those that it remembers itself are as ever."""
    for left in list(_left.values()):
        if not left.file or not bpy.data.filepath or not same_path(left.file, bpy.data.filepath):
            continue
        del _left[left.job]
        scene = next((item for item in bpy.data.scenes if item.name == left.scene and item.library is None), None)
        if scene is None or records.is_newer(scene_state(scene).version):
            continue
        if all(entry.job != left.job for other in bpy.data.scenes for entry in scene_state(other).pending):
            job_list.current().expect(scene, left.job, left.waiting.action, left.waiting.data)
    panel_updates.nudge()


def shown() -> list[tuple[LeftJob, JobSnapshot]]:
    """Those that are told, with where they are: not those that were cancelled or have failed, which the list tells, nor
    those whose file could not be left."""
    jobs = job_list.current()
    found = []
    for left in _left.values():
        snapshot = jobs.link.client.jobs.get(left.job)
        if left.job in _put_away or snapshot is None or snapshot.state in (CANCELLED, FAILED):
            continue
        if job_list.scene_by_uid(left.waiting.scene) is None:
            found.append((left, snapshot))
    return found


def find(job: str) -> LeftJob | None:
    """The one of that id whose file is closed."""
    return next((left for left, _ in shown() if left.job == job), None)


def sentence(left: LeftJob, snapshot: JobSnapshot) -> str:
    """What becomes of it, and where its result will be."""
    where = (
        f"Its result comes when {left.name} is open again."
        if left.file
        else "Its file was not saved: what it makes stays in the shot's folder."
    )
    becomes = f"«{snapshot.title}» is done." if snapshot.state == DONE else f"«{snapshot.title}» goes on."
    return f"{becomes} {where}"


def folder(snapshot: JobSnapshot) -> str:
    """Where its result lies; "" before it is done."""
    match snapshot.result:
        case GenerateResult() | ProjectionResult():
            return snapshot.result.folder
        case ReconstructResult():
            return snapshot.result.shot
    return ""


def put_away() -> None:
    """The artist has read of those that are told; their files wait for them all the same."""
    _put_away.update(left.job for left, _ in shown())
    panel_updates.nudge()


def forget() -> None:
    """Know of none, when the add-on is switched off."""
    _left.clear()
    _put_away.clear()
