# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves as ordinary keyframes of a take camera.

A preset becomes as few Bezier keys as show the same picture. A camera stands in a chain of Empties where the move asks
for one:

    root > «Take 01 Rig», the source camera's pose or motion > «Take 01 Pivot», turned by an orbit > «Take 01»

Without a Rig the camera's parent is the root: the source camera stands at the shot's origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, follow_path, parse_preset
from ex4d.camera.transforms import CV_GL, invert_rigid
from ex4d.protocol.errors import BadInputError

from ...core.camera_channels import euler_angles, lens_channels
from ...core.frame_mapping import check_consecutive
from ...core.move_keys import STILL, MoveCurves, choose_keys, move_curves
from .. import camera, picked_points, scan
from ..data import camera_data
from ..fcurves import ensure_fcurve, remove_fcurves, set_value, write_keys
from ..parenting import parent_plainly
from ..shot import PROPERTY, ShotObjects, source_trajectory, tag
from .fingerprint import comparable, motion_fingerprint
from .movable import shot_to_move_in
from .rig import is_helper, new_empty, remove_empty

Array = NDArray[np.float64]


def apply_preset(
    scene: bpy.types.Scene,
    camera_obj: bpy.types.Object,
    move: str,
    *,
    record: Mapping[str, Any],
    frames: Sequence[int] | None = None,
    follow: bool = True,
    shot: ShotObjects | None = None,
) -> None:
    """Animate a take camera with a move of ``ex4d.camera``: the keys of an earlier move are replaced.

    Args:
        move: ``orbit:60``, ``dolly_in:0.3,ease=linear``, ``180``, ``stabilise:0.8+orbit:30`` …, see
            ``ex4d.camera.preset_help``.
        record: the shot's record.
        frames: scene frames over which the move goes, rising by one, within the plate's; None: all of the plate's.
        follow: ride on the source camera's own motion; False: start from its first pose and leave its motion out. A
            move with a path of its own, such as ``lock``, decides that itself.
        shot: of the take; None: the one that the camera is a child of. The camera becomes a child of its root.

    Raises:
        UsageError: there is no such move.
        BadInputError: the camera belongs to no shot or is linked, the frames lie outside the plate.
    """
    spec = parse_preset(move)
    shot = shot_to_move_in(camera_obj, shot)
    chosen = list(shot.frames if frames is None else frames)
    check_consecutive(chosen, "The move")
    if chosen[0] not in shot.frames or chosen[-1] not in shot.frames:
        raise BadInputError(
            f"The move's frames {chosen[0]}-{chosen[-1]} are not all within the plate's, "
            f"{shot.frames[0]}-{shot.frames[-1]}.",
            "Choose frames of the plate.",
        )
    source = source_trajectory(record)
    source = source.for_frames([shot.number_at(frame) for frame in chosen], source.fps, "The source camera")
    if spec.path is not None:
        # Handles are frames of the move only where the whole plate is.
        handles = tuple(record["plate"].get("handles", (0, 0))) if frames is None else (0, 0)
        source, spec = follow_path(spec.path, source, handles), replace(spec, path=None)
    elif not follow:
        source = Trajectory(
            source.K[:1].repeat(len(source), 0),
            source.E[:1].repeat(len(source), 0),
            source.width,
            source.height,
            frame_numbers=source.frame_numbers,
        )
    pivot = picked_points.pivot_of_moves(shot.root, record, source)
    curves = move_curves(spec, len(chosen), pivot)
    keys = choose_keys(curves, source.K[0], (source.width, source.height), pivot)
    camera.own_animation(camera_obj)
    clear_move(camera_obj, shot)
    parent = _place_rig(shot, camera_obj, source, chosen)
    _place_camera(shot, camera_obj, parent, curves, np.array(keys), chosen, pivot)
    _animate_lens(camera_data(camera_obj), source, curves, np.array(keys), chosen)
    tag(camera_obj, "take", shot.folder, move=move, motion=motion_fingerprint(camera_obj))
    camera.refresh(scene)


def move_of(camera_obj: bpy.types.Object) -> str:
    """The move that ``apply_preset`` gave a camera last, in words: «orbit:30», or «orbit:30, changed» where its keys,
    its lens or what acts besides them were changed since; "" where none did."""
    found = camera_obj.get(PROPERTY)
    move = str(found.get("move", "")) if hasattr(found, "get") else ""
    kept = comparable(str(found.get("motion", ""))) if move else ""
    if not kept or kept == motion_fingerprint(camera_obj):
        return move
    return f"{move}, changed"


