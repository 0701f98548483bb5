# SPDX-License-Identifier: Apache-2.0
"""The camera paths of the released EX-4D code, for comparison: its four documented values of ``--cam``, and any other
whole number of degrees, which it takes too.

Formulas: released recon.py, ``random_camera_traj`` and ``get_camera_pose``, at its fixed 49 frames. The released code
multiplies the angle by max(n/49, 49/n) for any other frame count; that is a slip and is not repeated here: a
clip of any length gets the whole path once.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.transforms import look_at

Array = NDArray[np.float64]

RELEASED_PRESETS = ("30", "60", "90", "180")
#: Largest angle, degrees either way.
MOST_DEGREES = 360
#: Added by the released code to the nearest z-depth of frame 0 to get the radius (world units).
RADIUS_OFFSET = 0.15
#: The camera rises by this share of the radius while it turns.
LIFT = 0.2


def is_released(text: str) -> bool:
    """Whether a text names such a path: a whole number of degrees."""
    return re.fullmatch("-?[0-9]{1,3}", text, re.ASCII) is not None and abs(int(text)) <= MOST_DEGREES


def released_radius(first_depth: NDArray[np.float32]) -> float:
    """Orbit radius of the released code: the nearest z-depth of frame 0 (H, W) plus 0.15 world units."""
    return float(np.nanmin(first_depth)) + RADIUS_OFFSET


def released_eyes(preset: str, count: int, radius: float) -> Array:
    """Camera positions (count, 3) in world units, OpenCV axes, source camera at the origin.

    ``30``, ``60``, ``90`` and others: yaw from 0 to that many degrees about (0, 0, radius); beyond 90 the camera comes
    back on the near side. ``180``: a closed ellipse in the plane of the source camera, which yaws between −45° and +45°
    in spite of its name.
    """
    if preset == "180":
        angle = np.linspace(0.0, 2 * np.pi, count)
        cos = np.cos(angle)
        forward = np.zeros(count)
    else:
        angle = np.linspace(0.0, np.radians(float(preset)), count)
        cos = np.abs(np.cos(angle))
        forward = radius - radius * cos
    return np.stack([radius * np.sin(angle), LIFT * radius * (cos - 1), forward], axis=-1)


def released_extrinsics(preset: str, count: int, radius: float) -> Array:
    """World->camera matrices (count, 4, 4), OpenCV axes, of cameras that look at (0, 0, radius)."""
    target = np.array([0.0, 0.0, radius])
    return np.stack([look_at(eye, target) for eye in released_eyes(preset, count, radius)])
