# SPDX-License-Identifier: Apache-2.0
"""Stage 4: colour, validity mask and z of the mesh from any camera."""

from ex4d.raster.base import RasterFrame, Rasterizer, RasterScene, Texture, View
from ex4d.raster.kept import borrow_rasterizer
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer
from ex4d.raster.select import AUTOMATIC, RASTERIZERS, create_rasterizer

__all__ = [
    "AUTOMATIC",
    "RASTERIZERS",
    "NvdiffrastRasterizer",
    "RasterFrame",
    "RasterScene",
    "Rasterizer",
    "Texture",
    "View",
    "borrow_rasterizer",
    "create_rasterizer",
]
