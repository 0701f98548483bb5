# SPDX-License-Identifier: GPL-3.0-or-later
"""Take cameras and their moves as ordinary keyframes.

A preset becomes as few Bezier keys as show the same picture: the easings are cubics, so most moves need two. A take
camera stands in a chain of Empties where the move asks for one:

    root > «Take 01 Rig», the source camera's pose or motion > «Take 01 Pivot», turned by an orbit > «Take 01»

Without a Rig the camera's parent is the root: the source camera stands at the shot's origin.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import PresetSpec, Trajectory, build_take, parse_preset, static_trajectory
from ex4d.camera.transforms import CV_GL, invert_rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from

from . import axes, camera
from .fcurves import ensure_fcurve, fcurves, remove_fcurves, set_value, write_keys
from .files import check_consecutive
from .shot import ShotObjects, check_scene, is_local, pivot_point, role, shot_of, source_trajectory, tag

Array = NDArray[np.float64]

#: Keys are added until no point at the pivot's depth is off by more, in pixels of the plate. Float32 adds some.
KEY_TOLERANCE = 0.03
#: Moves are sampled this many times per frame to find the slopes of their curves.
SUBSAMPLES = 32
#: What one channel may wander by round-off and still be still.
STILL = 1e-9
HANDHELD = "EX-4D Handheld"
HANDHELD_PATHS = ("delta_location", "delta_rotation_euler")
#: Of strength 1: sway as a share of the pivot's distance, turn in degrees (tilt, pan, roll), seconds per swing.
HANDHELD_SWAY = 0.02
HANDHELD_TURN = (1.0, 1.0, 0.4)
HANDHELD_PERIODS = (0.9, 0.6)


def _unique_name() -> str:
    number = 1
    while f"Take {number:02d}" in bpy.data.objects:
        number += 1
    return f"Take {number:02d}"


def _is_still(obj: bpy.types.Object) -> bool:
    return not (obj.animation_data or obj.data.animation_data or obj.constraints)


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
    own = source is not None and source.data.override_library is None
    obj = bpy.data.objects.new(title, source.data.copy() if own else bpy.data.cameras.new(title))
    obj.data.name = obj.name
    obj.data.animation_data_clear()
    collection.objects.link(obj)
    axes.parent_plainly(obj, shot.root)
    tag(obj, "take", shot.folder)
    pivot, far = float(shot.record["pivot"]), float(shot.record["far"])
    camera.set_clip_distances(obj.data, 1e-3 * pivot, 4 * far)
    camera.apply_trajectory(obj, trajectory, frames=frames)
    return obj


def add_moving_camera(
    scene: bpy.types.Scene, shot: ShotObjects, move: str | None, *, follow: bool = True
) -> bpy.types.Object:
    """``add_take_camera``, then ``apply_preset`` where a move is given; nothing is left of it after an error."""
    if move is not None:
        parse_preset(move)
    before = set(bpy.data.objects)
    cameras = set(bpy.data.cameras)
    try:
        obj = add_take_camera(scene, shot)
        if move is not None:
            apply_preset(scene, obj, move, record=shot.record, follow=follow, shot=shot)
    except Exception:
        for left in set(bpy.data.objects) - before:
            _remove_empty(left)
        for data in set(bpy.data.cameras) - cameras:
            bpy.data.cameras.remove(data)
        raise
    return obj


def _shot_to_move_in(camera_obj: bpy.types.Object, shot: ShotObjects | None) -> ShotObjects:
    """The shot, by default the one that a camera is a child of; BadInputError for cameras that cannot be moved."""
    shot = shot or shot_of(camera_obj)
    if shot is None:
        raise BadInputError(
            f"«{camera_obj.name}» belongs to no shot.", "Make it a take of one, or a child of its root."
        )
    if camera_obj.type != "CAMERA" or camera_obj == shot.source_camera:
        raise BadInputError(f"«{camera_obj.name}» is not a take camera.", "Add a take camera, and animate that one.")
    if not (is_local(camera_obj) and is_local(camera_obj.data)):
        raise BadInputError(
            f"The camera «{camera_obj.name}» is linked from another file.",
            "Move it there, or add a take camera in this file. The take itself can be generated as it is.",
        )
    return shot


@dataclass(frozen=True)
class _Curves:
    """A move as curves over its frames, relative to the base camera.

    Attributes:
        on_pivot: the angles turn about the pivot; otherwise about the camera, which also has a location.
        values: (6, N) x, y, z, tilt, yaw (radians), factor on the focal length.
        slopes: (6, N) per frame.
    """

    on_pivot: bool
    values: Array
    slopes: Array

    def poses(self, values: Array, pivot: Array) -> Array:
        """Curve values (6, N) -> take camera -> base camera (N, 4, 4), OpenCV axes."""
        out = np.tile(np.eye(4), (values.shape[1], 1, 1))
        out[:, :3, :3] = [rotation_y(yaw) @ rotation_x(tilt) for tilt, yaw in values[3:5].T]
        out[:, :3, 3] = pivot - out[:, :3, :3] @ pivot if self.on_pivot else values[:3].T
        return out


def _curves(spec: PresetSpec, count: int, pivot: Array) -> _Curves:
    """The move over ``count`` frames, from the preset itself sampled finely."""
    fine = (count - 1) * SUBSAMPLES + 1
    take = build_take(spec, static_trajectory(np.eye(3), 1, 1, fine), pivot)
    poses = invert_rigid(take.E)
    rotation, location = poses[:, :3, :3], poses[:, :3, 3]
    # No move rolls: the rotation is a tilt about the camera's x, then a yaw about the base's y.
    yaw = np.unwrap(np.arctan2(-rotation[:, 2, 0], rotation[:, 0, 0]))
    level = np.stack([rotation_y(-angle) for angle in yaw]) @ rotation
    tilt = np.unwrap(np.arctan2(level[:, 2, 1], level[:, 1, 1]))
    values = np.stack([*location.T, tilt, yaw, take.K[:, 0, 0]])
    length = np.linalg.norm(pivot)
    turns = np.ptp(tilt) > STILL or np.ptp(yaw) > STILL
    on_pivot = bool(turns and np.abs(rotation @ pivot + location - pivot).max() < 1e-9 * length)
    if on_pivot:
        values[:3] = 0.0
    if count == 1:
        return _Curves(on_pivot, values, np.zeros_like(values))
    slopes = np.gradient(values, axis=1, edge_order=2) * SUBSAMPLES
    # What is flat but for the differences' round-off is flat.
    slopes[np.abs(slopes) < 1e-4 * np.ptp(values, axis=1, keepdims=True) / count] = 0.0
    return _Curves(on_pivot, values[:, ::SUBSAMPLES], slopes[:, ::SUBSAMPLES])


def _hermite(keys: Sequence[int], values: Array, slopes: Array) -> Array:
    """What keys at these indices show at all: (C, N) from values and slopes (C, N)."""
    out = values.copy()
    for a, b in pairwise(keys):
        s = (np.arange(a, b + 1) - a) / (b - a)
        step = float(b - a)
        out[:, a : b + 1] = (
            values[:, a : a + 1] * (1 + 2 * s) * (1 - s) ** 2
            + values[:, b : b + 1] * s * s * (3 - 2 * s)
            + slopes[:, a : a + 1] * step * s * (1 - s) ** 2
            - slopes[:, b : b + 1] * step * s * s * (1 - s)
        )
    return out


def _pixel_errors(curves: _Curves, shown: Array, K: Array, size: tuple[int, int], pivot: Array) -> Array:
    """(N,) by how many pixels points at the pivot's depth stand elsewhere than the move says.

    The points are the corners, the sides' middles and the centre of each frame's picture.
    """
    width, height = size
    want, have = curves.poses(curves.values, pivot), curves.poses(shown, pivot)
    between = invert_rigid(have) @ want
    grid = np.array([[x, y] for y in (0, height / 2, height) for x in (0, width / 2, width)])
    # Relative to the principal point, so that a zoom is a factor.
    rays = (grid - K[:2, 2]) / K[(0, 1), (0, 1)] / curves.values[5, :, None, None]
    points = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1) * np.linalg.norm(pivot)
    moved = points @ np.swapaxes(between[:, :3, :3], 1, 2) + between[:, None, :3, 3]
    pixels = moved[..., :2] / moved[..., 2:] * K[(0, 1), (0, 1)] * shown[5, :, None, None] + K[:2, 2]
    return np.asarray(np.linalg.norm(pixels - grid, axis=-1).max(axis=-1))


def _choose_keys(curves: _Curves, K: Array, size: tuple[int, int], pivot: Array) -> list[int]:
    """The fewest evenly spaced keys that show the move; even ones are the easiest to edit."""
    count = curves.values.shape[1]
    for segments in range(1, count):
        keys = sorted({round(index) for index in np.linspace(0, count - 1, segments + 1)})
        shown = _hermite(keys, curves.values, curves.slopes)
        if _pixel_errors(curves, shown, K, size, pivot).max() <= KEY_TOLERANCE:
            return keys
    return list(range(count))


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
        move: ``orbit:60``, ``dolly_in:0.3,ease=linear``, ``180`` …, see ``ex4d.camera.preset_help``.
        record: the shot's record.
        frames: scene frames over which the move goes, rising by one, within the plate's; None: all of the plate's.
        follow: ride on the source camera's own motion; False: start from its first pose and leave its motion out.
        shot: of the take; None: the one that the camera is a child of. The camera becomes a child of its root.

    Raises:
        UsageError: there is no such move.
        BadInputError: the camera belongs to no shot or is linked, the frames lie outside the plate.
    """
    spec = parse_preset(move)
    shot = _shot_to_move_in(camera_obj, shot)
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
    pivot = pivot_point(record)
    if not follow:
        source = Trajectory(
            source.K[:1].repeat(len(source), 0),
            source.E[:1].repeat(len(source), 0),
            source.width,
            source.height,
        )
    curves = _curves(spec, len(chosen), pivot)
    keys = _choose_keys(curves, source.K[0], (source.width, source.height), pivot)
    camera.own_animation(camera_obj)
    clear_move(camera_obj, shot)
    parent = _place_rig(shot, camera_obj, source, chosen)
    _place_camera(shot, camera_obj, parent, curves, np.array(keys), chosen, pivot)
    _animate_lens(camera_obj.data, source, curves, np.array(keys), chosen)
    tag(camera_obj, "take", shot.folder, move=move)
    camera.refresh(scene)


