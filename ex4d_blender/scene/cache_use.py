# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders of a shot's cache the open file shows."""

from __future__ import annotations

from pathlib import Path

from .files import absolute_path
from .stored_paths import blender_paths


def used_of_cache(folder: Path) -> tuple[str, ...]:
    """Names of the folders in ``folder``'s cache that something of the open file lies in: pictures, clips, sounds,
    strips, meshes and whatever else Blender shows."""
    cache = folder / "cache"
    paths = (absolute_path(kept.text) for kept in blender_paths())
    inside = (path.relative_to(cache).parts for path in paths if path.is_relative_to(cache))
    return tuple(sorted({parts[0] for parts in inside if parts}))
