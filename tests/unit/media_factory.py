# SPDX-License-Identifier: Apache-2.0
"""Small synthetic clips for the tests of media and plate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
BITS = 8

# Kr and Kb of ITU-T H.273, table 4.
WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}
MATRIX_NUMBERS = {"bt709": 1, "bt601": 6, "bt2020": 9}

PATCHES = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 255, 255),
    (255, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (200, 100, 50),
    (118, 118, 118),
)


def numbered_picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8: the top half has the index as a bar code, the bottom half a slope that moves with it."""
    picture = np.empty((height, width, 3), np.uint8)
    for bit in range(BITS):
        column = slice(bit * width // BITS, (bit + 1) * width // BITS)
        picture[: height // 2, column] = 235 if index >> bit & 1 else 16
    slope = (np.arange(width) * 2 + index * 5) % 200 + 20
    picture[height // 2 :] = np.stack([slope, slope[::-1], np.full(width, 90)], axis=-1)
    return picture


def number_in(picture: np.ndarray) -> int:
    """The index that `numbered_picture` drew, from a picture that went through a codec."""
    white = 255 if picture.dtype == np.uint8 else 65535
    height, width = picture.shape[:2]
    top = picture[: height // 2].astype(np.float64).mean(axis=(0, 2)) / white
    return sum(1 << bit for bit in range(BITS) if top[(2 * bit + 1) * width // (2 * BITS)] > 0.5)


def asymmetric_picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8 with four different quarters: red, green, blue, white, row by row."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 20, 20)
    picture[: height // 2, width // 2 :] = (20, 220, 20)
    picture[height // 2 :, : width // 2] = (20, 20, 220)
    picture[height // 2 :, width // 2 :] = (230, 230, 230)
    return picture


def yuv_codes(rgb: Sequence[float], matrix: str, *, bits: int = 8, full_range: bool = False) -> tuple[int, int, int]:
    """Y, Cb, Cr of an RGB colour (0-255) by the formulas of ITU-T H.273, section 8.3."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / 2 / (1 - kb), (r - y) / 2 / (1 - kr)
    top = (1 << bits) - 1
    if full_range:
        codes = (y * top, cb * top + (1 << bits - 1), cr * top + (1 << bits - 1))
    else:
        codes = tuple(
            (offset + scale * v) * (1 << bits - 8)
            for offset, scale, v in ((16, 219, y), (128, 224, cb), (128, 224, cr))
        )
    return tuple(min(top, round(code)) for code in codes)


def yuv_frame(pix_fmt: str, codes: Sequence[int], width: int = 16, height: int = 16) -> av.VideoFrame:
    """A planar frame with one code in the whole of each plane."""
    frame = av.VideoFrame(width, height, pix_fmt)
    dtype = np.uint8 if frame.format.components[0].bits == 8 else np.dtype("<u2")
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(np.full(plane.buffer_size // np.dtype(dtype).itemsize, code, dtype).tobytes())
    return frame


def as_frame(picture: np.ndarray | av.VideoFrame) -> av.VideoFrame:
    if isinstance(picture, av.VideoFrame):
        return picture
    formats = {(3, "uint8"): "rgb24", (4, "uint8"): "rgba", (3, "uint16"): "rgb48le", (4, "uint16"): "rgba64le"}
    return av.VideoFrame.from_ndarray(picture, format=formats[picture.shape[2], str(picture.dtype)])


def write_movie(
    path: Path,
    pictures: Iterable[np.ndarray | av.VideoFrame],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: Fraction | int = 30,
    times: Sequence[Fraction] | None = None,
    matrix: str | None = None,
    full_range: bool | None = None,
    transfer: int | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    display_matrix: Sequence[int] | None = None,
    pixel_aspect: Fraction | None = None,
    audio: bool = False,
) -> Path:
    """Write a clip with PyAV; ``times`` in seconds (units of 1/90000 s) make it one of variable rate."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        context = stream.codec_context
        context.options = options or {}
        sound = container.add_stream("aac", rate=48000) if audio else None
        for index, picture in enumerate(pictures):
            frame = as_frame(picture)
            if index == 0:
                context.width, context.height, context.pix_fmt = frame.width, frame.height, pix_fmt
                context.time_base = Fraction(1, 90000) if times else 1 / Fraction(fps)
                if matrix:
                    context.colorspace = MATRIX_NUMBERS[matrix]
                if full_range is not None:
                    context.color_range = 2 if full_range else 1
                if transfer is not None:
                    context.color_trc = transfer
                if pixel_aspect:
                    context.sample_aspect_ratio = pixel_aspect
                if rotation:
                    stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
                if display_matrix:
                    stream.set_display_matrix(display_matrix)
            frame.pts = round(times[index] * 90000) if times else index
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 4800), np.float32), format="fltp", layout="stereo")
            silence.sample_rate = 48000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
        container.mux(stream.encode(None))
    return path


def numbered_movie(path: Path, count: int, **options: Any) -> Path:
    """A clip of ``count`` numbered pictures; see `write_movie`."""
    return write_movie(path, (numbered_picture(index) for index in range(count)), **options)


def remux(source: Path, target: Path, shift: int = 0, **container_options: str) -> Path:
    """Copy the video's packets, earlier by ``shift`` ticks: what is before 0 goes behind an edit list."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=container_options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = stream
                new.mux(packet)
    return target
