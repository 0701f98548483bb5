# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in the open .blend, brought to the version that is written now; what cannot be known is said."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import bpy

from . import capabilities
from .core import records
from .core.move_amounts import AMOUNTS, property_name
from .scene import background, material, scan, sequencer
from .scene import shot as shots
from .scene.data import scene_state
from .scene.shot import PROPERTY

log = logging.getLogger(__name__)


def _group(scene: bpy.types.Scene) -> Any:
    """The scene's properties as they lie in the file, those without a definition too; None where there are none."""
    # Since Blender 5 properties with a definition are kept apart from those without.
    system = getattr(scene, "bl_system_properties_get", None)
    found = system(do_create=False) if system is not None else None
    return (found.get("ex4d") if found is not None else None) or scene.get("ex4d")


def _stored(scene: bpy.types.Scene) -> dict[str, Any]:
    """The scene's properties as they lie in the file: reading one as another type would drop it."""
    group = _group(scene)
    return {key: group[key] for key in ("version", "profile", "depth_source") if key in group} if group else {}


def _take_over_amount(scene: bpy.types.Scene) -> None:
    """Moves had one amount for all of them, in the unit of each: it was meant for the chosen one."""
    group, state = _group(scene), scene_state(scene)
    if not group or "move_amount" not in group:
        return
    amount = AMOUNTS.get(state.move)
    # The tick for the usual amount was on by default, and then left no trace.
    if amount is not None and not group.get("move_default_amount", True):
        setattr(state, property_name(state.move), amount.to_property(float(group["move_amount"])))
    for key in ("move_amount", "move_default_amount"):
        if key in group:
            del group[key]


def _take_over_range(scene: bpy.types.Scene) -> None:
    """There was a tick for some frames; without it all were generated."""
    group = _group(scene)
    if not group or "use_frames" not in group:
        return
    if group["use_frames"]:
        scene_state(scene).frame_range = "FRAMES"
    del group["use_frames"]


def _start_at_pictures() -> None:
    """Image sequences of earlier versions stand at number 0, which no picture has; linked ones are drawn, too."""
    for item in bpy.data.materials:
        if material.is_ours(item):
            material.start_at_pictures(item)
    for camera in bpy.data.cameras:
        background.start_at_pictures(camera)


def migrate() -> list[str]:
    """Bring all scenes of the open file to the current version; returns sentences on what could not be known."""
    notes: list[str] = []
    _start_at_pictures()
    sequencer.renew_links()
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        _migrate_roots(scene)
        stored = _stored(scene)
        version = stored.get("version", 0)
        if records.is_newer(version):
            notes.append(records.newer_error(f"What the scene «{scene.name}» knows of its takes").message)
        elif version < records.VERSION:
            notes += _from_0(scene, stored)
            scene_state(scene).version = records.VERSION
        if not records.is_newer(version):
            _take_over_amount(scene)
            _take_over_range(scene)
    for note in notes:
        log.warning("EX-4D: %s", note)
    return notes


def _migrate_roots(scene: bpy.types.Scene) -> None:
    for obj in scan.scene_objects(scene):
        if shots.role(obj) == "root" and shots.is_local(obj) and obj[PROPERTY].get("version", 0) == 0:
            obj[PROPERTY]["version"] = records.VERSION


def _from_0(scene: bpy.types.Scene, stored: dict[str, Any]) -> list[str]:
    state, notes = scene_state(scene), []
    if isinstance(number := stored.get("profile"), int):
        state.profile = records.profile_from_number(number)
        if number >= len(records.PROFILES_0):
            notes.append(f"The scene «{scene.name}» has a profile by the number {number}, which none is known to have.")
    if isinstance(number := stored.get("depth_source"), int):
        known = [estimator.name for estimator in capabilities.estimators()]
        state.depth_source = records.estimator_from_number(number, known)
        if state.depth_source.startswith("number "):
            notes.append(f"The scene «{scene.name}» has a source of depth by a number that none is known to have.")
    for take in state.takes:
        if take.camera is None and not take.use_scene_camera:
            # Both a take of the scene's camera and one whose camera was deleted were stored so.
            take.use_scene_camera = take.name.startswith(records.SCENE_CAMERA_NAME)
            if not take.use_scene_camera:
                notes.append(f"The camera of the take «{take.name}» is missing: choose one, or remove the take.")
        if take.shot is None:
            take.shot = _shot_of_take(scene, take)
    return notes


def _shot_of_take(scene: bpy.types.Scene, take: Any) -> bpy.types.Object | None:
    """The root of the shot that a take of version 0 is of, by its camera or its versions; None where none tells."""
    found = shots.find_shots(scene)
    own = shots.shot_of(take.camera) if take.camera is not None else None
    if own is not None and any(own.root == shot.root for shot in found):
        return own.root
    named = {str(Path(version.folder).parent.parent) for version in take.versions}
    if take.camera is not None and shots.role(take.camera) is not None:
        named = {str(take.camera[PROPERTY].get("shot"))}
    if not named and len(found) == 1:
        return found[0].root
    matching = [shot.root for shot in found if shot.folder in named]
    return matching[0] if len(matching) == 1 and len(named) == 1 else None


def stamp() -> None:
    """Write the version into all scenes that can be read, and what they are called, before the file is saved."""
    sequencer.renew_links()
    for scene in bpy.data.scenes:
        if scene.library is None and not records.is_newer(scene_state(scene).version):
            scene_state(scene).version = records.VERSION
