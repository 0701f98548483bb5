# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the artist's moves a take camera besides its move."""

from __future__ import annotations

import bpy

from .handheld import has_handheld


def acting_besides(camera_obj: bpy.types.Object) -> list[str]:
    """What of the artist's moves a camera besides the keys of a move."""
    animation = camera_obj.animation_data
    delta = any(camera_obj.delta_location[:]) or any(camera_obj.delta_rotation_euler[:])
    return [
        name
        for name, there in (
            ("constraints", len(camera_obj.constraints)),
            ("drivers", animation is not None and len(animation.drivers)),
            ("NLA tracks", animation is not None and len(animation.nla_tracks)),
            ("delta transforms", delta and not has_handheld(camera_obj)),
        )
        if there
    ]
