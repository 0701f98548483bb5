# SPDX-License-Identifier: GPL-3.0-or-later
"""The points that are being picked, drawn over every 3D viewport with their numbers; nothing once that is over."""

from __future__ import annotations

from typing import Any

import blf
import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from gpu_extras.batch import batch_for_shader
from mathutils import Vector
from numpy.typing import NDArray

import gpu

from .scene import hooks

#: Half the side of a marker and of its dark edge, in pixels of the screen; the text's size.
HALF, EDGE, TEXT = 4.0, 5.5, 12.0
COLOUR, DARK = (1.0, 0.75, 0.1, 1.0), (0.0, 0.0, 0.0, 0.8)
_SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)], np.float32)

#: Blender's world, as Vectors.
_points: list[Vector] = []
_handle: Any = None


def show(points: NDArray[np.float64]) -> None:
    """Draw these points, (N, 3) in Blender's world, in place of others, until ``hide``."""
    global _handle  # noqa: PLW0603
    _points[:] = [Vector(point) for point in points]
    if _handle is None and not bpy.app.background:
        _handle = hooks.add_to_viewports(_draw)


def hide() -> None:
    """Draw none, and take the handler away."""
    global _handle  # noqa: PLW0603
    _points.clear()
    if _handle is not None:
        hooks.remove_from_viewports(_handle)
        _handle = None


def shown() -> list[Vector]:
    """What is drawn."""
    return list(_points)


def _draw() -> None:
    # Its space is a viewport's, which the handler was added to.
    context: Any = bpy.context
    if context.region_data is None:
        return
    scale = context.preferences.system.ui_scale
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    for index, point in enumerate(_points):
        place = location_3d_to_region_2d(context.region, context.region_data, point)
        if place is None:
            continue
        for half, colour in ((EDGE, DARK), (HALF, COLOUR)):
            corners = np.array(place[:], np.float32) + half * scale * _SQUARE
            shader.bind()
            shader.uniform_float("color", colour)
            batch_for_shader(shader, "TRIS", {"pos": corners}).draw(shader)
        blf.size(0, TEXT * scale)
        blf.color(0, *COLOUR)
        blf.position(0, place.x + 2 * HALF * scale, place.y + 2 * HALF * scale, 0)
        blf.draw(0, str(index + 1))
    gpu.state.blend_set("NONE")
