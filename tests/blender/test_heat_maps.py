# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps on the mesh: each face has the colour of what is known of it, in viewports alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import heat_maps, material, mesh, shot
from ex4d_blender.ui import heat_map_legend
from test_closing import evaluated, materials_of, torn_faces
from test_scene_shot import camera_beside, render
from viewport_factory import make_shot, seal_folder, write_png

pytest_plugins = ["addon_fixtures"]


def colors_of(data: bpy.types.Mesh) -> np.ndarray:
    """(F, 4): what a face has of the palette at its texture coordinates, NaN where it has another material."""
    starts = np.empty(len(data.polygons), np.int32)
    data.attributes  # noqa: B018  attributes exist before they are asked for by name
    data.polygons.foreach_get("loop_start", starts)
    uv = np.empty(2 * len(data.loops), np.float32)
    data.attributes[mesh.PLATE_UV].data.foreach_get("vector", uv)
    at = uv.reshape(-1, 2)[starts]
    palette = heat_maps.palette_colors()
    rows, columns = (np.clip(value, 0, 0.9999) for value in (at[:, 1], at[:, 0]))
    found = palette[(rows * 3).astype(int), (columns * heat_maps.PALETTE_WIDTH).astype(int)]
    maps = [index for index, item in enumerate(data.materials) if item.name.startswith(heat_maps.MATERIAL)]
    return np.where(np.isin(materials_of(data), maps)[:, None], found, np.nan)


def add_measured(record: dict[str, Any]) -> np.ndarray:
    """Give a shot pictures of measured faces; returns the first frame's (h − 1, w − 1) bool."""
    folder = Path(record["viewport"])
    described = json.loads((folder / "viewport.json").read_text())
    width, height = described["grid"]
    told = np.zeros((height, width - 1), np.uint8)
    for index, number in enumerate(described["numbers"]):
        told[:-1] = 255
        told[2:6, 3 + index : 9 + index] = 0
        write_png(folder / "measured" / f"{number:06d}.png", told)
    (folder / "viewport.json").write_text(json.dumps({**described, "measured": "measured"}))
    seal_folder(folder)
    first = np.ones((height - 1, width - 1), bool)
    first[2:6, 3:9] = False
    return first


def is_color(found: np.ndarray, color: tuple[float, float, float]) -> np.ndarray:
    return np.isclose(found[:, :3], color, atol=0.02).all(-1)


