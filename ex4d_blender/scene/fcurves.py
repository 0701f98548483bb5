# SPDX-License-Identifier: GPL-3.0-or-later
"""F-curves in bulk, for the actions of Blender 4.2 (legacy) and 4.4 and later (layers, slots)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import bpy
import numpy as np
from numpy.typing import NDArray

from .data import enum_items

Array = NDArray[np.float64]

#: What is animated here.
Animated: TypeAlias = "bpy.types.Object | bpy.types.Camera | bpy.types.Scene"
_ACTION: Any = bpy.types.Action.bl_rna
#: Layered actions came with Blender 4.4.
_HAS_SLOTS = "fcurve_ensure_for_datablock" in _ACTION.functions


def _collection(datablock: Animated) -> Any:
    data: Any = datablock.animation_data
    if data is None or data.action is None:
        return None
    if not _HAS_SLOTS:
        return data.action.fcurves
    if data.action_slot is None:
        return None
    for layer in data.action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(data.action_slot)
            if bag is not None:
                return bag.fcurves
    return None


def fcurves(datablock: Animated) -> list[bpy.types.FCurve]:
    """The F-curves that animate a data-block now: those of its action (and slot)."""
    return list(_collection(datablock) or ())


def remove_fcurves(datablock: Animated, paths: Iterable[str]) -> None:
    """Delete the F-curves of these data paths, all indices; with the last one the action goes too."""
    collection = _collection(datablock)
    if collection is None:
        return
    wanted = set(paths)
    for curve in [curve for curve in collection if curve.data_path in wanted]:
        collection.remove(curve)
    if len(collection) == 0:
        data = datablock.animation_data
        action = data.action if data is not None else None
        if data is not None and action is not None:
            data.action = None
            if action.users == 0:
                bpy.data.actions.remove(action)


def own_action(datablock: Animated) -> None:
    """Give a data-block that shares its F-curves with another one a copy of them: a linked duplicate does."""
    data = datablock.animation_data
    if data is None or data.action is None or data.action.library is not None:
        return
    if _HAS_SLOTS:
        # An object and its camera may well have one action: with a slot for each.
        shared = data.action_slot is not None and len(data.action_slot.users()) > 1
    else:
        shared = data.action.users - data.action.use_fake_user > 1
    if shared:
        slot = data.action_slot.identifier if _HAS_SLOTS else ""
        data.action = data.action.copy()
        if _HAS_SLOTS:
            data.action_slot = data.action.slots[slot]


def ensure_fcurve(datablock: Animated, path: str, index: int = 0) -> bpy.types.FCurve:
    """The F-curve of a property, made with action and slot where there is none."""
    data = datablock.animation_data or datablock.animation_data_create()
    if data.action is None:
        data.action = bpy.data.actions.new(f"{datablock.name} Action")
    if _HAS_SLOTS:
        return data.action.fcurve_ensure_for_datablock(datablock, path, index=index)
    return data.action.fcurves.find(path, index=index) or data.action.fcurves.new(path, index=index)


def _interpolation_number(name: str) -> int:
    return int(enum_items(bpy.types.Keyframe, "interpolation")[name].value)


def write_keys(
    curve: bpy.types.FCurve, frames: Sequence[int] | Array, values: Array, slopes: Array | None = None
) -> None:
    """Replace the keys of an F-curve.

    Args:
        frames: (N,) scene frames, rising.
        values: (N,) key values.
        slopes: (N,) value per frame at each key: Bezier keys whose handles lie at a third of their segments, which
            is the cubic with these slopes; None: linear keys.
    """
    times = np.asarray(frames, np.float64)
    points = curve.keyframe_points
    points.clear()
    points.add(len(times))
    points.foreach_set("co", np.stack([times, values], axis=-1).astype(np.float32).ravel())
    kind = _interpolation_number("LINEAR" if slopes is None else "BEZIER")
    points.foreach_set("interpolation", np.full(len(times), kind, np.int32))
    if slopes is not None:
        steps = np.diff(times)
        # The outermost handles do not act; they get the length of their neighbour's.
        before = np.concatenate([steps[:1], steps]) / 3 if len(steps) else np.ones(len(times))
        after = np.concatenate([steps, steps[-1:]]) / 3 if len(steps) else np.ones(len(times))
        handle_types = enum_items(bpy.types.Keyframe, "handle_left_type")
        # Aligned: what an artist drags on one side follows on the other.
        free = np.full(len(times), handle_types["ALIGNED"].value, np.int32)
        points.foreach_set("handle_left_type", free)
        points.foreach_set("handle_right_type", free)
        left = np.stack([times - before, values - slopes * before], axis=-1)
        right = np.stack([times + after, values + slopes * after], axis=-1)
        points.foreach_set("handle_left", left.astype(np.float32).ravel())
        points.foreach_set("handle_right", right.astype(np.float32).ravel())
    curve.update()


def animate(
    datablock: Animated,
    path: str,
    index: int | None,
    frames: Sequence[int],
    values: Array,
    *,
    tolerance: float = 0.0,
) -> None:
    """Set a property to its values per frame (N,): linear keys, one a frame, or none where it does not change."""
    if np.ptp(values) <= tolerance:
        set_value(datablock, path, index, float(values[0]))
    else:
        write_keys(ensure_fcurve(datablock, path, index or 0), frames, values)


def set_value(datablock: Animated, path: str, index: int | None, value: float) -> None:
    """Set a property (``index`` None: a scalar one) without a key."""
    if index is None:
        setattr(datablock, path, value)
    else:
        getattr(datablock, path)[index] = value
