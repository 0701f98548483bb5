# SPDX-License-Identifier: Apache-2.0
"""What readers of pictures and movies tell of a plate's truth, besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import TruthEncoding
from ex4d.media.lens_tags import LensTags

AlphaKind = Literal["none", "straight", "associated"]


@dataclass(frozen=True)
class PixelWindow:
    """A rectangle of pixels.

    Attributes:
        left, top: of its first pixel, relative to the frame's first pixel; may be negative.
        width, height: pixels.
    """

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class PictureFacts:
    """Facts of a still, or of all frames of a movie.

    Attributes:
        encoding: what the values stand for; of floats and of codes the colour space is found later (``ex4d.colour``).
        colour: what the file says of its colours.
        alpha: whether there is alpha, and whether the colours are multiplied by it.
        pixel_aspect: width of a pixel divided by its height.
        timecode: of this frame, or of a movie's first, "01:00:59;28"; None = none.
        fps: what the file says of the rate; None = nothing.
        frame: where the frame (OpenEXR's display window) lies in the pixels that are read: those may be more, which is
            overscan; pixels of the frame that the file lacks are transparent black. None = the pixels are the frame.
        lens: what the file says of its lens; None = nothing.
    """

    encoding: TruthEncoding
    colour: ColourTags
    alpha: AlphaKind = "none"
    pixel_aspect: Fraction = Fraction(1)
    timecode: str | None = None
    fps: Fraction | None = None
    frame: PixelWindow | None = None
    lens: LensTags | None = None
