# SPDX-License-Identifier: Apache-2.0
"""The plate: the source video, a movie or an image sequence, as numbered upright RGB frames with times."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

from ex4d.media.camera_raw import refuse_camera_raw
from ex4d.media.sequences import PLATE_SUFFIXES, find_sequence
from ex4d.plate.base import PlateFrame, PlateInfo, PlateOptions, PlateReader
from ex4d.plate.movie import MoviePlate
from ex4d.plate.sequence import SequencePlate
from ex4d.plate.truth import file_sha256
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.values import FrameRange
from ex4d.system.inputs import reading
from ex4d.system.sequence_names import is_pattern

__all__ = [
    "FrameRange",
    "PlateFrame",
    "PlateInfo",
    "PlateOptions",
    "PlateReader",
    "open_display_plate",
    "open_plate",
    "plate_hash",
]


def open_plate(
    path: Path,
    *,
    frames: FrameRange | None = None,
    fps: Fraction | None = None,
    first_frame: int = 1001,
    handles: int = 0,
    options: PlateOptions | None = None,
) -> PlateReader:
    """Open a plate and check what can be checked without reading all of it.

    Args:
        path: a movie; or a folder with one image sequence, a pattern like ``plate.####.png``, one image of a
            sequence, or a lone image.
        frames: the frames to read, by the plate's own numbers; all when None.
        fps: a constant rate. A movie then loses its own times; for a sequence it is 24 when None.
        first_frame: the number of a movie's first frame, or of a lone image without a number.
        handles: so many frames before and after ``frames`` are read as well, where there are any.
        options: how its pictures are read; None = as its files say.

    Raises:
        UsageError: a rate that is not positive.
        BadInputError: the plate cannot be used or does not have all of ``frames``.
    """
    if fps is not None and fps <= 0:
        raise UsageError(f"{fps} is not a frame rate.", "Give a rate above 0, like 24 or 30000/1001.")
    refuse_camera_raw(path)
    reader = SequencePlate if _is_of_images(path) else MoviePlate
    return reader(path, frames=frames, fps=fps, first_frame=first_frame, handles=handles, options=options)


def open_display_plate(path: Path, *, frames: FrameRange | None = None, first_frame: int = 1001) -> PlateReader:
    """As ``open_plate``, for uses that know display-referred pictures alone; movies' values beyond black and white are
    clipped.

    Raises:
        BadInputError: as there, and for scene-linear pictures, and codes of a log, PQ or HLG.
    """
    reader = open_plate(path, frames=frames, first_frame=first_frame, options=PlateOptions(over_range="clip"))
    if not reader.info.truth.is_display:
        raise BadInputError(
            f"{path} is in {reader.info.colour.space}, and here display-referred pictures are needed.",
            "Export it as PNG or as a movie in Rec.709.",
        )
    return reader


def plate_hash(plate: Path | PlateReader) -> str:
    """SHA-256 in hexadecimal of what a plate is made of; constant memory.

    Of a movie it is that of the file. Of a sequence it covers the names and contents of its files: all of them for a
    path, the selected ones for an opened plate.

    Raises:
        BadInputError: a file is missing or unreadable.
    """
    if not isinstance(plate, Path):
        is_sequence, paths = plate.info.kind == "sequence", plate.paths
    elif _is_of_images(plate):
        is_sequence, paths = True, find_sequence(plate, PLATE_SUFFIXES).paths
    else:
        is_sequence, paths = False, (plate,)
    if not is_sequence:
        return file_sha256(paths[0])
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{file_sha256(path)}  {path.name}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _is_of_images(path: Path) -> bool:
    with reading(path):
        return path.suffix.lower() in PLATE_SUFFIXES or path.is_dir() or (is_pattern(path.name) and not path.exists())
