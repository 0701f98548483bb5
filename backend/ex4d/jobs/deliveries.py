# SPDX-License-Identifier: Apache-2.0
"""What is asked for besides a take's pictures: can it be delivered, and from what."""

from __future__ import annotations

from pathlib import Path

from ex4d.media.audio import check_sound
from ex4d.media.edit_movie import check_edit_movie
from ex4d.media.movie import MovieSound
from ex4d.plate import PlateInfo
from ex4d.protocol.requests import GenerateRequest, MoveCamera, OutputRequest
from ex4d.protocol.values import FIRST_FRAME
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction


def check_output(output: OutputRequest, shot: Shot, reconstruction: Reconstruction, size: tuple[int, int]) -> None:
    """Find what cannot be delivered before any long work.

    Args:
        output: what was asked for.
        shot, reconstruction: of the frames that are wanted.
        size: (width, height) of the take.

    Raises:
        UsageError: no movie of that kind has this size.
        BadInputError: the plate has no sound.
    """
    if output.movie:
        check_edit_movie(output.movie, *size)
    if output.audio:
        take_sound(shot, reconstruction)


def check_plate_output(take: GenerateRequest, plate: PlateInfo) -> None:
    """What ``check_output`` can find before there is a reconstruction: the size of a trajectory is not known yet.

    Args:
        take: that is asked for.
        plate: opened.

    Raises:
        UsageError, BadInputError: as there.
    """
    output, frame = take.output, plate.facts.frame or plate
    if output.movie and (take.size or isinstance(take.camera, MoveCamera)):
        check_edit_movie(output.movie, *(take.size or (frame.width, frame.height)))
    if output.audio:
        check_sound(plate.path)


def take_sound(shot: Shot, reconstruction: Reconstruction) -> MovieSound:
    """The part of the plate's sound that goes with the frames; raises BadInputError where there is none."""
    frames, selection = reconstruction.frames, shot.record.get("recipe", {}).get("selection", {})
    path = frames.source.path or Path(reconstruction.plate["path"])
    check_sound(path)
    start = (frames.numbers[0] - selection.get("first_frame", FIRST_FRAME)) / frames.fps
    last = frames.times[-1] if frames.variable_rate else (len(frames.numbers) - 1) / frames.fps
    return MovieSound(path, start, last + 1 / frames.fps)
