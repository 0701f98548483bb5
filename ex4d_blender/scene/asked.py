# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shot was asked for with: the panel's plate and depth, kept on its root, so that they come back with it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import bpy

from .shot import PROPERTY, ShotObjects

#: Properties of the scene that are a plate's or its shot's own.
_NAMES = (
    "plate_path",
    "plate_frames",
    "plate_fps",
    "plate_first_frame",
    "plate_scene_start",
    "use_solved_camera",
    "plate_info",
    "plate_colour_space",
    "plate_layer",
    "plate_handles",
    "plate_pixel_aspect",
    "plate_over_range",
    "plate_colour_matrix",
    "plate_colour_range",
    "plate_lens_file",
    "depth_source",
    "depth_path",
    "depth_kind",
    "depth_scale",
    "depth_camera",
    "source_camera",
    "mattes_path",
    "use_fov",
    "fov_by",
    "focal_mm",
    "sensor_mm",
    "fov",
    "min_angle",
    "max_depth_ratio",
    "thickness",
)
#: Those that are data-blocks, by name, with the file's collection of them.
_BLOCKS = {"plate_clip": "movieclips", "source_object": "objects"}
#: After the clip, whose lens it may be.
_LAST = ("plate_lens",)
_KEY = "asked"
#: Of those, and beside them, what is said of one plate's files alone.
_OF_ONE_PLATE = ("plate_layer", "depth_path", "depth_camera", "mattes_path", "shot_folder", "use_fov")


def asked(state: Any) -> dict[str, Any]:
    """What the panel asks for now, JSON-able."""
    found = {name: getattr(state, name) for name in (*_NAMES, *_LAST)}
    for name in _BLOCKS:
        block = getattr(state, name)
        found[name] = block.name if block is not None else None
    return found


def keep(shot: ShotObjects, values: dict[str, Any]) -> None:
    """Write it down on a shot that has come of it."""
    shot.root[PROPERTY][_KEY] = json.dumps(values)


def begin_shot(state: Any) -> None:
    """Forget what was said of the former plate alone, its files, camera, lens and folder: another shot begins. How
    depth and mesh are made stays."""
    for name in _OF_ONE_PLATE:
        state.property_unset(name)
    state.source_object = None
    if state.source_camera in ("FILE", "OBJECT"):
        state.property_unset("source_camera")
    if state.depth_source == "FILES":
        state.property_unset("depth_source")


def bring_back(state: Any, shot: ShotObjects) -> None:
    """Let the panel ask for what a shot was asked for with; of shots of earlier versions only the plate is known."""
    # A folder that was chosen for another shot: this one has its own.
    state.property_unset("shot_folder")
    values: dict[str, Any] = {}
    with suppress(ValueError, TypeError):
        values = dict(json.loads(shot.root[PROPERTY].get(_KEY) or "{}"))
    if not values:
        plate = shot.record["plate"]
        if not plate.get("path") or state.plate_path == plate["path"]:
            return
        before, after = plate.get("handles", (0, 0))
        first, last = plate["numbers"][before], plate["numbers"][len(plate["numbers"]) - 1 - after]
        values = {
            "plate_path": plate["path"],
            "plate_frames": f"{first}-{last}",
            "plate_fps": "",
            "plate_scene_start": -1,
            "plate_info": f"{plate['width']}x{plate['height']}",
            "plate_clip": None,
            "plate_lens": "NONE",
        }
    for name in (*_NAMES, *_BLOCKS, *_LAST):
        if name not in values:
            continue
        value = values[name]
        if name in _BLOCKS:
            value = getattr(bpy.data, _BLOCKS[name]).get(value) if value else None
        # What a newer version may have written has no place here.
        with suppress(TypeError, ValueError):
            setattr(state, name, value)
