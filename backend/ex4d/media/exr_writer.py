# SPDX-License-Identifier: Apache-2.0
"""Pictures for other programs as OpenEXR files: one part, RGBA, with what the files say of themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.exr import unprinted
from ex4d.system.files import atomic_path

Compression = Literal["zip", "piz"]
_COMPRESSIONS = {"zip": OpenEXR.ZIP_COMPRESSION, "piz": OpenEXR.PIZ_COMPRESSION}


def write_exr(
    path: Path,
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    attributes: Mapping[str, Any],
    compression: Compression = "zip",
) -> None:
    """Write a picture: complete under its name, or not at all. All bits are kept.

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
    if alpha is None:
        alpha = np.ones(pixels.shape[:2], pixels.dtype)
    header = {"compression": _COMPRESSIONS[compression], "type": OpenEXR.scanlineimage, **attributes}
    channels = {name: np.ascontiguousarray(pixels[..., k]) for k, name in enumerate("RGB")}
    channels["A"] = np.ascontiguousarray(alpha, dtype=pixels.dtype)
    encoded = io.BytesIO()
    with unprinted(), OpenEXR.File(header, channels) as file:
        file.write(encoded)
    with atomic_path(path) as temporary:
        # Not getbuffer: where writing fails, Python 3.12.1 crashes when the view is collected.
        temporary.write_bytes(encoded.getvalue())


def time_code(text: str) -> Any:
    """OpenEXR's attribute ``timeCode`` of "01:00:59;28", in which a semicolon stands for drop-frame."""
    drop = ";" in text
    hours, minutes, seconds, frames = map(int, text.replace(";", ":").split(":"))
    # Hours, minutes, seconds, frame, drop frame, color frame, field/phase, three flags of binary groups, these groups.
    return OpenEXR.TimeCode(hours, minutes, seconds, frames, int(drop), *[0] * 13)
