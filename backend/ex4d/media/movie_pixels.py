# SPDX-License-Identifier: Apache-2.0
"""Decoded movie frames -> RGB arrays: colour matrix, range, bit depth, alpha and orientation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from ex4d.media.encoding import HEADROOM_16, TruthEncoding
from ex4d.media.images import Pixels
from ex4d.media.yuv import CodeRange, luma_extent, rgb_codes
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import AUTOMATIC, ColourMatrix, ColourRange

#: swscale's defaults are off by two levels and interpolate no chroma; with these flags it is within one level and
#: gives the same values on every processor.
ACCURATE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT

#: Untagged clips of at least this height are taken as BT.709, smaller ones as BT.601, as players do.
HD_HEIGHT = 720

#: FFmpeg's names of codecs that are used for high definition alone: untagged, they are BT.709 at any size.
MASTERING_CODECS = frozenset({"prores", "prores_raw", "dnxhd", "cfhd", "v210", "v408", "v410"})

# Values of ITU-T H.273, tables 3 and 4.
_MATRIX_RGB, _MATRIX_UNSPECIFIED = 0, 2
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
# Of YCbCr, the first says nothing that could be true.
_NO_MATRIX = (_MATRIX_RGB, _MATRIX_UNSPECIFIED)
_ASSUMED = {"BT.709": 1, "BT.601": 6}
_SAME = {"BT.709": (1,), "BT.601": (5, 6)}
_ASKED = {"bt601": 6, "bt709": 1, "bt2020": 9}
_TITLES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}
_RANGE_LIMITED, _RANGE_FULL = 1, 2

# The depths of integer YUV and grey above 8 bits; floating-point formats need no correction.
_STRETCHED_BITS = (9, 10, 12, 14, 16)


@dataclass(frozen=True)
class CodeMeaning:
    """What a movie's luma and chroma codes mean, by who asks for it; "auto" = by the movie, else by what is usual."""

    matrix: ColourMatrix = "auto"
    range: ColourRange = "auto"

    @property
    def matrix_title(self) -> str:
        """For people; "" where nobody asks for one."""
        return _TITLES[_ASKED[self.matrix]] if self.matrix != AUTOMATIC else ""


@dataclass(frozen=True)
class Orientation:
    """How a decoded picture is turned to be upright: transposed first, then flipped.

    Attributes:
        transpose, flip_columns, flip_rows: the three steps.
        degrees: the clockwise rotation they amount to.
    """

    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False
    degrees: int = 0

    def apply(self, pixels: Pixels) -> Pixels:
        """(H, W) or (H, W, C) -> upright, contiguous."""
        if self.transpose:
            pixels = np.swapaxes(pixels, 0, 1)
        if self.flip_columns:
            pixels = pixels[:, ::-1]
        if self.flip_rows:
            pixels = pixels[::-1]
        return cast(Pixels, np.ascontiguousarray(pixels))


