# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders of a shot's cache the open file shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from . import scan
from .files import absolute_path
from .sequencer import all_strips


def used_of_cache(folder: Path) -> tuple[str, ...]:
    """Names of the folders in ``folder``'s cache that pictures, clips, strips and meshes of the open file lie in."""
    cache = folder / "cache"
    inside = (path.relative_to(cache).parts for path in _paths() if path.is_relative_to(cache))
    return tuple(sorted({parts[0] for parts in inside if parts}))


def _paths() -> Iterator[Path]:
    for kept in (*bpy.data.images, *bpy.data.movieclips):
        if kept.filepath:
            yield absolute_path(kept.filepath)
    for obj in scan.file_objects():
        for modifier in obj.modifiers:
            if isinstance(modifier, bpy.types.MeshCacheModifier) and modifier.filepath:
                yield absolute_path(modifier.filepath)
    for scene in bpy.data.scenes:
        for strip in all_strips(scene):
            stored = getattr(strip, "directory", "") or getattr(strip, "filepath", "")
            if stored:
                yield absolute_path(stored)
