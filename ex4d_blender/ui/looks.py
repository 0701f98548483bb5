# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of what the backend is making, as icons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy.utils.previews

_icons: Any = None


def icon(path: str) -> int:
    """The icon of a picture, 0 where there is none. Only the last one is kept: each look is a file of its own."""
    global _icons  # noqa: PLW0603  Blender hands out the collection once
    if not path:
        return 0
    if _icons is None:
        _icons = bpy.utils.previews.new()
    # Each look is a file of its own: the disk is asked once for it, not whenever a panel is drawn.
    if path not in _icons:
        if not Path(path).is_file():
            return 0
        _icons.clear()
        _icons.load(path, path, "IMAGE")
    return _icons[path].icon_id


def unregister() -> None:
    """Free the icons."""
    global _icons  # noqa: PLW0603
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
