# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's channels say of a camera, and what they must be for one. No Blender in here.

Pixel edges are at integers, K is in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Sensor width in mm of cameras made here; only the ratio to the focal length has a meaning.
SENSOR_WIDTH = 36.0


@dataclass(frozen=True)
class Lens:
    """The lens of a perspective camera, as Blender keeps it.

    Attributes:
        lens: focal length, mm.
        shift_x, shift_y: of the lens, as shares of the view's side that the sensor fits.
        sensor_fit: "AUTO", "HORIZONTAL" or "VERTICAL".
        sensor_width, sensor_height: mm.
    """

    lens: float
    shift_x: float
    shift_y: float
    sensor_fit: str
    sensor_width: float
    sensor_height: float

    def intrinsics(self, size: tuple[int, int], pixel_aspect: tuple[float, float]) -> Array:
        """K (3, 3) float64 of pictures of (width, height) pixels whose sides are as ``pixel_aspect``, x and y."""
        width, height = size
        aspect_x, aspect_y = pixel_aspect
        ratio = aspect_y / aspect_x
        fit = self.sensor_fit
        if fit == "AUTO":
            fit = "HORIZONTAL" if aspect_x * width >= aspect_y * height else "VERTICAL"
            # Blender takes the sensor's width for both directions here.
            sensor = self.sensor_width
        else:
            sensor = self.sensor_width if fit == "HORIZONTAL" else self.sensor_height
        view = width if fit == "HORIZONTAL" else ratio * height
        fx = self.lens / sensor * view
        return np.array(
            [
                [fx, 0.0, width / 2 - self.shift_x * view],
                [0.0, fx / ratio, height / 2 + self.shift_y * view / ratio],
                [0.0, 0.0, 1.0],
            ]
        )


def lens_channels(K: Array, width: int, height: int) -> dict[str, Array]:
    """K (N, 3, 3) -> ``lens`` in mm and shifts (N,) of a camera of ``SENSOR_WIDTH`` with horizontal fit."""
    ratio = K[:, 0, 0] / K[:, 1, 1]
    return {
        "lens": K[:, 0, 0] * SENSOR_WIDTH / width,
        "shift_x": (width / 2 - K[:, 0, 2]) / width,
        "shift_y": (K[:, 1, 2] - height / 2) * ratio / width,
    }


def euler_angles(rotations: Array) -> Array:
    """Rotations (N, 3, 3) -> XYZ Euler angles (N, 3) in radians, as Blender's (Rz·Ry·Rx), without jumps."""
    y = np.arcsin(np.clip(-rotations[:, 2, 0], -1, 1))
    x = np.arctan2(rotations[:, 2, 1], rotations[:, 2, 2])
    z = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
    # Looking straight along the middle axis the outer two turn about one line: all goes to the first.
    locked = np.hypot(rotations[:, 2, 1], rotations[:, 2, 2]) < 1e-9
    x[locked] = np.arctan2(-rotations[locked, 1, 2], rotations[locked, 1, 1])
    z[locked] = 0.0
    first = np.stack([x, y, z], axis=-1)
    # Each rotation has two sets of angles; follow the one that is nearer to the frame before.
    second = np.stack([x + np.pi, np.pi - y, z + np.pi], axis=-1)
    out = np.empty_like(first)
    previous = first[0]
    for i in range(len(first)):
        options = [_near(angles[i], previous) for angles in (first, second)]
        out[i] = previous = min(options, key=lambda angles: float(abs(angles - previous).sum()))
    return out


def _near(angles: Array, reference: Array) -> Array:
    return angles - 2 * np.pi * np.round((angles - reference) / (2 * np.pi))
