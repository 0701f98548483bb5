# SPDX-License-Identifier: Apache-2.0
"""OpenGL 3.3 rasterizer, off screen, through moderngl: any GPU's driver or Mesa's software one.

Three passes: which face is visible at each pixel; then colour, validity and z once per pixel; then the colours without
gaps, so that what comes back is the result's arrays as they are.
"""

from ex4d.raster.opengl.rasterizer import OpenGLRasterizer
from ex4d.raster.opengl.strips import grid_strips, vertex_places

__all__ = ["OpenGLRasterizer", "grid_strips", "vertex_places"]
