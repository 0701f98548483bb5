# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend offers: as it says itself, or, before it runs, as it said last time.

Names of generators and estimators are looked up here and never turned into others: one that isn't offered is an error.
Panels ask while they are drawn, so asking reads no disk; ``refresh`` and a welcome do.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, GeneratorInfo, RasterizerInfo, Welcome
from ex4d.protocol.errors import Ex4dError, TransientError, UsageError

from . import backend_link, panel_updates, timer
from .core.capability_files import capabilities_path, read_capabilities, write_capabilities

log = logging.getLogger(__name__)

#: A backend that has not said what it offers after this long will not: importing from a cold disk takes a while.
READY_SECONDS = 90.0
#: Of every backend, before any has answered.
PREVIEW = GeneratorInfo(
    "preview",
    "preview fill: other frames' background and soft colour, no generative model",
    "Apache-2.0",
    generative=False,
)

#: What is known, the file that it is kept in, and the welcome that it was taken from.
_known: Capabilities | None = None
_kept_in: Path | None = None
_taken: Welcome | None = None


def known() -> Capabilities | None:
    """What the backend offers, or offered when it answered last; None where it never has."""
    welcome = backend_link.current().client.welcome
    if welcome is not None and welcome is not _taken:
        _take(welcome)
    return _known


def _take(welcome: Welcome) -> None:
    """Take in what a backend has said, and keep it for the next start."""
    global _known, _kept_in, _taken  # noqa: PLW0603  one backend
    _taken = welcome
    if not welcome.ready or welcome.capabilities is None:
        return
    former, _known = _known, welcome.capabilities
    try:
        path = _path()
        if (path, _known) != (_kept_in, former):
            write_capabilities(path, _known)
            _kept_in = path
    except (OSError, Ex4dError) as error:
        # The menus are emptier next time, no more.
        log.warning("EX-4D: what the backend offers cannot be kept: %s", error)


def follow() -> None:
    """Take in what the backend has just said, before panels ask; called by the timer."""
    before = _known
    if known() != before:
        panel_updates.nudge()


def refresh() -> None:
    """Take in what was kept of the backend that would be started now; called where the disk may be looked at."""
    global _known, _kept_in
    if backend_link.current().is_connected():
        known()
        return
    try:
        path = _path()
    except (OSError, Ex4dError):
        return
    if path != _kept_in:
        _known, _kept_in = read_capabilities(path), path


def _path() -> Path:
    backend = backend_link.current().backend_process()
    return capabilities_path(backend.runtime, backend.python)


def forget() -> None:
    """Know nothing, until ``refresh`` or a welcome."""
    global _known, _kept_in, _taken  # noqa: PLW0603  one backend
    _known = _kept_in = _taken = None


def generators() -> tuple[GeneratorInfo, ...]:
    """The ways to fill; the preview alone before a backend has ever answered."""
    found = known()
    return found.generators if found is not None and found.generators else (PREVIEW,)


def estimators() -> tuple[EstimatorInfo, ...]:
    """The ways to get depth that work at the backend, its default first; none before one has ever answered."""
    found = known()
    return found.estimators if found is not None else ()


def rasterizers() -> tuple[RasterizerInfo, ...]:
    """The rasterizers that work at the backend, its default first; none before one has ever answered."""
    found = known()
    return found.rasterizers if found is not None else ()


def find_generator(name: str) -> GeneratorInfo | None:
    """The generator of that name, None where no such one is known (yet)."""
    return next((generator for generator in generators() if generator.name == name), None)


def wait_until_known() -> Capabilities:
    """What the backend offers now, started and asked if need be; blocks.

    Raises:
        Ex4dError: there is no backend, or it doesn't say.
    """
    link = backend_link.current()
    link.connect(block=True)
    end = time.monotonic() + READY_SECONDS
    while (welcome := link.client.welcome) is None or not welcome.ready or (found := known()) is None:
        if link.client.refusal is not None:
            raise link.client.refusal
        if time.monotonic() > end or link.backend_process().find() is None:
            raise TransientError(
                "The backend does not say what it offers.", "Try again; the backend's log tells why (Diagnose)."
            )
        for error in link.client.poll(100).errors:
            raise error
    return found


def _settled(name: str, what: str, *, block: bool) -> Capabilities:
    """Capabilities that a name can be looked up in."""
    if block:
        return wait_until_known()
    found = known()
    if found is not None:
        return found
    with suppress(Ex4dError):
        backend_link.current().connect(block=False)
        timer.wake()
    raise TransientError(
        f"The backend has not said yet whether it has the {what} «{name}».", "It is being asked: try again in a moment."
    )


def resolve_generator(name: str, *, block: bool) -> GeneratorInfo:
    """The generator of that name.

    Args:
        name: as stored or given.
        block: wait for the backend's answer; False: what is known now must do.

    Raises:
        UsageError: the backend doesn't offer it.
        TransientError: the backend has not said yet what it offers.
    """
    if name == PREVIEW.name:
        return PREVIEW
    found = _settled(name, "profile", block=block)
    generator = next((generator for generator in found.generators if generator.name == name), None)
    if generator is None:
        names = ", ".join(generator.name for generator in found.generators)
        raise UsageError(f"The backend offers no profile «{name}».", f"Choose one of its own: {names}.")
    return generator


def resolve_estimator(name: str, *, block: bool) -> EstimatorInfo:
    """The estimator of that name; arguments and errors as of ``resolve_generator``."""
    found = _settled(name, "estimator", block=block)
    estimator = next((estimator for estimator in found.estimators if estimator.name == name), None)
    if estimator is None:
        names = ", ".join(("auto", *(estimator.name for estimator in found.estimators)))
        raise UsageError(
            f"The backend offers no depth estimator «{name}».",
            f"Choose one that works there: {names}. Diagnose tells what the others need.",
        )
    return estimator
