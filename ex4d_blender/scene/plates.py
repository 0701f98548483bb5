# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates that are already in Blender: a MovieClip, with its solved camera if it has one, or a sequencer strip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
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
from .files import absolute_path
from .sequencer import all_strips, selected_strip, sequencer_scene

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


def pattern_expression(name: str) -> re.Pattern[str]:
    """What the names of a pattern ``plate.####.png`` match; group 1 is the frame number."""
    head, _, tail = name.partition("#")
    return re.compile(re.escape(head) + r"(\d+)" + re.escape(tail.lstrip("#")))


def sequence_numbers(pattern: Path) -> set[int]:
    """The frame numbers of the files that a pattern means."""
    expression = pattern_expression(pattern.name)
    found = (expression.fullmatch(file.name) for file in pattern.parent.iterdir()) if pattern.parent.is_dir() else ()
    return {int(match[1]) for match in found if match is not None}


def sequence_pattern(file: Path, *, names: Iterable[str] | None = None) -> tuple[Path, int | None]:
    """One file of a sequence -> its pattern ``plate.####.png`` and its number; a lone image has none.

    Which run of digits counts is seen from the other files: the one in which most of them differ, else the last.

    Args:
        names: of the other files; None: those in its folder.
    """
    runs = list(re.finditer(r"\d+", file.stem))
    if not runs:
        return file, None
    if names is None:
        names = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
    known = set(names)

    def pattern(run: re.Match[str]) -> str:
        return file.name[: run.start()] + "#" * len(run[0]) + file.name[run.end() :]

    def members(run: re.Match[str]) -> int:
        expression = pattern_expression(pattern(run))
        return sum(expression.fullmatch(name) is not None for name in known)

    chosen = max(reversed(runs), key=members) if len(runs) > 1 else runs[0]
    return file.with_name(pattern(chosen)), int(chosen[0])


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


