# SPDX-License-Identifier: GPL-3.0-or-later
"""What is selected when a take is worked on: its camera, and what above it the move's keys are on."""

from __future__ import annotations

import bpy

from ..fcurves import fcurves
from ..shot import role


def is_keyed(obj: bpy.types.Object) -> bool:
    """Whether an object has keys, or its camera has."""
    return bool(fcurves(obj)) or (isinstance(obj.data, bpy.types.Camera) and bool(fcurves(obj.data)))


def keyed_parts(camera_obj: bpy.types.Object) -> list[bpy.types.Object]:
    """A take camera and those of its parents that have keys, upwards and below the shot's root: an orbit's keys are on
    an Empty. The camera itself only where it has keys."""
    found: list[bpy.types.Object] = []
    current: bpy.types.Object | None = camera_obj
    while current is not None and role(current) != "root":
        if is_keyed(current):
            found.append(current)
        current = current.parent
    return found


def select_move(layer: bpy.types.ViewLayer, camera_obj: bpy.types.Object) -> None:
    """Select a take camera and what its move's keys are on, and nothing else; active is the first that has keys.

    Editors of time then show these keys. Where an object is being edited or painted, all is left as it is.
    """
    active = layer.objects.active
    if active is not None and active.mode != "OBJECT":
        return
    keyed = keyed_parts(camera_obj)
    # A camera of another scene, or in a collection that the layer leaves out, can't be selected.
    there = [obj for obj in dict.fromkeys((camera_obj, *keyed)) if layer.objects.get(obj.name) == obj]
    if not there:
        return
    for obj in layer.objects.selected:
        obj.select_set(False, view_layer=layer)
    for obj in there:
        obj.select_set(True, view_layer=layer)
    layer.objects.active = next((obj for obj in there if obj in keyed), there[0])