def orientation_of(frame: av.VideoFrame) -> Orientation | None:
    """The orientation in a frame's display matrix; None where it is no multiple of 90 degrees.

    The matrix (libavutil/display.h) maps x' = a x + c y, y' = b x + d y with y down; a, b, c, d are 16.16 fixed point.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(cast(SideData, side_data)), dtype=np.int32)[:5].tolist()
    degrees = round(math.degrees(math.atan2(b, a))) % 360
    if a == d == 0 and b != 0 and c != 0:
        return Orientation(transpose=True, flip_columns=c < 0, flip_rows=b < 0, degrees=degrees)
    if b == c == 0 and a != 0 and d != 0:
        return Orientation(flip_columns=a < 0, flip_rows=d < 0, degrees=degrees)
    return None


@dataclass(frozen=True)
class ClipTags:
    """Code points of ITU-T H.273 that hold for a clip; None = not said.

    Attributes:
        primaries, transfer, matrix: the frame's, else the container's.
        notes: where both say something else.
    """

    primaries: int | None = None
    transfer: int | None = None
    matrix: int | None = None
    notes: tuple[str, ...] = ()


def tags_of(frame: av.VideoFrame, container: tuple[int, int, int]) -> ClipTags:
    """The tags of a clip.

    Args:
        frame: its first.
        container: primaries, transfer and matrix of the decoder before it decoded anything: afterwards they are the
            frame's, and those of the container are gone.
    """
    found: list[int | None] = []
    notes: list[str] = []
    frames = (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace))
    for name, in_frame, in_container in zip(("primaries", "transfer curve", "matrix"), frames, container, strict=True):
        said = [code for code in (in_frame, in_container) if _is_said(code, name)]
        found.append(said[0] if said else None)
        if len(said) == 2 and said[0] != said[1]:
            notes.append(
                f"The frames' tag of the {name} (H.273 number {said[0]}) is not the container's ({said[1]}): the "
                "frames' holds."
            )
    return ClipTags(found[0], found[1], found[2], tuple(notes))


def _is_said(code: int, name: str) -> bool:
    """0 is reserved, but for a matrix, where it is that of RGB."""
    return code not in ((_MATRIX_UNSPECIFIED,) if name == "matrix" else (0, _MATRIX_UNSPECIFIED))


class FrameConverter:
    """Turns the frames of one clip into arrays.

    Args:
        first: a frame of the clip.
        tags: of the clip; None = those of the frame.
        is_mastering: untagged frames are BT.709 at any size.
        codes: the frames are wanted as code values of a curve, with what lies beyond black and white.
        asked: what their codes mean, before what the clip says.

    Attributes:
        bit_depth: 8, or 16 for sources of more than 8 bits.
        source_bits: of a code value.
        has_alpha: whether frames carry alpha.
        has_matrix: whether the frames are of luma and chroma; RGB and grey have neither matrix nor range.
        tagged_matrix: the one that the clip names, for people; None = none.
        tagged_range: the one that the clip names; None = none.
        assumed_matrix: ``BT.709`` or ``BT.601`` where the clip has a colour matrix but does not say which and
            nobody asks for one.
        former_matrix: whether the matrix is the one that was taken when tags of containers were not looked at.
        encoding: of what ``convert`` gives.
    """

    def __init__(
        self,
        first: av.VideoFrame,
        tags: ClipTags | None = None,
        *,
        is_mastering: bool = False,
        codes: bool = False,
        asked: CodeMeaning | None = None,
    ) -> None:
        self.source_bits = max(c.bits for c in first.format.components)
        self.bit_depth: Literal[8, 16] = 16 if self.source_bits > 8 else 8
        self.has_alpha = any(c.is_alpha for c in first.format.components)
        self._size = (first.width, first.height)
        self._reformatter, self._renamer = VideoReformatter(), VideoReformatter()
        self._format = {(8, False): "rgb24", (8, True): "rgba", (16, False): "rgb48le", (16, True): "rgba64le"}[
            self.bit_depth, self.has_alpha
        ]
        self._asked = asked or CodeMeaning()
        self.has_matrix = _has_matrix(first)
        self._full_range = self._is_full_range(first)
        self._tagged = tags.matrix if tags is not None else None
        self.tagged_matrix = self._title_of_tag(first)
        self.tagged_range = _tagged_range(first) if self.has_matrix else None
        self.assumed_matrix: str | None = None
        self.former_matrix = True
        if self.has_matrix and first.colorspace in _NO_MATRIX and self._asked.matrix == AUTOMATIC:
            by_height = "BT.709" if first.height >= HD_HEIGHT else "BT.601"
            if self._tagged in (None, *_NO_MATRIX):
                self._tagged = None
                self.assumed_matrix = "BT.709" if is_mastering else by_height
            taken = self._tagged if self.assumed_matrix is None else _ASSUMED[self.assumed_matrix]
            self.former_matrix = taken in _SAME[by_height]
        self._codes = codes and self.has_matrix
        self.encoding = self._encoding(codes)

    @property
    def may_exceed(self) -> bool:
        """Whether the frames can have luma codes beyond those of black and white."""
        return self.has_matrix and not self._full_range

    def extent(self, frame: av.VideoFrame) -> tuple[float, float]:
        """The lowest and the highest luma of a frame on a scale from 0 = black to 1 = white."""
        codes = self._code_range(frame)
        low, high = luma_extent(frame, ACCURATE)
        return (low - codes.black) / (codes.white - codes.black), (high - codes.black) / (codes.white - codes.black)

    def fits(self, frame: av.VideoFrame) -> bool:
        """Whether the frame has the size of the first."""
        return (frame.width, frame.height) == self._size

    def convert(self, frame: av.VideoFrame) -> tuple[Pixels, Pixels | None]:
        """Colour and alpha of a frame.

        Returns:
            (H, W, 3) RGB in ``encoding`` and (H, W) straight alpha or None, of the same dtype.

        Raises:
            BadInputError: the clip's colour matrix is not supported.
        """
        frame = self._with_range(frame)
        if self._codes:
            return rgb_codes(
                frame,
                matrix=self._matrix(frame),
                codes=self._code_range(frame),
                encoding=self.encoding,
                reformatter=self._reformatter,
                interpolation=ACCURATE,
            )
        converted = self._reformatter.reformat(
            frame,
            format=self._format,
            src_colorspace=_MATRICES[self._matrix(frame)] if _has_matrix(frame) else None,
            interpolation=ACCURATE,
        )
        pixels = cast(Pixels, converted.to_ndarray())
        if converted is frame:
            pixels = pixels.copy()  # the decoder may still refer to the frame's own memory
        alpha = None
        if self.has_alpha:
            alpha = cast(Pixels, np.ascontiguousarray(pixels[..., 3]))
            pixels = cast(Pixels, np.ascontiguousarray(pixels[..., :3]))
        bits = max(c.bits for c in frame.format.components)
        if bits in _STRETCHED_BITS and not frame.format.is_rgb:
            pixels = _stretched(pixels, _white(bits, self._is_full_range(frame)))
            alpha = None if alpha is None else _stretched(alpha, _white(bits, full_range=True))
        return pixels, alpha

    def _encoding(self, codes: bool) -> TruthEncoding:
        if self._codes:
            return HEADROOM_16
        pixel_type: Literal["uint8", "uint16"] = "uint8" if self.bit_depth == 8 else "uint16"
        return TruthEncoding("codes" if codes else "display", pixel_type, 0, (1 << self.bit_depth) - 1)

    def _code_range(self, frame: av.VideoFrame) -> CodeRange:
        return CodeRange(max(c.bits for c in frame.format.components), self._is_full_range(frame))

    def _is_full_range(self, frame: av.VideoFrame) -> bool:
        if not _has_matrix(frame):
            return True
        return (_tagged_range(frame) if self._asked.range == AUTOMATIC else self._asked.range) == "full"

    def _with_range(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame with the tag of the range that is asked for, its codes as they are: swscale goes by the tag, and by
        the formats that are full range by name."""
        if self._asked.range == AUTOMATIC or not _has_matrix(frame):
            return frame
        if frame.format.name.startswith("yuvj"):
            # The same range on both sides, so that no code changes.
            full, name = ColorRange.JPEG, frame.format.name.replace("yuvj", "yuv")
            colorspace = frame.colorspace
            frame = self._renamer.reformat(frame, format=name, src_color_range=full, dst_color_range=full)
            frame.colorspace = colorspace
        frame.color_range = _RANGE_FULL if self._asked.range == "full" else _RANGE_LIMITED
        return frame

    def _title_of_tag(self, frame: av.VideoFrame) -> str | None:
        number = next((n for n in (int(frame.colorspace), self._tagged) if n not in (None, *_NO_MATRIX)), None)
        return _TITLES.get(number, f"number {number} of H.273") if number is not None and self.has_matrix else None

    def _matrix(self, frame: av.VideoFrame) -> int:
        """The number in H.273 of the matrix of a frame that has one."""
        number = _ASKED.get(self._asked.matrix, int(frame.colorspace))
        if number in _NO_MATRIX:
            number = _ASSUMED[self.assumed_matrix] if self.assumed_matrix else self._tagged or number
        if number not in _MATRICES:
            raise BadInputError(
                f"The clip's colour matrix (H.273 number {number}) is not supported.",
                "Convert the clip to BT.709. If the tag is wrong, say which matrix it is: --colour-matrix.",
            )
        return number


