# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for people: times, sizes, jobs, errors."""

from __future__ import annotations

import getpass
import os
import platform
import re
import textwrap
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from ex4d.protocol.capabilities import Welcome
from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.jobs import CANCELLED, CANCELLING, DONE, FAILED, QUEUED, JobSnapshot
from ex4d.protocol.models import DOWNLOAD_STEP_BYTES
from ex4d.protocol.stage_names import STAGE_NAMES

KIND_NAMES = {
    "reconstruct": "Reconstruct",
    "render": "Render",
    "preview": "Preview",
    "viewport": "Viewport mesh",
    "projection": "Project take",
    "run": "Run",
    "export": "Export",
    "fill_movies": "Fill movies",
    "check": "Check",
    "clean": "Clean cache",
    "colour_spaces": "Colour spaces",
    "generate": "Generate",
    "models": "Models",
    "download": "Download",
    "doctor": "Diagnose",
    "free_memory": "Free memory",
}

#: A space at which no line ends.
_UNBROKEN = "\u00a0"


def duration(seconds: float) -> str:
    """«45 s», «3:20 min», «1:05 h»."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h"


def size(count: int) -> str:
    """Bytes as «12 MB»."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1 if count else 0):.0f} MB"


def clock(seconds: float) -> str:
    """A time since 1970 as this place's clock shows it: «14:05»."""
    return time.strftime("%H:%M", time.localtime(seconds))


@lru_cache(maxsize=256)
def moment(text: str) -> str:
    """A moment in UTC, ISO 8601, as this machine's clock says it: «2026-11-30 12:41»; "" of what is none."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return ""
    return found.astimezone().strftime("%Y-%m-%d %H:%M")


def job_state(job: JobSnapshot) -> str:
    """Where a job is, in a few words; of one that has ended when, and how long it took."""
    if job.state == QUEUED:
        return f"waiting since {clock(job.created)}" if job.created else "waiting"
    if job.state == CANCELLING:
        return "stopping"
    if job.state in (DONE, CANCELLED, FAILED):
        ended = _ended(job)
        return f"{ended}, {clock(job.finished)}" if job.finished is not None else ended
    doing = _doing(job)
    if job.eta is not None:
        doing = f"{doing}, {duration(job.eta)} left"
    return _at_place(doing, job)


def job_bar(job: JobSnapshot) -> str:
    """What stands in a running job's bar, where a sidebar has room for little: «25%, 3:20 min left»."""
    if job.state == CANCELLING:
        return "stopping"
    share = f"{job.fraction:.0%}"
    return share if job.eta is None else f"{share}, {duration(job.eta)} left"


def job_doing(job: JobSnapshot) -> str:
    """What a running job does and where it is: «Rendering 3/49»."""
    return _at_place(_doing(job), job)


def job_end(job: JobSnapshot) -> str:
    """What a narrow row has room for: of a job that is done how long it took; its icon tells the rest."""
    if job.state != DONE or not job.finished or not job.started:
        return ""
    return duration(job.finished - job.started)


def _at_place(doing: str, job: JobSnapshot) -> str:
    """What a job does and where, such as "Filling (GPU 1)"; without a place where there is but one."""
    if job.worker is None:
        return doing
    if not job.gpus:
        return f"{doing} (worker {job.worker})"
    numbers = ", ".join(map(str, job.gpus))
    return f"{doing} (GPUs {numbers})" if len(job.gpus) > 1 else f"{doing} (GPU {numbers})"


def gpu_lines(welcome: Welcome) -> list[str]:
    """A line for each GPU of a backend; where it has several workers, for each of those."""
    if not welcome.workers:
        return [f"GPU: {card}" for card in welcome.gpus]
    lines = []
    for worker in welcome.workers:
        place = f"Worker {worker.number}" if worker.gpu is None else f"GPU {worker.gpu}: {worker.name}"
        lines.append(f"{place}, does jobs" if worker.ready else f"{place}, starting")
    return lines


def _ended(job: JobSnapshot) -> str:
    """How a job has ended."""
    if job.state == FAILED:
        return "failed"
    if job.state == CANCELLED:
        # A download is gone on with where it was.
        return "paused" if job.kind == "download" else "cancelled"
    return f"done in {duration(job.finished - job.started)}" if job.finished and job.started else "done"


def _doing(job: JobSnapshot) -> str:
    """Its stage, and how far it is."""
    name = STAGE_NAMES.get(job.stage, job.stage or "starting")
    if not job.of:
        return name
    if job.stage == "download":
        return f"{name} {size(job.step * DOWNLOAD_STEP_BYTES)} of {size(job.of * DOWNLOAD_STEP_BYTES)}"
    return f"{name} {job.step}/{job.of}"


def without_user(text: str) -> str:
    """A text without the user's name and home folder, so that it can be passed on."""
    home = str(Path.home())
    if len(home) > 1:
        text = text.replace(home, "~")
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    if len(name) > 2:
        text = text.replace(f"{os.sep}{name}{os.sep}", f"{os.sep}user{os.sep}")
    return text


def error_report(error: Ex4dError, *, blender: str, extension: str, backend: str, details: str = "") -> str:
    """All that somebody needs who is asked for help: the error and where it happened, without the user's name."""
    environment = (
        f"EX-4D {extension} in Blender {blender}, backend {backend or 'not connected'}, Python "
        f"{platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
    )
    parts = [error.message, error.hint, f"({error.kind}, code {error.exit_code})", environment, details]
    return without_user("\n".join(part for part in parts if part))


def without_options(note: str) -> str:
    """A note without the sentences that advise options of the command line: a panel has buttons in their place."""
    sentences = re.split(r"(?<=[.!?])\s+", note)
    return " ".join(sentence for sentence in sentences if not re.search(r"(^|\s)--[a-z]", sentence))


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of at most ``columns`` characters; line breaks of the text stay, long words are cut, and a number stays
    with its per cent."""
    parts = [part.replace(" %", f"{_UNBROKEN}%") for part in text.splitlines()]
    lines = [line for part in parts for line in (textwrap.wrap(part, max(columns, 8)) or [""])]
    return [line.replace(_UNBROKEN, " ") for line in lines]
