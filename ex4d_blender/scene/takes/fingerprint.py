# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a take still looks as it did: a hash of what moves its camera, without evaluating a frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any

import bpy
import numpy as np

from ...core.shot_rules import parsed_record
from ..clip_distances import near_unscaled
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
_LENS = ("lens", "shift_x", "shift_y", "sensor_width", "sensor_height")
#: What of a data-block's description is none of its own, or changes nothing.
_UNTOLD = ("rna_type", "name", "show_expanded", "active", "select", "is_valid", "error_location", "error_rotation")
#: Digits after which a number is another one: animation leaves rests in what it does not write.
_DIGITS = 6
#: Of the times of handles, frames: near 1000 Blender's float32 are 0.0001 apart.
_TIME_DIGITS = 2
#: What fingerprints begin with. One that begins with something else is of a version that looked at other things.
_KIND = "2-"


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
    _add(digest, _told(root), root[PROPERTY].get("first_frame"))
    if len(cameras) > 1:
        order = [(mark.frame, cameras.index(mark.camera)) for mark in scene.timeline_markers if mark.camera in cameras]
        _add(digest, sorted(order))
    for camera in cameras:
        for part in _parts(camera):
            _add_object(digest, part)
    return _KIND + digest.hexdigest()[:16]


def comparable(fingerprint: str) -> str:
    """A fingerprint as it was kept; "" for one of an earlier version, which says nothing of whether a take is still as
    it was."""
    return fingerprint if fingerprint.startswith(_KIND) else ""


def motion_fingerprint(camera: bpy.types.Object) -> str:
    """A hash of the same of one camera alone, without scene and shot."""
    digest = hashlib.sha256()
    for part in _parts(camera):
        _add_object(digest, part)
    return _KIND + digest.hexdigest()[:16]


def _told(root: bpy.types.Object) -> str:
    """A shot's record, wherever its folder is."""
    record = parsed_record(str(root[PROPERTY].get("record", "{}")))
    told, folder = json.dumps(record, sort_keys=True), json.dumps(str(record.get("shot", "")))[1:-1]
    return told.replace(folder, "") if folder else told


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


def _rounded(value: float) -> float:
    """A number that counts; there is one zero."""
    return round(value, _DIGITS) + 0.0


def _add(digest: Any, *values: Any) -> None:
    digest.update(repr(values).encode())


def _add_object(digest: Any, obj: bpy.types.Object) -> None:
    rows: Any = obj.matrix_parent_inverse
    inverse = [_rounded(value) for row in rows for value in row]
    _add(digest, obj.type, obj.rotation_mode, inverse, obj.parent is not None)
    moved = _moved(obj)
    for constraint in obj.constraints:
        path = f'constraints["{bpy.utils.escape_identifier(constraint.name)}"].'
        _add(digest, _described(constraint, [item.removeprefix(path) for item, _ in moved if item.startswith(path)]))
    _add_animated(digest, obj, _POSE)
    if obj.type == "CAMERA":
        data = camera_data(obj)
        _add(digest, data.type, data.sensor_fit)
        if ("clip_start", 0) not in _moved(data):
            _add(digest, f"{near_unscaled(data):.{_DIGITS}g}")
        _add_animated(digest, data, _LENS)


def _add_animated(digest: Any, datablock: Any, paths: tuple[str, ...]) -> None:
    """The keys of a data-block, and those of its values that no animation writes in each frame."""
    moved = _moved(datablock)
    animation = datablock.animation_data
    drivers = list(animation.drivers) if animation is not None else []
    for curve in (*fcurves(datablock), *drivers):
        _add_curve(digest, curve)
    for driver in drivers:
        found = driver.driver
        _add(digest, found.type, found.expression, [_described(variable) for variable in found.variables])
    layered = False
    for track in animation.nla_tracks if animation is not None else ():
        layered = True
        _add(digest, track.mute)
        for strip in track.strips:
            _add(digest, _described(strip, [curve.data_path for curve in strip.fcurves]))
            for curve in strip.fcurves:
                _add_curve(digest, curve)
    if layered:
        # Any of its values may be a strip's.
        return
    for path in paths:
        value = getattr(datablock, path)
        values = [value] if isinstance(value, int | float) else list(value)
        _add(
            digest,
            path,
            [_rounded(one) for index, one in enumerate(values) if (path, index) not in moved],
        )


def _moved(datablock: Any) -> set[tuple[str, int]]:
    """Path and index of the values that animation writes in each frame: they tell of the frame that is shown."""
    animation = datablock.animation_data
    drivers = list(animation.drivers) if animation is not None else []
    return {(curve.data_path, curve.array_index) for curve in (*fcurves(datablock), *drivers) if not curve.mute}


def _add_curve(digest: Any, curve: bpy.types.FCurve) -> None:
    points: Any = curve.keyframe_points
    _add(digest, curve.data_path, curve.array_index, curve.mute, curve.extrapolation, len(points))
    for name in ("co", "handle_left", "handle_right"):
        values = np.empty(2 * len(points), np.float32)
        points.foreach_get(name, values)
        # Blender aligns handles anew whenever a curve is touched, which leaves rests.
        for column, digits in ((0, 4 if name == "co" else _TIME_DIGITS), (1, 4)):
            digest.update((np.round(values[column::2].astype(np.float64), digits) + 0.0).tobytes())
    kinds = np.empty(len(points), np.int32)
    points.foreach_get("interpolation", kinds)
    digest.update(kinds.tobytes())
    for modifier in curve.modifiers:
        _add(digest, _described(modifier))


def _described(struct: Any, moved: Collection[str] = ()) -> list[tuple[str, Any]]:
    """The plain values of a modifier, a constraint, a driver's variable or an NLA strip, without those that animation
    moves."""
    found = []
    for item in struct.bl_rna.properties:
        if (
            item.identifier in _UNTOLD
            or item.identifier in moved
            or item.type not in ("BOOLEAN", "INT", "FLOAT", "STRING", "ENUM")
        ):
            continue
        value = getattr(struct, item.identifier)
        if item.type == "FLOAT":
            value = _rounded(value) if not item.is_array else [_rounded(one) for one in _flat(value)]
        found.append((item.identifier, value if isinstance(value, str | int | float | list) else repr(value)))
    return found


def _flat(values: Any) -> list[float]:
    out: list[float] = []
    for value in values:
        out += [value] if isinstance(value, float) else list(value)
    return out
