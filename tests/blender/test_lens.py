# SPDX-License-Identifier: Apache-2.0
"""Our lens models against Blender's own node for lens distortion."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from ex4d.camera import camera_from_blender, lens_from_blender

SIZE = (384, 216)
#: Of each model: its coefficients as Blender names them, and as the model's own.
MODELS = {
    "POLYNOMIAL": {"k1": -0.12, "k2": 0.03, "k3": 0.01},
    "DIVISION": {"division_k1": 0.1, "division_k2": -0.02},
    "NUKE": {"nuke_k1": 0.05, "nuke_k2": 0.01},
    "BROWN": {
        "brown_k1": -0.1,
        "brown_k2": 0.02,
        "brown_k3": 0.01,
        "brown_k4": 0.002,
        "brown_p1": 0.003,
        "brown_p2": -0.002,
    },
}


def positions(path: Path) -> None:
    """An EXR picture whose red and green are each pixel's place, in pixels from its bottom left corner."""
    image = bpy.data.images.new("positions", *SIZE, float_buffer=True)
    image.colorspace_settings.is_data = True
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] + 0.5
    pixels = np.ones((SIZE[1], SIZE[0], 4), np.float32)
    pixels[..., 0], pixels[..., 1] = columns, rows
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "OPEN_EXR"
    image.save()
    bpy.data.images.remove(image)


def through_the_node(clip: bpy.types.MovieClip, plate: Path, out: Path) -> np.ndarray:
    """(h, w, 2): the places that Blender's undistortion takes its pixels from."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(out)
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    image = bpy.data.images.load(str(plate))
    image.colorspace_settings.is_data = True
    source, node = tree.nodes.new("CompositorNodeImage"), tree.nodes.new("CompositorNodeMovieDistortion")
    source.image, node.clip, node.distortion_type = image, clip, "UNDISTORT"
    target = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(source.outputs["Image"], node.inputs[0])
    tree.links.new(node.outputs[0], target.inputs["Image"])
    bpy.ops.render.render(write_still=True)
    result = bpy.data.images.load(str(out))
    result.colorspace_settings.is_data = True
    pixels = np.empty(SIZE[0] * SIZE[1] * 4, np.float32)
    result.pixels.foreach_get(pixels)
    return pixels.reshape(SIZE[1], SIZE[0], 4)[::-1, :, :2]


@pytest.mark.skipif(bpy.app.version >= (4, 3), reason="the node of later versions shifts the picture by whole pixels")
@pytest.mark.parametrize("model", list(MODELS))
def test_models_are_blenders(tmp_path: Path, model: str) -> None:
    positions(tmp_path / "plate.exr")
    clip = bpy.data.movieclips.load(str(tmp_path / "plate.exr"))
    camera = clip.tracking.camera
    camera.units = "PIXELS"
    camera.focal_length_pixels = 300
    camera.principal_point_pixels = (SIZE[0] / 2 + 5, SIZE[1] / 2 - 3)
    camera.distortion_model = model
    for name, value in MODELS[model].items():
        setattr(camera, name, value)
    values = {name.rpartition("_")[2]: float(getattr(camera, name)) for name in MODELS[model]}
    lens = lens_from_blender(model, values, camera.focal_length_pixels, SIZE)
    pinhole = camera_from_blender(camera.focal_length_pixels, tuple(camera.principal_point_pixels), SIZE)
    K = pinhole.intrinsics(*SIZE)
    centres = np.stack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5), axis=-1)
    focal, principal = K[(0, 1), (0, 1)], K[:2, 2]
    at = lens.distort((centres - principal) / focal) * focal + principal
    moved = np.abs(at - centres).max()
    wanted = np.stack([at[..., 0], SIZE[1] - at[..., 1]], axis=-1)
    theirs = through_the_node(clip, tmp_path / "plate.exr", tmp_path / "out.exr")
    margin = 2
    inside = ((wanted > margin) & (wanted < np.array(SIZE) - margin)).all(axis=-1)
    inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False
    assert inside.mean() > 0.7
    assert moved > 2
    assert np.abs(wanted - theirs)[inside].max() < 1e-3
