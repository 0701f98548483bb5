# SPDX-License-Identifier: GPL-3.0-or-later
"""Real footage through its source camera: rendered, it is the plate, without slits and outlines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import closing, material, mesh
from ex4d_blender.scene import shot as shots
from test_scene_shot import read, render

pytest_plugins = ["addon_fixtures"]

#: Of the tests' data, and the project's sample.
CLIPS = {name: Path("tests", "data", f"{name}.mp4") for name in ("rabbit", "towers")}
CLIPS["toy_train"] = Path("samples", "toy_train.mp4")


@pytest.fixture(params=CLIPS)
def footage(request: pytest.FixtureRequest, addon: Any, backend_python: str, tmp_path: Path) -> shots.ShotObjects:
    """A shot of two frames of a clip, at full size, seen through its source camera in the Standard view."""
    state = bpy.context.scene.ex4d
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.ex4d.load_plate(filepath=str(Path(__file__).parents[2] / CLIPS[request.param]))
    state.plate_frames = "1001-1002"
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    assert bpy.ops.ex4d.match_scene() == {"FINISHED"}
    scene = bpy.context.scene
    (found,) = shots.find_shots(scene)
    scene.camera = found.source_camera
    assert scene.view_settings.view_transform == "Standard"
    scene.frame_set(found.frames[1])
    return found


def plate_of(shot: shots.ShotObjects) -> np.ndarray:
    """(H, W, 3) of the second frame."""
    texture = shot.mesh.data.materials[0].node_tree.nodes[material.COLOR_NODE]
    first = Path(bpy.path.abspath(texture.image.filepath))
    return read(first.with_name(f"{shot.numbers[1]:0{len(first.stem)}d}{first.suffix}"))[..., :3]


def torn_pixels(shot: shots.ShotObjects, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: where faces are torn, and a pixel around them."""
    image = closing.inputs_of(shot.mesh)["Validity"]
    first = Path(bpy.path.abspath(image.filepath))
    valid = read(first.with_name(f"{shot.numbers[1]:0{len(first.stem)}d}{first.suffix}"))[:-1, :, 0]
    rows = np.minimum(np.arange(size[1]) * valid.shape[0] // size[1], valid.shape[0] - 1)
    columns = np.minimum(np.arange(size[0]) * valid.shape[1] // size[0], valid.shape[1] - 1)
    torn = np.pad(valid[np.ix_(rows, columns)] == 0, 1)
    around = [torn[i : i + size[1], j : j + size[0]] for i in range(3) for j in range(3)]
    return np.any(around, axis=0)


def test_pixel_by_pixel_it_is_the_plate(footage: shots.ShotObjects, tmp_path: Path) -> None:
    scene, plate = bpy.context.scene, plate_of(footage)
    footage.mesh.data.materials[0].node_tree.nodes[material.COLOR_NODE].interpolation = "Closest"
    shown = render(scene, tmp_path / "out.png")
    assert shown.shape[:2] == plate.shape[:2]
    torn = torn_pixels(footage, plate.shape[1::-1])
    error = np.abs(shown[..., :3] - plate)
    assert torn.mean() > 0.01
    assert (shown[..., 3] == 255).all()
    assert np.percentile(error, 99) <= 2
    assert error.max() <= 8
    # Without the faces that close them there are slits.
    footage.mesh.modifiers[closing.MODIFIER].show_render = False
    assert (render(scene, tmp_path / "slits.png")[..., 3][torn] == 0).mean() > 0.1


def defaults(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """A render by Cycles with the filter and the sampling that Blender sets by itself, (H, W, 4)."""
    scene.render.engine = "CYCLES"
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read(path)


def hang_picture(shot: shots.ShotObjects) -> bpy.types.Object:
    """A flat rectangle with the mesh's material that fills the source camera's picture."""
    camera, scene = shot.source_camera, bpy.context.scene
    corners = [camera.matrix_world @ corner for corner in camera.data.view_frame(scene=scene)]
    data = bpy.data.meshes.new("Picture")
    data.from_pydata([tuple(corner) for corner in corners], [], [(0, 1, 2, 3)])
    places = data.uv_layers.new(name=mesh.PLATE_UV)
    places.data.foreach_set("uv", [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    surface = shot.mesh.data.materials[0].copy()
    nodes, links = surface.node_tree.nodes, surface.node_tree.links
    output = next(node for node in nodes if node.bl_idname == "ShaderNodeOutputMaterial")
    # All of it is surface.
    links.new(nodes[material.SURFACE_NODE].outputs["Emission"], output.inputs["Surface"])
    data.materials.append(surface)
    found = bpy.data.objects.new("Picture", data)
    scene.collection.objects.link(found)
    return found


@pytest.mark.parametrize("footage", ["rabbit", "towers"], indirect=True)
def test_at_blenders_defaults_no_outline_is_seen(footage: shots.ShotObjects, tmp_path: Path) -> None:
    """Blender's filter softens any picture, by 3 to 4 codes on average in these; the mesh adds nothing to that."""
    scene = bpy.context.scene
    shown = defaults(scene, tmp_path / "shown.png")
    footage.mesh.hide_render = True
    hang_picture(footage)
    flat = defaults(scene, tmp_path / "flat.png")
    apart = (shown - flat)[..., :3]
    error, torn = np.abs(apart), torn_pixels(footage, shown.shape[1::-1])
    assert error.mean() <= 0.25
    assert error[torn].mean() <= 0.5
    assert error.max() <= 8
    # Neither darker nor brighter along them.
    assert np.abs(apart[torn].mean(0)).max() <= 0.5
    # At the frame's edge the filter looks beyond it.
    assert shown[..., 3].min() >= 250
