# SPDX-License-Identifier: GPL-3.0-or-later
"""Pointing a .blend's data to a shot's new folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ex4d.protocol.parsing import parse_json

from . import mesh, scan, stored_paths, version_strips
from . import shot as shots
from .data import mesh_data
from .files import MAX_FOLDER_BYTES, MAX_PATH_BYTES, absolute_path, stored_path
from .results_scene import follow_output
from .shot import ShotObjects


def relocate(shot: ShotObjects, new: Path) -> None:
    """Let a shot be found in ``new``, a copy of its folder, with all that the file has of it: its mesh, pictures,
    strips, takes, previews and the take that is projected on it.

    Raises:
        BadInputError: the copy lacks files that the mesh needs; nothing is changed.
    """
    old = Path(shot.folder)
    # Copied scenes have roots of their own: the old folder may go.
    roots = [obj for obj in scan.file_objects() if obj.library is None and shots.role(obj) == "root"]
    found = [other for other in map(shots.shot_of, roots) if other is not None and Path(other.folder) == old]
    places = [_moved(Path(other.record["viewport"]), old, new, False) for other in found]
    for other, place in zip(found, places, strict=True):
        if other.mesh is not None and place is not None:
            viewport = mesh.read_viewport(place)
            mesh.check_point_cache(viewport.pc2, len(mesh_data(other.mesh).vertices), len(viewport.numbers))
    follow(old, new)
    follow_output(old, new)
    for other, place in zip(found, places, strict=True):
        shots.move_record(other, place or Path(other.record["viewport"]))


def follow(old: Path, new: Path, *, missing_only: bool = False) -> None:
    """Let all that points into ``old`` point into ``new``: what Blender's own data name, wherever they do, and what the
    add-on keeps of takes, previews and plates.

    Args:
        missing_only: only what is not in ``old`` any more and is in ``new``.

    Raises:
        BadInputError: a path would become longer than Blender keeps; nothing is changed.
    """
    writes: list[Callable[[], None]] = []
    for kept in stored_paths.blender_paths():
        place = _moved(absolute_path(kept.text), old, new, missing_only) if kept.is_local else None
        if place is not None:
            stored = stored_path(place, limit=MAX_FOLDER_BYTES if kept.is_folder else MAX_PATH_BYTES)
            # A strip's directory ends in a slash.
            stored += "/" if kept.text.endswith(("/", "\\")) else ""
            writes.append(partial(setattr, kept.owner, kept.name, stored))
    moved_text = partial(_moved_text, old=old, new=new, missing_only=missing_only)
    for told in stored_paths.our_texts():
        if (text := _replaced(told.text, moved_text)) is not None:
            writes.append(partial(told.write, text))
    for write in writes:
        write()
    version_strips.forget()


def _moved(path: Path, old: Path, new: Path, missing_only: bool) -> Path | None:
    """Where something of ``old`` is in ``new``; None where it stays."""
    if not path.is_relative_to(old):
        return None
    place = new / path.relative_to(old)
    return None if missing_only and (path.exists() or not place.exists()) else place


def _moved_text(text: str, *, old: Path, new: Path, missing_only: bool) -> str | None:
    """The path that a text of ours becomes, relative to the .blend where it was; None where it stays, or is none."""
    relative = text.startswith("//")
    place = _moved(absolute_path(text) if relative else Path(text), old, new, missing_only)
    if place is None:
        return None
    return stored_path(place) if relative else str(place)


def _replaced(text: str, change: Callable[[str], str | None]) -> str | None:
    """A text with its paths changed, whether it is one or is JSON that holds some; None where it stays.

    Args:
        change: tells what stands in a text's place, None where it stays.
    """
    if not text.startswith(("{", "[")):
        return change(text)
    # What looks like JSON and is none is an artist's words.
    with suppress(ValueError):
        held = parse_json(text)
        if (found := _replaced_in(held, change)) != held:
            return json.dumps(found)
    return None


def _replaced_in(value: Any, change: Callable[[str], str | None]) -> Any:
    if isinstance(value, str):
        found = change(value)
        return value if found is None else found
    if isinstance(value, list):
        return [_replaced_in(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _replaced_in(item, change) for key, item in value.items()}
    return value
