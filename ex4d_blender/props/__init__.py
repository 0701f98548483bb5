# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties: on the scene what belongs into the file, on the window manager what mirrors the running jobs.

Scene properties are saved and undone with the file; window-manager properties are neither. Those of a scene are one
group, written down in a module for each step of the work.
"""

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import CollectionProperty, IntProperty, PointerProperty

from ..scene.data import scene_state
from .generate import GenerateProperties
from .jobs import EX4D_PG_job, EX4D_PG_line, EX4D_PG_pending, EX4D_PG_window
from .scene_depth import DEPTH_KINDS, SOURCE_CAMERAS, DepthProperties
from .scene_plate import PlateProperties
from .steps import StepsProperties
from .takes import (
    EASINGS,
    MOVES,
    EX4D_PG_option,
    EX4D_PG_take,
    EX4D_PG_version,
    TakesProperties,
    active_take,
    active_version,
    camera_state,
    check_camera,
    new_uid,
    preview_cameras,
    scene_cameras,
    switched_cameras,
    take_by_uid,
)
from .world import WorldProperties

__all__ = [
    "CLASSES",
    "DEPTH_KINDS",
    "EASINGS",
    "MOVES",
    "SOURCE_CAMERAS",
    "EX4D_PG_job",
    "EX4D_PG_scene",
    "EX4D_PG_take",
    "EX4D_PG_version",
    "active_take",
    "active_version",
    "attach",
    "camera_state",
    "check_camera",
    "detach",
    "new_uid",
    "preview_cameras",
    "scene_cameras",
    "state_of",
    "switched_cameras",
    "take_by_uid",
]


class EX4D_PG_scene(
    PlateProperties,
    DepthProperties,
    WorldProperties,
    TakesProperties,
    GenerateProperties,
    StepsProperties,
    bpy.types.PropertyGroup,
):
    """What a scene knows of its shots."""

    if TYPE_CHECKING:
        version: int
        pending: bpy.types.bpy_prop_collection_idprop[EX4D_PG_pending]
    else:
        version: IntProperty(options={"HIDDEN"}, description="Of the records in this scene, see core.records")
        pending: CollectionProperty(type=EX4D_PG_pending, options={"HIDDEN"})


CLASSES = (
    EX4D_PG_version,
    EX4D_PG_option,
    EX4D_PG_take,
    EX4D_PG_pending,
    EX4D_PG_scene,
    EX4D_PG_job,
    EX4D_PG_line,
    EX4D_PG_window,
)


def attach() -> None:
    """Give scenes and the window manager their properties."""
    owners: Any = bpy.types
    pointer: Any = PointerProperty
    owners.Scene.ex4d = pointer(type=EX4D_PG_scene)
    owners.WindowManager.ex4d = pointer(type=EX4D_PG_window, options={"SKIP_SAVE"})


def detach() -> None:
    """Take them away; what a file has saved stays in it."""
    for owner in (bpy.types.Scene, bpy.types.WindowManager):
        if hasattr(owner, "ex4d"):
            del owner.ex4d


def state_of(scene: bpy.types.Scene) -> EX4D_PG_scene:
    """What a scene knows of its shot."""
    found: EX4D_PG_scene = scene_state(scene)
    return found
