# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of what the backend is making, as icons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy.utils.previews

_icons: Any = None


def prepare(paths: Iterable[str]) -> None:
    """Take in pictures that are new; called by the timer, as drawing must not look at the disk.

    Only the last one is kept: each thumbnail is a file of its own.
    """
    global _icons  # noqa: PLW0603  Blender hands out the collection once
    for path in paths:
        if not path or (_icons is not None and path in _icons) or not Path(path).is_file():
            continue
        if _icons is None:
            _icons = bpy.utils.previews.new()
        _icons.clear()
        _icons.load(path, path, "IMAGE")


def icon(path: str) -> int:
    """The icon of a picture that was taken in, 0 where it was not."""
    return _icons[path].icon_id if _icons is not None and path in _icons else 0


def unregister() -> None:
    """Free the icons."""
    global _icons  # noqa: PLW0603
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
