# SPDX-License-Identifier: Apache-2.0
"""What every plate gives, whether it is a movie or an image sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from numpy.typing import NDArray

from ex4d.colour.plate_colour import AUTO, PlateColour
from ex4d.media.encoding import TruthEncoding
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import PlateRequest
from ex4d.protocol.values import AUTOMATIC, ColourMatrix, ColourRange, FrameRange, OverRange

#: Frames per second of plates that name none.
FALLBACK_FPS = Fraction(24)


@dataclass(frozen=True)
class PlateOptions:
    """How a plate's pictures are read, where its files do not say it or are not to be believed.

    Attributes:
        colour_space: a name of the colour configuration, or "auto" for what the files say.
        ocio: an OpenColorIO configuration; None = $OCIO, or the built-in one.
        layer: of EXR files with several; None = the picture without a layer's name.
        over_range: what becomes of values beyond black and white of a limited-range movie; None = clipped in movies of
            8 bits, else kept.
        pixel_aspect: width of a pixel by its height; None = what the file says.
        colour_matrix, colour_range: of a movie's luma and chroma, before what it says; "auto" = what it says, else what
            is usual.
    """

    colour_space: str = AUTO
    ocio: Path | None = None
    layer: str | None = None
    over_range: OverRange | None = None
    pixel_aspect: Fraction | None = None
    colour_matrix: ColourMatrix = "auto"
    colour_range: ColourRange = "auto"

    @classmethod
    def of(cls, request: PlateRequest) -> Self:
        """Those that are asked for."""
        return cls(
            request.colour_space,
            Path(request.ocio) if request.ocio else None,
            request.layer,
            request.over_range,
            pixel_aspect=request.aspect,
            colour_matrix=request.colour_matrix,
            colour_range=request.colour_range,
        )


@dataclass(frozen=True)
class PlateInfo:
    """The facts of a plate, of the selected frames.

    Attributes:
        path: the movie, or the folder, pattern or file that was named.
        kind: whether it is a movie or an image sequence.
        width, height: pixels of the upright picture.
        fps: frames per second; the average where the rate varies.
        first_frame: number of the first selected frame.
        frame_count: number of selected frames; None where only decoding tells.
        bit_depth: of the working picture: 8, or 16 for a source of more than 8 bits.
        has_alpha: whether frames carry alpha.
        facts: what the files say of the truth; ``facts.pixel_aspect`` is the one that holds.
        colour: its colour space, resolved.
        source_bits: of a code value of the source, 16 for floats of 16 bits and 32 for others.
        handles: how many of the selected frames, at the beginning and at the end, are handles.
        clip_start: number of the frame whose timecode ``facts.timecode`` is.
        rotation: degrees clockwise by which the stored picture was turned.
        codec: FFmpeg's name of the codec, or the file format of a sequence.
        variable_rate: whether frames last differently long; None where only decoding tells.
        notes: sentences for the report, on all that was assumed.
        reader_version: 0 where every version of the reader gave the same pixels for this kind of file; a higher number
            where they changed, so that what was made of the others is not taken for it.
    """

    path: Path
    kind: Literal["movie", "sequence"]
    width: int
    height: int
    fps: Fraction
    first_frame: int
    frame_count: int | None
    bit_depth: Literal[8, 16]
    has_alpha: bool
    rotation: int
    codec: str
    variable_rate: bool | None
    notes: tuple[str, ...]
    facts: PictureFacts
    colour: PlateColour
    source_bits: int
    handles: tuple[int, int] = (0, 0)
    clip_start: int = 0
    reader_version: int = 0

    @property
    def truth(self) -> TruthEncoding:
        """What the values of the frames are, now that their colour space is known."""
        return replace(self.facts.encoding, kind=self.colour.kind)


@dataclass(frozen=True)
class PlateFrame:
    """One frame of a plate.

    Attributes:
        number: the plate's own number.
        time: seconds since the first selected frame.
        pixels: (H, W, 3) RGB values of the truth, in the dtype of ``PlateInfo.truth``; upright.
        alpha: (H, W) alpha of the same dtype, or None. Colours of integers are straight, of floats multiplied by it.
    """

    number: int
    time: Fraction
    pixels: NDArray[Any]
    alpha: NDArray[Any] | None


class PlateReader(Protocol):
    """An opened plate; no file stays open between calls."""

    @property
    def info(self) -> PlateInfo:
        """The plate's facts; what only decoding tells is there once `frames` has run to its end."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the selected frames, for hashing."""

    def frames(self, wanted: Callable[[int], bool] | None = None) -> Iterator[PlateFrame]:
        """The selected frames in order, each once; may be called again. One frame is in memory at a time.

        Args:
            wanted: asked for each frame, by its index among the selected ones; those that it does not want are passed
                over as cheaply as can be. None = all are wanted.

        Raises:
            BadInputError: a file is damaged, or the clip is shorter than the selection.
        """


def with_handles(wanted: FrameRange, has: FrameRange, handles: int) -> tuple[FrameRange, tuple[int, int]]:
    """A range with so many frames more before and after it as there are, and how many these are.

    Args:
        wanted: within ``has``, both with an end.
        has: the frames that there are.
        handles: how many more at most.
    """
    assert wanted.stop is not None
    assert has.stop is not None
    before, after = min(handles, wanted.start - has.start), min(handles, max(has.stop - wanted.stop, 0))
    return FrameRange(wanted.start - before, wanted.stop + after), (before, after)


def handle_notes(handles: int, found: tuple[int, int]) -> tuple[str, ...]:
    """Says where there are fewer handles than were asked for."""
    if min(found) >= handles:
        return ()
    return (
        f"Handles of {handles} frames were asked for; the plate has {found[0]} before the range and {found[1]} after.",
    )


def unused_notes(options: PlateOptions, suffix: str | None = None) -> tuple[str, ...]:
    """Says which options have no effect on such a plate.

    Args:
        options: that were asked for.
        suffix: of an image sequence's files, lower case with the dot; None = a movie.
    """
    notes = []
    if options.layer is not None and suffix != ".exr":
        notes.append("--layer has no effect: only OpenEXR files have layers.")
    of_movies = {
        "--over-range": options.over_range is not None,
        "--colour-matrix": options.colour_matrix != AUTOMATIC,
        "--colour-range": options.colour_range != AUTOMATIC,
    }
    if suffix is not None:
        notes += [f"{option} has no effect: it is for movies." for option, given in of_movies.items() if given]
    return tuple(notes)


def outside_error(path: Path, wanted: FrameRange, has: FrameRange) -> BadInputError:
    """The error for a range that the plate, which has the frames ``has``, does not cover."""
    return BadInputError(
        f"Frames {wanted} are not all in {path}, which has frames {has}.", "Choose --frames within these."
    )
