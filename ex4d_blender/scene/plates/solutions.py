# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that Blender's tracker has solved for a clip: the source camera, its points, and what it lacks."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.camera.transforms import invert_rigid

from ...core.axes import CV_BLENDER, nearest_rotation
from ...core.frame_mapping import exact_fps, longest_run
from ..camera import SampledCamera, scene_fps
from .choice import MOVIE_FIRST_NUMBER
from .clips import numbers_of_clip, shown_numbers


def _tracking(clip: bpy.types.MovieClip) -> Any:
    return clip.tracking


def is_solved(clip: bpy.types.MovieClip) -> bool:
    """Whether Blender's tracker has solved a camera for some of the clip's frames."""
    return bool(_tracking(clip).reconstruction.is_valid)


def solved_frames(clip: bpy.types.MovieClip) -> Any:
    """The cameras of the clip's solved frames; their number costs nothing."""
    return _tracking(clip).reconstruction.cameras


def solved_camera(
    clip: bpy.types.MovieClip,
    scene: bpy.types.Scene,
    *,
    frames: tuple[int, int] | None = None,
    first_number: int = MOVIE_FIRST_NUMBER,
    partly: bool = False,
) -> SampledCamera | None:
    """The camera that Blender's tracker solved for the plate's frames, or None where it did not solve each of them.

    The world is that of the first solved frame's camera: OpenCV axes, the solution's own scale. K is that of the clip's
    pixels with its principal point. Lens distortion is not part of a pinhole camera (``lenses``).

    Args:
        scene: for its frame rate, where the clip has none.
        frames: first and last of the plate's own numbers; None: all that the clip shows.
        first_number: the number that a movie's first frame gets.
        partly: of the frames that it solved, where those are not all; None where they are none.
    """
    solved = solved_numbers(clip, first_number=first_number)
    asked = _wanted_numbers(clip, frames, first_number)
    wanted = [number for number in asked if number in solved]
    if not wanted or (len(wanted) < len(asked) and not partly):
        return None
    by_frame = {camera.frame: camera for camera in _tracking(clip).reconstruction.cameras}
    poses = np.stack([np.array(by_frame[solved[number]].matrix, np.float64) for number in wanted])
    poses[:, :3, :3] = [nearest_rotation(pose[:3, :3]) for pose in poses]
    E = CV_BLENDER @ invert_rigid(poses) @ poses[0] @ CV_BLENDER
    fps = (exact_fps(clip.fps) if clip.source == "MOVIE" else None) or scene_fps(scene)
    width, height = clip.size
    trajectory = Trajectory(clip_intrinsics(clip), E, int(width), int(height), frame_numbers=tuple(wanted), fps=fps)
    return SampledCamera(trajectory, _solution_notes(clip))


def _wanted_numbers(clip: bpy.types.MovieClip, frames: tuple[int, int] | None, first_number: int) -> range:
    if frames is not None:
        return range(frames[0], frames[1] + 1)
    return shown_numbers(clip, first_number=first_number)


def solved_numbers(clip: bpy.types.MovieClip, *, first_number: int = MOVIE_FIRST_NUMBER) -> dict[int, int]:
    """The plate's own number -> the clip's frame, of all frames that the tracker solved; Blender interpolates none."""
    shown = numbers_of_clip(clip, first_number)
    if shown is None or not _tracking(clip).reconstruction.is_valid:
        return {}
    frames = sorted(int(camera.frame) for camera in _tracking(clip).reconstruction.cameras)
    return {shown.of_frame_one + frame - 1: frame for frame in frames}


def incomplete_solution(
    clip: bpy.types.MovieClip,
    *,
    frames: tuple[int, int] | None = None,
    first_number: int = MOVIE_FIRST_NUMBER,
    around: bool = False,
) -> str:
    """What becomes of a solution that lacks some of the plate's frames; "" where it lacks none.

    Args:
        around: the backend solves these around it; False: the solution is left out.
    """
    solved = solved_numbers(clip, first_number=first_number)
    wanted = _wanted_numbers(clip, frames, first_number)
    missing = [number for number in wanted if number not in solved]
    run = longest_run(number for number in wanted if number in solved)
    if not solved or not missing:
        return ""
    angle = _field_of_view(clip)
    lacks = (
        f"The clip's camera solution lacks {len(missing)} of the plate's {len(wanted)} frames, "
        f"the first is {missing[0]}."
    )
    lens = f"Its lens sees {angle:.1f} degrees over the longer side."
    if around:
        only = f"Frames {run[0]}-{run[1]} are all solved." if run else ""
        said = (lacks, "These are solved around it.", only, lens)
    else:
        way_out = f"Set Frames to {run[0]}-{run[1]} to use it for those, or solve the others." if run else ""
        said = (lacks, "It is left out.", way_out or "Solve the others.", lens)
    return " ".join(filter(None, said))


def _field_of_view(clip: bpy.types.MovieClip) -> float:
    K, (width, height) = clip_intrinsics(clip), clip.size
    side, focal = (width, K[0, 0]) if width >= height else (height, K[1, 1])
    return math.degrees(2 * math.atan(side / 2 / focal))


def solved_points(
    clip: bpy.types.MovieClip,
    *,
    frames: tuple[int, int] | None = None,
    first_number: int = MOVIE_FIRST_NUMBER,
) -> NDArray[np.float64]:
    """The points (N, 3) that the tracker solved, in the world of ``solved_camera``; N is 0 without a solution."""
    wanted = _wanted_numbers(clip, frames, first_number)
    frame = solved_numbers(clip, first_number=first_number).get(wanted[0]) if wanted else None
    first = next((camera for camera in _tracking(clip).reconstruction.cameras if camera.frame == frame), None)
    points = [track.bundle[:] for track in _tracking(clip).tracks if track.has_bundle]
    if first is None or not points:
        return np.empty((0, 3))
    pose = np.array(first.matrix, np.float64)
    pose[:3, :3] = nearest_rotation(pose[:3, :3])
    to_world = CV_BLENDER @ invert_rigid(pose)
    return np.array(points, np.float64) @ to_world[:3, :3].T + to_world[:3, 3]


def clip_intrinsics(clip: bpy.types.MovieClip) -> NDArray[np.float64]:
    """K (3, 3) in the clip's pixels, edges at integers, y down, from its tracking camera."""
    camera, (_, height) = _tracking(clip).camera, clip.size
    fx = camera.focal_length_pixels
    x, y = camera.principal_point_pixels
    # The tracker works on square pixels: it divides y by the pixel aspect. Its y runs upwards.
    return np.array([[fx, 0.0, x], [0.0, fx * camera.pixel_aspect, height - y], [0.0, 0.0, 1.0]])


def _solution_notes(clip: bpy.types.MovieClip) -> tuple[str, ...]:
    error = _tracking(clip).reconstruction.average_error
    return (f"The solved camera has an average error of {error:.2f} px.",)
