# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that can be downloaded, as the backend told them last, and what becomes of their downloads.

A download is a job of the backend like others. It is found by its title, so that it is shown whoever asked for it here,
and after Blender was closed in the middle of it: then what has come is there, and it is paused.
"""

from __future__ import annotations

import logging

import bpy

from ex4d.protocol.errors import BadInputError, Ex4dError, ResourceError
from ex4d.protocol.jobs import DONE
from ex4d.protocol.models import ModelInfo
from ex4d.protocol.requests import DownloadRequest, ModelsRequest
from ex4d.protocol.results import ModelsResult

from . import backend_link, error_dialog, installation, job_list, panel_updates
from .core.model_texts import why_not_installed
from .job_list import JobRow
from .scene.data import operators, windows

log = logging.getLogger(__name__)

KIND = "download"
UNFINISHED = ("queued", "running", "cancelling")

_known: tuple[ModelInfo, ...] = ()
#: The job that asks for them, and those of ended downloads after which it was asked anew.
_asked = ""
#: Somebody has looked for them.
_wanted = False
_seen: set[str] = set()
#: The backend (its process) that told them.
_told_by = 0
#: Where somebody waits for the list of depth models: Blender draws a popup once, so it opens when they are known.
_open_in: bpy.types.Window | None = None
#: The model that is got once what it runs with is installed.
_after_install = ""


def known() -> tuple[ModelInfo, ...]:
    """The models, depth first, those for commercial work first; empty before the backend has told them."""
    return _known


def find(name: str) -> ModelInfo | None:
    """The model of that name, None where none is known."""
    return next((info for info in _known if info.name == name), None)


def title(info: ModelInfo) -> str:
    """Of its download's job."""
    return f"Download {info.title}"


def job_of(info: ModelInfo) -> JobRow | None:
    """The last job that gets it, as panels show it; None where there is none."""
    rows = [row for row in job_list.current().rows if row.kind == KIND and row.title == title(info)]
    unfinished = [row for row in rows if row.state in UNFINISHED]
    return next(reversed(unfinished or rows), None)


def waits_for_packages(info: ModelInfo) -> bool:
    """Whether it is got when the installation that is under way has ended."""
    return installation.is_running() and _after_install == info.name


def why_not(info: ModelInfo) -> str:
    """One sentence on why it cannot be downloaded now; "" where it can."""
    if not bpy.app.online_access:
        return "Blender may not go online: allow it in Preferences, System, Network."
    if info.missing and installation.found().foreign:
        return f"The backend's Python is not of the add-on's making. Install there: {info.install}."
    if installation.is_running():
        return "An installation is under way."
    return why_not_installed(info)


def check(info: ModelInfo) -> None:
    """Raise ResourceError or BadInputError where it cannot be downloaded now."""
    if problem := why_not(info):
        raise ResourceError(f"{info.title} cannot be downloaded.", problem)
    job = job_of(info)
    if job is not None and job.state in UNFINISHED:
        raise BadInputError(f"{info.title} is being downloaded.", "Wait for its end, or pause it.")


def want() -> None:
    """Somebody looks for models: they are asked for as soon as a backend answers."""
    global _wanted  # noqa: PLW0603
    _wanted = True


def ask(scene: bpy.types.Scene, *, block: bool) -> str:
    """Ask what there is; returns the job."""
    global _asked  # noqa: PLW0603  one list
    _asked = job_list.current().submit(scene, ModelsRequest(), action="models", title="Models", block=block)
    return _asked


def open_when_known(scene: bpy.types.Scene, window: bpy.types.Window | None) -> None:
    """Ask what there is, unless that was asked, and show the list of depth models in this window with the answer."""
    global _open_in  # noqa: PLW0603
    _open_in = window
    known = backend_link.current().client.jobs.get(_asked)
    if known is None or known.is_final:
        ask(scene, block=False)


def remember(result: ModelsResult) -> None:
    """Take in what there is, and show it to who waits for it."""
    global _known, _told_by, _open_in
    welcome = backend_link.current().client.welcome
    _known, _told_by = result.models, welcome.pid if welcome is not None else 0
    panel_updates.nudge()
    pressed, _open_in = _open_in, None
    if pressed is not None and (window := error_dialog.dialog_window(windows(), pressed, None)) is not None:
        with bpy.context.temp_override(window=window):
            operators.ex4d.better_depth("INVOKE_DEFAULT")


def get(scene: bpy.types.Scene, info: ModelInfo, *, block: bool) -> str | None:
    """Begin to get a model, or go on; returns the job. Where packages are missing they are installed first, and None
    is returned.

    Raises:
        BadInputError, ResourceError: it cannot be got, or the packages cannot be installed.
    """
    global _after_install  # noqa: PLW0603
    check(info)
    if info.missing:
        plan = installation.make_plan(extra=info.extra)
        plan.check()
        _after_install = info.name
        installation.start(plan)
        return None
    return job_list.current().submit(
        scene, DownloadRequest(info.name), action="nothing", title=title(info), block=block
    )


def follow() -> None:
    """Ask anew where that is due, and get what waited for an installation; called by the timer."""
    global _after_install, _told_by, _open_in  # noqa: PLW0603
    client = backend_link.current().client
    scene = bpy.context.scene
    if scene is None:
        return
    if _after_install and not installation.is_running():
        name, _after_install = _after_install, ""
        state = installation.state()
        if state is not None and state.done and state.error is None:
            _get_after_install(scene, name)
    ended = {job.id for job in client.jobs.values() if job.kind == KIND and job.is_final}
    known = client.jobs.get(_asked)
    if known is not None and known.is_final and known.state != DONE:
        # Its error was shown; a later answer to somebody else opens nothing.
        _open_in = None
    if client.welcome is None or not client.welcome.ready or (known is not None and not known.is_final):
        return
    # A look costs a process of the backend, so there is one only where somebody has looked, or something was got.
    is_old = bool(_known) and _told_by != client.welcome.pid
    # A backend that cannot tell is not asked for ever: the next look is the button's.
    is_due = _wanted and not _known and known is None
    if ended - _seen or is_old or is_due:
        _seen.update(ended)
        _told_by = client.welcome.pid
        try:
            ask(scene, block=False)
        except Ex4dError as error:
            log.warning("EX-4D: the models are not known: %s", error)


def _get_after_install(scene: bpy.types.Scene, name: str) -> None:
    info = find(name)
    if info is None:
        return
    try:
        job_list.current().submit(scene, DownloadRequest(name), action="nothing", title=title(info), block=False)
    except Ex4dError as error:
        error_dialog.show_error(error, scene=scene)


def forget() -> None:
    """Know nothing, until the backend tells."""
    global _known, _asked, _wanted, _told_by, _after_install, _open_in
    _known, _asked, _wanted, _told_by, _after_install, _open_in = (), "", False, 0, "", None
    _seen.clear()
