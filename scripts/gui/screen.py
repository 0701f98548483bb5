# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on the screen: windows, areas, regions, and the places in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

from gui.driver import DriveError, Wait, after, request, window
from gui.scene import pictures

CATEGORY = "EX-4D"


def windows() -> list[bpy.types.Window]:
    """All of Blender's windows."""
    return list(bpy.context.window_manager.windows)


def largest(kind: str) -> bpy.types.Area:
    """The largest area of a kind, ``VIEW_3D``.

    Raises:
        DriveError: there is none on the screen.
    """
    areas = [area for area in window().screen.areas if area.type == kind]
    if not areas:
        raise DriveError(f"There is no area {kind} on the screen.")
    return max(areas, key=lambda area: area.width * area.height)


def region(area: bpy.types.Area, kind: str) -> bpy.types.Region:
    """An area's region: ``WINDOW``, or ``UI``, the sidebar."""
    return next(item for item in area.regions if item.type == kind)


def call(operator: Callable[..., set[str]], *arguments: str, area: bpy.types.Area, **properties: object) -> None:
    """Call an operator as a button in the area would.

    Raises:
        DriveError: it refuses.
    """
    with bpy.context.temp_override(window=window(), area=area, region=region(area, "WINDOW")):
        result = operator(*arguments, **properties)
    if result & {"CANCELLED", "PASS_THROUGH"}:
        raise DriveError(f"{operator!r} refused: {result}")


def open_sidebar(out: Path, area: bpy.types.Area) -> Iterator[Wait]:
    """Show the area's sidebar with the extension's tab in front."""
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    sidebar = region(area, "UI")
    yield lambda: sidebar.width > 1 and sidebar.active_panel_category != "UNSUPPORTED"
    # The tab in front can be read but not set: turn the wheel with Ctrl over a tab, as one can by hand. The mouse's y
    # points down, a region's up.
    x, y = sidebar.x + sidebar.width - 14, window().height - sidebar.y - sidebar.height + 24
    for _ in range(12):
        if sidebar.active_panel_category == CATEGORY:
            # Off the panel, whose buttons would show what they are for.
            yield request(out, f"rest {area.x + area.width // 3} {window().height - area.y - 8}")
            return
        yield request(out, f"wheel {x} {y}")
        yield after(0.3)
    raise DriveError(f"The sidebar has no tab {CATEGORY}; is the extension enabled?")


def look_at(item: bpy.types.Object, area: bpy.types.Area) -> None:
    """Let an object fill a 3D viewport; what is selected stays selected."""
    former = list(bpy.context.view_layer.objects.selected)
    for other in former:
        other.select_set(False)
    item.select_set(True)
    call(bpy.ops.view3d.view_selected, area=area)
    item.select_set(False)
    for other in former:
        other.select_set(True)


def look_through_camera(view: bpy.types.Area) -> Iterator[Wait]:
    """See the plate on the mesh, as it will be."""
    call(bpy.ops.ex4d.view_shot, area=view, shading="RENDERED")
    # Software OpenGL compiles this mode's shaders and draws nothing meanwhile. Then it gets smoother for minutes.
    yield after(20.0)
    # Pictures that are drawn as missing stay so until the frame changes.
    yield lambda: all(image.has_data for image in pictures())


def on_screen(view: bpy.types.Area, point: Vector) -> tuple[int, int]:
    """The screen's pixel of a point of the scene in a viewport, as the mouse takes it."""
    shown = region(view, "WINDOW")
    place = location_3d_to_region_2d(shown, view.spaces.active.region_3d, point)
    return round(shown.x + place.x), round(window().height - shown.y - place.y)


def on_plate(view: bpy.types.Area, across: float, down: float) -> tuple[int, int]:
    """The screen's pixel of a place on the frame of the scene's camera, shares from its upper left corner."""
    camera = bpy.context.scene.camera
    corners = [camera.matrix_world.normalized() @ corner for corner in camera.data.view_frame(scene=bpy.context.scene)]
    upper_right, _, lower_left, upper_left = corners
    return on_screen(view, upper_left + across * (upper_right - upper_left) + down * (lower_left - upper_left))
