# SPDX-License-Identifier: Apache-2.0
"""Movies of the kinds that film people have, their YCbCr codes computed here and encoded without a loss where the codec
can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

#: Weights of red and blue in luma, by the number of the matrix in ITU-T H.273.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@dataclass(frozen=True)
class MovieKind:
    """How a movie is made.

    Attributes:
        codec, pixel_format: FFmpeg's names.
        tags: primaries, transfer, matrix of ITU-T H.273.
        matrix: that the codes are made with; None = the tagged one.
        full_range: codes use all of their range.
        tag_frames: tag the frames as well as the container.
        rate: frames per second.
        aspect: width of a pixel divided by its height.
        timecode: of the first frame; "" = none.
        audio: a sound of so many hertz goes with it; 0 = none.
        options: of the encoder.
        container: options of the container.
    """

    codec: str
    pixel_format: str
    tags: tuple[int, int, int] = (1, 1, 1)
    matrix: int | None = None
    full_range: bool = False
    tag_frames: bool = True
    rate: Fraction = Fraction(24)
    aspect: Fraction = Fraction(1)
    timecode: str = ""
    audio: int = 0
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)


def ycbcr(picture: NDArray[np.float64], bits: int, matrix: int, full_range: bool) -> list[NDArray[np.uint16]]:
    """Whole codes (H, W) of luma, blue and red difference of R'G'B' (H, W, 3); what lies beyond 0..1 stays as far as
    the codes go."""
    red, blue = WEIGHTS[matrix]
    luma = picture @ (red, 1 - red - blue, blue)
    cb = (picture[..., 2] - luma) / (2 * (1 - blue))
    cr = (picture[..., 0] - luma) / (2 * (1 - red))
    scale, most = 1 << (bits - 8), (1 << bits) - 1
    if full_range:
        planes = [luma * most, cb * most + (1 << (bits - 1)), cr * most + (1 << (bits - 1))]
        lowest, highest = 0, most
    else:
        planes = [(16 + 219 * luma) * scale, (128 + 224 * cb) * scale, (128 + 224 * cr) * scale]
        lowest, highest = scale, most - scale  # SDI keeps the outermost codes for itself
    return [np.clip(np.rint(plane), lowest, highest).astype(np.uint16) for plane in planes]


def _frame(planes: Sequence[NDArray[np.uint16]], kind: MovieKind, bits: int) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, kind.pixel_format)
    dtype = np.uint8 if bits == 8 else np.uint16
    for index, plane in enumerate(frame.planes):
        codes = planes[min(index, 2)] if index < 3 else planes[3]
        if plane.width != width:
            codes = codes[:, ::2]
        if plane.height != height:
            codes = codes[::2]
        rows = np.zeros((plane.height, plane.line_size // dtype().itemsize), dtype)
        rows[:, : plane.width] = codes
        plane.update(rows.tobytes())
    return frame


def write_movie(path: Path, pictures: Sequence[NDArray[np.float64]], kind: MovieKind, bits: int) -> None:
    """Encode R'G'B' pictures (H, W, 3), 0..1 between black and white, or (H, W, 4) with alpha."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", options=kind.container) as container:
        if kind.timecode:
            container.metadata["timecode"] = kind.timecode
        stream: Any = container.add_stream(kind.codec, rate=kind.rate, options=kind.options)
        stream.width, stream.height, stream.pix_fmt = width, height, kind.pixel_format
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = kind.tags
        context.color_range = 2 if kind.full_range else 1
        if kind.aspect != 1:
            context.sample_aspect_ratio = kind.aspect
        sound: Any = None
        if kind.audio:
            sound = container.add_stream("pcm_s16le" if path.suffix in (".mov", ".mxf") else "aac", rate=kind.audio)
            sound.layout = "mono"
        matrix = kind.matrix if kind.matrix is not None else kind.tags[2]
        for index, picture in enumerate(pictures):
            planes = ycbcr(picture[..., :3], bits, matrix, kind.full_range)
            if picture.shape[2] == 4:
                planes.append(np.rint(picture[..., 3] * ((1 << bits) - 1)).astype(np.uint16))
            frame = _frame(planes, kind, bits)
            frame.pts, frame.time_base = index, 1 / kind.rate
            if kind.tag_frames:
                frame.color_primaries, frame.color_trc, frame.colorspace = kind.tags
                frame.color_range = 2 if kind.full_range else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_sound(container, sound, kind, len(pictures))


def _write_sound(container: Any, sound: Any, kind: MovieKind, frames: int) -> None:
    """A tone that gets higher, so that each moment of it can be known."""
    count = round(frames / kind.rate * kind.audio)
    moments = np.arange(count) / kind.audio
    tone = (12000 * np.sin(2 * np.pi * (200 + 400 * moments) * moments)).astype(np.int16)
    step = 1024
    for start in range(0, count, step):
        samples = tone[start : start + step]
        piece = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        piece.rate, piece.pts, piece.time_base = kind.audio, start, Fraction(1, kind.audio)
        container.mux(sound.encode(piece))
    container.mux(sound.encode(None))
