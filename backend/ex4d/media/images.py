# SPDX-License-Identifier: Apache-2.0
"""Still images on disk <-> arrays: RGB order, 8 or 16 bits, straight alpha.

Files are read and written through memory, not by OpenCV's own file functions, which fail on non-ASCII paths on
Windows and do not tell a full disk from other failures.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.decoding import decode
from ex4d.media.encoding import display_encoding
from ex4d.media.headers import JPEG_MAGIC, PNG_MAGIC, jpeg_header, png_header
from ex4d.media.tiff import MAGICS as TIFF_MAGICS
from ex4d.media.tiff import TiffPicture, read_tiff, upright
from ex4d.protocol.errors import BadInputError
from ex4d.system.files import atomic_path
from ex4d.system.inputs import read_bytes

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

# On film frames this pair is about twice as fast as OpenCV's defaults, and the files are no larger.
_FAST_PNG = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_UP,
)


@dataclass(frozen=True)
class StillPicture:
    """A display-referred picture and what its file says of it.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, upright; uint8 or uint16.
        colour: what the file says of its colours.
        pixel_aspect: width of a pixel by its height; 1 where that is not said.
        notes: sentences for the report, on all that was assumed, converted or left out.
        reader_version: 0 where every version of this reader gave these pixels; another number where they changed.
    """

    pixels: Pixels
    colour: ColourTags
    pixel_aspect: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()
    reader_version: int = 0


@dataclass(frozen=True)
class FloatPicture:
    """A scene-linear picture of a TIFF and what its file says of it.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 4) RGBA with associated alpha, upright; float16 or float32, all bits kept.
        colour, pixel_aspect, notes: as ``StillPicture``.
    """

    pixels: NDArray[np.float16] | NDArray[np.float32]
    colour: ColourTags
    pixel_aspect: Fraction
    notes: tuple[str, ...]


def read_picture(path: Path) -> StillPicture:
    """Read a display-referred PNG, JPEG or TIFF.

    Its pixels are uint8 or uint16 as the file has them; other depths are brought to the next of these, white to the
    highest value. Grey is expanded to RGB, associated alpha made straight, orientation applied. A name's suffix does
    not matter.

    Raises:
        BadInputError: the file is missing, damaged, of another format, too large, or has pixels that are not display-
            referred grey or RGB of whole numbers up to 16 bits.
        ResourceError: there is too little memory.
    """
    picture = _decode(read_bytes(path), path)
    return replace(picture, pixels=cast(Pixels, _as_rgb(picture.pixels)))


def decode_plate_picture(data: bytes, path: Path) -> StillPicture | FloatPicture:
    """As `read_picture`, of a file's content; of TIFF halves and floats too, and the first of several pages.

    Args:
        data: the file.
        path: what messages name.
    """
    if data[:4] in TIFF_MAGICS:
        try:
            tiff = read_tiff(data, path, as_plate=True)
        except ValueError as error:
            raise _not_an_image(path) from error
        if tiff.samples.dtype.kind == "f":
            return FloatPicture(_as_rgb(tiff.samples), tiff.colour, tiff.pixel_aspect, tiff.notes)
        picture = _of_tiff(tiff)
    else:
        picture = _decode(data, path)
    return replace(picture, pixels=cast(Pixels, _as_rgb(picture.pixels)))


def read_image(path: Path) -> Pixels:
    """The pixels of `read_picture`."""
    return read_picture(path).pixels


def read_grey(path: Path) -> Pixels:
    """Read a one-channel image, such as a mask or 16-bit depth, with the values it has.

    Returns:
        (H, W) uint8 or uint16. A colour file passes when its three channels are the same; alpha is left out.

    Raises:
        BadInputError: as `read_image`, and for a file with real colour.
    """
    pixels = _decode(read_bytes(path), path).pixels
    if pixels.ndim == 2:
        return pixels
    grey = pixels[..., 0]
    if not (np.array_equal(grey, pixels[..., 1]) and np.array_equal(grey, pixels[..., 2])):
        raise BadInputError(f"{path} is a colour image where a grey one is needed.", "Export it with one channel.")
    return cast(Pixels, np.ascontiguousarray(grey))


def write_png(path: Path, pixels: Pixels, chunks: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Write a PNG: complete under its name, or not at all.

    Args:
        path: the file; its folder must exist.
        pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) straight RGBA; uint8 or uint16.
        chunks: type and data of further ones, which come before the picture's.

    Raises:
        ValueError: another shape or dtype.
        TransientError: the disk is full or the file cannot be written.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels have dtype {pixels.dtype}, not uint8 or uint16")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)) or pixels.size == 0:
        raise ValueError(f"pixels have shape {pixels.shape}, not (H, W), (H, W, 3) or (H, W, 4)")
    encoded, data = cv2.imencode(".png", _swap_red_and_blue(pixels), _FAST_PNG)
    if not encoded:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be a PNG")
    with atomic_path(path) as temporary:
        temporary.write_bytes(_with_chunks(data.tobytes(), chunks) if chunks else data.tobytes())


def _with_chunks(png: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """With further chunks behind the header, which is the signature and a chunk of 13 bytes."""
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return png[:33] + b"".join(packed) + png[33:]


def _as_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _decode(data: bytes, path: Path) -> StillPicture:
    """As `read_picture`, but (H, W) for grey without alpha."""
    try:
        if data.startswith(PNG_MAGIC):
            return _read_png(data, path)
        if data.startswith(JPEG_MAGIC):
            header = jpeg_header(data, path)
            # Only the colour mode applies the EXIF orientation. A JPEG has no alpha.
            pixels = _swap_red_and_blue(_integers(decode(data, cv2.IMREAD_COLOR)))
            return StillPicture(pixels, header.colour, header.pixel_aspect, header.notes)
        if data[:4] in TIFF_MAGICS:
            return _of_tiff(read_tiff(data, path))
    except ValueError as error:
        raise _not_an_image(path) from error
    raise _not_an_image(path)


def _of_tiff(tiff: TiffPicture) -> StillPicture:
    return StillPicture(_integers(tiff.samples), tiff.colour, tiff.pixel_aspect, tiff.notes, int(tiff.differs))


def _read_png(data: bytes, path: Path) -> StillPicture:
    header = png_header(data, path)
    pixels = _swap_red_and_blue(_integers(decode(data, cv2.IMREAD_UNCHANGED)))
    changed = False
    if header.transparent_grey is not None and pixels.ndim == 2:  # OpenCV leaves it out
        white = display_encoding(pixels.dtype).white
        code = header.transparent_grey * (white // ((1 << header.bits) - 1))
        alpha = np.where(pixels == code, 0, white).astype(pixels.dtype)
        pixels, changed = cast(Pixels, np.dstack([pixels, pixels, pixels, alpha])), True
    notes = header.notes
    if header.orientation != 1:
        pixels, changed = cast(Pixels, upright(pixels, header.orientation)), True
        notes = (*notes, "The files are turned upright, as their orientation says.")
    return StillPicture(pixels, header.colour, header.pixel_aspect, notes, int(changed))


def _integers(decoded: NDArray[Any]) -> Pixels:
    if decoded.dtype not in (np.uint8, np.uint16) or (decoded.ndim == 3 and decoded.shape[2] not in (3, 4)):
        raise ValueError(f"{decoded.dtype} {decoded.shape}")
    return cast(Pixels, decoded)


def _not_an_image(path: Path) -> BadInputError:
    return BadInputError(
        f"{path} is damaged or not an image of a known format.", "Export it again as PNG, JPEG or TIFF."
    )


def _swap_red_and_blue(pixels: Pixels) -> Pixels:
    """RGB(A) <-> BGR(A), which only OpenCV's codecs want; grey passes unchanged."""
    if pixels.ndim == 2:
        return pixels
    code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cast(Pixels, cv2.cvtColor(pixels, code))
