# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the plate: shadows fall on the mesh, it holds out, lights fall on it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import material, mesh
from ex4d_blender.scene import mesh_switches as switches
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.data import mesh_data, node_tree
from test_scene_shot import frame_files, read, render
from viewport_factory import make_shot

pytest_plugins = ["addon_fixtures"]

#: Of pictures of 48 x 32, as rows and columns: the cube, its shadow on the backdrop, and the backdrop far from both.
CUBE, SHADOW, FREE = np.s_[7:11, 34:37], np.s_[14, 36], np.s_[18:30, 34:46]


@pytest.fixture
def placed(scene: bpy.types.Scene, addon: Any, tmp_path: Path) -> shots.ShotObjects:
    """A shot with a cube before its backdrop, which a sun throws a shadow of on it."""
    record = make_shot(tmp_path)
    placed = shots.import_shot(scene, record, name="plate")
    shots.match_scene(scene, record)
    scene.frame_set(1001)
    bpy.ops.mesh.primitive_cube_add(size=0.6, location=(1.3, 5.2, 0.9))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler, sun.data.energy = (1.1, 0.0, -0.4), 3.0
    scene.collection.objects.link(sun)
    return placed


def plate_of(placed: shots.ShotObjects) -> np.ndarray:
    return read(frame_files(placed.record, 1001)[0])[..., :3]


def switch(name: str, **values: Any) -> None:
    assert bpy.ops.ex4d.mesh_switch(switch=name, **values) == {"FINISHED"}


def test_shadows_fall_on_the_mesh_and_nothing_else_of_it_is_seen(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    switch("CATCHER")
    alpha = render(scene, tmp_path / "out.png")[..., 3]
    assert (alpha[CUBE] == 255).all()
    assert alpha[SHADOW] > 200
    assert alpha[FREE].max() == 0
    # In colour too where nothing is, and no shadow without what throws it.
    bpy.data.objects["Cube"].hide_render = True
    assert render(scene, tmp_path / "out.png")[..., 3].max() == 0
    settings = next(iter(mesh_data(placed.mesh).materials)).cycles
    assert settings.emission_sampling == "NONE"
    switch("CATCHER", on=False)
    assert settings.emission_sampling == "AUTO"
    shown = render(scene, tmp_path / "out.png")
    assert np.abs(shown[FREE][..., :3] - plate_of(placed)[FREE]).max() <= 1


def test_a_holdout_holes(scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path) -> None:
    # Half of it behind the near square.
    bpy.data.objects["Cube"].location = (0.1, 4.5, 0.0)
    bpy.data.objects["Cube"].scale = (4, 1, 1)
    switch("HOLDOUT")
    assert placed.mesh.is_holdout
    shown = render(scene, tmp_path / "out.png")
    assert (shown[16, 30:34, 3] == 255).all()
    assert shown[13:19, 16:24, 3].max() == 0
    assert shown[22:30, 34:46, 3].max() == 0
    switch("HOLDOUT", on=False)
    assert render(scene, tmp_path / "out.png")[13:19, 16:24, 3].min() == 255


def test_lights_fall_on_the_mesh_as_strongly_as_wanted(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    plate, means = plate_of(placed), []
    for strength in (0.0, 0.5, 1.0):
        switch("RELIGHT", strength=strength)
        assert switches.relight_strength(placed.mesh) == strength
        shown = render(scene, tmp_path / "out.png")[..., :3]
        means.append(shown[FREE].mean())
        if strength == 0:
            assert np.abs(shown[FREE] - plate[FREE]).max() <= 1
        # Where the cube's shadow is there is the plate's light alone.
        assert np.abs(shown[SHADOW] - plate[SHADOW]).max() <= 1
    assert means[0] + 5 < means[1]
    assert means[1] + 5 < means[2]
    switch("RELIGHT", on=False)
    assert np.abs(render(scene, tmp_path / "out.png")[FREE][..., :3] - plate[FREE]).max() <= 1


def test_each_button_says_what_it_does(addon: Any) -> None:
    from ex4d_blender.ops import cg

    said = [
        operator.description(bpy.context, SimpleNamespace(**{name: item[0]}))
        for operator, name, items in (
            (cg.EX4D_OT_mesh_switch, "switch", cg.SWITCHES),
            (cg.EX4D_OT_cg_preset, "preset", cg.PRESETS),
        )
        for item in items
    ]
    assert said == [item[2] for item in (*cg.SWITCHES, *cg.PRESETS)]


def test_switches_are_in_the_file(scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path) -> None:
    switch("CATCHER")
    switch("RELIGHT", strength=0.75)
    switch("HOLDOUT")
    path = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    found = shots.chosen_shot(bpy.context.scene).mesh
    assert (found.is_shadow_catcher, found.is_holdout) == (True, True)
    assert switches.catches_shadows(found)
    assert switches.relight_strength(found) == 0.75


def test_a_renewed_mesh_keeps_its_switches(scene: bpy.types.Scene, placed: shots.ShotObjects) -> None:
    switch("CATCHER")
    switch("RELIGHT", strength=0.25)
    former = next(iter(mesh_data(placed.mesh).materials))
    renewed = shots.import_shot(scene, placed.record)
    assert former not in bpy.data.materials.values()
    assert switches.catches_shadows(renewed.mesh)
    assert switches.relight_strength(renewed.mesh) == 0.25
    switch("CATCHER", on=False)
    switch("RELIGHT", on=False)
    fresh = material.build_material(mesh.read_viewport(Path(placed.record["viewport"])), "fresh", first_frame=1001)
    names = {node.name for node in node_tree(next(iter(mesh_data(renewed.mesh).materials))).nodes}
    assert names == {node.name for node in node_tree(fresh).nodes}


def test_materials_of_earlier_versions_take_the_switches(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    nodes = node_tree(next(iter(mesh_data(placed.mesh).materials))).nodes
    nodes[material.SURFACE_NODE].name = "Emission"
    switch("CATCHER")
    assert render(scene, tmp_path / "out.png")[SHADOW][3] > 200


def test_a_surface_of_the_artists_own_is_left_alone(scene: bpy.types.Scene, placed: shots.ShotObjects) -> None:
    item = next(iter(mesh_data(placed.mesh).materials))
    node_tree(item).nodes.remove(node_tree(item).nodes[material.SURFACE_NODE])
    with pytest.raises(RuntimeError, match="another surface than the plate's"):
        switch("RELIGHT")
    assert not placed.mesh.is_shadow_catcher
