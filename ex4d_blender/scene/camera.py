# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender camera <-> trajectory: exactly what Blender renders, as K and E per frame.

Pixel edges are at integers, K in pixels of the scene's render size; E maps the shot world to OpenCV camera axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.protocol.errors import BadInputError

from ..core import axes
from ..core.camera_channels import SENSOR_WIDTH, Lens, euler_angles, lens_channels
from ..core.frame_mapping import joined_fps
from . import mesh
from .at_home import at_home
from .clip_distances import near_in_shot
from .data import camera_data
from .fcurves import animate, own_action, remove_fcurves

Array = NDArray[np.float64]

#: A channel that changes by less than this is still: float32 round-off of poses and lens.
STILL = 1e-7
POSE_PATHS = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")
LENS_PATHS = ("lens", "shift_x", "shift_y")


@dataclass(frozen=True)
class SampledCamera:
    """A trajectory and what the artist should know about it.

    Attributes:
        trajectory: K, E per frame.
        notes: whole sentences.
    """

    trajectory: Trajectory
    notes: tuple[str, ...]


def scene_fps(scene: bpy.types.Scene) -> Fraction:
    """Frames per second as a fraction: 24 / 1.001 is 24000/1001."""
    return joined_fps(scene.render.fps, scene.render.fps_base)


def render_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """(width, height) in pixels that the scene renders at, with its percentage."""
    render = scene.render
    percentage = render.resolution_percentage
    return render.resolution_x * percentage // 100, render.resolution_y * percentage // 100


def intrinsics(data: bpy.types.Camera, scene: bpy.types.Scene, picture_size: tuple[int, int] | None = None) -> Array:
    """K (3, 3) float64 in pixels of a perspective camera at the scene's render size and pixel aspect, or for pictures
    of another (width, height) in square pixels."""
    lens = Lens(data.lens, data.shift_x, data.shift_y, data.sensor_fit, data.sensor_width, data.sensor_height)
    if picture_size is not None:
        return lens.intrinsics(picture_size, (1.0, 1.0))
    return lens.intrinsics(render_size(scene), (scene.render.pixel_aspect_x, scene.render.pixel_aspect_y))


@contextmanager
def keeping_frame(scene: bpy.types.Scene) -> Iterator[None]:
    """Put the scene's frame, subframe and active camera back afterwards."""
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)
        # frame_set takes the camera of the last marker, which need not be the one that was chosen.
        scene.camera = camera


def refresh(scene: bpy.types.Scene) -> None:
    """Show animation that was just written: Blender evaluates it only when a frame is set."""
    with keeping_frame(scene):
        pass


def _evaluated(scene: bpy.types.Scene, obj: bpy.types.Object) -> bpy.types.Object | None:
    for layer in scene.view_layers:
        depsgraph = layer.depsgraph
        if depsgraph is not None:
            evaluated = obj.evaluated_get(depsgraph)
            if evaluated.is_evaluated:
                return evaluated
    return None


def _to_array(matrix: Matrix) -> Array:
    return np.array(matrix, dtype=np.float64)


def _camera_at(scene: bpy.types.Scene, chosen: bpy.types.Object | None, frame: int) -> bpy.types.Object:
    camera = chosen or scene.camera
    if camera is None:
        raise BadInputError(
            f"The scene has no active camera at frame {frame}.",
            "Choose a camera, or make one the scene's active camera.",
        )
    evaluated = _evaluated(scene, camera)
    if evaluated is None:
        raise BadInputError(
            f"The camera «{camera.name}» is switched off in the scene, so it does not move.",
            "Enable it and its collection in the viewport.",
        )
    if evaluated.type != "CAMERA" or camera_data(evaluated).type != "PERSP":
        kind = camera_data(evaluated).type.lower() if evaluated.type == "CAMERA" else evaluated.type.lower()
        raise BadInputError(
            f"«{camera.name}» is not a perspective camera but of type {kind}.",
            "Set its lens type to Perspective, or choose another camera.",
        )
    return evaluated


def _camera_markers(scene: bpy.types.Scene) -> list[bpy.types.TimelineMarker]:
    """The markers that switch the scene's camera."""
    return [marker for marker in scene.timeline_markers if marker.camera is not None]


