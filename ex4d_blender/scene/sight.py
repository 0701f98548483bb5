# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies under the mouse: the viewport's line of sight, and the point of a shot's surface that it meets."""

from __future__ import annotations

from typing import Any, NamedTuple

import bpy
import numpy as np
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d
from numpy.typing import NDArray

from . import surface
from .shot import ShotObjects

Array = NDArray[np.float64]


class View(NamedTuple):
    """A 3D viewport's region.

    Attributes:
        area: the editor.
        region: of kind WINDOW.
        view: its ``RegionView3D``.
    """

    area: bpy.types.Area
    region: bpy.types.Region
    view: Any


def _holds(place: Any, x: int, y: int) -> bool:
    return bool(place.x <= x < place.x + place.width and place.y <= y < place.y + place.height)


def area_under(window: bpy.types.Window, x: int, y: int) -> bpy.types.Area | None:
    """The editor under the mouse (pixels of the window), None on its edges and in the top bar."""
    areas = window.screen.areas if window.screen is not None else ()
    return next((area for area in areas if _holds(area, x, y)), None)


def view_under(window: bpy.types.Window, x: int, y: int) -> View | None:
    """The 3D viewport under the mouse (pixels of the window); None elsewhere, on its header and its sidebar too."""
    area = area_under(window, x, y)
    if area is None or area.type != "VIEW_3D":
        return None
    # They lie over the view.
    if any(item.type != "WINDOW" and min(item.width, item.height) > 1 and _holds(item, x, y) for item in area.regions):
        return None
    space: Any = area.spaces.active
    quad = space.region_quadviews
    regions = [item for item in area.regions if item.type == "WINDOW"]
    for index, region in enumerate(regions):
        if _holds(region, x, y):
            return View(area, region, quad[index] if len(quad) else space.region_3d)
    return None


def point_under(shot: ShotObjects, frame: int, found: View, x: int, y: int) -> Array | None:
    """The point (3,), in the shot world, of a shot's surface at a scene frame under the mouse; None where none is.

    Raises:
        BadInputError: the shot has no mesh, or its files are missing.
    """
    place = (x - found.region.x, y - found.region.y)
    origin = region_2d_to_origin_3d(found.region, found.view, place)
    direction = region_2d_to_vector_3d(found.region, found.view, place)
    to_shot = np.linalg.inv(np.array(shot.root.matrix_world, np.float64))
    return surface.surface_at(shot, frame).hit(
        to_shot[:3, :3] @ np.array(origin[:]) + to_shot[:3, 3], to_shot[:3, :3] @ np.array(direction[:])
    )
