# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a shot's root stands: read, and set so that all below it rides along and shows what it showed."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ex4d.protocol.errors import BadInputError

from ..core import axes
from ..core.alignment import Similarity
from ..core.camera_channels import euler_angles
from . import picked_points, scan
from .at_home import ALIGNED, what_moves
from .clip_distances import scale_with_root
from .data import camera_data
from .shot import ShotObjects, check_local, pivot_point

#: Of a root that has not been moved.
HOME = Similarity(1.0, axes.SHOT_TO_BLENDER[:3, :3], np.zeros(3))


def placed(root: bpy.types.Object) -> Similarity:
    """Where a root stands: shot world -> Blender's world.

    Raises:
        BadInputError: it is scaled unevenly, sheared or mirrored.
    """
    return Similarity.from_matrix(np.array(root.matrix_world, np.float64), root.name)


def check_placeable(shot: ShotObjects) -> None:
    """Raise BadInputError for a shot whose root cannot be placed: it is linked, or something else moves it."""
    check_local(shot)
    root = shot.root
    if moving := what_moves(root):
        raise BadInputError(
            f"The shot's root «{root.name}» is moved by its {' and '.join(moving)}.",
            "Take them away, or put them on an Empty that is its parent.",
        )


def place(scene: bpy.types.Scene, shot: ShotObjects, wanted: Similarity) -> None:
    """Set a shot's root so that it stands there in Blender's world.

    Everything below it rides along; clip distances of cameras below it, which Blender does not scale, are scaled.

    Raises:
        BadInputError: see ``check_placeable``; or a parent of the root is scaled unevenly.
    """
    check_placeable(shot)
    root = shot.root
    before = placed(root)
    basis = wanted.matrix
    if root.parent is not None:
        above = np.array(root.parent.matrix_world @ root.matrix_parent_inverse, np.float64)
        basis = np.linalg.inv(above) @ basis
    local = Similarity.from_matrix(basis, root.name)
    root.location, root.scale = local.translation.tolist(), (local.scale,) * 3
    _set_rotation(root, local.rotation)
    root[ALIGNED] = True
    for data in {camera_data(obj) for obj in scan.descendants(root) if obj.type == "CAMERA"}:
        if data.library is None:
            scale_with_root(data, before.scale, wanted.scale)
    for layer in scene.view_layers:
        layer.update()


def _set_rotation(root: bpy.types.Object, rotation: np.ndarray) -> None:
    """In the rotation mode that the artist has chosen."""
    if root.rotation_mode == "XYZ":
        root.rotation_euler = euler_angles(rotation[None])[0].tolist()
        return
    turned = Matrix(rotation.tolist())
    if root.rotation_mode == "QUATERNION":
        root.rotation_quaternion = turned.to_quaternion()
    elif root.rotation_mode == "AXIS_ANGLE":
        axis, angle = turned.to_quaternion().to_axis_angle()
        root.rotation_axis_angle = (angle, axis.x, axis.y, axis.z)
    else:
        root.rotation_euler = turned.to_euler(root.rotation_mode)


def camera_place(scene: bpy.types.Scene, shot: ShotObjects) -> np.ndarray:
    """Where the source camera stands (3,), shot world, at the scene's frame; beyond the plate, as it stands there.

    Of the camera in the scene; where it was deleted, of the shot's file.

    Raises:
        BadInputError: the camera was deleted, and the shot's files are gone.
    """
    if shot.source_camera is not None:
        to_shot = np.linalg.inv(np.array(shot.root.matrix_world, np.float64))
        return np.asarray(to_shot[:3, :3] @ shot.source_camera.matrix_world.translation[:] + to_shot[:3, 3], np.float64)
    E = shot.source().E[_index(scene, shot)]
    return np.asarray(-E[:3, :3].T @ E[:3, 3], np.float64)


def camera_height(scene: bpy.types.Scene, shot: ShotObjects) -> float | None:
    """How high the source camera stands above Z = 0 at the scene's frame, Blender units; None without that camera.

    Of Blender's own evaluation: it costs nothing to ask.
    """
    camera = shot.source_camera
    return float(camera.matrix_world.translation.z) if camera is not None else None


def pivot_place(scene: bpy.types.Scene, shot: ShotObjects) -> np.ndarray:
    """The point (3,), shot world, that moves turn about: the picked one, else the measured one as the source camera
    has it before it at the scene's frame."""
    found = picked_points.pivot(shot.root)
    if found is not None:
        return found[0]
    E = shot.source().E[_index(scene, shot)]
    return np.asarray(E[:3, :3].T @ (pivot_point(shot.record) - E[:3, 3]), np.float64)


def _index(scene: bpy.types.Scene, shot: ShotObjects) -> int:
    return min(max(scene.frame_current - shot.first_frame, 0), len(shot.numbers) - 1)
