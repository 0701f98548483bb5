# SPDX-License-Identifier: GPL-3.0-or-later
"""The wipe over the camera: its pictures, its line, and the mouse that drags it."""

from __future__ import annotations

from typing import Any, Literal

import blf
import bpy
from gpu_extras.batch import batch_for_shader

import gpu

from .. import props, wipe
from ..core.wipe import Part, Rect, fit, is_on_line, line_at, part_between, share_at
from ..localisation import localised
from ..scene import hooks
from ..scene.editors import viewed_camera
from .coverage import free_width, looks_through

#: Half the line's width, how far from it the mouse still takes it, half the grip's width and height, and the distance
#: of texts to the picture's edges: pixels of an interface of scale 1.
HALF_LINE, REACH, GRIP, MARGIN = 1, 9, (5, 14), 10
_CORNERS = (0, 1, 2, 0, 2, 3)
#: The key that flips, over a viewport.
FLIP_KEY = "W"

#: What a gizmo returns to go on.
_GizmoResult = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]

_handle: Any = None
_keys: list[tuple[Any, Any]] = []


def camera_frame(region: Any, view: Any, scene: bpy.types.Scene, camera: bpy.types.Object | None) -> Rect | None:
    """What the camera that a viewport looks through sees, in the region's pixels; None where that is nowhere.

    A viewport that looks through the camera stands where it stands: the projection alone says where its frame lies.
    Camera and view are not set to a new frame at the same moment, so places in the world would be of two frames.
    """
    if camera is None or not isinstance(camera.data, bpy.types.Camera):
        return None
    corners = [view.window_matrix @ corner.to_4d() for corner in camera.data.view_frame(scene=scene)]
    if any(corner.w <= 0 for corner in corners):
        return None
    across = [(1 + corner.x / corner.w) / 2 * region.width for corner in corners]
    up = [(1 + corner.y / corner.w) / 2 * region.height for corner in corners]
    return Rect(min(across), min(up), max(across), max(up))


def _shown(context: Any) -> tuple[wipe.Wipe, Rect] | None:
    """The wipe that a viewport shows, and where; None where it shows none."""
    shown, scene = wipe.current(), context.scene
    if shown is None or scene is None or scene.session_uid != shown.scene:
        return None
    take = props.take_by_uid(scene, shown.take)
    if take is None or not looks_through(context, take):
        return None
    camera = viewed_camera(context.space_data, context.region_data, scene)
    frame = camera_frame(context.region, context.region_data, scene, camera)
    return (shown, frame) if frame is not None and frame.width > 0 and frame.height > 0 else None


def _draw() -> None:
    context: Any = bpy.context
    found = _shown(context)
    if found is None:
        return
    shown, frame = found
    scale = context.preferences.system.ui_scale
    line = line_at(frame, shown.share)
    for index, (left, right) in enumerate(((frame.left, line), (line, frame.right))):
        side, picture = shown.sides[index], shown.pictures[index]
        _fill(part_between(frame, left, right), (0, 0, 0, 1))
        if picture is not None and picture.pixels is not None:
            _draw_picture(part_between(fit(frame, side.aspect), left, right), _texture(picture))
    for half, color in ((HALF_LINE + 1, (0, 0, 0, 1)), (HALF_LINE, (1, 1, 1, 1))):
        grow, middle = half - HALF_LINE, (frame.bottom + frame.top) / 2
        width, height = (GRIP[0] + grow) * scale, (GRIP[1] + grow) * scale
        _fill(Part(Rect(line - half * scale, frame.bottom, line + half * scale, frame.top), 0, 1), color)
        _fill(Part(Rect(line - width, middle - height, line + width, middle + height), 0, 1), color)
    # The sidebar lies over the picture where there is no room beside it.
    free, top = free_width(context), frame.top - 2 * MARGIN * scale
    ends = max(frame.left, free[0]) + MARGIN * scale, min(frame.right, free[1]) - MARGIN * scale
    titles = [_title(shown, index, context.scene.frame_current) for index in (0, 1)]
    _text(titles[0], ends[0], top, scale, to_right=True)
    _text(titles[1], ends[1], top, scale, to_right=False)


def _title(shown: wipe.Wipe, index: int, frame: int) -> str:
    """What a side is called, and what is wrong with its picture, as a person reads it."""
    return localised(_english_title(shown, index, frame))


def _english_title(shown: wipe.Wipe, index: int, frame: int) -> str:
    label, picture = shown.sides[index].label, shown.pictures[index]
    if frame not in shown.sides[index].files:
        return f"{label}: none at frame {frame}"
    if picture is None:
        return label
    if picture.pixels is None:
        return f"{label}: cannot be read"
    return label if picture.frame == frame else f"{label}: frame {picture.frame}"


