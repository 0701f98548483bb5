# SPDX-License-Identifier: GPL-3.0-or-later
"""The render without fill in a take's own folder: the cache, which it comes from, may be cleaned."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

#: The folder within a take's.
COLOR = "color"


def keep_colour(render: Path, take: Path) -> Path:
    """Put a render's pictures into a take's folder, whole or not at all: as further names of the same files, which take
    no room, or as copies where the disk has no such names.

    Args:
        render: folder of the pictures.
        take: folder of the take, which is not written over where it has them.

    Returns:
        Their folder in the take's.

    Raises:
        OSError: they are not there, or cannot be written.
    """
    kept = take / COLOR
    if kept.is_dir():
        return kept
    partial = take / f".{COLOR}-{uuid.uuid4().hex[:8]}"
    partial.mkdir()
    try:
        for picture in sorted(render.iterdir()):
            if not picture.is_file() or picture.name.startswith("."):
                continue
            try:
                os.link(picture, partial / picture.name)
            except OSError:
                shutil.copyfile(picture, partial / picture.name)
        try:
            partial.rename(kept)
        except OSError:
            # Another process may have kept them meanwhile.
            if not kept.is_dir():
                raise
    finally:
        with suppress(OSError):
            shutil.rmtree(partial)
    return kept
