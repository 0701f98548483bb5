# SPDX-License-Identifier: GPL-3.0-or-later
"""Lengths in the units that a scene shows."""

from __future__ import annotations

import bpy


def length_text(scene: bpy.types.Scene, length: float) -> str:
    """Blender units as text, ``1.62 m``; a bare number where the scene has no units."""
    settings = scene.unit_settings
    assert settings is not None
    if settings.system == "NONE":
        return f"{length:.3g}"
    metres = length * settings.scale_length
    return str(bpy.utils.units.to_string(settings.system, "LENGTH", metres, precision=3))
