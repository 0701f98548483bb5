# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera object as the plate's source camera: one that was imported from Alembic, FBX or USD, or built by hand."""

from __future__ import annotations

from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError

from ...core.frame_mapping import is_pattern, sequence_numbers, sequence_pattern, split_number
from ..camera import SampledCamera, sample_camera
from .choice import movie_length


def object_camera(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    path: Path,
    *,
    frames: tuple[int, int] | None,
    first_number: int,
    first_frame: int | None,
    root: bpy.types.Object | None,
) -> SampledCamera:
    """What a camera sees in the plate's frames, at the plate's size in square pixels.

    Args:
        camera: that filmed the plate.
        path: of the plate: a movie, a picture, a pattern or a folder.
        frames: first and last of the plate's own numbers; None: all.
        first_number: the number that a movie's first frame gets.
        first_frame: the scene frame that shows the first of ``frames``; None: the one with its number.
        root: of the shot that there is already, in whose space the poses are; None: Blender's world, as a new shot's.

    Raises:
        BadInputError: the plate or the camera is of no use.
    """
    present = plate_numbers(path, first_number)
    numbers = [number for number in sorted(present) if frames is None or frames[0] <= number <= frames[1]]
    if not numbers:
        raise BadInputError(f"{path.name} has none of these frames.", "Set Frames to some that it has.")
    offset = 0 if first_frame is None else first_frame - numbers[0]
    shown = [number + offset for number in numbers]
    return sample_camera(scene, shown, root=root, camera=camera, frame_numbers=numbers, picture_size=plate_size(path))


def plate_numbers(path: Path, first_number: int) -> set[int]:
    """The plate's own frame numbers, as Blender's readers find them; a movie begins with ``first_number``."""
    if is_pattern(path):
        return sequence_numbers(path)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if split_number(file.name) is not None)
        return sequence_numbers(sequence_pattern(files[0])[0]) if files else set()
    length = movie_length(path)
    return set(range(first_number, first_number + length))


def plate_size(path: Path) -> tuple[int, int]:
    """(width, height) of the plate's pictures."""
    file = path
    if is_pattern(path) or path.is_dir():
        folder = path if path.is_dir() else path.parent
        numbered = sorted(item for item in folder.iterdir() if split_number(item.name) is not None)
        # Any picture of the folder will do: those of one plate have one size.
        file = next(iter(numbered), path)
    clip = bpy.data.movieclips.load(str(file))
    try:
        return int(clip.size[0]), int(clip.size[1])
    finally:
        bpy.data.movieclips.remove(clip)