def clear_move(camera_obj: bpy.types.Object, shot: ShotObjects) -> None:
    """Take away a camera's move: its keys and the Empties made for it; it becomes a child of the root, still."""
    parent = camera_obj.parent
    axes.parent_plainly(camera_obj, shot.root)
    while parent is not None and parent != shot.root:
        above = parent.parent
        # A duplicate of the camera hangs on the same Empties, and so may things of the artist's.
        if _is_helper(parent) and not parent.children:
            _remove_empty(parent)
        parent = above
    remove_fcurves(camera_obj, camera.POSE_PATHS)
    remove_fcurves(camera_obj.data, camera.LENS_PATHS)


def acting_besides(camera_obj: bpy.types.Object) -> list[str]:
    """What of the artist's moves a camera besides the keys of a move."""
    animation = camera_obj.animation_data
    delta = any((*camera_obj.delta_location, *camera_obj.delta_rotation_euler))
    return [
        name
        for name, there in (
            ("constraints", len(camera_obj.constraints)),
            ("drivers", animation is not None and len(animation.drivers)),
            ("NLA tracks", animation is not None and len(animation.nla_tracks)),
            ("delta transforms", delta and not has_handheld(camera_obj)),
        )
        if there
    ]


def _is_helper(obj: bpy.types.Object) -> bool:
    return role(obj) in ("rig", "pivot")


