# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist finds selected and in view when a take is added, moved or chosen in the list."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import editors, material, takes
from ex4d_blender.scene import shot as shots
from results_factory import render_result
from viewport_factory import make_shot, write_png

pytest_plugins = ["addon_fixtures"]


def place(scene: bpy.types.Scene, folder: Path, *, moving: bool = False) -> shots.ShotObjects:
    record = make_shot(folder, grid=(6, 4), plate=(96, 64), count=10, pictures=False, moving=moving)
    return shots.import_shot(scene, record)


def selection() -> tuple[set[str], str]:
    objects = bpy.context.view_layer.objects
    return {obj.name for obj in objects.selected}, objects.active.name


@pytest.mark.parametrize(
    ("move", "moving", "selected", "active"),
    [
        ("orbit:20", False, {"Take 01", "Take 01 Pivot"}, "Take 01 Pivot"),
        ("zoom_in:2", False, {"Take 01"}, "Take 01"),
        ("orbit:20", True, {"Take 01", "Take 01 Pivot", "Take 01 Rig"}, "Take 01 Pivot"),
        ("none", False, {"Take 01"}, "Take 01"),
    ],
)
def test_a_new_take_has_its_keys_selected(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, move: str, moving: bool, selected: set[str], active: str
) -> None:
    place(scene, tmp_path, moving=moving)
    other = bpy.data.objects.new("Other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    assert bpy.ops.ex4d.add_take_camera(move=move) == {"FINISHED"}
    assert selection() == (selected, active)
    assert bpy.ops.ex4d.apply_preset(move="truck:0.2") == {"FINISHED"}
    assert selection() == ({"Take 01", *(["Take 01 Rig"] if moving else [])}, "Take 01")


def test_who_edits_an_object_keeps_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    curve = bpy.data.objects.new("Curve", bpy.data.curves.new("Curve", "CURVE"))
    scene.collection.objects.link(curve)
    camera = takes.add_moving_camera(scene, placed, "orbit:20")
    layer = bpy.context.view_layer
    layer.objects.active = curve
    bpy.ops.object.mode_set(mode="EDIT")
    takes.select_move(layer, camera)
    assert layer.objects.active == curve
    assert not camera.select_get()


def test_a_camera_that_the_layer_leaves_out_is_not_selected(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    camera = takes.add_moving_camera(scene, placed, "zoom_in:2")
    layer = bpy.context.view_layer
    layer.objects.active = camera
    layer.layer_collection.children[placed.collection.name].exclude = True
    takes.select_move(layer, camera)
    assert not len(layer.objects.selected)


def test_a_click_on_a_take_looks_through_it(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    place(scene, tmp_path)
    for move in ("orbit:20", "zoom_in:2"):
        bpy.ops.ex4d.add_take_camera(move=move)
    bpy.ops.ex4d.add_take(use_scene_camera=True)
    state, window = scene.ex4d, bpy.context.window_manager.windows[0]
    first, second = (take.camera for take in state.takes[:2])
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    view = area.spaces.active
    view.region_3d.view_perspective = "PERSP"
    # A script chooses a take to generate it: nothing else is changed.
    state.active_take = 0
    assert (scene.camera, view.region_3d.view_perspective) == (second, "PERSP")
    state.active_take = 1
    with bpy.context.temp_override(window=window, area=area):
        state.active_take = 0
    assert (scene.camera, view.region_3d.view_perspective) == (first, "CAMERA")
    assert selection() == ({"Take 01", "Take 01 Pivot"}, "Take 01 Pivot")
    # Neither a take that follows the scene's camera nor one whose own is gone has one to look through.
    bpy.data.objects.remove(second)
    for index in (1, 2):
        with bpy.context.temp_override(window=window, area=area):
            state.active_take = index
        assert scene.camera == first


def test_previews_have_the_chosen_opacity(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    placed = place(scene, tmp_path / "shot")
    render = render_result(tmp_path / "render", list(placed.numbers))
    for number in placed.numbers:
        write_png(tmp_path / "render" / "color" / f"color.{number}.png", np.zeros((4, 6, 3), np.uint8))
    scene.ex4d.preview_opacity = 0.25
    for _ in range(2):
        bpy.ops.ex4d.add_take_camera(move="none")
    cameras = [take.camera.data for take in scene.ex4d.takes]
    own = cameras[1].background_images.new()
    own.image = bpy.data.images.new("Reference", 4, 4)
    for take in scene.ex4d.takes:
        job_results.show_preview(scene, render, {"take": take.uid, "offset": 0})

    def shown() -> list[list[float]]:
        return [[round(item.alpha, 3) for item in data.background_images] for data in cameras]

    assert shown() == [[0.25], [round(own.alpha, 3), 0.25]]
    former = round(own.alpha, 3)
    scene.ex4d.preview_opacity = 0.75
    assert shown() == [[0.75], [former, 0.75]]


def test_a_new_move_does_away_with_the_preview_of_the_former(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.scene import background

    placed = place(scene, tmp_path / "shot")
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    take, numbers = scene.ex4d.takes[0], list(placed.numbers)
    for number in numbers:
        write_png(tmp_path / "render" / "color" / f"color.{number}.png", np.zeros((4, 6, 3), np.uint8))
    render = render_result(tmp_path / "render", numbers)

    def preview() -> tuple[bool, bool]:
        job_results.show_preview(scene, render, {"take": take.uid, "offset": 0})
        return has_preview()

    def has_preview() -> tuple[bool, bool]:
        return background.has_preview(take.camera), bool(take.coverage)

    for change in (
        lambda: bpy.ops.ex4d.apply_preset(move="crane:0.2"),
        lambda: bpy.ops.ex4d.add_handheld(strength=0.5),
        lambda: bpy.ops.ex4d.add_handheld(strength=0.0),
    ):
        assert preview() == (True, True)
        assert change() == {"FINISHED"}
        assert has_preview() == (False, False)


@pytest.mark.parametrize("fast", [True, False])
def test_the_plate_is_shown_in_both_modes(scene: bpy.types.Scene, tmp_path: Path, addon: Any, fast: bool) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    found = placed.mesh.data.materials[0]
    nodes = found.node_tree.nodes
    assert nodes.active == nodes[material.COLOR_NODE]
    # As in a file of an earlier version.
    nodes.active = nodes[material.VALID_NODE]
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    with bpy.context.temp_override(window=window, area=area):
        assert bpy.ops.ex4d.view_shot(**({} if fast else {"shading": "RENDERED"})) == {"FINISHED"}
    shading = area.spaces.active.shading
    if fast:
        assert (shading.type, shading.light, shading.color_type) == ("SOLID", "FLAT", "TEXTURE")
        assert not shading.show_object_outline
        assert nodes.active == nodes[material.COLOR_NODE]
    else:
        assert shading.type == "MATERIAL"


@pytest.mark.parametrize("own", [False, True])
def test_the_button_looks_through_the_source_camera_in_each_viewport(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, own: bool
) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    space = area.spaces.active
    scene.camera, space.use_local_camera = other, own
    if own:
        space.camera = other
    with bpy.context.temp_override(window=window, area=area):
        assert bpy.ops.ex4d.view_shot() == {"FINISHED"}
    assert editors.viewed_camera(space, space.region_3d, scene) == placed.source_camera
    assert space.use_local_camera == own


def test_a_changed_material_is_drawn_with_a_picture_that_exists(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    found = placed.mesh.data.materials[0]
    scene.frame_set(placed.frames[-1])
    # Blender copies it for drawing, and what is drawn starts from the original's number: that of no file is pink.
    found.node_tree.nodes[material.HOLE_NODE].inputs["Color"].default_value = (0.0, 1.0, 0.0, 1.0)
    drawn = found.evaluated_get(bpy.context.evaluated_depsgraph_get())
    for name in (material.COLOR_NODE, material.VALID_NODE):
        assert found.node_tree.nodes[name].image_user.frame_current in placed.numbers
        assert drawn.node_tree.nodes[name].image_user.frame_current in placed.numbers


def test_a_viewport_with_a_camera_of_its_own_keeps_it() -> None:
    region = SimpleNamespace(view_perspective="PERSP")
    editors.look_through_scene_camera(SimpleNamespace(type="VIEW_3D", use_local_camera=True, region_3d=region))
    editors.look_through_scene_camera(SimpleNamespace(type="IMAGE_EDITOR"))
    editors.look_through_scene_camera(None)
    assert region.view_perspective == "PERSP"
