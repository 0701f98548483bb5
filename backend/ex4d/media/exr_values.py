# SPDX-License-Identifier: Apache-2.0
"""Float pictures inside a shot's folder, as OpenEXR files: lossless, half the size of plain arrays."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.exr import unprinted
from ex4d.media.exr_writer import ExrPart, write_exr_parts

_CHANNELS = "RGBA"


def write_exr_values(path: Path, values: NDArray[Any]) -> None:
    """Write a picture, PIZ compressed: complete under its name, or not at all.

    Args:
        path: the file; its folder must exist.
        values: (H, W, 3 or 4) float16 or float32; all bits are kept, those of NaN too.

    Raises:
        TransientError: the disk is full or the file cannot be written.
    """
    planes = {name: values[..., i] for i, name in enumerate(_CHANNELS[: values.shape[2]])}
    write_exr_parts(path, [ExrPart("", planes, {})], "piz")


def read_exr_values(data: bytes) -> NDArray[Any]:
    """What ``write_exr_values`` wrote, from the file's content; raises RuntimeError, ValueError, LookupError."""
    with unprinted(), OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
        channels = file.channels()
        return np.stack([np.asarray(channels[name].pixels) for name in _CHANNELS if name in channels], axis=-1)
