# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the extension and of its backend, as preferences and variables name them."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import Protocol, cast

import bpy

from ex4d.protocol.errors import TransientError
from ex4d.protocol.runtime import RUNTIME_VARIABLE, default_runtime_dir, private_folder

log = logging.getLogger(__name__)


class Preferences(Protocol):
    """What ``preferences.EX4D_AP_preferences`` holds."""

    environment_folder: str
    extra: str
    wheels_folder: str
    base_python: str
    models_folder: str
    distill_lora: str
    gpus: str
    show_advanced: bool


def addon_preferences() -> Preferences | None:
    """The add-on's preferences, None where it was not enabled as an add-on."""
    preferences = bpy.context.preferences
    addon = preferences.addons.get(__package__) if preferences is not None else None
    return cast("Preferences", addon.preferences) if addon else None


def user_folder(name: str) -> Path | None:
    """A folder of the extension that outlives updates; None where the add-on runs from sources.

    Raises:
        TransientError: it cannot be made.
    """
    try:
        return Path(bpy.utils.extension_path_user(__package__, path=name, create=True))
    except ValueError:
        return None
    except OSError as error:
        raise TransientError(
            f"The extension's folder cannot be written: {error.strerror or error}.",
            "Check the permissions of Blender's user folder.",
        ) from error


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


def serve_arguments() -> tuple[str, ...]:
    """What the preferences say of the backend's GPUs, as arguments of ``ex4d serve``; none where they say nothing."""
    preferences = addon_preferences()
    gpus = preferences.gpus.strip() if preferences is not None else ""
    return (f"--gpus={gpus}",) if gpus else ()


def blender_folder() -> Path | None:
    """The folder of Blender's executable, None where Blender is a Python module."""
    return Path(bpy.app.binary_path).parent if bpy.app.binary_path else None
