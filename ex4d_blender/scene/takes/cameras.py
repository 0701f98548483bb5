# SPDX-License-Identifier: GPL-3.0-or-later
"""New take cameras, which start as the source camera."""

from __future__ import annotations

import bpy

from ex4d.camera import parse_preset

from .. import camera, clip_distances, scan
from ..data import camera_data
from ..parenting import parent_plainly
from ..shot import ShotObjects, check_scene, tag
from .moves import apply_preset
from .rig import remove_empty


def _unique_name() -> str:
    number = 1
    while f"Take {number:02d}" in bpy.data.objects:
        number += 1
    return f"Take {number:02d}"


def _is_still(obj: bpy.types.Object) -> bool:
    return not (obj.animation_data or camera_data(obj).animation_data or obj.constraints)


def add_take_camera(scene: bpy.types.Scene, shot: ShotObjects, name: str | None = None) -> bpy.types.Object:
    """A new camera that starts as the source camera, its animation included, free to be moved.

    Args:
        name: None: «Take 01» or the next free number.

    Raises:
        BadInputError: the shot has no source camera any more and its file is gone, or the scene is linked.
    """
    check_scene(scene)
    # A linked or overridden collection takes no objects; a camera of this file may all the same stand in its shot.
    collection = shot.local_collection or scene.collection
    source, frames = shot.source_camera, list(shot.frames)
    if source is None:
        trajectory = shot.source()
    else:
        sampled = frames[:1] if _is_still(source) else frames
        trajectory = camera.sample_trajectory(scene, sampled, root=shot.root, camera=source)
        frames = sampled
    title = name or _unique_name()
    # The copy of an overridden camera would be one more override.
    own = source is not None and camera_data(source).override_library is None
    data = camera_data(source).copy() if source is not None and own else bpy.data.cameras.new(title)
    obj = bpy.data.objects.new(title, data)
    data.name = obj.name
    data.animation_data_clear()
    collection.objects.link(obj)
    parent_plainly(obj, shot.root)
    tag(obj, "take", shot.folder)
    pivot, far = float(shot.record["pivot"]), float(shot.record["far"])
    clip_distances.set_clip_distances(data, 1e-3 * pivot, 4 * far, shot.aligned_scale)
    camera.apply_trajectory(obj, trajectory, frames=frames)
    return obj


def add_moving_camera(
    scene: bpy.types.Scene, shot: ShotObjects, move: str | None, *, follow: bool = True
) -> bpy.types.Object:
    """``add_take_camera``, then ``apply_preset`` where a move is given; nothing is left of it after an error."""
    if move is not None:
        parse_preset(move)
    before = set(scan.file_objects())
    cameras = set(bpy.data.cameras)
    try:
        obj = add_take_camera(scene, shot)
        if move is not None:
            apply_preset(scene, obj, move, record=shot.record, follow=follow, shot=shot)
    except Exception:
        for left in set(scan.file_objects()) - before:
            remove_empty(left)
        for data in set(bpy.data.cameras) - cameras:
            bpy.data.cameras.remove(data)
        raise
    return obj
