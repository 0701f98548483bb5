# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plate that cuts to a shot, and a scene, of each of its shots."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import shot_folder_of_frames

from .. import job_list, timer
from ..core.found_camera import shots_between
from ..core.shot_rules import source_camera_of
from ..localisation import localised
from ..props import state_of
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.shot_scenes import scene_of_frames
from .common import OperatorResult, run_reporting
from .reconstruct import chosen_object, submit_reconstruction


@dataclass(frozen=True)
class SeparateShot:
    """A shot of a plate that cuts.

    Attributes:
        scene: its own, ready to be reconstructed.
        name: of its objects.
    """

    scene: bpy.types.Scene
    name: str


def ranges_of(shot: shots.ShotObjects | None) -> list[tuple[int, int]]:
    """First and last frame number of each shot that a plate's cuts leave; empty where none were found."""
    found = source_camera_of(shot.record) if shot is not None else None
    return shots_between(shot.numbers, found.cuts) if shot is not None and found is not None and found.cuts else []


def separate_shots(scene: bpy.types.Scene) -> list[SeparateShot]:
    """A scene for each shot of the scene's plate, as it was before or new; none where the plate does not cut.

    Raises:
        BadInputError: the scene has no shot, or an object is to be its source camera and none is chosen.
        UsageError: the source camera's keys cannot be taken along.
    """
    shot = shots.chosen_shot(scene)
    ranges = ranges_of(shot)
    state = state_of(scene)
    if state.source_camera == "OBJECT":
        chosen_object(state)
        if any(shot.frame_of(first) < 0 for first, _ in ranges):
            raise UsageError(
                "The shot begins before frame 0, where the parts cannot stay, and the source camera is keyed there.",
                "Move the shot and the keys of its camera to later frames.",
            )
    found = []
    for first, last in ranges:
        name = f"{shot.root.name} {first}-{last}"
        folder = shot_folder_of_frames(shot.folder, first, last)
        own = scene_of_frames(scene, shot, folder, name, (first, last))
        found.append(SeparateShot(own, name))
    return found


class EX4D_OT_separate_shots(bpy.types.Operator):
    bl_idname = "ex4d.separate_shots"
    bl_label = "Separate Shots"
    bl_description = (
        "Reconstruct each shot of this plate by itself, in a scene of its own. This scene and its shot stay as they are"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if ranges_of(shots.known(scene_of(context)).find()):
            return True
        cls.poll_message_set(localised("No cut was found in this plate"))
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        return self._run(context, block=bpy.app.background)

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        return self._run(context, block=True)

    def _run(self, context: bpy.types.Context, *, block: bool) -> OperatorResult:
        return run_reporting(self, context, lambda: self._separate(scene_of(context), block=block))

    def _separate(self, scene: bpy.types.Scene, *, block: bool) -> OperatorResult:
        found = separate_shots(scene)
        for own in found:
            job, notes = submit_reconstruction(own.scene, match_scene=True, block=block, name=own.name)
            for note in notes:
                self.report({"INFO"}, localised(note))
            if block:
                job_list.current().wait(job)
        if not block:
            timer.wake()
        self.report({"INFO"}, localised(f"Scenes of the shots: {', '.join(own.scene.name for own in found)}."))
        return {"FINISHED"}


CLASSES = (EX4D_OT_separate_shots,)
