# SPDX-License-Identifier: Apache-2.0
"""An image sequence as a plate: files with the frame number in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ex4d.colour.resolve import resolve
from ex4d.media.encoding import TruthEncoding
from ex4d.media.frames import without_alpha
from ex4d.media.picture_facts import PictureFacts
from ex4d.media.sequences import PLATE_SUFFIXES, ImageSequence, find_sequence, format_ranges, last_number
from ex4d.media.stills import read_still
from ex4d.media.timecode import Timecode
from ex4d.plate.base import (
    FALLBACK_FPS,
    PlateFrame,
    PlateInfo,
    PlateOptions,
    handle_notes,
    outside_error,
    unused_notes,
    with_handles,
)
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import FrameRange

_FORMATS = {".jpg": "jpeg", ".tif": "tiff"}
_JUMP = "The files' time code does not run on from frame to frame: results count on from that of the first frame."
# Added to the pictures' reader version where the number of a frame was once taken from another place of the name.
_RENUMBERED = 2


class SequencePlate:
    """Reads an image sequence as a plate; a lone image is a plate of one frame.

    Args:
        path: what `ex4d.media.sequences.find_sequence` takes.
        frames: the frames to read, all when None.
        fps: frame rate, 24 when None.
        first_frame: the number of a lone image whose name has none.
        handles: so many frames before and after ``frames`` are read as well, where there are any.
        options: how its pictures are read.

    Raises (when made and when read):
        BadInputError: no such sequence, frames missing, a damaged file, or files that differ in size, kind of values or
            colour space.
    """

    def __init__(
        self,
        path: Path,
        *,
        frames: FrameRange | None,
        fps: Fraction | None,
        first_frame: int,
        handles: int = 0,
        options: PlateOptions | None = None,
    ) -> None:
        self._options = options or PlateOptions()
        found = find_sequence(path, PLATE_SUFFIXES)
        if not found.is_numbered:
            found = ImageSequence(found.pattern, (first_frame,), found.paths)
        self._sequence, kept = _select(path, found, frames, handles)
        picture = read_still(self._sequence.paths[0], self._options.layer)
        first, facts = picture.pixels, picture.facts
        self._shape, self._facts = first.shape, facts
        colour = resolve(facts, wanted=self._options.colour_space, ocio=self._options.ocio)
        bit_depth: Literal[8, 16] = 8 if colour.kind == "display" and first.dtype == np.uint8 else 16
        renumbered = found.is_numbered and last_number(self._sequence.paths[0]) != self._sequence.numbers[0]
        assumed = () if fps or facts.fps else (f"An image sequence has no frame rate: {FALLBACK_FPS} fps is assumed.",)
        suffix = self._sequence.paths[0].suffix.lower()
        self._info = PlateInfo(
            path=path,
            kind="sequence",
            width=first.shape[1],
            height=first.shape[0],
            fps=fps or facts.fps or FALLBACK_FPS,
            first_frame=self._sequence.numbers[0],
            frame_count=len(self._sequence.numbers),
            bit_depth=bit_depth,
            has_alpha=first.shape[2] == 4,
            rotation=0,
            codec=_FORMATS.get(suffix, suffix[1:]),
            variable_rate=False,
            notes=(
                *assumed,
                *found.notes,
                *picture.notes,
                *colour.notes,
                *handle_notes(handles, kept),
                *unused_notes(self._options, suffix),
            ),
            facts=replace(facts, pixel_aspect=self._options.pixel_aspect or facts.pixel_aspect),
            colour=colour,
            source_bits=_bits(facts.encoding),
            handles=kept,
            clip_start=self._sequence.numbers[0],
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
            picture = read_still(path, self._options.layer)
            image = picture.pixels
            self._check(path, image, picture.facts)
            jump = self._timecode_jump(number, picture.facts)
            if new := [note for note in (*picture.notes, *jump) if note not in self._info.notes]:
                self._info = replace(self._info, notes=(*self._info.notes, *new))
            yield PlateFrame(number, index / self._info.fps, *without_alpha(image))

    def _timecode_jump(self, number: int, facts: PictureFacts) -> tuple[str, ...]:
        """Says that a frame's time code does not go on from the first frame's: in the same words of whichever frame, as
        a plate that is read in parts is told of as if it were read at once."""
        first = self._facts.timecode
        if first is None:
            return ()
        try:
            expected = str(Timecode.parse(first, self._info.fps).later(number - self._sequence.numbers[0]))
        except ValueError:
            return ()
        return () if facts.timecode == expected else (_JUMP,)

    def _check(self, path: Path, image: np.ndarray[Any, Any], facts: PictureFacts) -> None:
        """Raise BadInputError where a later picture is of another kind than the first."""
        if image.shape != self._shape or facts.encoding != self._facts.encoding:
            raise BadInputError(
                f"{path} has {_describe(image.shape, facts.encoding)},"
                f" the frames before it {_describe(self._shape, self._facts.encoding)}.",
                "Export the whole sequence with one size and bit depth.",
            )
        for name, mine, first in (
            ("another colour space in its header", *self._spaces(facts)),
            ("another pixel aspect ratio", facts.pixel_aspect, self._facts.pixel_aspect),
            ("its picture in another window", facts.frame, self._facts.frame),
        ):
            if mine != first:
                raise BadInputError(
                    f"{path} has {name} than the frames before it.",
                    "Export the whole sequence in one way, or choose other frames with --frames.",
                )

    def _spaces(self, facts: PictureFacts) -> tuple[object, object]:
        """The colour space of a later picture, and that of the first: their tags may differ and mean the same."""
        first = self._info.colour
        if facts.colour == self._facts.colour:
            return first, first
        mine = resolve(facts, wanted=self._options.colour_space, ocio=self._options.ocio)
        return (mine.kind, mine.space, mine.chromaticities), (first.kind, first.space, first.chromaticities)


def _bits(encoding: TruthEncoding) -> int:
    """Of a code value: codes of fewer than 16 bits stand in the upper ones."""
    if encoding.is_float or encoding.white == np.iinfo(encoding.dtype).max:
        return 8 * encoding.dtype.itemsize
    return (encoding.white // (encoding.white & -encoding.white)).bit_length()


def _select(
    path: Path, found: ImageSequence, wanted: FrameRange | None, handles: int
) -> tuple[ImageSequence, tuple[int, int]]:
    """The frames that are wanted with their handles, and how many of these there are before and after."""
    has = FrameRange(found.numbers[0], found.numbers[-1] + 1)
    wanted = wanted or has
    stop = has.stop if wanted.stop is None else wanted.stop
    if stop is None or has.stop is None or wanted.start not in has or stop > has.stop:
        raise outside_error(path, wanted, has)
    whole, kept = with_handles(FrameRange(wanted.start, stop), has, handles)
    missing = [
        range(max(gap.start, whole.start), min(gap.stop, whole.stop or stop))
        for gap in found.gaps()
        if gap.start < (whole.stop or stop) and gap.stop > whole.start
    ]
    if missing:
        count = sum(len(gap) for gap in missing)
        raise BadInputError(
            f"{count} {'frame is' if count == 1 else 'frames are'} missing in {path}: {format_ranges(missing)}.",
            f"Add the files, or choose a range without gaps with --frames; the longest is {_longest_run(found)}.",
        )
    return found.select(range(whole.start, whole.stop or stop)), kept


def _longest_run(found: ImageSequence) -> FrameRange:
    gaps = found.gaps()
    starts = [found.numbers[0], *(gap.stop for gap in gaps)]
    stops = [*(gap.start for gap in gaps), found.numbers[-1] + 1]
    start, stop = max(zip(starts, stops, strict=True), key=lambda run: run[1] - run[0])
    return FrameRange(start, stop)


def _describe(shape: tuple[int, ...], encoding: TruthEncoding) -> str:
    channels = "RGBA" if shape[2] == 4 else "RGB"
    values = f"{8 * encoding.dtype.itemsize}-bit {'float ' if encoding.is_float else ''}{channels}"
    return f"{shape[1]}x{shape[0]} pixels of {values}"