def clear_move(camera_obj: bpy.types.Object, shot: ShotObjects) -> None:
    """Take away a camera's move: its keys and the Empties made for it; it becomes a child of the root, still."""
    parent = camera_obj.parent
    parent_plainly(camera_obj, shot.root)
    while parent is not None and parent != shot.root:
        above = parent.parent
        # A duplicate of the camera hangs on the same Empties, and so may things of the artist's.
        if is_helper(parent) and not scan.children(parent):
            remove_empty(parent)
        parent = above
    remove_fcurves(camera_obj, camera.POSE_PATHS)
    remove_fcurves(camera_data(camera_obj), camera.LENS_PATHS)


def _place_rig(
    shot: ShotObjects, camera_obj: bpy.types.Object, source: Trajectory, frames: Sequence[int]
) -> bpy.types.Object:
    if np.abs(source.E - np.eye(4)).max() < STILL:
        return shot.root
    size = 0.05 * float(shot.record["pivot"])
    rig = new_empty(shot, camera_obj, shot.root, "rig", size)
    # Keys of its own: a shot that is reconstructed anew does not move the takes made before.
    camera.write_poses(rig, invert_rigid(source.E), frames)
    return rig


def _place_camera(
    shot: ShotObjects,
    camera_obj: bpy.types.Object,
    parent: bpy.types.Object,
    curves: MoveCurves,
    keys: NDArray[np.int64],
    frames: Sequence[int],
    pivot: Array,
) -> None:
    # Looking along its parent's z, with y downwards: half a turn about x.
    upright = euler_angles(CV_GL[None, :3, :3])[0]
    camera_obj.rotation_mode = "XYZ"
    camera_obj.scale = (1, 1, 1)
    turned, offset = camera_obj, upright
    if curves.on_pivot:
        size = 0.05 * float(np.linalg.norm(pivot))
        turned = new_empty(shot, camera_obj, parent, "pivot", size)
        turned.location = pivot.tolist()
        camera_obj.location, camera_obj.rotation_euler = (-pivot).tolist(), upright.tolist()
        offset = np.zeros(3)
        parent_plainly(camera_obj, turned)
    else:
        parent_plainly(camera_obj, parent)
        for axis in range(3):
            _write(camera_obj, "location", axis, curves.values[axis], curves.slopes[axis], keys, frames)
    zero = np.zeros(len(frames))
    for axis, (values, slopes) in enumerate(
        ((curves.values[3], curves.slopes[3]), (curves.values[4], curves.slopes[4]), (zero, zero))
    ):
        _write(turned, "rotation_euler", axis, values + offset[axis], slopes, keys, frames)


def _animate_lens(
    data: bpy.types.Camera, source: Trajectory, curves: MoveCurves, keys: NDArray[np.int64], frames: Sequence[int]
) -> None:
    zoom = curves.values[5]
    if np.ptp(source.K, axis=0).max() > STILL * source.K[0, 0, 0]:
        # The source camera zooms itself: its keys are dense, and so are these.
        K = source.K.copy()
        K[:, 0, 0] *= zoom
        K[:, 1, 1] *= zoom
        camera.write_lens(data, Trajectory(K, source.E, source.width, source.height), frames)
        return
    camera.set_horizontal_fit(data)
    channels = lens_channels(source.K[:1], source.width, source.height)
    data.shift_x, data.shift_y = float(channels["shift_x"][0]), float(channels["shift_y"][0])
    lens = float(channels["lens"][0])
    _write(data, "lens", None, lens * zoom, lens * curves.slopes[5], keys, frames)


def _write(
    target: Any,
    path: str,
    index: int | None,
    values: Array,
    slopes: Array,
    keys: NDArray[np.int64],
    frames: Sequence[int],
) -> None:
    """Bezier keys at the chosen frames, or just the value of a channel that stands still."""
    if np.ptp(values) <= STILL:
        set_value(target, path, index, float(values[0]))
    else:
        write_keys(ensure_fcurve(target, path, index or 0), np.asarray(frames)[keys], values[keys], slopes[keys])
