# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Blender's data points to: how their paths are stored, and the numbered files of a sequence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.results import ColourInfo

from ..core.frame_mapping import split_number
from .colour import set_picture_space

#: Bytes that Blender keeps of the path of a file, and of a strip's folder.
MAX_PATH_BYTES, MAX_FOLDER_BYTES = 1023, 767
#: Of results, masks and renders.
PICTURE_SUFFIXES = (".png", ".exr", ".tif", ".tiff")


def stored_path(path: Path, *, limit: int = MAX_PATH_BYTES) -> str:
    """A path as it goes into a .blend: relative to it where the file is saved and the user's preference says so.

    Args:
        limit: bytes that Blender keeps of it; of a longer one it would keep the beginning, without a word.

    Raises:
        BadInputError: the path is longer.
    """
    text = str(path)
    preferences = bpy.context.preferences
    if bpy.data.filepath and preferences is not None and preferences.filepaths.use_relative_paths:
        # Windows has no way from one drive to another.
        with suppress(ValueError):
            text = str(bpy.path.relpath(text))
    if max(len(os.fsencode(text)), len(os.fsencode(path))) > limit:
        raise BadInputError(
            f"The path {path} is longer than the {limit} bytes that Blender keeps of one.",
            "Move the shot to a place with a shorter path.",
        )
    return text


def absolute_path(stored: str) -> Path:
    """The path that a stored one means, without the steps up by which it may leave the .blend's folder: it is compared
    with others."""
    return Path(os.path.normpath(bpy.path.abspath(stored)))


def numbered_files(folder: Path, numbers: Sequence[int], what: str) -> list[Path]:
    """The picture of each frame number in a folder that holds one sequence of PNG or EXR files.

    Args:
        what: how the sequence is called in an error, «The take's mask».

    Raises:
        BadInputError: pictures are missing.
    """
    by_number: dict[int, Path] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            parts = split_number(path.name)
            if parts is not None and path.suffix.lower() in PICTURE_SUFFIXES:
                by_number[parts[1]] = path
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise BadInputError(
            f"{what} lacks {len(missing)} of {len(numbers)} pictures in {folder}, the first is frame {missing[0]}.",
            "Make it again, or put its folder back where it was.",
        )
    return [by_number[number] for number in numbers]


def load_sequence(first: Path, name: str, *, is_data: bool, colour: ColourInfo | None = None) -> bpy.types.Image:
    """An image datablock of its own for a sequence of files.

    Args:
        first: of the files.
        name: of the image.
        is_data: no colour space is applied (masks).
        colour: of the pictures; None = ordinary display pictures, and working pictures.

    Raises:
        BadInputError: Blender cannot read the first one, or keep its path.
    """
    try:
        image = bpy.data.images.load(stored_path(first), check_existing=False)
    except RuntimeError as error:
        raise BadInputError(
            f"Blender cannot read {first}.", "Check that it is there and may be read, or make it again."
        ) from error
    image.name = name
    image.source = "SEQUENCE"
    image.alpha_mode = "NONE"
    assert image.colorspace_settings is not None
    if is_data:
        image.colorspace_settings.is_data = True
    else:
        set_picture_space(image.colorspace_settings, colour, first.suffix)
    return image


def check_playable(numbers: Sequence[int], what: str) -> None:
    """Raise BadInputError for pictures of frames below 0, which are named so: Blender plays no such sequence.

    Args:
        what: how the sequence is called, «The take v001».
    """
    if numbers[0] < 0:
        raise BadInputError(
            f"{what} begins at frame {numbers[0]}, and Blender plays no pictures of frames below 0.",
            "Load the plate with frame numbers from 0 on, and make the take again.",
        )


def show_sequence(
    user: bpy.types.ImageUser | bpy.types.CompositorNodeImage, *, first_number: int, count: int, first_frame: int
) -> None:
    """Show file number ``first_number + i`` at scene frame ``first_frame + i``; the ends hold."""
    user.frame_duration = count
    user.frame_start = first_frame
    # Blender shows file number (scene frame - frame_start + 1 + offset).
    user.frame_offset = first_number - 1
    user.use_cyclic = False
    user.use_auto_refresh = True
    if isinstance(user, bpy.types.ImageUser):
        start_at_a_picture(user)


def start_at_a_picture(user: bpy.types.ImageUser) -> None:
    """Let what is drawn of a sequence start from a picture that exists.

    Blender starts from the user's number each time that it copies a changed material, until the frame changes. It is 0
    in a new one, and in files of earlier versions; where no picture has that number, viewports draw pink.
    """
    first = user.frame_offset + 1
    if not first <= user.frame_current < first + user.frame_duration:
        user.frame_current = first
