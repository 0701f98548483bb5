# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a shot stands in the scene: floor, origin, axis and scale from points picked on it, or another shot's world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from ex4d.protocol.errors import BadInputError

from ..core import alignment
from ..localisation import localised
from ..scene import alignment as placing
from ..scene import picked_points
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.units import length_text
from .common import OperatorResult, WithShot, report_errors
from .picking import PointPicker

DIRECTIONS = [
    ("X", "+X", "The second point lies to the first one's right", 0),
    ("-X", "-X", "The second point lies to the first one's left", 1),
    ("Y", "+Y", "The second point lies behind the first", 2),
    ("-Y", "-Y", "The second point lies before the first", 3),
    ("Z", "+Z", "The second point lies right above the first, such as on the edge of a wall", 4),
    ("-Z", "-Z", "The second point lies right below the first", 5),
]
BY = [
    ("STAND", "Root", "As the other shot's root stands: both were solved in one world, or filmed from one place", 0),
    ("LANDMARKS", "Landmarks", "By three landmarks that were picked in both, in the same order", 1),
]


class _Aligner(PointPicker):
    """An operator that sets the root of the shot that is worked on by points."""

    def check_shot(self, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
        """Raise BadInputError where the root cannot be placed."""
        placing.check_placeable(shot)

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        """Place the root by the points that are there."""
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        placing.place(scene, shot, self.wanted(scene, shot, placing.placed(shot.root)))
        self.tell(scene, shot)
        return {"FINISHED"}

    def wanted(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, placed: alignment.Similarity
    ) -> alignment.Similarity:
        """Where the root is to stand."""
        raise NotImplementedError

    def tell(self, scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
        """Say what can be compared with what is known of the place."""
        this: Any = self
        height = placing.camera_height(scene, shot)
        if height is not None:
            this.report({"INFO"}, localised(f"The source camera stands {length_text(scene, height)} above Z = 0."))


class EX4D_OT_align_floor(_Aligner, bpy.types.Operator):
    bl_idname = "ex4d.align_floor"
    bl_label = "Floor"
    bl_description = "Pick three points on the floor: the shot is turned and moved as a whole until it lies at Z = 0"
    bl_options = {"REGISTER", "UNDO"}

    asks = ("the floor, where the origin is to be", "the floor, along X from there", "the floor, aside from both")

    if TYPE_CHECKING:
        as_frame: bool
    else:
        as_frame: BoolProperty(
            name="Origin and X Axis",
            default=True,
            description="The first point becomes the origin, and the second lies along X. "
            "Else the shot is levelled only, and stays where it is",
        )

    def wanted(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, placed: alignment.Similarity
    ) -> alignment.Similarity:
        above = placing.camera_place(scene, shot)
        return alignment.on_floor(placed, self.chosen(), above, as_frame=self.as_frame)


class EX4D_OT_align_origin(_Aligner, bpy.types.Operator):
    bl_idname = "ex4d.align_origin"
    bl_label = "Origin"
    bl_description = "Pick one point: the shot is moved as a whole until it lies in Blender's origin"
    bl_options = {"REGISTER", "UNDO"}

    asks = ("what is to lie in the origin",)

    if TYPE_CHECKING:
        keep_height: bool
    else:
        keep_height: BoolProperty(
            name="Keep Height", description="The point comes to lie above or below the origin, as high as it is"
        )

    def wanted(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, placed: alignment.Similarity
    ) -> alignment.Similarity:
        return alignment.at_origin(placed, self.chosen()[0], keep_height=self.keep_height)


class EX4D_OT_align_axis(_Aligner, bpy.types.Operator):
    bl_idname = "ex4d.align_axis"
    bl_label = "Axis"
    bl_description = "Pick two points on a line: the shot is turned as a whole until that line goes along the axis"
    bl_options = {"REGISTER", "UNDO"}

    asks = ("where the axis begins", "where it leads to")

    if TYPE_CHECKING:
        direction: str
    else:
        direction: EnumProperty(
            name="Axis", items=DIRECTIONS, description="Where the second point lies, seen from the first"
        )

    def wanted(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, placed: alignment.Similarity
    ) -> alignment.Similarity:
        return alignment.along(placed, self.chosen(), self.direction)


class EX4D_OT_align_length(_Aligner, bpy.types.Operator):
    bl_idname = "ex4d.align_length"
    bl_label = "Length"
    bl_description = (
        "Pick two points whose distance is known, such as foot and head of a person: the shot is scaled as a whole"
    )
    bl_options = {"REGISTER", "UNDO"}

    asks = ("one end of what is known", "its other end")

    if TYPE_CHECKING:
        length: float
    else:
        length: FloatProperty(
            name="Length",
            description="How far apart the two points are",
            default=1.0,
            min=1e-6,
            soft_max=1000.0,
            unit="LENGTH",
        )

    def wanted(
        self, scene: bpy.types.Scene, shot: shots.ShotObjects, placed: alignment.Similarity
    ) -> alignment.Similarity:
        return alignment.to_length(placed, self.chosen(), self.length)


class EX4D_OT_align_height(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.align_height"
    bl_label = "Camera Height"
    bl_description = (
        "Scale the shot as a whole so that the source camera, at this frame, stands so high above Z = 0. "
        "Align the floor first"
    )
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        height: float
    else:
        height: FloatProperty(
            name="Height",
            description="How high the camera stood above the floor",
            default=1.6,
            min=1e-6,
            soft_max=1000.0,
            unit="LENGTH",
        )

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        placed = placing.placed(shot.root)
        placing.place(scene, shot, alignment.to_height(placed, placing.camera_place(scene, shot), self.height))
        return {"FINISHED"}


class EX4D_OT_reset_world(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.reset_world"
    bl_label = "Reset World"
    bl_description = "Put the shot back to where it came: its first camera in the origin, one unit as it was solved"
    bl_options = {"REGISTER", "UNDO"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        placing.place(scene, shots.chosen_shot(scene), placing.HOME)
        return {"FINISHED"}


class EX4D_OT_pick_landmarks(PointPicker, bpy.types.Operator):
    bl_idname = "ex4d.pick_landmarks"
    bl_label = "Landmarks"
    bl_description = (
        "Pick three points that can be found in another shot of the same place. Picked there too, in the same order, "
        "they tell how the two shots stand to each other"
    )
    bl_options = {"REGISTER", "UNDO"}

    asks = ("the first landmark", "the second landmark", "the third landmark")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        shots.check_local(shot)
        points = self.chosen()
        # Points that could never be matched are refused now, not when the other shot's are picked.
        alignment.onto(points, points)
        picked_points.set_landmarks(shot.root, points)
        return {"FINISHED"}


def other_shots(scene: bpy.types.Scene, shot: shots.ShotObjects) -> Iterator[tuple[bpy.types.Scene, shots.ShotObjects]]:
    """The other shots of the file, each with a scene that has it; those of ``scene`` first."""
    seen = {shot.root}
    for where in sorted(bpy.data.scenes, key=lambda item: item != scene):
        for other in shots.known(where).shots:
            if other.root not in seen:
                seen.add(other.root)
                yield where, other


#: Blender does not keep the strings of dynamic items alive.
_kept_items: list[tuple[str, str, str]] = []


def _shot_items(_self: Any, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    scene = context.scene if context is not None else None
    shot = shots.known(scene).find() if scene is not None else None
    found = other_shots(scene, shot) if scene is not None and shot is not None else ()
    _kept_items[:] = [
        (other.root.name, other.root.name, f"Stand as this shot of the scene {where.name}") for where, other in found
    ]
    return _kept_items


class EX4D_OT_same_world(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.same_world"
    bl_label = "Same World As"
    bl_description = "Let this shot stand in the world of another shot of the same place"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        other: str
        by: str
    else:
        other: EnumProperty(name="Shot", items=_shot_items, options={"SKIP_SAVE"})
        by: EnumProperty(name="By", items=BY, description="What tells how the two shots stand to each other")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        shots.check_scene(scene)
        shot = shots.chosen_shot(scene)
        found = next((item for item in other_shots(scene, shot) if item[1].root.name == self.other), None)
        if found is None:
            raise BadInputError("There is no other shot in this file.", "Reconstruct, append or link one.")
        where, other = found
        for layer in where.view_layers:
            # A scene that no window shows has not been evaluated since the file was opened.
            layer.update()
        there = placing.placed(other.root)
        if self.by == "STAND":
            placing.place(scene, shot, there)
            return {"FINISHED"}
        own, others = picked_points.landmarks(shot.root), picked_points.landmarks(other.root)
        for root, points in ((shot.root, own), (other.root, others)):
            if not len(points):
                raise BadInputError(f"The shot «{root.name}» has no landmarks.", "Pick three in each of both shots.")
        match = alignment.onto(own, there(others))
        placing.place(scene, shot, match.placed)
        apart, worst = length_text(scene, match.rms), length_text(scene, float(match.residuals.max()))
        self.report(
            {"INFO"},
            localised(
                f"The pairs lie {apart} apart in the mean square, {worst} at most: {match.rms / match.size:.2%} of the "
                "distance between them."
            ),
        )
        return {"FINISHED"}


CLASSES = (
    EX4D_OT_align_floor,
    EX4D_OT_align_origin,
    EX4D_OT_align_axis,
    EX4D_OT_align_length,
    EX4D_OT_align_height,
    EX4D_OT_reset_world,
    EX4D_OT_pick_landmarks,
    EX4D_OT_same_world,
)
