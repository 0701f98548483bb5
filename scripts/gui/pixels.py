# SPDX-License-Identifier: GPL-3.0-or-later
"""What pictures hold, the screen's own among them."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np


def read_pixels(path: Path) -> np.ndarray:
    """A picture of 8 bits: its codes, (height, width, 3), float32, 0..1, the lowest row first."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, -1)[..., :3]
