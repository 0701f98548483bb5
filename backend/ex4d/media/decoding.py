# SPDX-License-Identifier: Apache-2.0
"""Still pictures in memory -> what OpenCV's decoders make of them, with its failures told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError
from ex4d.system.memory import memory_error

#: Pixels of a still picture: 16K (16384 x 8640) and the largest sensors (151 million) pass. As RGBA of 16 bits this is
#: 1.3 GB; a file of a few kilobytes can claim any size.
MAX_PIXELS = 160_000_000
_MAX_SIDE = 1 << 17


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a picture that is too large before it is decoded.

    Raises:
        BadInputError: more than `MAX_PIXELS`, or sides that no camera has.
        ValueError: no pixels, which is damage.
    """
    if width < 1 or height < 1:
        raise ValueError(f"{width}x{height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > _MAX_SIDE:
        raise BadInputError(
            f"{path} is of {width}x{height} pixels; {MAX_PIXELS // 1_000_000} million are the most.",
            "Check the file, it may be damaged, or scale it down.",
        )


def decode(data: bytes, mode: int) -> NDArray[Any]:
    """(H, W) or (H, W, C) in OpenCV's order of channels.

    Raises:
        ValueError: damaged, or of no format that OpenCV knows.
        ResourceError: there is too little memory.
    """
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), mode)
    except (cv2.error, MemoryError) as error:
        short = memory_error(error)
        if short:
            raise short from error
        raise ValueError("OpenCV cannot decode it") from error
    if decoded is None:
        raise ValueError("OpenCV cannot decode it")
    return np.asarray(decoded)