def _remove_empty(obj: bpy.types.Object) -> None:
    action = obj.animation_data.action if obj.animation_data else None
    bpy.data.objects.remove(obj)
    if action is not None and action.users == 0:
        bpy.data.actions.remove(action)


def _new_empty(
    shot: ShotObjects, camera_obj: bpy.types.Object, parent: bpy.types.Object, role: str, size: float
) -> bpy.types.Object:
    name = f"{camera_obj.name} {role.title()}"
    empty = bpy.data.objects.new(name, None)
    empty.empty_display_type = "ARROWS" if role == "rig" else "SPHERE"
    empty.empty_display_size = size
    # With its camera, which need not be in the shot's collection: that may be linked.
    camera_obj.users_collection[0].objects.link(empty)
    axes.parent_plainly(empty, parent)
    tag(empty, role, shot.folder)
    return empty


def _place_rig(
    shot: ShotObjects, camera_obj: bpy.types.Object, source: Trajectory, frames: Sequence[int]
) -> bpy.types.Object:
    if np.abs(source.E - np.eye(4)).max() < STILL:
        return shot.root
    size = 0.05 * float(shot.record["pivot"])
    rig = _new_empty(shot, camera_obj, shot.root, "rig", size)
    # Keys of its own: a shot that is reconstructed anew does not move the takes made before.
    camera.write_poses(rig, invert_rigid(source.E), frames)
    return rig