def _has_matrix(frame: av.VideoFrame) -> bool:
    # PyAV's is_chroma is true of subsampled components only.
    return not frame.format.is_rgb and len(frame.format.components) >= 3


def _tagged_range(frame: av.VideoFrame) -> Literal["limited", "full"] | None:
    number = int(frame.color_range)
    return "full" if number == _RANGE_FULL else "limited" if number == _RANGE_LIMITED else None


@cache
def _white(bits: int, full_range: bool) -> int:
    """The 16-bit value swscale gives to the white of a YUV source of ``bits`` bits.

    It is not 65535: swscale shifts full-range codes up instead of scaling them, and its limited-range coefficients
    are those of 8 bits. Measured here, so that another version of swscale cannot make it wrong.
    """
    frame = av.VideoFrame(16, 16, f"yuv444p{bits}le")
    frame.color_range = _RANGE_FULL if full_range else _RANGE_LIMITED
    luma = (1 << bits) - 1 if full_range else 235 << (bits - 8)
    for plane, code in zip(frame.planes, (luma, 1 << (bits - 1), 1 << (bits - 1)), strict=True):
        plane.update(np.full(plane.buffer_size // 2, code, dtype="<u2").tobytes())
    converted = VideoReformatter().reformat(
        frame, format="rgb48le", src_colorspace=Colorspace.ITU709, interpolation=ACCURATE
    )
    return int(converted.to_ndarray()[8, 8, 1])


def _stretched(pixels: Pixels, white: int) -> Pixels:
    """uint16 pixels with ``white`` brought to 65535; what is brighter is clipped."""
    if white == 65535:
        return pixels
    flat = pixels.reshape(pixels.shape[0], -1)  # OpenCV would apply one factor to the first channel only
    stretched = cv2.multiply(flat, 65535 / white)  # type: ignore[call-overload]
    return cast(Pixels, stretched.reshape(pixels.shape))
