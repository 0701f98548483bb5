# SPDX-License-Identifier: Apache-2.0
"""Pictures for other programs as OpenEXR files of one part or several, with what the files say of themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.protocol.values import ExrCompression
from ex4d.system.files import atomic_path

#: Frames a second that OpenEXR's ``timeCode`` has room for.
MOST_FRAMES = 30
_DTYPES = {np.dtype(np.float16), np.dtype(np.float32)}
_COMPRESSIONS = {"zip": OpenEXR.ZIP_COMPRESSION, "piz": OpenEXR.PIZ_COMPRESSION}


@dataclass(frozen=True)
class ExrPart:
    """A part of a file.

    Attributes:
        name: of the part.
        channels: (H, W) float16 or float32 by name, such as "R" or "depth.Z"; all of one size, in all parts.
        attributes: of its header, as ``OpenEXR.File`` takes them. The parts of a file have the same pixel aspect, time
            code and, those that have any, chromaticities.
    """

    name: str
    channels: Mapping[str, NDArray[Any]]
    attributes: Mapping[str, Any]


def write_exr(
    path: Path,
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    attributes: Mapping[str, Any],
    compression: ExrCompression = "zip",
) -> None:
    """Write a picture of one part, RGBA: complete under its name, or not at all. All bits are kept.

    Args:
        path: the file; its folder must exist.
        pixels: (H, W, 3) float16 or float32 RGB, multiplied by alpha.
        alpha: (H, W) of the same dtype; None = 1 everywhere, so that all programs find one.
        attributes: of the header, as ``OpenEXR.File`` takes them.
        compression: of the file.

    Raises:
        ValueError: another dtype or shape.
        TransientError: the disk is full or the file cannot be written.
    """
    if pixels.dtype not in (np.float16, np.float32) or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, not float16 or float32 (H, W, 3)")
    write_exr_parts(path, [ExrPart("", rgba_channels(pixels, alpha), attributes)], compression)


def rgba_channels(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    """R, G, B of (H, W, 3), and A of (H, W) in the same dtype; None = 1 everywhere."""
    opacity = np.ones(pixels.shape[:2], pixels.dtype) if alpha is None else alpha.astype(pixels.dtype, copy=False)
    return {**{name: pixels[..., k] for k, name in enumerate("RGB")}, "A": opacity}


def write_exr_parts(path: Path, parts: Sequence[ExrPart], compression: ExrCompression = "zip") -> None:
    """Write a file of scan lines, of one part or several: complete under its name, or not at all. All bits are kept.

    Args:
        path: the file; its folder must exist.
        parts: at least one; of several each has a name.
        compression: of all parts.

    Raises:
        ValueError: channels of other dtypes or shapes.
        TransientError: the disk is full or the file cannot be written.
    """
    shapes = {values.shape for part in parts for values in part.channels.values()}
    kinds = {values.dtype for part in parts for values in part.channels.values()}
    if len(shapes) != 1 or any(len(shape) != 2 for shape in shapes) or not kinds <= _DTYPES:
        raise ValueError(f"channels are {kinds} {shapes}, not float16 or float32 of one size")
    encoded = io.BytesIO()
    # The binding puts its own channels into the caller's dictionaries, and takes strides for sizes.
    with OpenEXR.File([_part(part, compression, len(parts) > 1) for part in parts]) as file:
        file.write(encoded)
    with atomic_path(path) as temporary:
        # Not getbuffer: where writing fails, Python 3.12.1 crashes when the view is collected.
        temporary.write_bytes(encoded.getvalue())


def _part(part: ExrPart, compression: ExrCompression, named: bool) -> Any:
    header = {
        **part.attributes,
        "compression": _COMPRESSIONS[compression],
        "type": OpenEXR.scanlineimage,
        **({"name": part.name} if named else {}),
    }
    channels = {name: np.ascontiguousarray(values) for name, values in part.channels.items()}
    return OpenEXR.Part(header, channels, part.name)


def time_code(text: str, fps: Fraction) -> Any:
    """OpenEXR's attribute ``timeCode`` of "01:00:59;28", in which a semicolon stands for drop-frame.

    It has room for 30 frames a second. At higher rates it counts pairs of frames, and the field mark tells the second
    one of a pair, as SMPTE ST 12-1 has it for 50 and 60 frames.
    """
    drop = ";" in text
    hours, minutes, seconds, frames = map(int, text.replace(";", ":").split(":"))
    second = 0
    if round(fps) > MOST_FRAMES:
        frames, second = divmod(frames, 2)
    # Hours, minutes, seconds, frame, drop frame, color frame, field/phase, three flags of binary groups, these groups.
    return OpenEXR.TimeCode(hours, minutes, seconds, frames, int(drop), 0, second, *[0] * 11)
