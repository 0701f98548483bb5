# SPDX-License-Identifier: GPL-3.0-or-later
"""View layers and compositor nodes that put CG into the plate or a take; the artist's own stay."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.cg import compositing, trees, view_layers
from test_cg import CUBE, FREE, SHADOW, placed, plate_of
from test_scene_shot import render
from viewport_factory import write_png

pytest_plugins = ["addon_fixtures"]
__all__ = ["placed"]


def preset(name: str, **values: Any) -> None:
    assert bpy.ops.ex4d.cg_preset(preset=name, **values) == {"FINISHED"}


def output_tree(scene: bpy.types.Scene) -> Any:
    return scene.compositing_node_group if trees.HAS_GROUPS else scene.node_tree


def others_tree(scene: bpy.types.Scene) -> Any:
    """A tree of the artist's own, which inverts what was rendered."""
    if trees.HAS_GROUPS:
        tree = bpy.data.node_groups.new("Mine", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
    layers, invert = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeInvert")
    output = tree.nodes.new("NodeGroupOutput" if trees.HAS_GROUPS else "CompositorNodeComposite")
    tree.links.new(layers.outputs["Image"], invert.inputs["Color"])
    tree.links.new(invert.outputs["Color"], output.inputs[0])
    return tree


def set_engine(scene: bpy.types.Scene, name: str) -> bool:
    """Whether this Blender has the engine, which is then the scene's."""
    try:
        scene.render.engine = name
    except TypeError:
        return False
    return True


def described(tree: Any) -> set[tuple[str, str]]:
    return {(link.from_node.name, link.to_node.name) for link in tree.links if not link.from_node.get("ex4d_cg")}


def test_the_comp_is_the_plate_where_nothing_is(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    preset("COMP")
    # What the cube throws back lights the mesh too, a little and everywhere.
    scene.cycles.max_bounces = 0
    shown, plate = render(scene, tmp_path / "out.png")[..., :3], plate_of(placed)
    changed = np.abs(shown - plate).max(-1) > 1
    assert not changed[FREE].any()
    # Whatever the mesh has torn or never had is the plate's too.
    assert not changed[:, :28].any()
    assert changed[CUBE].all()
    # The sun alone: in the shadow nothing is left of the plate's light.
    assert shown[SHADOW].max() < 60 < plate[SHADOW].max()
    scene.cycles.max_bounces = 4
    bpy.data.objects["Cube"].hide_render = True
    assert np.abs(render(scene, tmp_path / "out.png")[..., :3] - plate).max() <= 1


def test_a_scene_of_another_engine_gets_samples_that_end_soon(
    scene: bpy.types.Scene, placed: shots.ShotObjects
) -> None:
    usual = scene.cycles.bl_rna.properties["samples"].default
    eevee = next(name for name in ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE") if set_engine(scene, name))
    for before, after in ((usual, view_layers.FIRST_SAMPLES), (300, 300)):
        scene.render.engine, scene.cycles.samples = eevee, before
        said = view_layers.use_cycles(scene)
        assert (scene.render.engine, scene.cycles.samples) == ("CYCLES", after)
        assert f"{after} samples" in said
    # Who renders with Cycles has chosen: even Blender's own number stays.
    scene.cycles.samples = usual
    preset("SHADOWS")
    assert (view_layers.use_cycles(scene), scene.cycles.samples) == ("", usual)
    scene.render.engine = eevee
    preset("SHADOWS")
    assert (scene.render.engine, scene.cycles.samples) == ("CYCLES", view_layers.FIRST_SAMPLES)


def test_what_is_before_the_cg_hides_it(scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path) -> None:
    cube = bpy.data.objects["Cube"]
    cube.location, cube.scale = (0.1, 4.5, 0.0), (4, 1, 1)
    preset("COMP")
    scene.cycles.max_bounces = 0
    changed = np.abs(render(scene, tmp_path / "out.png")[..., :3] - plate_of(placed)).max(-1) > 1
    assert not changed[13:19, 16:24].any()
    assert changed[16, 30:34].all()


def part(scene: bpy.types.Scene, name: str, folder: Path) -> np.ndarray:
    """(H, W) values of a part of the comp, top row first."""
    tree = output_tree(scene)
    trees.use(scene, tree, tree.nodes[name].outputs[0])
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(folder / "part.exr")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath, check_existing=False)
    width, height = image.size
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)[::-1, :, 0]
    bpy.data.images.remove(image)
    return pixels


def test_shadow_mask_and_depth_are_there(scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path) -> None:
    preset("COMP")
    render(scene, tmp_path / "out.png")
    shadow = part(scene, "EX-4D Shadow", tmp_path)
    assert shadow[SHADOW] < 0.1
    assert shadow[FREE].min() > 0.99
    mask = part(scene, "EX-4D Mask", tmp_path)
    assert mask[CUBE].min() == 1
    assert mask[FREE].max() == 0
    assert mask[SHADOW] == 0
    depth = part(scene, "EX-4D Z", tmp_path)
    assert depth[CUBE] == pytest.approx(4.9, abs=0.01)
    assert depth[FREE] == pytest.approx(6.0, abs=0.01)
    # The near square.
    assert depth[13:19, 16:24] == pytest.approx(3.0, abs=0.01)


def make_version(placed: shots.ShotObjects, take: Any, color: tuple[int, int, int]) -> None:
    """A finished version of a take, in one colour."""
    folder = Path(placed.folder) / "takes" / f"v{len(take.versions) + 1:03d}"
    for number in placed.numbers:
        write_png(folder / "result" / f"{number:06d}.png", np.full((32, 48, 3), color, np.uint8))
    frames = [{"frame": number, "generated": 0.0} for number in placed.numbers]
    record = {
        "frames": frames,
        "fill": {"name": "preview", "label": "Preview", "seed": None},
        "generated_mean": 0.0,
        "trajectory": "camera.json",
    }
    (folder / "take.json").write_text(json.dumps(record))
    version = take.versions.add()
    version.name, version.folder = folder.name, str(folder)


def test_a_take_is_the_base_through_its_camera(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    bpy.data.objects["Cube"].hide_render = True
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    take = scene.ex4d.takes[0]
    scene.camera = take.camera
    with pytest.raises(RuntimeError, match="is not there yet"):
        preset("COMP")
    assert len(scene.view_layers) == 1
    make_version(placed, take, (200, 40, 40))
    make_version(placed, take, (40, 40, 200))
    preset("COMP")
    shown = render(scene, tmp_path / "out.png")[..., :3]
    assert np.abs(shown - (40, 40, 200)).max() <= 1
    # The same nodes get the plate again.
    nodes = len(output_tree(scene).nodes)
    scene.camera = placed.source_camera
    preset("COMP")
    assert len(output_tree(scene).nodes) == nodes
    assert np.abs(render(scene, tmp_path / "out.png")[..., :3] - plate_of(placed)).max() <= 1
    scene.camera = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    with pytest.raises(RuntimeError, match="neither the source camera nor a take's"):
        preset("COMP")


def test_shadow_catching_builds_view_layers_and_keeps_the_artists(
    scene: bpy.types.Scene, placed: shots.ShotObjects
) -> None:
    mine = scene.view_layers[0]
    mine.name = view_layers.CG_LAYER
    left_out = bpy.data.collections.new("Left Out")
    scene.collection.children.link(left_out)
    left_out.children.link(bpy.data.collections.new("Inside"))
    mine.layer_collection.children["Left Out"].exclude = True
    before = {obj.name for obj in mine.objects}
    preset("SHADOWS")
    preset("SHADOWS")
    assert len(scene.view_layers) == 3
    layers = view_layers.find_layers(scene)
    assert layers is not None
    assert mine not in (layers.cg, layers.shadow)
    assert {obj.name for obj in mine.objects} == before
    assert layers.cg.layer_collection.children["Left Out"].exclude
    assert [child.name for child in layers.cg.layer_collection.children if child.holdout] == ["EX-4D Holdout"]
    assert not any(child.holdout for layer in (mine, layers.shadow) for child in layer.layer_collection.children)
    assert placed.mesh.is_shadow_catcher
    assert output_tree(scene) is None or not trees.others_nodes(scene)


@pytest.mark.parametrize("replace", [False, True])
def test_nodes_of_the_artists_own_stay(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path, replace: bool
) -> None:
    tree = others_tree(scene)
    name, links = tree.name, described(tree)
    preset("COMP", replace=replace)
    kept = bpy.data.node_groups[name] if trees.HAS_GROUPS else scene.node_tree
    assert described(kept) == links
    bpy.data.objects["Cube"].hide_render = True
    plate = plate_of(placed)
    shown = render(scene, tmp_path / "out.png")[..., :3]
    assert (np.abs(shown - plate).max() <= 1) == replace
    path = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    found = bpy.data.node_groups if trees.HAS_GROUPS else {name: bpy.context.scene.node_tree}
    assert described(found[name]) == links
    ours = found["EX-4D Comp"] if trees.HAS_GROUPS else bpy.context.scene.node_tree
    assert compositing.BASE in ours.nodes


def test_a_preset_is_undone_whole(scene: bpy.types.Scene, placed: shots.ShotObjects) -> None:
    bpy.ops.ed.undo_push(message="before")
    preset("COMP")
    bpy.ops.ed.undo_push(message="comp")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert len(scene.view_layers) == 1
    assert [child.name for child in scene.collection.children] == ["plate"]
    assert not shots.chosen_shot(scene).mesh.is_shadow_catcher
    assert not trees.HAS_GROUPS or scene.compositing_node_group is None
    assert trees.HAS_GROUPS or not scene.use_nodes


def test_a_takes_mask_origin_and_depth_are_there(
    scene: bpy.types.Scene, placed: shots.ShotObjects, tmp_path: Path
) -> None:
    bpy.data.objects["Cube"].hide_render = True
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    take = scene.ex4d.takes[0]
    scene.camera = take.camera
    make_version(placed, take, (40, 40, 200))
    folder, depth = Path(take.versions[0].folder), tmp_path / "projection" / "depth"
    for number in placed.numbers:
        write_png(folder / "mask" / f"{number:06d}.png", np.full((32, 48), 255, np.uint8))
        write_png(folder / "confidence" / f"{number:06d}.png", np.full((32, 48), 128, np.uint8))
        write_depth(depth / f"{number:06d}.exr", 2.5 + number - placed.numbers[0])
    preset("COMP")
    tree = output_tree(scene)
    assert [name in tree.nodes for name in compositing.TAKE_PARTS] == [True, True, False]
    take.versions[0].projection = str(depth.parent)
    preset("COMP")
    scene.frame_set(placed.frame_of(placed.numbers[2]))
    render(scene, tmp_path / "out.png")
    found = [part(scene, name, tmp_path) for name in compositing.TAKE_PARTS]
    assert [float(np.median(values)) for values in found] == pytest.approx([1.0, 128 / 255, 4.5])
    # Of the plate nothing of the kind is known.
    scene.camera = placed.source_camera
    preset("COMP")
    assert not any(name in tree.nodes for name in compositing.TAKE_PARTS)
    assert not any("Take 01 v001" in image.name for image in bpy.data.images)


def write_depth(path: Path, value: float) -> None:
    """A float picture with one channel, Y, as the backend writes depth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(one_channel_exr(np.full((32, 48), value, np.float32)))


def one_channel_exr(values: np.ndarray) -> bytes:
    """An OpenEXR file of scan lines, not compressed: the channel Y, float."""
    height, width = values.shape

    def attribute(name: str, kind: str, data: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(data)) + data

    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channel = b"Y\0" + struct.pack("<iB3xii", 2, 0, 1, 1) + b"\0"
    head = struct.pack("<ii", 20000630, 2) + b"".join(
        attribute(name, kind, data)
        for name, kind, data in (
            ("channels", "chlist", channel),
            ("compression", "compression", b"\0"),
            ("dataWindow", "box2i", box),
            ("displayWindow", "box2i", box),
            ("lineOrder", "lineOrder", b"\0"),
            ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
            ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
            ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        )
    )
    head += b"\0"
    line = 8 + 4 * width
    first = len(head) + 8 * height
    offsets = b"".join(struct.pack("<Q", first + line * y) for y in range(height))
    rows = b"".join(struct.pack("<ii", y, 4 * width) + values[y].astype("<f4").tobytes() for y in range(height))
    return head + offsets + rows
