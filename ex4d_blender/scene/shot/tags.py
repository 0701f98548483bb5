# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a shot is known by a custom property: found again in a saved file and after renaming."""

from __future__ import annotations

from typing import Any

import bpy

#: Custom property of every object, strip and picture that belongs to a shot.
PROPERTY = "ex4d"


def is_local(item: bpy.types.ID) -> bool:
    """Whether a datablock is this file's own: neither linked nor an override of a linked one."""
    return item.library is None and item.override_library is None


def role(obj: bpy.types.Object) -> str | None:
    """What an object is to its shot: root, mesh, source, points, take, rig or pivot; None for any other object."""
    tag = obj.get(PROPERTY)
    return tag.get("role") if hasattr(tag, "get") else None


def is_take(obj: bpy.types.Object) -> bool:
    """Whether an object was made as the camera of a take that nobody has removed."""
    return obj.type == "CAMERA" and role(obj) == "take" and not obj[PROPERTY].get("removed", False)


def mark_removed(obj: bpy.types.Object, removed: bool, *, name: str = "") -> None:
    """Note on the camera of a take whether the take was removed from its list, and what it was called there; other
    objects are left alone."""
    if role(obj) == "take" and is_local(obj) and bool(obj[PROPERTY].get("removed", False)) != removed:
        obj[PROPERTY]["removed"] = removed
        obj[PROPERTY]["removed_name"] = name


def removed_name(obj: bpy.types.Object) -> str:
    """What the removed take of a camera was called; "" where none was removed."""
    return str(obj[PROPERTY].get("removed_name", "")) if role(obj) == "take" else ""


def tag(obj: bpy.types.Object, object_role: str, folder: str, **values: Any) -> None:
    """Mark an object as belonging to a shot."""
    obj[PROPERTY] = {"role": object_role, "shot": folder, **values}
