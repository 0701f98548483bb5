# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the preview of the chosen take shows the move as it is, and rendering it again where that is wanted.

Blender tells that something has changed; the timer then looks at what moves the camera, and asks for a preview when
that has rested. One job at a time: while one is on its way no other is asked for, and one that shows a former move is
cancelled first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import bpy

from ex4d.protocol.errors import Ex4dError

from . import changes, job_list, out_of_date, panel_updates, props
from .ops import preview
from .redraw import tag_viewports
from .scene import background, sequencer, takes
from .scene.data import camera_data, scene_state, windows
from .scene.shot import is_local

log = logging.getLogger(__name__)

#: So long a move has to rest before it is rendered.
REST_SECONDS = 0.3
#: Operators that hold an object or a key while they run: to set a frame would put it back.
_HOLDING = ("TRANSFORM_OT_", "GRAPH_OT_", "ACTION_OT_", "ANIM_OT_", "VIEW3D_OT_", "NLA_OT_")


@dataclass
class _Watched:
    """The move of a take as last looked at.

    Attributes:
        fingerprint: of it.
        since: when it became that, seconds of ``time.monotonic``.
        asked: the fingerprint that a preview was last asked for by itself, "" for none.
        refused: why it could not be asked for, "" where it could.
        is_lost: whether its picture has gone.
    """

    fingerprint: str = ""
    since: float = 0.0
    asked: str = ""
    refused: str = ""
    is_lost: bool = False


_watched: dict[out_of_date.Key, _Watched] = {}
#: How often something had changed when all was looked at; below zero where something waits.
_looked = -1


def is_waiting() -> bool:
    """Whether a move waits for its rest, or for a job that ends."""
    return _looked < 0


def refused(take: props.EX4D_PG_take) -> str:
    """Why the preview of a take is not rendered by itself, "" where nothing speaks against it."""
    found = _watched.get(out_of_date.key_of(take))
    return found.refused if found is not None else ""


def forget() -> None:
    """Another file is open."""
    global _looked  # noqa: PLW0603
    _watched.clear()
    out_of_date.forget()
    _looked = -1


def drop_lost() -> None:
    """Take away the previews whose pictures are no longer there, which Blender would draw pink: of many the backend
    keeps the newest, and steps of undo lead back to others."""
    for scene in bpy.data.scenes:
        for take in scene_state(scene).takes if is_local(scene) else ():
            for camera in props.preview_cameras(scene, take):
                if is_local(camera) and is_local(camera_data(camera)) and background.is_lost(camera):
                    background.hide_preview(camera)
                    item = _watched.setdefault(out_of_date.key_of(take), _Watched())
                    item.asked, item.is_lost = "", True
                    changes.stir()


def look(now: float) -> None:
    """Look at the chosen takes of the scenes that windows show, if something has changed; called by the timer.

    Args:
        now: seconds of ``time.monotonic``.
    """
    global _looked  # noqa: PLW0603
    count = changes.count()
    if _looked == count:
        return
    waiting = False
    for scene in {window.scene for window in windows() if window.scene is not None}:
        working = sequencer.scene_of_edit(scene) or scene
        take = props.active_take(working)
        if take is not None and take.uid and is_local(working):
            waiting |= _look_at(working, take, now)
    _looked = -1 if waiting else count
    panel_updates.show("live_preview", (out_of_date.all_found(), tuple(item.refused for item in _watched.values())))


def _look_at(scene: bpy.types.Scene, take: props.EX4D_PG_take, now: float) -> bool:
    """Look at one take; returns whether it is to be looked at again soon."""
    current = preview.fingerprint(scene, take)
    item = _watched.setdefault(out_of_date.key_of(take), _Watched())
    if item.fingerprint != current:
        # A step back, and forward again, may bring a picture that is of neither.
        item.fingerprint, item.since, item.asked, item.refused = current, now, "", ""
    _note(scene, take, current)
    if not scene_state(scene).live_preview or not current or not _wants(take, item):
        return False
    if now - item.since < REST_SECONDS or _is_held() or not _is_free(take, item):
        return True
    _ask(scene, take, item)
    return False


def _note(scene: bpy.types.Scene, take: props.EX4D_PG_take, current: str) -> None:
    """Write down what is out of date; what was made before that was written down counts as good."""
    cameras, counted = props.preview_cameras(scene, take), takes.comparable(take.fingerprint)
    pictures = {takes.comparable(background.shown_fingerprint(camera)) for camera in cameras} - {""}
    found = out_of_date.Stale(
        picture=bool(current) and any(shown != current for shown in pictures),
        coverage=bool(current and take.coverage and counted) and counted != current,
    )
    if out_of_date.note(take, found):
        tag_viewports()


def _wants(take: props.EX4D_PG_take, item: _Watched) -> bool:
    """Whether the move is to be rendered: what there is shows another one, or has gone, and it was not asked for
    yet."""
    is_known = take.fingerprint == item.fingerprint and not out_of_date.stale(take).picture and not item.is_lost
    return not is_known and item.asked != item.fingerprint and not item.refused


def _is_held() -> bool:
    """Whether the artist holds something now, Blender plays, or it renders: to set frames would disturb that."""
    blender: Any = bpy.app
    if blender.is_job_running("RENDER"):
        return True
    for window in windows():
        if window.screen is not None and window.screen.is_animation_playing:
            return True
        if any(operator.bl_idname.startswith(_HOLDING) for operator in window.modal_operators):
            return True
    return False


def _is_free(take: props.EX4D_PG_take, item: _Watched) -> bool:
    """Whether no preview is on its way. One of this take's former move is cancelled."""
    jobs = job_list.current()
    free = True
    for job, waits in jobs.waiting.items():
        known = jobs.link.client.jobs.get(job)
        if waits.action != "preview" or known is None or known.is_final:
            continue
        free = False
        is_former = waits.data.get("take") == take.uid and waits.data.get("fingerprint") != item.fingerprint
        if is_former and known.state in ("queued", "running"):
            jobs.link.client.cancel(job)
            item.asked = ""
    return free


def _ask(scene: bpy.types.Scene, take: props.EX4D_PG_take, item: _Watched) -> None:
    item.asked, item.is_lost = item.fingerprint, False
    try:
        preview.request_preview(scene, take, block=False, live=True)
    except Ex4dError as error:
        item.refused = f"{error.message} {error.hint}"
        log.warning("EX-4D: the preview of «%s» is not rendered: %s", take.name, error.message)