def _texture(picture: wipe.Picture) -> Any:
    """A picture on the graphics card."""
    assert picture.pixels is not None
    if picture.texture is None:
        height, width = picture.pixels.shape[:2]
        # The stand-in for Blender's types knows no arguments of these.
        types: Any = gpu.types
        values = types.Buffer("FLOAT", picture.pixels.size, picture.pixels.ravel())
        picture.texture = types.GPUTexture((width, height), format="RGBA16F", data=values)
    return picture.texture


def _draw_picture(part: Part | None, texture: Any) -> None:
    if part is None:
        return
    shader = gpu.shader.from_builtin("IMAGE")
    corners, across = _corners(part.place), _corners(Rect(part.left, 0, part.right, 1))
    batch = batch_for_shader(shader, "TRIS", {"pos": _triangles(corners), "texCoord": _triangles(across)})
    shader.bind()
    shader.uniform_sampler("image", texture)
    batch.draw(shader)


def _fill(part: Part | None, color: tuple[float, float, float, float]) -> None:
    if part is None:
        return
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("color", color)
    batch_for_shader(shader, "TRIS", {"pos": _triangles(_corners(part.place))}).draw(shader)


def _corners(place: Rect) -> list[tuple[float, float]]:
    low, high = place.bottom, place.top
    return [(place.left, low), (place.right, low), (place.right, high), (place.left, high)]


def _triangles(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [corners[index] for index in _CORNERS]


def _text(text: str, x: float, y: float, scale: float, *, to_right: bool) -> None:
    blf.size(0, 12 * scale)
    width, height = blf.dimensions(0, text)
    left = x if to_right else x - width
    pad = 4 * scale
    gpu.state.blend_set("ALPHA")
    _fill(Part(Rect(left - pad, y - pad, left + width + pad, y + height + pad), 0, 1), (0, 0, 0, 0.5))
    blf.color(0, 1, 1, 1, 1)
    blf.position(0, left, y, 0)
    blf.draw(0, text)
    gpu.state.blend_set("NONE")


class EX4D_GT_wipe_line(bpy.types.Gizmo):
    """The wipe's line, for the mouse; it is drawn with the pictures."""

    def draw(self, _context: bpy.types.Context) -> None:
        """Nothing: the pictures would be drawn over it."""

    def test_select(self, context: bpy.types.Context, location: Any) -> int:
        """0 where the mouse is on the line."""
        found = _shown(context)
        reach = REACH * context.preferences.system.ui_scale if context.preferences is not None else REACH
        return 0 if found is not None and is_on_line(found[1], found[0].share, location[0], location[1], reach) else -1

    def invoke(self, _context: bpy.types.Context, _event: bpy.types.Event) -> _GizmoResult:
        """Begin to drag."""
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event, _tweak: Any) -> _GizmoResult:
        """Drag."""
        found = _shown(context)
        if found is not None:
            found[0].share = share_at(found[1], event.mouse_region_x)
            wipe.redraw()
        return {"RUNNING_MODAL"}


class EX4D_GGT_wipe(bpy.types.GizmoGroup):
    """What of the wipe the mouse takes."""

    bl_idname = "EX4D_GGT_wipe"
    bl_label = "A/B Wipe"
    bl_space_type = "VIEW_3D"
    bl_region_type = "WINDOW"
    bl_options = {"PERSISTENT"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where a wipe is shown."""
        return _shown(context) is not None

    def setup(self, _context: bpy.types.Context) -> None:
        """One line."""
        self.gizmos.new(EX4D_GT_wipe_line.__name__)


CLASSES = (EX4D_GT_wipe_line, EX4D_GGT_wipe)


def register() -> None:
    """Draw into 3D viewports, and flip by a key there; without a window there are neither."""
    global _handle  # noqa: PLW0603
    if bpy.app.background:
        return
    _handle = hooks.add_to_viewports(_draw)
    manager: Any = bpy.context.window_manager
    settings = manager.keyconfigs.addon
    if settings is not None:
        keymap = settings.keymaps.new("3D View", space_type="VIEW_3D")
        _keys.append((keymap, keymap.keymap_items.new("ex4d.wipe_flip", FLIP_KEY, "PRESS")))


def unregister() -> None:
    """Stop drawing there, and take the key away."""
    global _handle  # noqa: PLW0603
    wipe.end()
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    if _handle is not None:
        hooks.remove_from_viewports(_handle)
        _handle = None
