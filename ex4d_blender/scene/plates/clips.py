# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate that a MovieClip shows."""

from __future__ import annotations

import bpy

from ex4d.protocol.errors import BadInputError

from ...core.frame_mapping import (
    ClipNumbers,
    clip_numbers,
    exact_fps,
    sequence_numbers,
    sequence_pattern,
    unbroken_around,
)
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


def shown_numbers(clip: bpy.types.MovieClip, *, first_number: int = MOVIE_FIRST_NUMBER) -> range:
    """The plate's own numbers of the frames that a clip shows; none of a lone picture without a number."""
    shown = numbers_of_clip(clip, first_number)
    return range(0) if shown is None else shown.shown
