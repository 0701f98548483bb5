# SPDX-License-Identifier: GPL-3.0-or-later
"""Clip distances of cameras below a root that may be scaled: Blender measures them in its own units, not a parent's."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Euler

from ..core import axes

#: Custom property of a camera whose clip distances were scaled with its root: the near one in shot units, what
#: ``clip_start`` was then, and the root's scale.
OWN_NEAR = "ex4d_near"
#: Blender takes no ``clip_start`` below.
LEAST = 1e-6
#: Of a root that has not been moved, as Blender's float32 angles have it.
HOME_SCALE = axes.root_scale(np.array(Euler(axes.ROOT_ROTATION).to_matrix().to_4x4(), np.float64), "root")


def set_clip_distances(data: bpy.types.Camera, near: float, far: float, aligned: float | None = None) -> None:
    """Clip distances in shot units; an infinite ``far`` becomes a million times the near one.

    Args:
        aligned: the scale of a root that an alignment has placed; None where none has.
    """
    near, scale = max(near, LEAST), 1.0 if aligned is None else aligned
    data.clip_start = near * scale
    data.clip_end = far * scale if np.isfinite(far) else data.clip_start * 1e6
    if aligned is not None:
        # As it comes of a root that stands where new roots do, to the bit.
        _remember(data, float(np.float32(near)) / HOME_SCALE, aligned)
    elif data.get(OWN_NEAR) is not None:
        del data[OWN_NEAR]


def near_in_shot(data: bpy.types.Camera, scale: float) -> float:
    """The near clip distance in units of a root of that scale: to the bit what it was before the root was scaled,
    unless the artist has changed it since."""
    known: Any = data.get(OWN_NEAR)
    if known is not None and known[1] == data.clip_start and abs(known[2] / scale - 1) < 1e-5:
        return float(known[0])
    return data.clip_start / scale


def near_unscaled(data: bpy.types.Camera) -> float:
    """The near clip distance without what alignments have made of it; as it is where none has scaled it, or the artist
    has changed it since."""
    known: Any = data.get(OWN_NEAR)
    return float(known[0]) if known is not None and known[1] == data.clip_start else data.clip_start


def scale_with_root(data: bpy.types.Camera, before: float, after: float) -> None:
    """Let a camera show what it showed when its root's scale becomes another."""
    near = near_in_shot(data, before)
    data.clip_start, data.clip_end = near * after, data.clip_end / before * after
    data.display_size *= after / before
    _remember(data, near, after)


def _remember(data: bpy.types.Camera, near: float, scale: float) -> None:
    data[OWN_NEAR] = (near, data.clip_start, scale)
