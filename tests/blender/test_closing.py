# SPDX-License-Identifier: GPL-3.0-or-later
"""Holes in viewports and no slits through the source camera: by what lies in the file alone."""

from __future__ import annotations

import ctypes.util
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import closing, material, mesh, shot
from ex4d_blender.scene.shot.look import close_slits
from test_scene_shot import camera_beside, frame_files, read, render, valid_pixels
from viewport_factory import make_shot

pytest_plugins = ["addon_fixtures"]


def evaluated(obj: bpy.types.Object) -> tuple[bpy.types.Mesh, list[bpy.types.Mesh]]:
    """The mesh as viewports show it, and the parts that are shown with it."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    parts = [
        item.object.data
        for item in depsgraph.object_instances
        if item.is_instance and item.parent is not None and item.parent.original == obj
    ]
    return obj.evaluated_get(depsgraph).data, parts


def torn_faces(record: dict[str, Any], number: int) -> np.ndarray:
    """(h − 1, w − 1) bool: the quads that are no surface."""
    return read(frame_files(record, number)[1])[:-1, :, 0] == 0


def materials_of(data: bpy.types.Mesh) -> np.ndarray:
    indices = np.zeros(len(data.polygons), np.int32)
    if "material_index" in data.attributes:
        data.attributes["material_index"].data.foreach_get("value", indices)
    return indices


def test_faces_that_are_no_surface_have_the_holes_material(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record, first_frame=31)
    scene.camera = camera_beside(placed.source_camera)
    # Before and after the plate its first and last picture hold, as they do of the mesh.
    for frame, number in ((20, 1001), (31, 1001), (33, 1003), (35, 1005), (50, 1005)):
        scene.frame_set(frame)
        data, parts = evaluated(placed.mesh)
        holes = materials_of(data) == 1
        torn = torn_faces(record, number)
        assert holes[: torn.size].tolist() == torn.ravel().tolist()
        # Skirt and cap.
        assert holes[torn.size :].all()
        assert parts == []
        assert [item.name for item in data.materials] == ["shot", "shot Hole"]
    # The mesh itself knows nothing of it.
    assert len(placed.mesh.data.materials) == 1


def test_slits_are_closed_where_the_source_camera_stands(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, moving=True)
    placed = shot.import_shot(scene, record)
    placed.root.location, placed.root.scale, placed.root.rotation_euler = (3, 1, 2), (2.5,) * 3, (0.4, 0.5, 0.6)
    skirt = 2 * (2 * (24 + 16) - 4)
    # It turns and zooms there.
    turned = placed.source_camera.copy()
    turned.data = turned.data.copy()
    turned.data.lens *= 2
    turned.delta_rotation_euler = (0.1, 0.2, 0)
    placed.collection.objects.link(turned)
    for source in (placed.source_camera, turned):
        scene.camera = source
        for number in (1001, 1005):
            scene.frame_set(number)
            _, parts = evaluated(placed.mesh)
            assert [len(part.polygons) for part in parts] == [int(torn_faces(record, number).sum()) + skirt]
            closed = np.empty(len(parts[0].polygons), np.float32)
            parts[0].attributes[material.CLOSED].data.foreach_get("value", closed)
            assert (closed == 1).all()
    scene.camera = camera_beside(placed.source_camera)
    scene.frame_set(1001)
    assert evaluated(placed.mesh)[1] == []
    # It stands elsewhere in another frame alone.
    still = bpy.data.objects.new("Still", placed.source_camera.data)
    scene.camera = placed.source_camera
    scene.frame_set(1003)
    still.matrix_world = placed.source_camera.matrix_world
    scene.collection.objects.link(still)
    scene.camera = still
    for number, count in ((1002, 0), (1003, 1), (1004, 0)):
        scene.frame_set(number)
        assert len(evaluated(placed.mesh)[1]) == count


def test_another_camera_renders_what_it_did_without(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(48, 32))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.camera = camera_beside(placed.source_camera)
    scene.camera.delta_location = (0.4, 0.1, 0)
    for transparent in (True, False):
        material.set_hole_style(placed.mesh.data.materials[0], transparent=transparent, color=(0, 1, 0))
        scene.frame_set(1002)
        shown = render(scene, tmp_path / "with.png")
        modifier = placed.mesh.modifiers[closing.MODIFIER]
        modifier.show_render = False
        assert np.array_equal(shown, render(scene, tmp_path / "without.png"))
        modifier.show_render = True


def test_through_the_source_camera_there_were_slits(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(48, 32))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.frame_set(1002)
    placed.mesh.modifiers[closing.MODIFIER].show_render = False
    shown = render(scene, tmp_path / "out.png")
    assert (shown[..., 3] == 0).sum() > 50


def test_it_needs_no_add_on(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    name = placed.mesh.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    obj = bpy.data.objects[name]
    bpy.context.scene.frame_set(1004)
    data, parts = evaluated(obj)
    assert (materials_of(data) == 1).sum() > torn_faces(record, 1004).sum()
    assert len(parts) == 1


def test_a_renewed_shot_has_it_once(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    shot.import_shot(scene, record)
    counts = len(bpy.data.node_groups), len(bpy.data.materials), len(bpy.data.images)
    placed = shot.import_shot(scene, record, first_frame=7)
    assert (len(bpy.data.node_groups), len(bpy.data.materials), len(bpy.data.images)) == counts
    assert [item.name for item in placed.mesh.modifiers] == [mesh.MODIFIER, closing.MODIFIER]
    scene.frame_set(9)
    data, _ = evaluated(placed.mesh)
    torn = torn_faces(record, 1003)
    assert (materials_of(data) == 1)[: torn.size].tolist() == torn.ravel().tolist()


def test_artists_modifiers_stay_behind_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    placed.mesh.modifiers.remove(placed.mesh.modifiers[closing.MODIFIER])
    placed.mesh.modifiers.new("Mine", "SMOOTH")
    assert not closing.is_attached(placed.mesh)
    close_slits(placed)
    assert closing.is_attached(placed.mesh)
    assert [item.name for item in placed.mesh.modifiers] == [mesh.MODIFIER, closing.MODIFIER, "Mine"]


def test_without_its_source_camera_a_mesh_has_holes_alone(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    placed.mesh.modifiers.remove(placed.mesh.modifiers[closing.MODIFIER])
    bpy.data.objects.remove(placed.source_camera)
    (placed,) = shot.find_shots(scene)
    close_slits(placed)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.frame_set(1002)
    data, parts = evaluated(placed.mesh)
    torn = torn_faces(record, 1002)
    assert (materials_of(data) == 1)[: torn.size].tolist() == torn.ravel().tolist()
    assert parts == []


@pytest.mark.skipif(ctypes.util.find_library("EGL") is None, reason="Workbench without a window needs EGL")
@pytest.mark.parametrize("transparent", [True, False])
def test_solid_mode_plays_the_plate_with_holes(scene: bpy.types.Scene, tmp_path: Path, transparent: bool) -> None:
    record = make_shot(tmp_path, grid=(48, 32))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.camera = camera_beside(placed.source_camera)
    material.set_hole_style(placed.mesh.data.materials[0], transparent=transparent, color=(0, 1, 0))
    closing.update_hole_style(placed.mesh)
    # Workbench is what draws Solid mode. That it renders the mesh as viewports show it has to be asked for.
    tree = placed.mesh.modifiers[closing.MODIFIER].node_group
    asked = next(node for node in tree.nodes if node.bl_idname == "GeometryNodeIsViewport")
    for link in list(asked.outputs[0].links):
        target = link.to_socket
        tree.links.remove(link)
        target.default_value = True
    # Beside the camera, and pictures of noise.
    placed.mesh.data.materials[0].node_tree.nodes[material.COLOR_NODE].interpolation = "Closest"
    shading = scene.display.shading
    shading.light, shading.color_type, scene.display.render_aa = "FLAT", "TEXTURE", "OFF"
    scene.render.film_transparent = True
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = str(tmp_path / "out.png")
    for number in (1001, 1003):
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.frame_set(number)
        bpy.ops.render.render(write_still=True)
        shown = read(tmp_path / "out.png")
        plate_file, valid_file = frame_files(record, number)
        seen, hole = valid_pixels(read(valid_file)[..., 0], (48, 32), (48, 32))
        assert np.abs(shown - read(plate_file))[seen].max() <= 1
        expected = np.array((0, 0, 0, 0) if transparent else (0, 255, 0, 255))
        assert np.abs(shown[hole] - expected).max() <= 4


def test_fast_shows_solid_mode(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    shot.import_shot(scene, make_shot(tmp_path))
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    with bpy.context.temp_override(window=window, area=area):
        assert bpy.ops.ex4d.view_shot(shading="FAST") == {"FINISHED"}
    assert area.spaces.active.shading.type == "SOLID"


def test_a_shot_of_an_earlier_file_gets_it_by_a_button(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    placed.mesh.modifiers.remove(placed.mesh.modifiers[closing.MODIFIER])
    tree = placed.mesh.data.materials[0].node_tree
    tree.links.new(tree.nodes[material.VALID_NODE].outputs["Color"], tree.nodes[material.MIX_NODE].inputs["Fac"])
    tree.nodes.remove(tree.nodes[material.CLOSED_NODE])
    tree.nodes[material.SURFACE_NODE].name = "Emission"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    scene = bpy.context.scene
    (placed,) = shot.find_shots(scene)
    # Opened, it renders as it did.
    assert not closing.is_attached(placed.mesh)
    assert bpy.ops.ex4d.close_slits() == {"FINISHED"}
    shot.match_scene(scene, record)
    scene.frame_set(1002)
    shown = render(scene, tmp_path / "out.png")
    assert np.abs(shown - read(frame_files(record, 1002)[0])).max() <= 1
    assert material.SURFACE_NODE in placed.mesh.data.materials[0].node_tree.nodes
    assert not bpy.ops.ex4d.close_slits.poll()
