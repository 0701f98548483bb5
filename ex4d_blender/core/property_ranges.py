# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of the properties that requests are made of, both ends included: those of ``ex4d.protocol.values``, drawn in
where a slider, or Blender's 32 bits, need an end. No Blender in here."""

from __future__ import annotations

from ex4d.protocol.values import (
    ANGLE_LIMIT_DEG,
    MAX_FOV_DEG,
    MAX_HANDLES,
    MAX_VIEWPORT_SIDE,
    MIN_FOV_DEG,
    MIN_VIEWPORT_SIDE,
)

from .deliveries import LAST_FRAME

#: Field of view over the longer side, degrees.
FOV_DEG = (MIN_FOV_DEG, MAX_FOV_DEG)
#: Focal length and width of a sensor, mm: from endoscopes to large-format film.
FOCAL_MM, SENSOR_MM = (0.1, 10000.0), (0.1, 1000.0)
#: Smallest angle of a face that is no hole, degrees; at the limit itself every face would be one.
ANGLE_DEG = (0.0, ANGLE_LIMIT_DEG - 1.0)
#: Largest ratio of the depths inside a face; at 1 every face would be a hole.
DEPTH_RATIO = (1.001, 100.0)
#: How deep things are, as a share of their width.
THICKNESS = (0.0, 1000.0)
#: Vertices along the longer side of the viewport's mesh.
VIEWPORT_SIDE = (MIN_VIEWPORT_SIDE, MAX_VIEWPORT_SIDE)
#: Depth, or disparity, of one code value.
DEPTH_SCALE = (1e-9, 1e30)
#: Seeds that a property holds.
SEED = (0, 2**31 - 1)
#: Frames before and after a range.
HANDLES = (0, MAX_HANDLES)
#: Number of a movie's first frame: what Blender's timeline can show.
FIRST_FRAME = (-LAST_FRAME, LAST_FRAME)
