# SPDX-License-Identifier: GPL-3.0-or-later
"""Pointing a .blend's data to a shot's new folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

from . import scan
from . import shot as shots
from .files import MAX_FOLDER_BYTES, MAX_PATH_BYTES, absolute_path, stored_path
from .sequencer import strips_of
from .shot import PROPERTY, ShotObjects


def relocate(shot: ShotObjects, new: Path) -> None:
    """Let a shot, its pictures, strips and takes be found in ``new``, a copy of its folder.

    Raises:
        BadInputError: the copy lacks files that the mesh needs.
    """
    old = Path(shot.folder)
    _move_objects(shot, old, new)
    # Copied scenes have roots of their own, and duplicated meshes their modifiers: the old folder may go.
    for obj in scan.file_objects():
        if obj.library is not None:
            continue
        other = shots.shot_of(obj) if shots.role(obj) == "root" and obj != shot.root else None
        if other is not None and Path(other.folder) == old:
            _move_objects(other, old, new)
        for modifier in obj.modifiers:
            if modifier.type == "MESH_CACHE" and modifier.filepath:
                _move(modifier, "filepath", old, new)
    follow(old, new)


def follow(old: Path, new: Path, *, missing_only: bool = False) -> None:
    """Let pictures, clips, strips and versions of takes that point into ``old`` point into ``new``.

    Args:
        missing_only: only what is not in ``old`` any more and is in ``new``.
    """
    for kept in (*bpy.data.images, *bpy.data.movieclips):
        if kept.library is None and kept.filepath:
            _move(kept, "filepath", old, new, missing_only=missing_only)
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        for strip in _strips(strips_of(scene.sequence_editor) if scene.sequence_editor else ()):
            _move(strip, "directory" if strip.type == "IMAGE" else "filepath", old, new, missing_only=missing_only)
            tag = strip.get(PROPERTY)
            if hasattr(tag, "get") and (place := _moved(Path(str(tag.get("folder", ""))), old, new, missing_only)):
                tag["folder"] = str(place)
        if hasattr(scene, "ex4d"):
            _move_state(scene.ex4d, old, new, missing_only)


def _moved(path: Path, old: Path, new: Path, missing_only: bool) -> Path | None:
    """Where something of ``old`` is in ``new``; None where it stays."""
    if not path.is_relative_to(old):
        return None
    place = new / path.relative_to(old)
    return None if missing_only and (path.exists() or not place.exists()) else place


def _move_objects(shot: ShotObjects, old: Path, new: Path) -> None:
    viewport = Path(shot.record["viewport"])
    inside = new / viewport.relative_to(old) if viewport.is_relative_to(old) else viewport
    if shot.mesh is not None:
        shots.relink(shot.mesh, inside)
    else:
        shots.move_record(shot, inside)


def _move_state(state: Any, old: Path, new: Path, missing_only: bool) -> None:
    for take in state.takes:
        for version in take.versions:
            if place := _moved(Path(version.folder), old, new, missing_only):
                version.folder = str(place)
            if version.projection and (place := _moved(Path(version.projection), old, new, missing_only)):
                version.projection = str(place)
    if state.shot_folder and absolute_path(state.shot_folder) == old:
        state.shot_folder = str(new)


def _strips(strips: Iterable[Any]) -> Iterator[Any]:
    for strip in strips:
        if strip.type in ("IMAGE", "MOVIE"):
            yield strip
        elif strip.type == "META":
            yield from _strips(strip.strips if hasattr(strip, "strips") else strip.sequences)


def _move(owner: Any, attribute: str, old: Path, new: Path, *, missing_only: bool = False) -> None:
    if place := _moved(absolute_path(getattr(owner, attribute)), old, new, missing_only):
        # A strip's directory ends in a slash.
        folder = attribute == "directory"
        stored = stored_path(place, limit=MAX_FOLDER_BYTES if folder else MAX_PATH_BYTES)
        setattr(owner, attribute, stored + ("/" if folder else ""))
