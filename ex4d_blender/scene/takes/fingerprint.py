# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a take still looks as it did: a hash of what moves its camera, without evaluating a frame."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from ..data import camera_data
from ..fcurves import fcurves
from ..shot import PROPERTY, role

#: Of an object, and of a camera.
_POSE = (
    "location",
    "rotation_euler",
    "rotation_quaternion",
    "rotation_axis_angle",
    "scale",
    "delta_location",
    "delta_rotation_euler",
    "delta_rotation_quaternion",
    "delta_scale",
)
_LENS = ("lens", "shift_x", "shift_y", "sensor_width", "sensor_height", "clip_start")
#: What of a data-block's description is none of its own, or changes nothing.
_UNTOLD = ("rna_type", "name", "show_expanded", "active", "is_valid", "error_location", "error_rotation")
#: Digits after which a number is another one: animation leaves rests in what it does not write.
_DIGITS = 6


def take_fingerprint(scene: bpy.types.Scene, root: bpy.types.Object, cameras: list[bpy.types.Object]) -> str:
    """A hash of all that the picture of a take follows from on Blender's side: keys, modifiers, constraints, drivers
    and lens of its cameras and of what they hang on, below the shot's root; when markers switch the cameras; the
    picture's size; the shot as it was reconstructed. Which frame is shown, or what is selected, changes nothing.

    Args:
        scene: of the take.
        root: of its shot.
        cameras: its own, or all that the scene switches to.
    """
    digest = hashlib.sha256()
    render = scene.render
    size = (render.resolution_x, render.resolution_y, render.resolution_percentage)
    _add(digest, size, round(render.pixel_aspect_x, _DIGITS), round(render.pixel_aspect_y, _DIGITS))
    _add(digest, str(root[PROPERTY].get("record")), root[PROPERTY].get("first_frame"))
    if len(cameras) > 1:
        order = [(mark.frame, cameras.index(mark.camera)) for mark in scene.timeline_markers if mark.camera in cameras]
        _add(digest, sorted(order))
    for camera in cameras:
        for part in _parts(camera):
            _add_object(digest, part)
    return digest.hexdigest()[:16]


def motion_fingerprint(camera: bpy.types.Object) -> str:
    """A hash of the same of one camera alone, without scene and shot."""
    digest = hashlib.sha256()
    for part in _parts(camera):
        _add_object(digest, part)
    return digest.hexdigest()[:16]


def _parts(camera: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """A camera, its parents, and what the constraints of all these look at, without roots of shots."""
    waiting, seen = [camera], set[int]()
    while waiting:
        current = waiting.pop()
        if current.session_uid in seen or role(current) == "root":
            continue
        seen.add(current.session_uid)
        yield current
        targets = [getattr(constraint, "target", None) for constraint in current.constraints]
        waiting += [other for other in (current.parent, *targets) if other is not None]


def _add(digest: Any, *values: Any) -> None:
    digest.update(repr(values).encode())


def _add_object(digest: Any, obj: bpy.types.Object) -> None:
    rows: Any = obj.matrix_parent_inverse
    inverse = [round(value, _DIGITS) for row in rows for value in row]
    _add(digest, obj.type, obj.rotation_mode, inverse, obj.parent is not None)
    for constraint in obj.constraints:
        _add(digest, _described(constraint))
    _add_animated(digest, obj, _POSE)
    if obj.type == "CAMERA":
        data = camera_data(obj)
        _add(digest, data.type, data.sensor_fit)
        _add_animated(digest, data, _LENS)


def _add_animated(digest: Any, datablock: Any, paths: tuple[str, ...]) -> None:
    """The keys of a data-block, and those of its values that no animation writes in each frame."""
    moved = set()
    animation = datablock.animation_data
    curves = fcurves(datablock)
    drivers = list(animation.drivers) if animation is not None else []
    for curve in (*curves, *drivers):
        moved.add((curve.data_path, curve.array_index))
        _add_curve(digest, curve)
    for driver in drivers:
        found = driver.driver
        _add(digest, found.type, found.expression, [_described(variable) for variable in found.variables])
    layered = False
    for track in animation.nla_tracks if animation is not None else ():
        layered = True
        _add(digest, track.mute, [_described(strip) for strip in track.strips])
    if layered:
        # Any of its values may be a strip's.
        return
    for path in paths:
        value = getattr(datablock, path)
        values = [value] if isinstance(value, int | float) else list(value)
        _add(
            digest,
            path,
            [round(one, _DIGITS) for index, one in enumerate(values) if (path, index) not in moved],
        )


def _add_curve(digest: Any, curve: bpy.types.FCurve) -> None:
    points: Any = curve.keyframe_points
    _add(digest, curve.data_path, curve.array_index, curve.mute, curve.extrapolation, len(points))
    for name in ("co", "handle_left", "handle_right"):
        values = np.empty(2 * len(points), np.float32)
        points.foreach_get(name, values)
        # Blender aligns handles anew whenever a curve is touched, which leaves rests.
        digest.update((np.round(values, 4) + 0.0).tobytes())
    kinds = np.empty(len(points), np.int32)
    points.foreach_get("interpolation", kinds)
    digest.update(kinds.tobytes())
    for modifier in curve.modifiers:
        _add(digest, _described(modifier))


def _described(struct: Any) -> list[tuple[str, Any]]:
    """The plain values of a modifier, a constraint, a driver's variable or an NLA strip."""
    found = []
    for item in struct.bl_rna.properties:
        if item.identifier in _UNTOLD or item.type not in ("BOOLEAN", "INT", "FLOAT", "STRING", "ENUM"):
            continue
        value = getattr(struct, item.identifier)
        if item.type == "FLOAT":
            value = round(value, _DIGITS) if not item.is_array else [round(one, _DIGITS) for one in _flat(value)]
        found.append((item.identifier, value if isinstance(value, str | int | float | list) else repr(value)))
    return found


def _flat(values: Any) -> list[float]:
    out: list[float] = []
    for value in values:
        out += [value] if isinstance(value, float) else list(value)
    return out
