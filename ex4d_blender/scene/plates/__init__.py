# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates that are already in Blender: a MovieClip, with its solved camera if it has one, or a sequencer strip."""

from .choice import MOVIE_FIRST_NUMBER, PlateChoice, movie_length
from .clips import plate_from_clip, show_in_space, shown_numbers
from .lenses import clip_aspect, clip_lens, is_distorted
from .solutions import (
    clip_intrinsics,
    incomplete_solution,
    is_solved,
    solved_camera,
    solved_frames,
    solved_numbers,
    solved_points,
)
from .source_objects import object_camera
from .strips import plate_from_strip, selected_plate_strip

__all__ = [
    "MOVIE_FIRST_NUMBER",
    "PlateChoice",
    "clip_aspect",
    "clip_intrinsics",
    "clip_lens",
    "incomplete_solution",
    "is_distorted",
    "is_solved",
    "movie_length",
    "object_camera",
    "plate_from_clip",
    "plate_from_strip",
    "selected_plate_strip",
    "show_in_space",
    "shown_numbers",
    "solved_camera",
    "solved_frames",
    "solved_numbers",
    "solved_points",
]
