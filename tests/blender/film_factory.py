# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene-linear pictures as the backend delivers them, made by the backend's Python: Blender's own has no OpenEXR."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

#: A lamp, a coloured patch in the pictures' own primaries; the rest is 18 % grey.
LAMP, PATCH = 40.0, (0.5, 0.2, 0.1)
WIDTH, HEIGHT = 48, 32

_WRITE = """
import sys, numpy as np, OpenEXR
folder, name, interop, first, count, aspect = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
pixels = np.full((32, 48, 4), 0.18, np.float16)
pixels[4:16, 4:16, :3] = 40.0
pixels[4:16, 28:40, :3] = (0.5, 0.2, 0.1)
pixels[..., 3] = 1
ap1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
for number in range(first, first + count):
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "pixelAspectRatio": aspect}
    if interop:
        header |= {"colorInteropID": interop, "chromaticities": ap1}
    digits = f"{number:04d}" if number >= 0 else f"-{-number:04d}"
    OpenEXR.File(header, {"RGBA": np.ascontiguousarray(pixels)}).write(f"{folder}/{name}.{digits}.exr")
"""


def write_pictures(
    python: str,
    folder: Path,
    numbers: Sequence[int],
    *,
    name: str = "result",
    interop: str = "lin_ap1_scene",
    aspect: float = 1.0,
) -> None:
    """Half EXR files of ``numbers``, which rise by one, in ACEScg or, without ``interop``, with no word on colour."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [python, "-I", "-c", _WRITE, str(folder), name, interop, str(numbers[0]), str(len(numbers)), str(aspect)],
        check=True,
    )


def rendered(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """What a scene renders (H, W, 3), float32, scene-linear in Blender's working space, first row on top."""
    render = scene.render
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_depth = "32"
    render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.is_data = True
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, -1)[::-1, :, :3]


def lamp_and_patch(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middles (3,) of the lamp and of the coloured patch, of a picture of any size."""
    height, width = pixels.shape[:2]
    scale = width / WIDTH
    return tuple(  # type: ignore[return-value]
        pixels[round(10 * height / HEIGHT), round(x * scale)] for x in (10, 34)
    )
