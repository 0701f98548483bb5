# SPDX-License-Identifier: GPL-3.0-or-later
"""A take camera that shakes as a hand does."""

from __future__ import annotations

import random
from typing import Any

import bpy
import numpy as np

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from

from .. import camera
from ..fcurves import ensure_fcurve, fcurves, remove_fcurves, write_keys
from ..shot import ShotObjects
from .movable import shot_to_move_in

HANDHELD = "EX-4D Handheld"
HANDHELD_PATHS = ("delta_location", "delta_rotation_euler")
#: Of strength 1: sway as a share of the pivot's distance, turn in degrees (tilt, pan, roll), seconds per swing.
HANDHELD_SWAY = 0.02
HANDHELD_TURN = (1.0, 1.0, 0.4)
HANDHELD_PERIODS = (0.9, 0.6)


def add_handheld(camera_obj: bpy.types.Object, strength: float, seed: int, *, shot: ShotObjects | None = None) -> None:
    """Shake a take camera as a hand does: Noise modifiers on its delta transform, beside any other animation.

    They can be edited in the Graph Editor, and ``remove_handheld`` takes them away. The same seed gives the same shake.

    Args:
        strength: 1 is a careful operator walking; above zero.
        shot: of the take; None: the one that the camera is a child of.

    Raises:
        BadInputError: the camera belongs to no shot, is linked, or turns by quaternions, which have no delta angles.
    """
    shot = shot_to_move_in(camera_obj, shot)
    if camera_obj.rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
        raise BadInputError(
            f"«{camera_obj.name}» turns by quaternions, which hand-held noise cannot be added to.",
            "Set its rotation mode to XYZ Euler.",
        )
    camera.own_animation(camera_obj)
    remove_handheld(camera_obj)
    phases = random.Random(seed)
    fps = float(fraction_from(shot.record["plate"]["fps"]))
    sway = HANDHELD_SWAY * float(shot.record["pivot"])
    amounts = ((sway, sway, sway / 2), tuple(np.radians(HANDHELD_TURN)))
    for path, amount, period in zip(HANDHELD_PATHS, amounts, HANDHELD_PERIODS, strict=True):
        for axis in range(3):
            curve = ensure_fcurve(camera_obj, path, axis)
            write_keys(curve, [shot.first_frame], np.array([getattr(camera_obj, path)[axis]]))
            noise: Any = curve.modifiers.new("NOISE")
            noise.name = HANDHELD
            noise.strength = strength * amount[axis]
            noise.scale = period * fps
            noise.phase = phases.uniform(1, 1000)
            noise.depth = 1


def has_handheld(camera_obj: bpy.types.Object) -> bool:
    """Whether ``add_handheld`` shakes this camera."""
    return any(curve.data_path in HANDHELD_PATHS and len(curve.modifiers) > 0 for curve in fcurves(camera_obj))


def remove_handheld(camera_obj: bpy.types.Object) -> None:
    """Take the shake of ``add_handheld`` away."""
    remove_fcurves(camera_obj, HANDHELD_PATHS)
    camera_obj.delta_location = (0, 0, 0)
    camera_obj.delta_rotation_euler = (0, 0, 0)
