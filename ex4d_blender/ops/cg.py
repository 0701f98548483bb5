# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the plate: what the mesh is to the objects around it, and presets of view layers and nodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from ex4d.protocol.errors import BadInputError

from ..localisation import localised
from ..props import state_of
from ..scene import mesh_switches as switches
from ..scene import obstacles
from ..scene import shot as shots
from ..scene.cg import compositing, trees, view_layers
from ..scene.data import manager_of, scene_of
from .common import OperatorResult, WithShot, report_errors

#: Of one light the plate's colours, as a white sheet would be lit.
DEFAULT_STRENGTH = 1.0
SWITCHES = (
    ("CATCHER", "Shadow Catcher", "Shadows of other objects fall on the mesh, and only they are rendered"),
    ("HOLDOUT", "Holdout", "The mesh cuts a hole into what is behind it"),
    ("RELIGHT", "Relight", "The scene's lights fall on the mesh, under the plate's own light"),
)
PRESETS = (
    (
        "SHADOWS",
        "Set Up Shadow Pass",
        "Add two view layers: CG, cut by the mesh where it is in front, and its shadows on the mesh, and render with "
        "Cycles. Your view layers stay",
    ),
    (
        "COMP",
        "Comp",
        "Add the view layers of Set Up Shadow Pass, and compositor nodes that lay CG and shadows over the plate, or "
        "over the newest version of the take whose camera is the scene's",
    ),
)


def _description(items: tuple[tuple[str, str, str], ...], chosen: str) -> str:
    """What a button of one of these items says when the mouse rests on it."""
    return next(text for name, _, text in items if name == chosen)


def _mesh_of(shot: shots.ShotObjects) -> bpy.types.Object:
    """The mesh of a shot that can be changed here; raises BadInputError where there is none."""
    shots.check_local(shot)
    if shot.mesh is None:
        raise BadInputError(f"The mesh of «{shot.root.name}» was deleted.", "Reconstruct the shot again.")
    return shot.mesh


def _look_again(scene: bpy.types.Scene, shot: shots.ShotObjects) -> None:
    """Ask again what of that which was said to stand in the way still does: by a switch it has become CG."""
    if shot.root.get(obstacles.IN_THE_WAY) is not None:
        obstacles.remember(scene, shot)


class EX4D_OT_mesh_switch(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.mesh_switch"
    bl_label = "Mesh in CG"
    bl_description = "Say what the mesh is to your own objects: what catches shadows, holds out or takes light"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        switch: str
        on: bool
        strength: float
    else:
        switch: EnumProperty(
            name="Switch",
            items=SWITCHES,
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
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the switch does."""
        chosen: Any = properties
        return localised(_description(SWITCHES, chosen.switch))

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        shot = shots.chosen_shot(scene_of(context))
        mesh = _mesh_of(shot)
        if self.switch == "CATCHER":
            switches.set_catches_shadows(mesh, self.on)
        elif self.switch == "HOLDOUT":
            mesh.is_holdout = self.on
        else:
            switches.set_relight(mesh, self.strength if self.on else None)
        _look_again(scene_of(context), shot)
        return {"FINISHED"}


class EX4D_OT_cg_preset(WithShot, bpy.types.Operator):
    bl_idname = "ex4d.cg_preset"
    bl_label = "Set Up Compositing"
    bl_description = "Build view layers, and compositor nodes, that put CG into the plate"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        preset: str
        replace: bool
    else:
        preset: EnumProperty(
            name="Preset",
            items=PRESETS,
            options={"SKIP_SAVE"},
        )
        replace: BoolProperty(
            name="Render with These Nodes",
            description="Your own nodes stay in the file; their output is not rendered until you choose it again",
            options={"SKIP_SAVE"},
        )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the preset builds."""
        chosen: Any = properties
        return localised(_description(PRESETS, chosen.preset))

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        """Asks where renders go through nodes of the artist's own."""
        if self.preset == "COMP" and trees.others_nodes(scene_of(context)):
            return manager_of(context).invoke_props_dialog(self)
        return self.execute(context)

    def draw(self, _context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.label(text="The scene has compositor nodes of your own. They stay.")
        layout.prop(self, "replace")

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        base = self._base(scene) if self.preset == "COMP" else None
        shot = shots.chosen_shot(scene) if base is None else base[0]
        like = context.view_layer or scene.view_layers[0]
        layers = view_layers.build_layers(scene, _mesh_of(shot), like)
        if changed := view_layers.use_cycles(scene):
            self.report({"INFO"}, localised(changed))
        if base is not None:
            trees_free = not trees.others_nodes(scene)
            compositing.build_tree(scene, base[1], layers, render_with=self.replace or trees_free)
            self.report({"INFO"}, localised(f"CG and shadows go over «{base[1].name}»."))
        _look_again(scene, shot)
        others = [layer.name for layer in scene.view_layers if layer not in (layers.cg, layers.shadow) and layer.use]
        if others:
            self.report(
                {"INFO"}, localised(f"Also rendered: {', '.join(others)}. Untick «Use for Rendering» to save time.")
            )
        return {"FINISHED"}

    @staticmethod
    def _base(scene: bpy.types.Scene) -> tuple[shots.ShotObjects, compositing.Base]:
        """What the scene's camera sees CG put into, and the shot that it is of."""
        for take in state_of(scene).takes:
            if take.camera is None or take.camera != scene.camera or take.use_scene_camera:
                continue
            shot = shots.take_shot(scene, take)
            _mesh_of(shot)
            if not take.versions:
                raise BadInputError(
                    f"The take «{take.name}», whose camera is the scene's, is not there yet.",
                    "Generate it, or make the source camera the scene's for the plate.",
                )
            version = take.versions[-1]
            folder = Path(bpy.path.abspath(version.folder))
            projected = Path(bpy.path.abspath(version.projection)) if version.projection else None
            return shot, compositing.take_base(shot, take.name, folder, projected)
        shot = shots.chosen_shot(scene)
        _mesh_of(shot)
        if scene.camera is None or scene.camera != shot.source_camera:
            name = scene.camera.name if scene.camera is not None else "none"
            raise BadInputError(
                f"The scene's camera, {name}, is neither the source camera nor a take's.",
                "Look through the source camera for the plate, or through a finished take's.",
            )
        return shot, compositing.plate_base(shot)


CLASSES = (EX4D_OT_mesh_switch, EX4D_OT_cg_preset)