def movie_length(path: Path) -> int:
    """How many frames Blender's own reader finds in a movie; 0 where it finds none."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        return int(clip.frame_duration)
    finally:
        bpy.data.movieclips.remove(clip)


def plate_from_clip(
    clip: bpy.types.MovieClip, scene: bpy.types.Scene, *, first_number: int = MOVIE_FIRST_NUMBER
) -> PlateChoice:
    """The plate that a MovieClip shows, from the frame that its offset begins with. Proxies are not read.

    Args:
        first_number: the number that a movie's first frame gets.

    Raises:
        BadInputError: its file is missing, or its offset lies beyond the file's frames.
    """
    path = absolute_path(clip.filepath)
    _check_exists(path, "clip")
    fps = _exact_fps(clip.fps) if clip.source == "MOVIE" else None
    notes = _fps_note(fps, scene, "clip")
    numbers = _clip_numbers(clip, first_number)
    if numbers is None:
        return PlateChoice(path, None, None, int(clip.frame_start), notes)
    # Scene frame ``frame_start`` shows the picture that lies ``frame_offset`` behind the first.
    start = int(clip.frame_start) + numbers.offset_to_first
    if clip.source == "MOVIE":
        frames = None if not clip.frame_offset else numbers.text
        return PlateChoice(path, frames, fps, start, notes)
    return PlateChoice(sequence_pattern(path)[0], numbers.text, None, start, notes)


@dataclass(frozen=True)
class _ClipNumbers:
    """The plate's own numbers of a clip's frames.

    Attributes:
        first, last: of the frames that the clip can show.
        offset_to_first: scene frames from the clip's start until ``first`` is shown; the clip has no picture before.
        of_frame_one: the number that the clip's frame 1 has in Blender, shown or not.
    """

    first: int
    last: int
    offset_to_first: int
    of_frame_one: int

    @property
    def text(self) -> str:
        return f"{self.first}-{self.last}"


def _clip_numbers(clip: bpy.types.MovieClip, first_number: int) -> _ClipNumbers | None:
    """None: a lone picture without a number."""
    path, offset = absolute_path(clip.filepath), int(clip.frame_offset)
    if clip.source == "MOVIE":
        whole = range(first_number, first_number + int(clip.frame_duration))
        number = first_number
    else:
        pattern, found = sequence_pattern(path)
        if found is None:
            return None
        number, present = found, sequence_numbers(pattern)
        # Blender counts a sequence's pictures when the clip is loaded, from its offset at that time.
        first = last = number
        while first - 1 in present:
            first -= 1
        while last + 1 in present:
            last += 1
        whole = range(first, last + 1)
    shown = range(max(number + offset, whole.start), whole.stop)
    if not shown:
        raise BadInputError(
            f"The clip «{clip.name}» is offset by {offset} frames, and its file has {len(whole)}.",
            "Set its Frame Offset to less.",
        )
    return _ClipNumbers(shown[0], shown[-1], shown[0] - number - offset, number + offset)


def solved_camera(
    clip: bpy.types.MovieClip,
    scene: bpy.types.Scene,
    *,
    frames: tuple[int, int] | None = None,
    first_number: int = MOVIE_FIRST_NUMBER,
) -> SampledCamera | None:
    """The camera that Blender's tracker solved for the plate's frames, or None where it did not solve each of them.

    The world is that of the first frame's camera: OpenCV axes, the solution's own scale. K is that of the clip's
    pixels with its principal point. Lens distortion is not part of a pinhole camera; a note says when there is some.

    Args:
        scene: for its frame rate, where the clip has none.
        frames: first and last of the plate's own numbers; None: all that the clip shows.
        first_number: the number that a movie's first frame gets.
    """
    wanted = _wanted_numbers(clip, frames, first_number)
    solved = solved_numbers(clip, first_number=first_number)
    if not wanted or not set(wanted) <= set(solved):
        return None
    by_frame = {camera.frame: camera for camera in clip.tracking.reconstruction.cameras}
    poses = np.stack([np.array(by_frame[solved[number]].matrix, np.float64) for number in wanted])
    poses[:, :3, :3] = [nearest_rotation(pose[:3, :3]) for pose in poses]
    E = CV_BLENDER @ invert_rigid(poses) @ poses[0] @ CV_BLENDER
    fps = (_exact_fps(clip.fps) if clip.source == "MOVIE" else None) or scene_fps(scene)
    width, height = clip.size
    trajectory = Trajectory(clip_intrinsics(clip), E, int(width), int(height), frame_numbers=tuple(wanted), fps=fps)
    return SampledCamera(trajectory, _solution_notes(clip))


def shown_numbers(clip: bpy.types.MovieClip, *, first_number: int = MOVIE_FIRST_NUMBER) -> range:
    """The plate's own numbers of the frames that a clip shows; none of a lone picture without a number."""
    shown = _clip_numbers(clip, first_number)
    return range(0) if shown is None else range(shown.first, shown.last + 1)


def _wanted_numbers(clip: bpy.types.MovieClip, frames: tuple[int, int] | None, first_number: int) -> range:
    if frames is not None:
        return range(frames[0], frames[1] + 1)
    return shown_numbers(clip, first_number=first_number)


def solved_numbers(clip: bpy.types.MovieClip, *, first_number: int = MOVIE_FIRST_NUMBER) -> dict[int, int]:
    """The plate's own number -> the clip's frame, of all frames that the tracker solved; Blender interpolates none."""
    shown = _clip_numbers(clip, first_number)
    if shown is None or not clip.tracking.reconstruction.is_valid:
        return {}
    frames = sorted(int(camera.frame) for camera in clip.tracking.reconstruction.cameras)
    return {shown.of_frame_one + frame - 1: frame for frame in frames}


def longest_run(numbers: Iterable[int]) -> tuple[int, int] | None:
    """First and last of the longest unbroken run of numbers, None of none."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    best = max(runs, key=lambda run: run[1] - run[0], default=None)
    return None if best is None else (best[0], best[1])


def incomplete_solution(
    clip: bpy.types.MovieClip,
    *,
    frames: tuple[int, int] | None = None,
    first_number: int = MOVIE_FIRST_NUMBER,
) -> str:
    """What ``solved_camera`` leaves out because the solution lacks some of the plate's frames; "" where nothing is."""
    solved = solved_numbers(clip, first_number=first_number)
    wanted = _wanted_numbers(clip, frames, first_number)
    missing = [number for number in wanted if number not in solved]
    run = longest_run(number for number in wanted if number in solved)
    if not solved or not missing:
        return ""
    angle = _field_of_view(clip)
    way_out = f"Set Frames to {run[0]}-{run[1]} to use it for those, or solve" if run else "Solve"
    return (
        f"The clip's camera solution lacks {len(missing)} of the plate's {len(wanted)} frames, the first is "
        f"{missing[0]}: it is left out. {way_out} the others. Its lens sees {angle:.1f} degrees over the longer side."
    )


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
    first = next((camera for camera in clip.tracking.reconstruction.cameras if camera.frame == frame), None)
    points = [track.bundle[:] for track in clip.tracking.tracks if track.has_bundle]
    if first is None or not points:
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


