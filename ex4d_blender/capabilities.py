# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend offers: as it says itself, or, before it runs, as it said last time.

Names of profiles and estimators are looked up here and never turned into others: one that isn't offered is an error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import Ex4dError, TransientError, UsageError
from ex4d.protocol.parsing import parse_json

from . import backend_link, paths, timer

log = logging.getLogger(__name__)

FORMAT = "ex4d-offers"
#: A backend that has not said what it offers after this long will not: importing from a cold disk takes a while.
READY_SECONDS = 90.0


@dataclass(frozen=True)
class Profile:
    """A way to fill.

    Attributes:
        name: as the backend calls it.
        label, licence: shown before use.
        takes_seed, takes_prompt: whether these have an effect.
    """

    name: str
    label: str
    licence: str
    takes_seed: bool
    takes_prompt: bool


@dataclass(frozen=True)
class Estimator:
    """A way to get depth that works at the backend.

    Attributes:
        name: as the backend calls it.
        label, licence: shown before use.
    """

    name: str
    label: str
    licence: str


@dataclass(frozen=True)
class Offers:
    """What a backend offers.

    Attributes:
        profiles: ways to fill.
        estimators: of depth, its default first.
        complete: the backend has said so; False: only what every backend has.
    """

    profiles: tuple[Profile, ...]
    estimators: tuple[Estimator, ...]
    complete: bool


#: Of every backend, before any has answered.
PREVIEW = Profile(
    "preview",
    "preview fill: other frames' background and soft colour, no generative model",
    "Apache-2.0",
    takes_seed=False,
    takes_prompt=False,
)
_UNKNOWN = Offers((PREVIEW,), (), complete=False)

#: What files said, by their path; a panel that is drawn must not read them again.
_read: dict[Path, Offers] = {}


def offers_from(capabilities: Any) -> Offers:
    """What the ``capabilities`` of a backend's welcome mean.

    Raises:
        ValueError: they are none.
    """
    try:
        profiles = tuple(
            Profile(
                str(record["name"]),
                str(record["label"]),
                str(record["licence"]),
                takes_seed=record["takes_seed"] is True,
                takes_prompt=record["takes_prompt"] is True,
            )
            for record in capabilities["profiles"]
        )
        estimators = tuple(
            Estimator(str(record["name"]), str(record["label"]), str(record["licence"]))
            for record in capabilities["depth"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no capabilities") from error
    if not profiles:
        raise ValueError("no profiles")
    return Offers(profiles, estimators, complete=True)


def offers() -> Offers:
    """What the backend offers, or offered when it answered last; ``complete`` is False where it never has."""
    link = backend_link.current()
    welcome = link.client.welcome
    if welcome is not None and welcome.get("ready"):
        try:
            found = offers_from(welcome.get("capabilities"))
        except ValueError:
            log.exception("EX-4D: the backend's offers are not understood")
        else:
            _remember(_file(), found, welcome["capabilities"])
            return found
    path = _file()
    if path not in _read:
        _read[path] = _recall(path)
    return _read[path]


def _file() -> Path:
    backend = backend_link.current().backend
    runtime = paths.runtime_folder() if backend is None else backend.runtime
    python = "" if backend is None else str(backend.python or "")
    return runtime / f"offers-{hashlib.sha256(python.encode()).hexdigest()[:12]}.json"


def _recall(path: Path) -> Offers:
    try:
        record = parse_json(path.read_bytes())
        if record["format"] != FORMAT:
            return _UNKNOWN
        return offers_from(record["capabilities"])
    except (OSError, ValueError, KeyError, TypeError):
        return _UNKNOWN


def _remember(path: Path, found: Offers, capabilities: dict[str, Any]) -> None:
    """Keep what a backend has said, at once and readable by the user alone."""
    if _read.get(path) == found:
        return
    _read[path] = found
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "capabilities": capabilities}, file, indent=1)
        temporary.replace(path)
    except OSError as error:
        # The menus are emptier next time, no more.
        log.warning("EX-4D: %s cannot be written: %s", path, error)


def forget() -> None:
    """Drop what was read from disk; it is read again when asked for."""
    _read.clear()


def wait_for_offers() -> Offers:
    """What the backend offers now, started and asked if need be; blocks.

    Raises:
        Ex4dError: there is no backend, or it doesn't say.
    """
    link = backend_link.current()
    link.connect(block=True)
    end = time.monotonic() + READY_SECONDS
    while not (link.client.welcome or {}).get("ready"):
        if time.monotonic() > end or link.backend_process().find() is None:
            raise TransientError(
                "The backend does not say what it offers.", "Try again; the backend's log tells why (Diagnose)."
            )
        for error in link.client.poll(100).errors:
            raise error
    return offers()


def _settled(name: str, what: str, *, block: bool) -> Offers:
    """Offers that a name can be looked up in."""
    if block:
        return wait_for_offers()
    found = offers()
    if found.complete:
        return found
    with suppress(Ex4dError):
        backend_link.current().connect(block=False)
        timer.wake()
    raise TransientError(
        f"The backend has not said yet whether it has the {what} «{name}».", "It is being asked: try again in a moment."
    )


def resolve_profile(name: str, *, block: bool) -> Profile:
    """The profile of that name.

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
    profile = next((profile for profile in found.profiles if profile.name == name), None)
    if profile is None:
        names = ", ".join(profile.name for profile in found.profiles)
        raise UsageError(f"The backend offers no profile «{name}».", f"Choose one of its own: {names}.")
    return profile


def resolve_estimator(name: str, *, block: bool) -> Estimator:
    """The estimator of that name; arguments and errors as of ``resolve_profile``."""
    found = _settled(name, "estimator", block=block)
    estimator = next((estimator for estimator in found.estimators if estimator.name == name), None)
    if estimator is None:
        names = ", ".join(("auto", *(estimator.name for estimator in found.estimators)))
        raise UsageError(
            f"The backend offers no depth estimator «{name}».",
            f"Choose one that works there: {names}. Diagnose tells what the others need.",
        )
    return estimator
