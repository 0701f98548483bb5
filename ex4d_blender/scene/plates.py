# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates that are already in Blender: a MovieClip, with its solved camera if it has one, or a sequencer strip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.errors import BadInputError

from .axes import CV_BLENDER, nearest_rotation
from .camera import SampledCamera, scene_fps
from .files import absolute_path, split_number
from .sequencer import selected_strip, sequencer_scene

#: The number that the first frame of a movie gets.
MOVIE_FIRST_NUMBER = 1001


@dataclass(frozen=True)
class PlateChoice:
    """What the backend is told about a plate.

    Attributes:
        path: a movie, or an image sequence as a pattern, ``plate.####.png``.
        frames: closed range of the plate's own frame numbers, ``1001-1049``; None: all.
        fps: frames per second where Blender knows them, else None.
        scene_start: the scene frame that shows the first of ``frames``, where the strip or clip says so, else None.
        notes: whole sentences.
    """

    path: Path
    frames: str | None
    fps: Fraction | None
    scene_start: int | None
    notes: tuple[str, ...]


def sequence_pattern(file: Path) -> tuple[Path, int | None]:
    """One file of a sequence -> its pattern ``plate.####.png`` and its number; a lone image has none.

    Names count as in the backend: the last run of digits of the stem is the frame number.
    """
    parts = split_number(file.name)
    if parts is None:
        return file, None
    head, number, digits, tail = parts
    return file.with_name(f"{head}{'#' * digits}{tail}"), number


def _exact_fps(value: float) -> Fraction | None:
    """A float rate as the fraction it stands for: 23.976 is 24000/1001."""
    if value <= 0:
        return None
    for denominator in (1, 1001):
        numerator = round(value * denominator / 1000) * 1000 if denominator == 1001 else round(value)
        if abs(numerator / denominator - value) < 2e-4 * value and numerator > 0:
            return Fraction(numerator, denominator)
    return Fraction.from_float(value).limit_denominator(1000)


def _fps_note(fps: Fraction | None, scene: bpy.types.Scene, what: str) -> tuple[str, ...]:
    rate = scene_fps(scene)
    if fps is None or abs(float(fps / rate) - 1) < 1e-3:
        return ()
    return (
        f"The {what} has {float(fps):.6g} frames per second, the scene {float(rate):.6g}; "
        "Match Scene to Plate sets the scene.",
    )


def _check_exists(path: Path, what: str) -> None:
    if not path.is_file():
        raise BadInputError(f"The {what}'s file {path} does not exist.", f"Relink the {what} in Blender.")


def plate_from_clip(clip: bpy.types.MovieClip, scene: bpy.types.Scene) -> PlateChoice:
    """The plate that a MovieClip shows.

    Raises:
        BadInputError: its file is missing.
    """
    path = absolute_path(clip.filepath)
    _check_exists(path, "clip")
    fps = _exact_fps(clip.fps) if clip.source == "MOVIE" else None
    notes = _fps_note(fps, scene, "clip")
    count = int(clip.frame_duration)
    if clip.source == "MOVIE":
        return PlateChoice(path, None, fps, int(clip.frame_start), notes)
    pattern, number = sequence_pattern(path)
    if number is None:
        return PlateChoice(path, None, None, int(clip.frame_start), notes)
    first = number + int(clip.frame_offset)
    return PlateChoice(pattern, f"{first}-{first + count - 1}", None, int(clip.frame_start), notes)


def solved_camera(clip: bpy.types.MovieClip, scene: bpy.types.Scene) -> SampledCamera | None:
    """The camera that Blender's tracker solved for a clip, one per frame of the clip, or None without a whole solution.

    The world is that of the first frame's camera: OpenCV axes, the solution's own scale. K is that of the clip's
    pixels with its principal point. Lens distortion is not part of a pinhole camera; a note says when there is some.

    Args:
        scene: for its frame rate, where the clip has none.
    """
    reconstruction = clip.tracking.reconstruction
    count = int(clip.frame_duration)
    if not reconstruction.is_valid:
        return None
    solved = {camera.frame: np.array(camera.matrix, np.float64) for camera in reconstruction.cameras}
    # A solution may be keyed on some frames only; Blender interpolates none of its own in between.
    if any(frame not in solved for frame in range(1, count + 1)):
        return None
    poses = np.stack([solved[frame] for frame in range(1, count + 1)])
    poses[:, :3, :3] = [nearest_rotation(pose[:3, :3]) for pose in poses]
    E = CV_BLENDER @ invert_rigid(poses) @ poses[0] @ CV_BLENDER
    K = clip_intrinsics(clip)
    pattern_number = None if clip.source == "MOVIE" else sequence_pattern(absolute_path(clip.filepath))[1]
    first = MOVIE_FIRST_NUMBER if pattern_number is None else pattern_number + int(clip.frame_offset)
    fps = (_exact_fps(clip.fps) if clip.source == "MOVIE" else None) or scene_fps(scene)
    width, height = clip.size
    trajectory = Trajectory(K, E, int(width), int(height), frame_numbers=tuple(range(first, first + count)), fps=fps)
    return SampledCamera(trajectory, _solution_notes(clip))


