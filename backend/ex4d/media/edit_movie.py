# SPDX-License-Identifier: Apache-2.0
"""Movies for editing: ProRes 422 HQ, ProRes 4444 and H.265, all of 10 bits, limited range.

Colours become luma and chroma here, in floats: swscale would clip what is beyond black and white, which 10-bit codes
have room for. Luma is exact to its code; chroma is filtered to half its resolution where the format has it so, sited as
MPEG-2 has it (on the left column).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from ex4d.media.colour_tags import HdrMetadata
from ex4d.media.movie import MovieFile, MovieLabels, MovieSound
from ex4d.media.yuv import LUMA_WEIGHTS
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import EditMovie

# Ten bits, limited range (BT.2100, table 9): black, white, span and middle of chroma, and what is no synchronisation.
_BLACK, _WHITE, _CHROMA_SPAN, _CHROMA_ZERO = 64, 940, 896, 512
_LOWEST, _HIGHEST = 4, 1019
_OPAQUE = 1023


@dataclass(frozen=True)
class _Format:
    """An encoder and what it is told.

    Attributes:
        codec, pixel_format, options: of FFmpeg.
        container: FFmpeg's name of the kind of file.
        file: name of the movie in a take.
        tag: four characters that say the codec in the file; "" = the usual ones.
        across, down: how many columns and rows share a chroma sample.
        alpha: whether there is any.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    container: str
    file: str
    tag: str = ""
    across: int = 1
    down: int = 1
    alpha: bool = False


_APPLE = {"vendor": "apl0"}
FORMATS: dict[EditMovie, _Format] = {
    "prores422hq": _Format("prores_ks", "yuv422p10le", {"profile": "3", **_APPLE}, "mov", "result.mov", across=2),
    "prores4444": _Format(
        "prores_ks", "yuva444p10le", {"profile": "4", "alpha_bits": "16", **_APPLE}, "mov", "result.mov", alpha=True
    ),
    "h265": _Format(
        "libx265", "yuv420p10le", {"crf": "12", "x265-params": "log-level=none"}, "mp4", "result_h265.mp4", "hvc1", 2, 2
    ),
}


def check_edit_movie(kind: EditMovie, width: int, height: int) -> None:
    """Raise UsageError for a size that a format cannot hold, before any long work."""
    form = FORMATS[kind]
    if form.down == 2 and (width % 2 or height % 2):
        raise UsageError(
            f"H.265 of 10 bits cannot hold {width}x{height} pixels: both sides must be even.",
            "Use --movie prores422hq, or an even --size.",
        )


