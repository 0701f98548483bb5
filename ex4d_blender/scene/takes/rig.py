# SPDX-License-Identifier: GPL-3.0-or-later
"""The Empties that a move hangs a take camera on."""

from __future__ import annotations

import bpy

from .. import scan
from ..parenting import parent_plainly
from ..shot import ShotObjects, role, tag


def is_helper(obj: bpy.types.Object) -> bool:
    """Whether an object is such an Empty."""
    return role(obj) in ("rig", "pivot")


def remove_empty(obj: bpy.types.Object) -> None:
    """Delete an object with its keys."""
    action = obj.animation_data.action if obj.animation_data else None
    bpy.data.objects.remove(obj)
    if action is not None and action.users == 0:
        bpy.data.actions.remove(action)


def new_empty(
    shot: ShotObjects, camera_obj: bpy.types.Object, parent: bpy.types.Object, part: str, size: float
) -> bpy.types.Object:
    """An Empty between a take camera and its shot's root; ``part``: rig or pivot."""
    empty = bpy.data.objects.new(f"{camera_obj.name} {part.title()}", None)
    empty.empty_display_type = "ARROWS" if part == "rig" else "SPHERE"
    empty.empty_display_size = size
    # With its camera, which need not be in the shot's collection: that may be linked.
    scan.collections_of(camera_obj)[0].objects.link(empty)
    parent_plainly(empty, parent)
    tag(empty, part, shot.folder)
    return empty