def _notes(scene: bpy.types.Scene, cameras: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if scene.render.use_border:
        notes.append("The scene renders only a region of the picture; the take covers the whole picture.")
    if scene.render.use_multiview:
        notes.append("The scene renders in stereo; the take is that of the camera itself.")
    cuts = sum(a != b for a, b in pairwise(cameras))
    if cuts:
        notes.append(f"The take has cuts: the active camera changes within its frames, {cuts} in all.")
    return tuple(notes)


def sample_camera(
    scene: bpy.types.Scene,
    frames: Sequence[int],
    *,
    root: bpy.types.Object | None,
    camera: bpy.types.Object | None,
    frame_numbers: Sequence[int] | None = None,
    picture_size: tuple[int, int] | None = None,
) -> SampledCamera:
    """The evaluated camera at each scene frame: parents, constraints, drivers and F-curve modifiers included.

    The scene's frame, subframe and active camera are put back.

    Args:
        frames: scene frames.
        root: the shot's root, whose space the poses are given in; None: Blender's world, stood as a new root stands.
        camera: the camera; None: the scene's active camera, as markers switch it.
        frame_numbers: the plate's number of each frame; None: the scene frames themselves.
        picture_size: (width, height) of the pictures in square pixels; None: as the scene renders them.

    Raises:
        BadInputError: there is no camera, it is not a perspective one, it or the root is scaled so that no pinhole
            camera shows the same.
    """
    width, height = picture_size or render_size(scene)
    K, E, near, names = [], [], [], []
    seen = [camera] if camera is not None else [scene.camera, *(marker.camera for marker in _camera_markers(scene))]
    with keeping_frame(scene), mesh.at_rest(scene), at_home(root, seen) as aligned:
        for frame in frames:
            scene.frame_set(frame)
            evaluated = _camera_at(scene, camera, frame)
            root_world = axes.SHOT_TO_BLENDER
            if root is not None:
                root_world = _to_array((_evaluated(scene, root) or root).matrix_world)
            pose, scale = axes.camera_extrinsics(
                _to_array(evaluated.matrix_world), evaluated.name, root_world, root.name if root else ""
            )
            K.append(intrinsics(camera_data(evaluated), scene, picture_size))
            E.append(pose)
            near.append(near_in_shot(camera_data(evaluated), aligned or scale))
            names.append(evaluated.name)
    trajectory = Trajectory(
        np.array(K),
        np.array(E),
        width,
        height,
        # The far clip distance is a matter of the viewport: it must not cut the backdrop off.
        near=np.array(near),
        frame_numbers=tuple(frames if frame_numbers is None else frame_numbers),
        fps=scene_fps(scene),
    )
    # What the scene's renders are like says nothing of other pictures.
    return SampledCamera(trajectory, _notes(scene, names) if picture_size is None else ())


def sample_trajectory(
    scene: bpy.types.Scene,
    frames: Sequence[int],
    *,
    root: bpy.types.Object | None,
    camera: bpy.types.Object | None,
    frame_numbers: Sequence[int] | None = None,
) -> Trajectory:
    """``sample_camera`` without its notes."""
    return sample_camera(scene, frames, root=root, camera=camera, frame_numbers=frame_numbers).trajectory


def set_horizontal_fit(data: bpy.types.Camera) -> None:
    """The kind of camera that ``lens_channels`` describes."""
    data.type = "PERSP"
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH
    data.lens_unit = "MILLIMETERS"


def own_animation(camera: bpy.types.Object) -> None:
    """Part a camera from linked duplicates of it: what is written into its lens or its keys must not move them."""
    data = camera_data(camera)
    if data.library is None and data.users - data.use_fake_user > 1:
        data = data.copy()
        camera.data = data
    own_action(camera)
    if data.library is None:
        own_action(data)


def write_poses(obj: bpy.types.Object, poses: Array, frames: Sequence[int]) -> None:
    """Give an object the local matrices (N, 4, 4) at those frames: linear keys where it moves, values where not.

    The former animation of its transform goes.
    """
    remove_fcurves(obj, POSE_PATHS)
    obj.rotation_mode = "XYZ"
    obj.scale = (1, 1, 1)
    angles = euler_angles(poses[:, :3, :3])
    for axis in range(3):
        animate(obj, "location", axis, frames, poses[:, axis, 3], tolerance=STILL)
        animate(obj, "rotation_euler", axis, frames, angles[:, axis], tolerance=STILL)


def write_lens(data: bpy.types.Camera, trajectory: Trajectory, frames: Sequence[int]) -> None:
    """Give a camera the trajectory's focal length and principal point: keys only where they change."""
    remove_fcurves(data, LENS_PATHS)
    set_horizontal_fit(data)
    for path, values in lens_channels(trajectory.K, trajectory.width, trajectory.height).items():
        tolerance = STILL * SENSOR_WIDTH if path == "lens" else STILL
        animate(data, path, None, frames, values, tolerance=tolerance)


def apply_trajectory(camera: bpy.types.Object, trajectory: Trajectory, *, frames: Sequence[int]) -> None:
    """Make a camera, a child of its shot's root (or Blender's world standing as one), follow a trajectory.

    What does not change gets no keys; the rest one linear key per frame. The scene's resolution and pixel aspect are
    the caller's: they must have the trajectory's aspect.

    Args:
        frames: (T,) scene frame of each camera, rising.
    """
    write_poses(camera, axes.camera_poses(trajectory.E), frames)
    write_lens(camera_data(camera), trajectory, frames)