def plate_from_strip(
    strip: bpy.types.Strip, scene: bpy.types.Scene, *, first_number: int = MOVIE_FIRST_NUMBER
) -> PlateChoice:
    """The plate that a movie or image strip shows, cut as the strip is, at the file's own speed.

    Args:
        scene: the one whose sequencer the strip is in.
        first_number: the number that a movie's first frame gets.

    Raises:
        BadInputError: it is another kind of strip, its file is missing, or it shows nothing.
    """
    if strip.type == "MOVIE":
        path = absolute_path(strip.filepath)
        _check_exists(path, "strip")
        fps = _exact_fps(strip.fps)
        notes = (*_fps_note(fps, scene, "strip"), *_look_notes(strip))
        trim = int(strip.animation_offset_start)
        count = movie_length(path) - trim - int(strip.animation_offset_end)
        shown = _shown(strip, scene, count, fps)
        if shown is None:
            return PlateChoice(path, None, fps, None, (*notes, _retimed_note(strip)))
        first = first_number + trim
        frames = f"{first + shown.indices[0]}-{first + shown.indices[-1]}"
        return PlateChoice(path, frames, fps, shown.scene_start, (*notes, *shown.notes))
    if strip.type == "IMAGE":
        return _plate_from_images(strip, scene)
    raise BadInputError(
        f"The strip «{strip.name}» is neither a movie nor pictures.",
        "Select a movie or image strip; go into a meta strip with Tab.",
    )


def _plate_from_images(strip: bpy.types.Strip, scene: bpy.types.Scene) -> PlateChoice:
    names = [element.filename for element in strip.elements]
    path = absolute_path(strip.directory) / names[0]
    _check_exists(path, "strip")
    notes = _look_notes(strip)
    pattern, number = sequence_pattern(path, names=names)
    if number is None:
        if len(set(names)) > 1:
            raise _mixed(strip)
        return PlateChoice(path, None, None, int(strip.frame_final_start), notes)
    numbers = _element_numbers(strip, pattern, names)
    if len(names) == 1:
        held = int(strip.frame_final_duration)
        if held > 1:
            notes += (f"The strip holds one picture for {held} frames; the plate is that picture alone.",)
        return PlateChoice(pattern, f"{number}-{number}", None, int(strip.frame_final_start), notes)
    shown = _shown(strip, scene, len(names), None)
    if shown is None:
        return PlateChoice(pattern, None, None, None, (*notes, _retimed_note(strip)))
    seen = [numbers[index] for index in shown.indices]
    if seen != list(range(seen[0], seen[0] + len(seen))):
        order = (
            f"The strip «{strip.name}» shows its pictures in an order of its own, with gaps or repeats; "
            "the plate is the whole sequence as its files are numbered."
        )
        return PlateChoice(pattern, None, None, None, (*notes, order))
    return PlateChoice(pattern, f"{seen[0]}-{seen[-1]}", None, shown.scene_start, (*notes, *shown.notes))


def _element_numbers(strip: bpy.types.Strip, pattern: Path, names: list[str]) -> list[int]:
    expression = pattern_expression(pattern.name)
    found = [expression.fullmatch(name) for name in names]
    if not all(found):
        raise _mixed(strip)
    return [int(match[1]) for match in found if match is not None]


def _mixed(strip: bpy.types.Strip) -> BadInputError:
    return BadInputError(
        f"The strip «{strip.name}» shows pictures of several sequences.", "Make a strip of one sequence each."
    )


@dataclass(frozen=True)
class _Shown:
    """What of its file a strip shows.

    Attributes:
        indices: of the file's frames behind the strip's own trims, in their order.
        scene_start: the scene frame that shows the first of them.
        notes: whole sentences.
    """

    indices: range
    scene_start: int
    notes: tuple[str, ...]


