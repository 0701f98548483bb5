# SPDX-License-Identifier: Apache-2.0
"""Still images on disk <-> arrays: RGB order, 8 or 16 bits, straight alpha.

Files are read and written through memory, not by OpenCV's own file functions, which fail on non-ASCII paths on
Windows and do not tell a full disk from other failures.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.files import atomic_path
from ex4d.inputs import read_bytes
from ex4d.protocol.errors import BadInputError

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

_JPEG_MAGIC = b"\xff\xd8"

# On film frames this pair is about twice as fast as OpenCV's defaults, and the files are no larger.
_FAST_PNG = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_UP,
)


def read_image(path: Path) -> Pixels:
    """Read a display-referred image.

    Returns:
        (H, W, 3) RGB, or (H, W, 4) RGBA with straight alpha; uint8 or uint16 as the file has it. Grey is expanded
        to RGB. The orientation in a JPEG's EXIF data is applied.

    Raises:
        BadInputError: the file is missing, damaged, not an image, or neither 8 nor 16 bits deep.
    """
    pixels = _decode(path)
    if pixels.ndim == 2:
        return cast(Pixels, np.repeat(pixels[..., None], 3, axis=2))
    return pixels


def read_grey(path: Path) -> Pixels:
    """Read a one-channel image, such as a mask or 16-bit depth, with the values it has.

    Returns:
        (H, W) uint8 or uint16. A colour file passes when its three channels are the same; alpha is left out.

    Raises:
        BadInputError: as `read_image`, and for a file with real colour.
    """
    pixels = _decode(path)
    if pixels.ndim == 2:
        return pixels
    grey = pixels[..., 0]
    if not (np.array_equal(grey, pixels[..., 1]) and np.array_equal(grey, pixels[..., 2])):
        raise BadInputError(f"{path} is a colour image where a grey one is needed.", "Export it with one channel.")
    return cast(Pixels, np.ascontiguousarray(grey))


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a PNG: complete under its name, or not at all.

    Args:
        path: the file; its folder must exist.
        pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) straight RGBA; uint8 or uint16.

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
        temporary.write_bytes(data.tobytes())


def _decode(path: Path) -> Pixels:
    """(H, W), (H, W, 3) RGB or (H, W, 4) RGBA as stored; uint8 or uint16."""
    data = read_bytes(path)
    # Only the colour mode applies the EXIF orientation; only the unchanged mode keeps alpha. A JPEG has no alpha.
    mode = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if data.startswith(_JPEG_MAGIC) else cv2.IMREAD_UNCHANGED
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), mode)
    except (cv2.error, MemoryError) as error:
        raise _not_an_image(path) from error
    if decoded is None:
        raise _not_an_image(path)
    if decoded.dtype not in (np.uint8, np.uint16):
        raise BadInputError(
            f"{path} holds {decoded.dtype} pixels, not 8 or 16 bits a channel.", "Convert it to 16 bits a channel."
        )
    if decoded.ndim == 3 and decoded.shape[2] not in (3, 4):
        raise BadInputError(
            f"{path} has {decoded.shape[2]} channels, not grey, RGB or RGBA.", "Export it with RGB channels."
        )
    return _swap_red_and_blue(cast(Pixels, decoded))


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
