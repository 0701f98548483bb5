# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate that a MovieClip shows."""

from __future__ import annotations

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.results import ColourInfo

from ...core.frame_mapping import (
    ClipNumbers,
    clip_numbers,
    exact_fps,
    sequence_numbers,
    sequence_pattern,
    unbroken_around,
)
from ..colour import set_picture_space
from ..files import absolute_path
from .choice import MOVIE_FIRST_NUMBER, PlateChoice, check_exists, fps_note


def plate_from_clip(
    clip: bpy.types.MovieClip, scene: bpy.types.Scene, *, first_number: int = MOVIE_FIRST_NUMBER
) -> PlateChoice:
    """The plate that a MovieClip shows, from the frame that its offset begins with. Proxies are not read.

    Args:
        first_number: the number that a movie's first frame gets.

    Raises:
        BadInputError: its file is missing, its offset lies beyond the file's frames, or its numbers are below 0.
    """
    path = absolute_path(clip.filepath)
    check_exists(path, "clip")
    fps = exact_fps(clip.fps) if clip.source == "MOVIE" else None
    notes = fps_note(fps, scene, "clip")
    numbers = numbers_of_clip(clip, first_number)
    if numbers is None:
        return PlateChoice(path, None, None, int(clip.frame_start), notes)
    # Scene frame ``frame_start`` shows the picture that lies ``frame_offset`` behind the first.
    start = int(clip.frame_start) + numbers.offset_to_first
    if clip.source == "MOVIE":
        frames = None if not clip.frame_offset else numbers.text
        return PlateChoice(path, frames, fps, start, notes)
    return PlateChoice(sequence_pattern(path)[0], numbers.text, None, start, notes)


def numbers_of_clip(clip: bpy.types.MovieClip, first_number: int) -> ClipNumbers | None:
    """The plate's own numbers of a clip's frames; None: a lone picture without a number.

    Args:
        first_number: the number that a movie's first frame gets.

    Raises:
        BadInputError: its offset lies beyond the file's frames, or its numbers are below 0.
    """
    path, offset = absolute_path(clip.filepath), int(clip.frame_offset)
    if clip.source == "MOVIE":
        number, whole = first_number, range(first_number, first_number + int(clip.frame_duration))
    else:
        pattern, found = sequence_pattern(path)
        if found is None:
            return None
        if found < 0:
            raise BadInputError(
                f"The clip «{clip.name}» shows other pictures than its files' numbers say: Blender reads them without "
                "their minus.",
                "Take the plate with Open Plate, or number its files from 0 on.",
            )
        # Blender counts a sequence's pictures when the clip is loaded, from its offset at that time.
        number, whole = found, unbroken_around(found, sequence_numbers(pattern))
    return clip_numbers(clip.name, number, whole, offset)


def show_in_space(clip: bpy.types.MovieClip, colour: ColourInfo | None) -> tuple[str, ...]:
    """Let Blender read a plate's clip in the colour space that the plate has; an ordinary display picture's clip stays
    as it is.

    Args:
        clip: of the plate.
        colour: of the plate.

    Returns:
        A sentence where that changes the clip, or where this Blender has no such space.
    """
    settings = clip.colorspace_settings
    if colour is None or settings is None:
        return ()
    before = settings.name
    # What the plate's files hold is scene-linear in EXR files and in float TIFF files alike.
    suffix = ".exr" if colour.kind == "linear" else absolute_path(clip.filepath).suffix
    if (problem := set_picture_space(settings, colour, suffix)) is not None:
        return (f"The clip «{clip.name}»: {problem}",)
    return (f"The clip «{clip.name}» is read as «{settings.name}» now.",) if settings.name != before else ()


def shown_numbers(clip: bpy.types.MovieClip, *, first_number: int = MOVIE_FIRST_NUMBER) -> range:
    """The plate's own numbers of the frames that a clip shows; none of a lone picture without a number."""
    shown = numbers_of_clip(clip, first_number)
    return range(0) if shown is None else shown.shown
