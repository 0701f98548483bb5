# SPDX-License-Identifier: Apache-2.0
"""The lens of a take's camera on the device."""

from __future__ import annotations

from typing import Any

import moderngl

from ex4d.camera import Camera
from ex4d.raster.lens_table import distortion_table, pixel_centre_rays
from ex4d.raster.opengl.context import float_texture


class TakeLens:
    """Tables of one lens before a picture of one size.

    Attributes:
        key: what cameras have in common that can use them.
        table: see ``take_lens.glsl``.
        rays: of the pixels at z = 1.
        uniforms: of the first pass, by their names there.
    """

    def __init__(self, context: moderngl.Context, camera: Camera) -> None:
        self.key = lens_key(camera)
        table = distortion_table(camera)
        self.table = float_texture(context, table.displacement)
        self.rays = float_texture(context, pixel_centre_rays(camera))
        size = (float(camera.width), float(camera.height))
        self.uniforms: dict[str, Any] = {"take_table": 0, "take_grid": table.grid, "take_size": size}

    def release(self) -> None:
        """Free them."""
        self.table.release()
        self.rays.release()


def lens_key(camera: Camera) -> tuple[object, ...]:
    """Of the tables for that camera."""
    return camera.lens, camera.K.tobytes(), camera.width, camera.height
