# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot's measured surface in one frame, from the files that its mesh plays."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

from ..core.picking import Surface
from .files import numbered_files
from .mesh import PC2_HEADER, cache_path, check_point_cache, described_viewport
from .shot import ShotObjects


def surface_at(shot: ShotObjects, frame: int) -> Surface:
    """The surface that a shot's mesh shows at a scene frame; before its first and after its last it stands still.

    It is read from the shot's files, so that other modifiers, hidden faces and hidden objects play no part.

    Raises:
        BadInputError: the shot has no mesh, or its files are missing or damaged.
    """
    cache = cache_path(shot.mesh) if shot.mesh is not None else None
    if cache is None:
        raise BadInputError(f"The shot «{shot.root.name}» has no mesh.", "Reconstruct it again.")
    index = min(max(frame - shot.first_frame, 0), len(shot.numbers) - 1)
    return _read(cache.parent, index, cache.stat().st_mtime_ns if cache.exists() else 0)


@lru_cache(maxsize=2)
def _read(folder: Path, index: int, _changed: int) -> Surface:
    viewport = described_viewport(folder)
    check_point_cache(viewport.pc2, viewport.vertices, len(viewport.numbers))
    width, height = viewport.grid
    offset = PC2_HEADER.size + 12 * viewport.vertices * index
    points = np.fromfile(viewport.pc2, "<f4", 3 * width * height, offset=offset)
    picture = numbered_files(viewport.valid, [viewport.pictures[index]], "The shot's mesh")[0]
    return Surface(points.reshape(height, width, 3), _is_valid(picture, width, height))


def _is_valid(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    """(height - 1, width - 1) of a validity picture, which has one pixel a quad and a row more."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        if tuple(image.size) != (width - 1, height):
            raise BadInputError(f"{path} does not fit the shot's mesh.", "Reconstruct the shot again.")
        values = np.empty(4 * width * height - 4 * height, np.float32)
        pixels: Any = image.pixels
        pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    # Blender's rows go upwards.
    return np.asarray(values.reshape(height, width - 1, 4)[::-1, :, 0][:-1] > 0.5)
