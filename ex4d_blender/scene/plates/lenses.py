# SPDX-License-Identifier: GPL-3.0-or-later
"""The lens that a MovieClip's tracking camera has."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import bpy

from ex4d.camera import LensCalibration, camera_from_blender, lens_from_blender
from ex4d.protocol.errors import BadInputError

#: The properties with the coefficients of each model, and what stands before a coefficient's name in them.
_PREFIXES = {"POLYNOMIAL": "", "DIVISION": "division_", "NUKE": "nuke_", "BROWN": "brown_"}
_COEFFICIENTS = {
    "POLYNOMIAL": ("k1", "k2", "k3"),
    "DIVISION": ("k1", "k2"),
    "NUKE": ("k1", "k2"),
    "BROWN": ("k1", "k2", "k3", "k4", "p1", "p2"),
}


def clip_lens(clip: bpy.types.MovieClip) -> LensCalibration:
    """Distortion, focal length and principal point of a clip's camera, in the clip's pixels.

    Raises:
        BadInputError: the clip's file is missing, so that it has no size.
    """
    camera: Any = clip.tracking.camera  # type: ignore[union-attr]
    size, aspect = (int(clip.size[0]), int(clip.size[1])), float(camera.pixel_aspect)
    if 0 in size:
        raise BadInputError(f"The clip «{clip.name}» shows no picture.", "Relink the clip in Blender.")
    model = camera.distortion_model
    values = {name: float(getattr(camera, _PREFIXES[model] + name)) for name in _COEFFICIENTS[model]}
    focal = float(camera.focal_length_pixels)
    x, y = camera.principal_point_pixels
    return LensCalibration(
        lens_from_blender(model, values, focal, size, aspect),
        camera_from_blender(focal, (float(x), float(y)), size, aspect),
    )


def clip_aspect(clip: bpy.types.MovieClip) -> Fraction:
    """The width of a pixel divided by its height, as the clip's camera has it."""
    camera: Any = clip.tracking.camera  # type: ignore[union-attr]
    return Fraction.from_float(float(camera.pixel_aspect)).limit_denominator(1000)


def is_distorted(clip: bpy.types.MovieClip) -> bool:
    """Whether a clip's camera bends lines; costs nothing."""
    camera: Any = clip.tracking.camera  # type: ignore[union-attr]
    model = camera.distortion_model
    return any(getattr(camera, _PREFIXES[model] + name) != 0 for name in _COEFFICIENTS[model])