def solved_points(clip: bpy.types.MovieClip) -> NDArray[np.float64]:
    """The points (N, 3) that the tracker solved, in the world of ``solved_camera``; N is 0 without a solution."""
    reconstruction = clip.tracking.reconstruction
    first = next((camera for camera in reconstruction.cameras if camera.frame == 1), None)
    points = [track.bundle[:] for track in clip.tracking.tracks if track.has_bundle]
    if not reconstruction.is_valid or first is None or not points:
        return np.empty((0, 3))
    pose = np.array(first.matrix, np.float64)
    pose[:3, :3] = nearest_rotation(pose[:3, :3])
    to_world = CV_BLENDER @ invert_rigid(pose)
    return np.array(points, np.float64) @ to_world[:3, :3].T + to_world[:3, 3]


def clip_intrinsics(clip: bpy.types.MovieClip) -> NDArray[np.float64]:
    """K (3, 3) in the clip's pixels, edges at integers, y down, from its tracking camera."""
    camera, (_, height) = clip.tracking.camera, clip.size
    fx = camera.focal_length_pixels
    x, y = camera.principal_point_pixels
    # The tracker works on square pixels: it divides y by the pixel aspect. Its y runs upwards.
    return np.array([[fx, 0.0, x], [0.0, fx * camera.pixel_aspect, height - y], [0.0, 0.0, 1.0]])


def _solution_notes(clip: bpy.types.MovieClip) -> tuple[str, ...]:
    camera = clip.tracking.camera
    error = clip.tracking.reconstruction.average_error
    coefficients = {
        "POLYNOMIAL": ("k1", "k2", "k3"),
        "DIVISION": ("division_k1", "division_k2"),
        "NUKE": ("nuke_k1", "nuke_k2"),
        "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
    }[camera.distortion_model]
    notes = [f"The solved camera has an average error of {error:.2f} px."]
    if any(abs(getattr(camera, name)) > 1e-6 for name in coefficients):
        notes.append("The clip's lens distortion is ignored: undistort the plate for an exact match.")
    return tuple(notes)


def plate_from_strip(strip: bpy.types.Strip, scene: bpy.types.Scene) -> PlateChoice:
    """The plate that a movie or image strip shows, cut as the strip is.

    Raises:
        BadInputError: it is another kind of strip, or its file is missing.
    """
    if strip.type == "MOVIE":
        path = absolute_path(strip.filepath)
        _check_exists(path, "strip")
        fps = _exact_fps(strip.fps)
        first = MOVIE_FIRST_NUMBER + int(strip.frame_offset_start) + int(strip.animation_offset_start)
        return _from_strip(strip, path, first, fps, _fps_note(fps, scene, "strip"))
    if strip.type == "IMAGE":
        names = [element.filename for element in strip.elements]
        path = absolute_path(strip.directory) / names[0]
        _check_exists(path, "strip")
        pattern, number = sequence_pattern(path)
        if number is None:
            return PlateChoice(path, None, None, int(strip.frame_final_start), ())
        return _from_strip(strip, pattern, number + int(strip.frame_offset_start), None, ())
    raise BadInputError(f"The strip «{strip.name}» is neither a movie nor pictures.", "Select a movie or image strip.")


def _from_strip(
    strip: bpy.types.Strip, path: Path, first: int, fps: Fraction | None, notes: tuple[str, ...]
) -> PlateChoice:
    start = int(strip.frame_final_start)
    # Pictures could not be retimed before Blender 4.4.
    if len(getattr(strip, "retiming_keys", ())) > 0 or strip.use_reverse_frames:
        retimed = "The strip is retimed or reversed; the plate is the whole file at its own speed."
        return PlateChoice(path, None, fps, None, (*notes, retimed))
    frames = f"{first}-{first + int(strip.frame_final_duration) - 1}"
    return PlateChoice(path, frames, fps, start, notes)


def selected_plate_strip(context: bpy.types.Context) -> PlateChoice:
    """The plate of the strip that is selected in the sequencer.

    Raises:
        BadInputError: none is selected, or its file is missing.
    """
    strip = selected_strip(context)
    if strip is None:
        raise BadInputError("No movie or image strip is selected in the sequencer.", "Select the plate's strip.")
    return plate_from_strip(strip, sequencer_scene(context))
