# SPDX-License-Identifier: Apache-2.0
"""Luma and chroma codes of movies -> R'G'B' that is not clipped: what is beyond black and white stays.

swscale raises chroma to luma's resolution; the matrix is applied here, in floats, as swscale clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from ex4d.media.encoding import TruthEncoding

#: Weights of red and blue in luma by the number of the matrix in ITU-T H.273, table 4.
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}

# Rows that are converted at once: their floats stay near the processor.
_ROWS = 32
_NOTHING = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CodeRange:
    """Luma codes of black and white.

    Attributes:
        bits: of a code.
        full: whether black is 0 and white the highest code.
    """

    bits: int
    full: bool

    @property
    def black(self) -> int:
        """The code of black."""
        return 0 if self.full else 16 << (self.bits - 8)

    @property
    def white(self) -> int:
        """The code of white."""
        return (1 << self.bits) - 1 if self.full else 235 << (self.bits - 8)

    @property
    def chroma_span(self) -> int:
        """Codes from the lowest to the highest colour difference of colours within black and white."""
        return (1 << self.bits) - 1 if self.full else 224 << (self.bits - 8)


def luma_extent(frame: av.VideoFrame, interpolation: Interpolation) -> tuple[int, int]:
    """The lowest and the highest luma code of a frame."""
    if _is_planar(frame):
        codes = _plane(frame, 0, frame.format.components[0].bits)
    else:
        codes = _planes(frame, _bits(frame), False, VideoReformatter(), interpolation)[0]
    return int(codes.min()), int(codes.max())


def rgb_codes(
    frame: av.VideoFrame,
    *,
    matrix: int,
    codes: CodeRange,
    encoding: TruthEncoding,
    reformatter: VideoReformatter,
    interpolation: Interpolation,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """R'G'B' and alpha of a frame with luma and chroma.

    Args:
        frame: it.
        matrix: a key of ``LUMA_WEIGHTS``.
        codes: of the frame.
        encoding: of the result, uint16; what it cannot hold is clipped.
        reformatter: of the clip.
        interpolation: of chroma.

    Returns:
        (H, W, 3) and straight alpha (H, W), opaque = 65535, or None.
    """
    has_alpha = any(component.is_alpha for component in frame.format.components)
    planes = _planes(frame, codes.bits, has_alpha, reformatter, interpolation)
    to_codes = _to_codes(matrix, codes, encoding)
    pixels = np.empty((*planes[0].shape, 3), np.uint16)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        stacked = cv2.merge([np.asarray(plane[rows], np.float32) for plane in planes[:3]])
        # Adding nothing rounds and clips.
        pixels[rows] = cv2.add(cv2.transform(stacked, to_codes), _NOTHING, dtype=cv2.CV_16U)  # type: ignore[call-overload]
    if not has_alpha:
        return pixels, None
    share = np.asarray(planes[3], np.float64) / ((1 << codes.bits) - 1)
    return pixels, np.rint(share * 65535).astype(np.uint16)


def _to_codes(matrix: int, codes: CodeRange, encoding: TruthEncoding) -> NDArray[np.float32]:
    """(3, 4): from luma, Cb and Cr codes to those of the encoding."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    from_differences = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    scale = np.array([1 / (codes.white - codes.black), 1 / codes.chroma_span, 1 / codes.chroma_span])
    middle = 1 << (codes.bits - 1)
    linear = from_differences * scale * (encoding.white - encoding.black)
    offset = encoding.black - linear @ np.array([codes.black, middle, middle])
    return np.column_stack([linear, offset]).astype(np.float32)


def _planes(
    frame: av.VideoFrame, bits: int, has_alpha: bool, reformatter: VideoReformatter, interpolation: Interpolation
) -> list[NDArray[Any]]:
    """Luma, Cb, Cr and alpha, each (H, W)."""
    name = f"yuv{'a' if has_alpha else ''}444p" + (f"{bits}le" if bits > 8 else "")
    # The same range on both sides, or swscale would convert it.
    same = ColorRange.JPEG if frame.format.name.startswith("yuvj") or int(frame.color_range) == 2 else ColorRange.MPEG
    if frame.format.name != name:
        frame = reformatter.reformat(
            frame, format=name, interpolation=interpolation, src_color_range=same, dst_color_range=same
        )
    return [_plane(frame, index, bits) for index in range(4 if has_alpha else 3)]


def _plane(frame: av.VideoFrame, index: int, bits: int) -> NDArray[Any]:
    plane = frame.planes[index]
    big = frame.format.name.endswith("be")
    dtype = np.dtype(np.uint8 if bits == 8 else ">u2" if big else "<u2")
    rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // dtype.itemsize)
    shift = 16 - bits if frame.format.name.startswith(("p010", "p012", "p210", "p212", "p410", "p412")) else 0
    codes: NDArray[Any] = rows[: frame.height, : frame.width]
    return np.asarray(codes >> shift) if shift else codes


def _is_planar(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith(("yuv4", "yuva4", "yuvj4", "nv12", "nv16", "nv21", "nv24", "p0", "p2", "p4"))


def _bits(frame: av.VideoFrame) -> int:
    return max(component.bits for component in frame.format.components)
