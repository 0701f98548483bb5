# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the plate: what the mesh is to the objects around it."""

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from ex4d.protocol.errors import BadInputError

from ..scene import mesh_switches as switches
from ..scene import shot as shots
from ..scene.data import enum_items, scene_of
from .common import OperatorResult, has_shot, report_errors

#: Of one light the plate's colours, as a white sheet would be lit.
DEFAULT_STRENGTH = 1.0


def _mesh_of(shot: shots.ShotObjects) -> bpy.types.Object:
    """The mesh of a shot that can be changed here; raises BadInputError where there is none."""
    shots.check_local(shot)
    if shot.mesh is None:
        raise BadInputError(f"The mesh of «{shot.root.name}» was deleted.", "Reconstruct the shot again.")
    return shot.mesh


class EX4D_OT_mesh_switch(bpy.types.Operator):
    bl_idname = "ex4d.mesh_switch"
    bl_label = "Mesh in CG"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        switch: str
        on: bool
        strength: float
    else:
        switch: EnumProperty(
            name="Switch",
            items=(
                ("CATCHER", "Shadow Catcher", "Shadows of other objects fall on the mesh, and only they are rendered"),
                ("HOLDOUT", "Holdout", "The mesh cuts a hole into what is behind it"),
                ("RELIGHT", "Relight", "The scene's lights fall on the mesh, under the plate's own light"),
            ),
            options={"SKIP_SAVE"},
        )
        on: BoolProperty(name="On", default=True, options={"SKIP_SAVE"})
        strength: FloatProperty(
            name="Strength",
            description="Of the scene's light on the mesh; 1: as much as the plate's colours throw back",
            default=DEFAULT_STRENGTH,
            min=0.0,
            soft_max=2.0,
            options={"SKIP_SAVE"},
        )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_shot(cls, context)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the switch does."""
        chosen: Any = properties
        return str(enum_items(cls, "switch")[chosen.switch].description)

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        mesh = _mesh_of(shots.chosen_shot(scene_of(context)))
        if self.switch == "CATCHER":
            switches.set_catches_shadows(mesh, self.on)
        elif self.switch == "HOLDOUT":
            mesh.is_holdout = self.on
        else:
            switches.set_relight(mesh, self.strength if self.on else None)
        return {"FINISHED"}


CLASSES = (EX4D_OT_mesh_switch,)
