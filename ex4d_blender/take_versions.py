# SPDX-License-Identifier: GPL-3.0-or-later
"""The delivered versions of a take, as the .blend lists them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import bpy

from ex4d.protocol.capabilities import OptionValue
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json

from . import props
from .core import records
from .core.deliveries import DeliveredTake, read_take
from .scene.data import scene_state
from .scene.shot import ShotObjects, take_shot


def add_version(take: props.EX4D_PG_take, made: DeliveredTake) -> props.EX4D_PG_version:
    """A delivered version, written into a take: into its row where the take lists that folder already."""
    index = next((i for i, item in enumerate(take.versions) if _place(item) == Path(made.folder)), None)
    version = take.versions[index] if index is not None else take.versions.add()
    version.name, version.folder = made.take, made.folder
    version.profile, version.label = made.profile, made.label
    # The property holds 31 bits; the take's own record has the seed whole.
    version.seed = made.seed if made.seed is not None and 0 <= made.seed < 2**31 else -1
    version.prompt = made.prompt or ""
    version.options = json.dumps(dict(made.options)) if made.options else ""
    version.passes, version.movie = Path(made.aov).name, Path(made.edit_movie).name
    version.generated_mean = 100 * float(made.generated_mean)
    version.filled = made.filled.text() if made.filled is not None else ""
    _tell(version, made)
    take.active_version = index if index is not None else len(take.versions) - 1
    return version


def _place(version: props.EX4D_PG_version) -> Path:
    return Path(bpy.path.abspath(version.folder))


def _tell(version: props.EX4D_PG_version, made: DeliveredTake) -> None:
    """What versions of earlier files do not tell of themselves."""
    version.created, version.told = made.created, " ".join(made.notes)
    version.move = made.move or version.move


def version_options(version: props.EX4D_PG_version) -> dict[str, OptionValue]:
    """What a version's generator was told besides seed and prompt; nothing where that is damaged."""
    try:
        options = parse_json(version.options or "{}")
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}


def find_versions(scene: bpy.types.Scene, shot: ShotObjects, take: props.EX4D_PG_take) -> int:
    """Take in the versions of a take that lie in its shot's folder and are in no list; returns how many.

    A version is the take's when it was made under the take's name.
    """
    known = {_place(version): version for item in scene_state(scene).takes for version in item.versions}
    folder, count = Path(bpy.path.abspath(shot.folder)) / "takes", 0
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        listed = known.get(place)
        if listed is not None and listed.created:
            continue
        try:
            made = read_take(place)
        except BadInputError:
            continue
        if listed is not None:
            _tell(listed, made)
        elif made.title == take.name:
            add_version(take, made)
            count += 1
    return count


def find_lost_versions() -> None:
    """Take in the versions of all takes of the open file that no list has: an undo took them out, or they were
    delivered while the file was closed."""
    for scene in bpy.data.scenes:
        if scene.library is not None or records.is_newer(scene_state(scene).version):
            continue
        for take in scene_state(scene).takes:
            # What is wrong with a shot is said where it is worked with.
            with suppress(BadInputError, OSError):
                find_versions(scene, take_shot(scene, take), take)