class EditMovieWriter(MovieFile):
    """Writes a movie for editing.

    Args, Raises: see ``MovieFile``.
        kind: a key of ``FORMATS``. H.265 takes even sizes alone.
    """

    container_options: ClassVar[dict[str, str]] = {"movflags": "+faststart+write_colr"}

    def __init__(
        self,
        path: Path,
        kind: EditMovie,
        *,
        width: int,
        height: int,
        fps: Fraction,
        labels: MovieLabels | None = None,
        sound: MovieSound | None = None,
    ) -> None:
        super().__init__(path, width=width, height=height, fps=fps, labels=labels, sound=sound)
        self._form = FORMATS[kind]

    @property
    def container_format(self) -> str:
        """FFmpeg's name of the kind of file."""
        return self._form.container

    @property
    def codec(self) -> str:
        """FFmpeg's name of the encoder."""
        return self._form.codec

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the frames' format."""
        return self._form.pixel_format

    def write(self, unit: NDArray[Any], alpha: NDArray[Any] | None = None, time: Fraction | None = None) -> None:
        """Encode one frame.

        Args:
            unit: (H, W, 3) float codes, 0 = black, 1 = white; what 10 bits have no room for is clipped (about -0.07 and
                1.09).
            alpha: (H, W) float 0..1, straight, for formats that have it; None = opaque.
            time: as ``MovieWriter.write``.

        Raises:
            ValueError: another size, or times that do not rise or are not given for all frames.
        """
        if unit.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a frame is {unit.shape}, not RGB of {self._size[1]}x{self._size[0]}")
        self._write(lambda: self._picture(unit, alpha), time)

    def _set_encoder(self, context: av.VideoCodecContext) -> None:
        options = dict(self._form.options)
        if self._form.codec == "libx265" and self._labels.hdr is not None:
            options["x265-params"] += hdr10_parameters(self._labels.hdr)
        context.options = options
        if self._form.tag:
            context.codec_tag = self._form.tag

    def _picture(self, unit: NDArray[Any], alpha: NDArray[Any] | None) -> av.VideoFrame:
        frame = av.VideoFrame(*self._size, self._form.pixel_format)
        planes = yuv_codes(unit, self._labels.matrix, self._form.across, self._form.down)
        if self._form.alpha:
            planes.append(_alpha_codes(alpha, unit.shape[:2]))
        for plane, codes in zip(frame.planes, planes, strict=True):
            rows = np.ndarray((plane.height, plane.line_size // 2), "<u2", buffer=memoryview(plane))
            rows[:, : codes.shape[1]] = codes
        labels = self._labels
        frame.color_primaries, frame.color_trc, frame.colorspace = labels.primaries, labels.transfer, labels.matrix
        frame.color_range = ColorRange.MPEG
        return frame


def hdr10_parameters(hdr: HdrMetadata) -> str:
    """What x265 is told of HDR10's static metadata, behind other parameters."""
    told = ""
    if hdr.mastering is not None and hdr.luminance is not None:
        # Coordinates in steps of 0.00002, light in 0.0001 cd/m² (SMPTE ST 2086, as H.265 codes it).
        red, green, blue, white = np.rint(np.array(hdr.mastering) * 50_000).astype(int).reshape(4, 2).tolist()
        low, high = (round(value * 10_000) for value in hdr.luminance)
        points = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
        told += ":master-display=" + "".join(f"{name}({x},{y})" for name, (x, y) in points) + f"L({high},{low})"
    if hdr.max_cll is not None or hdr.max_fall is not None:
        told += f":max-cll={hdr.max_cll or 0},{hdr.max_fall or 0}"
    return f":hdr10=1{told}" if told else ""


def yuv_codes(unit: NDArray[Any], matrix: int, across: int = 1, down: int = 1) -> list[NDArray[np.uint16]]:
    """Luma (H, W), Cb and Cr of float R'G'B' (H, W, 3), 10-bit codes of limited range.

    Args:
        unit: 0 = black, 1 = white, and beyond.
        matrix: of H.273, a key of ``LUMA_WEIGHTS``; others are taken for BT.709's.
        across, down: 1, or 2 for chroma of half the columns or rows.
    """
    red, blue = LUMA_WEIGHTS.get(matrix, LUMA_WEIGHTS[1])
    luma = np.array([red, 1 - red - blue, blue])
    to_cb, to_cr = (np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))
    scale = np.array([_WHITE - _BLACK, _CHROMA_SPAN, _CHROMA_SPAN])
    to_codes = np.column_stack([np.stack([luma, to_cb, to_cr]) * scale[:, None], [_BLACK, _CHROMA_ZERO, _CHROMA_ZERO]])
    finite = np.nan_to_num(np.ascontiguousarray(unit, np.float32), nan=0.0, posinf=2.0, neginf=-1.0)
    y, cb, cr = cv2.split(np.asarray(cv2.transform(finite, to_codes.astype(np.float32))))
    return [_codes(np.asarray(y)), *(_codes(_halved(np.asarray(plane), across, down)) for plane in (cb, cr))]


def _halved(plane: NDArray[Any], across: int, down: int) -> NDArray[Any]:
    """Chroma at its own resolution: on the left of two columns, between two rows."""
    if across == 2:
        kernel = np.array([[0.25, 0.5, 0.25]], np.float32)
        plane = np.asarray(cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REPLICATE))[:, ::2]
    if down == 2:
        plane = (plane[::2] + plane[1::2]) / 2
    return plane


def _codes(plane: NDArray[Any]) -> NDArray[np.uint16]:
    return np.clip(np.rint(plane), _LOWEST, _HIGHEST).astype(np.uint16)


def _alpha_codes(alpha: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    if alpha is None:
        return np.full(shape, _OPAQUE, np.uint16)
    return np.rint(np.clip(alpha, 0, 1) * _OPAQUE).astype(np.uint16)
