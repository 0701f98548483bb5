# SPDX-License-Identifier: Apache-2.0
"""What every plate gives, whether it is a movie or an image sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from ex4d.media.images import Pixels
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import FrameRange

#: Frames per second of plates that name none.
FALLBACK_FPS = Fraction(24)


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
        bit_depth: 8, or 16 for a source of more than 8 bits.
        has_alpha: whether frames carry alpha.
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
    reader_version: int = 0


@dataclass(frozen=True)
class PlateFrame:
    """One frame of a plate.

    Attributes:
        number: the plate's own number.
        time: seconds since the first selected frame.
        pixels: (H, W, 3) uint8 or uint16 RGB, display-referred, upright.
        alpha: (H, W) straight alpha of the same dtype, or None.
    """

    number: int
    time: Fraction
    pixels: Pixels
    alpha: Pixels | None


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


def outside_error(path: Path, wanted: FrameRange, has: FrameRange) -> BadInputError:
    """The error for a range that the plate, which has the frames ``has``, does not cover."""
    return BadInputError(
        f"Frames {wanted} are not all in {path}, which has frames {has}.", "Choose --frames within these."
    )