def _shown(strip: bpy.types.Strip, scene: bpy.types.Scene, count: int, fps: Fraction | None) -> _Shown | None:
    """What a strip of ``count`` pictures shows, None where its time runs in a way that Blender does not tell.

    Measured by rendering: scene frame ``f`` shows picture ``round((f - frame_start) * speed)``, the ends hold.

    Raises:
        BadInputError: it shows nothing.
    """
    metas = _enclosing_metas(strip)
    if any(_is_retimed(item, scene) for item in (strip, *metas)):
        return None
    begin = round(strip.frame_start)
    duration = int(strip.frame_final_end) + round(strip.frame_offset_end) - begin
    speed = _speed(duration, count, fps, scene)
    if speed is None:
        return None
    left = max([int(strip.frame_final_start), *(int(meta.frame_final_start) for meta in metas)])
    right = min([int(strip.frame_final_end), *(int(meta.frame_final_end) for meta in metas)])
    start, end = max(left, begin), min(right, begin + duration)
    first = _round((start - begin) * speed)
    last = count if end == begin + duration else min(count, _round((end - begin) * speed))
    if first >= last:
        raise BadInputError(
            f"The strip «{strip.name}» shows none of its frames.", "Drag its handles, or those of its meta strip."
        )
    notes = []
    if held := max(0, begin - left) + max(0, right - begin - duration):
        notes.append(f"The strip holds its ends for {held} frames; they are not part of the plate.")
    if strip.strobe > 1:
        notes.append("The strip's strobe is ignored: the plate has every frame.")
    if speed != 1:
        notes.append(
            f"The strip plays {float(speed):.4g} frames of the movie in each of the scene's (its playback rate); the "
            "plate has all of them, at the movie's own rate."
        )
    return _Shown(range(first, last), start, tuple(notes))


def _round(value: Fraction) -> int:
    """Halves upwards, as Blender rounds."""
    return math.floor(value + Fraction(1, 2))


def _speed(duration: int, count: int, fps: Fraction | None, scene: bpy.types.Scene) -> Fraction | None:
    """Pictures in a scene frame: 1, or the playback rate that «Adjust Playback Rate» gives, which only the strip's
    length tells."""
    if duration == count:
        return Fraction(1)
    rate = None if fps is None else fps / scene_fps(scene)
    # Blender cuts the quotient of two floats to whole frames.
    if rate is not None and abs(duration - count / rate) <= 1:
        return rate
    return None


def _is_retimed(strip: bpy.types.Strip, scene: bpy.types.Scene) -> bool:
    # Pictures could not be retimed before Blender 4.4. Keys tell where they are, not what they show.
    if strip.use_reverse_frames or len(getattr(strip, "retiming_keys", ())) > 0:
        return True
    if strip.type == "META" and strip.strobe > 1:
        return True
    effects = [item for item in all_strips(scene) if item.type == "SPEED"]
    return any(effect.input_1 == strip for effect in effects)


def _retimed_note(strip: bpy.types.Strip) -> str:
    return (
        f"The strip «{strip.name}» is retimed, reversed, or under a speed effect; "
        "the plate is the whole file at its own speed."
    )


def _enclosing_metas(strip: bpy.types.Strip) -> list[bpy.types.Strip]:
    metas, current = [], strip.parent_meta()
    while current is not None:
        metas.append(current)
        current = current.parent_meta()
    return metas


def _look_notes(strip: bpy.types.Strip) -> tuple[str, ...]:
    crop = strip.crop
    changed = strip.use_flip_x or strip.use_flip_y or any((crop.min_x, crop.max_x, crop.min_y, crop.max_y))
    if not changed:
        return ()
    return ("The strip is cropped or mirrored; the plate is the file's picture as it is.",)


def selected_plate_strip(context: bpy.types.Context, *, first_number: int = MOVIE_FIRST_NUMBER) -> PlateChoice:
    """The plate of the strip that is selected in the sequencer; ``first_number``: see ``plate_from_strip``.

    Raises:
        BadInputError: none is selected, or its file is missing.
    """
    strip = selected_strip(context)
    if strip is None:
        raise BadInputError("No movie or image strip is selected in the sequencer.", "Select the plate's strip.")
    return plate_from_strip(strip, sequencer_scene(context), first_number=first_number)
