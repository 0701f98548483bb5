# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in a plate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from gui.driver import DriveError, Wait, after, shot, small_shot, window
from gui.mouse import Clicks
from gui.scene import dw_mesh, only_step, open_panel
from gui.screen import call, region


def cg(out: Path, view: bpy.types.Area, moving_plate: Path) -> Iterator[Wait]:
    """CG in a plate, in a scene of its own: switches and presets by the mouse, nodes, and what is rendered."""
    former, scene = window().scene, bpy.data.scenes.new("CG")
    window().scene = scene
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(moving_plate))
    scene.ex4d.viewport_side, scene.ex4d.match_without_asking = 64, True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    only_step(scene, "")
    mesh, hand = dw_mesh(), Clicks(out)
    sidebar = region(view, "UI")
    panel = open_panel("cg")
    yield after(1.0)
    yield from shot(out, "23-cg-panel")
    yield from hand.press("ex4d.mesh_switch", view, "UI")
    yield lambda: mesh.is_shadow_catcher or mesh.is_holdout or "EX-4D Relight" in mesh.active_material.node_tree.nodes
    call(bpy.ops.ex4d.cg_preset, "INVOKE_DEFAULT", area=view, preset="COMP")
    if len(scene.view_layers) != 3 or not mesh.is_shadow_catcher:
        raise DriveError("The preset has built no view layers, or the mesh catches no shadows.")
    sidebar.tag_redraw()
    yield from small_shot(out, "24-cg-set-up")
    scene.cycles.device, scene.cycles.samples = "CPU", 4
    scene.render.filepath = str(out / "25-cg-comp.png")
    scene.render.image_settings.file_format = "PNG"
    bpy.ops.render.render(write_still=True, scene=scene.name)
    view.ui_type = "CompositorNodeTree"
    if hasattr(scene, "compositing_node_group"):
        view.spaces.active.node_tree = scene.compositing_node_group
    yield after(1.0)
    call(bpy.ops.node.view_all, area=view)
    yield after(1.0)
    yield from shot(out, "26-cg-nodes")
    view.ui_type = "VIEW_3D"
    bpy.utils.unregister_class(panel)
    window().scene = former
