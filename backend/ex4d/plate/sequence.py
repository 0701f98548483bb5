# SPDX-License-Identifier: Apache-2.0
"""An image sequence as a plate: PNG, JPEG or TIFF files with the frame number in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import numpy as np

from ex4d.media.images import Pixels, read_picture
from ex4d.media.sequences import PLATE_SUFFIXES, ImageSequence, find_sequence, format_ranges, last_number
from ex4d.plate.base import FALLBACK_FPS, PlateFrame, PlateInfo, outside_error
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import FrameRange

_FORMATS = {".jpg": "jpeg", ".tif": "tiff"}
# Added to the pictures' reader version where the number of a frame was once taken from another place of the name.
_RENUMBERED = 2


class SequencePlate:
    """Reads an image sequence as a plate; a lone image is a plate of one frame.

    Args:
        path: what `ex4d.media.sequences.find_sequence` takes.
        frames: the frames to read, all when None.
        fps: frame rate, 24 when None.
        first_frame: the number of a lone image whose name has none.

    Raises (when made and when read):
        BadInputError: no such sequence, frames missing, a damaged file, or files that differ in size or bit depth.
    """

    def __init__(self, path: Path, *, frames: FrameRange | None, fps: Fraction | None, first_frame: int) -> None:
        found = find_sequence(path, PLATE_SUFFIXES)
        if not found.is_numbered:
            found = ImageSequence(found.pattern, (first_frame,), found.paths)
        self._sequence = _select(path, found, frames)
        picture = read_picture(self._sequence.paths[0])
        first = picture.pixels
        self._shape, self._dtype = first.shape, first.dtype
        bit_depth: Literal[8, 16] = 8 if first.dtype == np.uint8 else 16
        renumbered = found.is_numbered and last_number(self._sequence.paths[0]) != self._sequence.numbers[0]
        rate_notes = () if fps else (f"An image sequence has no frame rate: {FALLBACK_FPS} fps is assumed.",)
        suffix = self._sequence.paths[0].suffix.lower()
        self._info = PlateInfo(
            path=path,
            kind="sequence",
            width=first.shape[1],
            height=first.shape[0],
            fps=fps or FALLBACK_FPS,
            first_frame=self._sequence.numbers[0],
            frame_count=len(self._sequence.numbers),
            bit_depth=bit_depth,
            has_alpha=first.shape[2] == 4,
            rotation=0,
            codec=_FORMATS.get(suffix, suffix[1:]),
            variable_rate=False,
            notes=(*rate_notes, *found.notes, *picture.notes),
            reader_version=picture.reader_version + (_RENUMBERED if renumbered else 0),
        )

    @property
    def info(self) -> PlateInfo:
        """The plate's facts; notes on later files are there once `frames` has come to them."""
        return self._info

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the selected frames."""
        return self._sequence.paths

    def frames(self, wanted: Callable[[int], bool] | None = None) -> Iterator[PlateFrame]:
        """The selected frames; see `ex4d.plate.base.PlateReader`."""
        for index, (number, path) in enumerate(zip(self._sequence.numbers, self._sequence.paths, strict=True)):
            if wanted is not None and not wanted(index):
                continue
            picture = read_picture(path)
            image = picture.pixels
            if image.shape != self._shape or image.dtype != self._dtype:
                raise BadInputError(
                    f"{path} has {_describe(image.shape, image.dtype)},"
                    f" the frames before it {_describe(self._shape, self._dtype)}.",
                    "Export the whole sequence with one size and bit depth.",
                )
            if new := [note for note in picture.notes if note not in self._info.notes]:
                self._info = replace(self._info, notes=(*self._info.notes, *new))
            pixels, alpha = image, None
            if image.shape[2] == 4:
                pixels = cast(Pixels, np.ascontiguousarray(image[..., :3]))
                alpha = cast(Pixels, np.ascontiguousarray(image[..., 3]))
            yield PlateFrame(number, index / self._info.fps, pixels, alpha)


def _select(path: Path, found: ImageSequence, wanted: FrameRange | None) -> ImageSequence:
    # Folders, ranges and names of results know no numbers below 0 yet.
    if found.numbers[0] < 0 and (wanted is None or found.numbers[-1] < 0):
        raise BadInputError(
            f"{path} has frames with negative numbers, {found.numbers[0]} to {min(found.numbers[-1], -1)}.",
            "Number the files from 0 on, or take only the other frames with --frames."
            if found.numbers[-1] >= 0
            else "Number the files from 0 on.",
        )
    found = found.select(range(max(found.numbers[0], 0), found.numbers[-1] + 1))
    has = FrameRange(found.numbers[0], found.numbers[-1] + 1)
    wanted = wanted or has
    stop = has.stop if wanted.stop is None else wanted.stop
    if stop is None or has.stop is None or wanted.start not in has or stop > has.stop:
        raise outside_error(path, wanted, has)
    missing = [
        range(max(gap.start, wanted.start), min(gap.stop, stop))
        for gap in found.gaps()
        if gap.start < stop and gap.stop > wanted.start
    ]
    if missing:
        count = sum(len(gap) for gap in missing)
        raise BadInputError(
            f"{count} {'frame is' if count == 1 else 'frames are'} missing in {path}: {format_ranges(missing)}.",
            f"Add the files, or choose a range without gaps with --frames; the longest is {_longest_run(found)}.",
        )
    return found.select(range(wanted.start, stop))


def _longest_run(found: ImageSequence) -> FrameRange:
    gaps = found.gaps()
    starts = [found.numbers[0], *(gap.stop for gap in gaps)]
    stops = [*(gap.start for gap in gaps), found.numbers[-1] + 1]
    start, stop = max(zip(starts, stops, strict=True), key=lambda run: run[1] - run[0])
    return FrameRange(start, stop)


def _describe(shape: tuple[int, ...], dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> str:
    channels = "RGBA" if shape[2] == 4 else "RGB"
    return f"{shape[1]}x{shape[0]} pixels of {8 * dtype.itemsize}-bit {channels}"
