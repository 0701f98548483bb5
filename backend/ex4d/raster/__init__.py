# SPDX-License-Identifier: Apache-2.0
"""Stage 4: colour, validity mask and z of the mesh from any camera."""

from ex4d.raster.base import RasterFrame, Rasterizer, RasterScene, Texture
from ex4d.raster.select import AUTOMATIC, RASTERIZERS, create_rasterizer

__all__ = [
    "AUTOMATIC",
    "RASTERIZERS",
    "RasterFrame",
    "RasterScene",
    "Rasterizer",
    "Texture",
    "create_rasterizer",
]