def test_coverage_shows_surface_and_holes(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    heat_maps.show(placed.mesh, "COVERAGE", Path(record["viewport"]))
    # Through the source camera too: what closes slits would hide them.
    for source in (placed.source_camera, camera_beside(placed.source_camera)):
        scene.camera = source
        for number in (1001, 1004):
            scene.frame_set(number)
            data, parts = evaluated(placed.mesh)
            torn = torn_faces(record, number).ravel()
            found = colors_of(data)
            assert is_color(found[: torn.size][torn], heat_maps.RED).all()
            assert is_color(found[: torn.size][~torn], heat_maps.GREEN).all()
            # Beyond the plate's edges.
            assert is_color(found[torn.size :], heat_maps.RED).all()
            assert parts == []


def test_depth_shows_what_was_measured(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record, first_frame=11)
    with pytest.raises(Exception, match="does not tell"):
        heat_maps.show(placed.mesh, "DEPTH", Path(record["viewport"]))
    assert heat_maps.shown_map(placed.mesh) is None
    measured = add_measured(record)
    heat_maps.show(placed.mesh, "DEPTH", Path(record["viewport"]))
    for index in (0, 3):
        scene.frame_set(11 + index)
        found = colors_of(evaluated(placed.mesh)[0])
        expected, torn = np.roll(measured, index, axis=1).ravel(), torn_faces(record, 1001 + index).ravel()
        assert is_color(found[: torn.size][~torn & expected], heat_maps.GREEN).all()
        assert is_color(found[: torn.size][~torn & ~expected], heat_maps.RED).all()
        assert np.isnan(found[: torn.size][torn]).all()
    images = len(bpy.data.images)
    heat_maps.hide(placed.mesh)
    assert len(bpy.data.images) == images - 1


def test_stretch_is_that_of_the_scenes_camera(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    placed.root.scale = (2, 2, 2)
    heat_maps.show(placed.mesh, "STRETCH", Path(record["viewport"]))
    torn = torn_faces(record, 1001).ravel()
    scene.camera = placed.source_camera
    scene.frame_set(1001)
    seen = colors_of(evaluated(placed.mesh)[0])[: torn.size][~torn]
    # As wide as in the plate: a third of the way from half to four times.
    as_wide = heat_maps.palette_colors()[2, round((heat_maps.PALETTE_WIDTH - 1) / 3), :3]
    assert np.isclose(seen[:, :3], as_wide, atol=0.05).all()
    # Half way to the square, which is at 3 of 6: it looks twice as wide, and the backdrop 6 / 4.5 times.
    near = camera_beside(placed.source_camera)
    near.delta_location = (0, 0, 1.5)
    scene.camera = near
    scene.frame_set(1001)
    place = np.log2(np.array([2.0, 6 / 4.5]) / 0.5) / 3
    expected = heat_maps.palette_colors()[2, np.round(place * (heat_maps.PALETTE_WIDTH - 1)).astype(int), :3]
    found = colors_of(evaluated(placed.mesh)[0])[: torn.size].reshape(15, 23, 4)
    # In the middle of the picture, where the cosines stay what they were.
    assert np.isclose(found[7, 11, :3], expected[0], atol=0.06).all()
    assert np.isclose(found[2, 11, :3], expected[1], atol=0.15).all()
    # Behind all of it, it sees backs.
    near.delta_location = (0, 0, 9)
    scene.frame_set(1001)
    assert is_color(colors_of(evaluated(placed.mesh)[0])[: torn.size][~torn], heat_maps.RED).all()


def test_renders_know_nothing_of_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    before = render(scene, tmp_path / "before.png")
    heat_maps.show(placed.mesh, "COVERAGE", Path(record["viewport"]))
    assert np.array_equal(render(scene, tmp_path / "after.png"), before)


def test_it_lies_in_the_file(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    heat_maps.show(placed.mesh, "COVERAGE", Path(record["viewport"]))
    name = placed.mesh.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    obj = bpy.data.objects[name]
    bpy.context.scene.frame_set(1003)
    torn = torn_faces(record, 1003).ravel()
    data = evaluated(obj)[0]
    assert is_color(colors_of(data)[: torn.size][~torn], heat_maps.GREEN).all()
    drawn = next(item for item in data.materials if item.name.startswith(heat_maps.MATERIAL)).node_tree.nodes.active
    palette = np.array(drawn.image.pixels[:]).reshape(3, heat_maps.PALETTE_WIDTH, 4)
    # The picture keeps 8 bits.
    assert np.abs(palette - heat_maps.palette_colors()).max() < 0.005


def test_the_button_shows_and_hides(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    for name in ("STRETCH", "COVERAGE"):
        assert bpy.ops.ex4d.show_heat_map(map=name) == {"FINISHED"}
        assert heat_maps.shown_map(placed.mesh) == name
    assert [item.name for item in placed.mesh.modifiers] == [mesh.MODIFIER, mesh.CLOSING_MODIFIER, heat_maps.MODIFIER]
    assert len([item for item in bpy.data.materials if item.name.startswith(heat_maps.MATERIAL)]) == 1
    with pytest.raises(RuntimeError, match="does not tell"):
        bpy.ops.ex4d.show_heat_map(map="DEPTH")
    # A renewed mesh shows the plate.
    shot.import_shot(scene, record)
    assert heat_maps.shown_map(placed.mesh) is None
    bpy.ops.ex4d.show_heat_map(map="COVERAGE")
    assert bpy.ops.ex4d.show_heat_map(map="PLATE") == {"FINISHED"}
    assert heat_maps.shown_map(placed.mesh) is None
    assert material.is_ours(placed.mesh.data.materials[0])


def test_each_map_has_a_legend() -> None:
    assert heat_map_legend.LEGEND.keys() == heat_maps.MAPS.keys() == heat_maps.ROWS.keys()
    icons = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys()
    assert {icon for lines in heat_map_legend.LEGEND.values() for icon, _ in lines} <= set(icons)