def _place_camera(
    shot: ShotObjects,
    camera_obj: bpy.types.Object,
    parent: bpy.types.Object,
    curves: _Curves,
    keys: NDArray[np.int64],
    frames: Sequence[int],
    pivot: Array,
) -> None:
    # Looking along its parent's z, with y downwards: half a turn about x.
    upright = camera.euler_angles(CV_GL[None, :3, :3])[0]
    camera_obj.rotation_mode = "XYZ"
    camera_obj.scale = (1, 1, 1)
    turned, offset = camera_obj, upright
    if curves.on_pivot:
        size = 0.05 * float(np.linalg.norm(pivot))
        turned = _new_empty(shot, camera_obj, parent, "pivot", size)
        turned.location = pivot
        camera_obj.location, camera_obj.rotation_euler = -pivot, upright
        offset = np.zeros(3)
        axes.parent_plainly(camera_obj, turned)
    else:
        axes.parent_plainly(camera_obj, parent)
        for axis in range(3):
            _write(camera_obj, "location", axis, curves.values[axis], curves.slopes[axis], keys, frames)
    zero = np.zeros(len(frames))
    for axis, (values, slopes) in enumerate(
        ((curves.values[3], curves.slopes[3]), (curves.values[4], curves.slopes[4]), (zero, zero))
    ):
        _write(turned, "rotation_euler", axis, values + offset[axis], slopes, keys, frames)


def _animate_lens(
    data: bpy.types.Camera, source: Trajectory, curves: _Curves, keys: NDArray[np.int64], frames: Sequence[int]
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
    channels = camera.lens_channels(source.K[:1], source.width, source.height)
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


def add_handheld(camera_obj: bpy.types.Object, strength: float, seed: int, *, shot: ShotObjects | None = None) -> None:
    """Shake a take camera as a hand does: Noise modifiers on its delta transform, beside any other animation.

    They can be edited in the Graph Editor, and ``remove_handheld`` takes them away. The same seed gives the same shake.

    Args:
        strength: 1 is a careful operator walking; above zero.
        shot: of the take; None: the one that the camera is a child of.

    Raises:
        BadInputError: the camera belongs to no shot, is linked, or turns by quaternions, which have no delta angles.
    """
    shot = _shot_to_move_in(camera_obj, shot)
    if camera_obj.rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
        raise BadInputError(
            f"«{camera_obj.name}» turns by quaternions, which hand-held noise cannot be added to.",
            "Set its rotation mode to XYZ Euler.",
        )
    camera.own_animation(camera_obj)
    remove_handheld(camera_obj)
    phases = random.Random(seed)
    fps = float(fraction_from(shot.record["plate"]["fps"]))
    sway = HANDHELD_SWAY * float(shot.record["pivot"])
    amounts = ((sway, sway, sway / 2), tuple(np.radians(HANDHELD_TURN)))
    for path, amount, period in zip(HANDHELD_PATHS, amounts, HANDHELD_PERIODS, strict=True):
        for axis in range(3):
            curve = ensure_fcurve(camera_obj, path, axis)
            write_keys(curve, [shot.first_frame], np.array([getattr(camera_obj, path)[axis]]))
            noise = curve.modifiers.new("NOISE")
            noise.name = HANDHELD
            noise.strength = strength * amount[axis]
            noise.scale = period * fps
            noise.phase = phases.uniform(1, 1000)
            noise.depth = 1


def has_handheld(camera_obj: bpy.types.Object) -> bool:
    """Whether ``add_handheld`` shakes this camera."""
    return any(curve.data_path in HANDHELD_PATHS and len(curve.modifiers) > 0 for curve in fcurves(camera_obj))


def remove_handheld(camera_obj: bpy.types.Object) -> None:
    """Take the shake of ``add_handheld`` away."""
    remove_fcurves(camera_obj, HANDHELD_PATHS)
    camera_obj.delta_location = (0, 0, 0)
    camera_obj.delta_rotation_euler = (0, 0, 0)
