# SPDX-License-Identifier: GPL-3.0-or-later
"""A root that an alignment has placed, put back for a moment to where new roots stand.

A camera that rides on its root is then sampled to the bit as before the alignment: Blender's float32 matrices have no
part in it, and a take that is finished stays the same take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Quaternion, Vector

from ..core import axes

#: Custom property of a root that an alignment has placed.
ALIGNED = "ex4d_aligned"
_CHANNELS = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")


def what_moves(obj: bpy.types.Object) -> list[str]:
    """What places an object besides its location, rotation and scale, in the words of the interface."""
    animation = obj.animation_data
    delta = (
        any(obj.delta_location[:])
        or any(obj.delta_rotation_euler[:])
        or obj.delta_rotation_quaternion != Quaternion()
        or obj.delta_scale != Vector((1, 1, 1))
    )
    return [
        name
        for name, there in (
            ("keys", animation is not None and animation.action is not None),
            ("NLA tracks", animation is not None and len(animation.nla_tracks) > 0),
            ("drivers", animation is not None and len(animation.drivers) > 0),
            ("constraints", len(obj.constraints) > 0),
            ("delta transforms", delta),
        )
        if there
    ]


def rides_on(camera: bpy.types.Object, root: bpy.types.Object) -> bool:
    """Whether a camera goes wherever the root goes, and where it stands to it depends on nothing else in the scene."""
    data = camera.data
    if data is not None and data.animation_data is not None and len(data.animation_data.drivers):
        return False
    current: bpy.types.Object | None = camera
    while current is not None and current != root:
        drivers = current.animation_data.drivers if current.animation_data is not None else ()
        if len(current.constraints) or len(drivers) or current.parent_type != "OBJECT" or current.rigid_body:
            return False
        current = current.parent
    return current is not None


@contextmanager
def at_home(root: bpy.types.Object | None, cameras: Iterable[bpy.types.Object | None]) -> Iterator[float | None]:
    """Let an aligned root stand as a new one within the block, where all these cameras ride on it.

    Yields:
        the root's scale as it stands in the scene; None where it was left alone.
    """
    if root is None or not _can_go(root) or not all(camera and rides_on(camera, root) for camera in cameras):
        yield None
        return
    scale = axes.root_scale(np.array(root.matrix_basis, np.float64), root.name)
    mode, former = root.rotation_mode, {name: tuple(getattr(root, name)) for name in _CHANNELS}
    root.rotation_mode, root.rotation_euler = "XYZ", axes.ROOT_ROTATION
    root.location, root.scale = (0, 0, 0), (1, 1, 1)
    try:
        yield scale
    finally:
        root.rotation_mode = mode
        for name, value in former.items():
            setattr(root, name, value)


def _can_go(root: bpy.types.Object) -> bool:
    is_own = root.library is None and root.override_library is None
    return bool(is_own and root.get(ALIGNED) and root.parent is None and not what_moves(root))
