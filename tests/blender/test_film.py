# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene-linear results in Blender: in the sequencer and in Cycles, under its own configuration and under ACES ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender import colour_spaces
from ex4d_blender.scene import colour, colour_tables, files, sequencer
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.data import node_tree
from film_factory import HEIGHT, LAMP, PATCH, WIDTH, lamp_and_patch, rendered, write_aov, write_pictures
from results_factory import delivered, generate_result
from viewport_factory import write_png

from ex4d.protocol.results import ColourInfo

pytest_plugins = ["addon_fixtures"]

#: Scene-linear ACEScg as the backend resolves it.
ACESCG = ColourInfo("linear", "ACEScg", "ACEScg", "studio-config-v4.0.0_aces-v2.0_ocio-v2.5", None, "lin_ap1_scene")
#: ACEScg to Rec.709, both relative to their own white (Bradford); of the OpenColorIO studio configurations.
AP1_TO_709 = np.array([[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]])
UNDER_ACES = os.environ.get("EX4D_TEST_ACES") == "1"
NUMBERS = range(1001, 1007)


def expected_patch() -> np.ndarray:
    """The patch in this Blender's working space: that of ACES configurations is ACEScg."""
    return np.array(PATCH) if UNDER_ACES else AP1_TO_709 @ np.array(PATCH)


@pytest.fixture
def take(tmp_path: Path, backend_python: str) -> Callable[..., Any]:
    """Makes a delivered take of EXR files."""

    def make(interop: str = "lin_ap1_scene", **changes: Any) -> Any:
        folder = tmp_path / "shot" / "takes" / "v001"
        write_pictures(backend_python, folder / "result", NUMBERS, interop=interop)
        for number in NUMBERS:
            write_png(folder / "mask" / f"{number:06d}.png", np.full((HEIGHT, WIDTH), 128, np.uint8))
            write_png(folder / "color" / f"{number:06d}.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        return delivered(generate_result(folder, NUMBERS, size=(WIDTH, HEIGHT), colour=ACESCG, **changes))

    return make


@pytest.fixture
def tables(addon: Any, scene: bpy.types.Scene, backend_python: str) -> None:
    """What a backend says of the colour spaces of this Blender's configuration."""
    colour_spaces.ask(scene, block=True)
    assert not colour_tables.unknown_configs()


def small(scene: bpy.types.Scene) -> None:
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.render.dither_intensity = 0


# In the older Blenders a file's identifier says nothing, and without it nobody but the record knows.
@pytest.mark.parametrize("interop", ["lin_ap1_scene", ""])
def test_sequencer_reads_light(
    tables: None, scene: bpy.types.Scene, take: Callable[..., Any], tmp_path: Path, interop: str
) -> None:
    small(scene)
    placed = sequencer.place_take(scene, take(interop), with_mask=True, with_color=True, name="T")
    assert placed.notes == ()
    assert placed.result.colorspace_settings.name == "ACEScg"
    assert placed.color.colorspace_settings.name == colour.picture_space()
    assert placed.mask.colorspace_settings.is_data
    scene.frame_set(1003)
    lamp, patch = lamp_and_patch(rendered(scene, tmp_path / "strip.exr"))
    assert lamp == pytest.approx([LAMP] * 3, rel=1e-3)
    assert patch == pytest.approx(expected_patch(), rel=2e-3)


def test_cycles_reads_light(tables: None, scene: bpy.types.Scene, take: Callable[..., Any], tmp_path: Path) -> None:
    small(scene)
    folder = Path(take("").result)
    image = files.load_sequence(folder / "result.1001.exr", "T", is_data=False, colour=ACESCG)
    assert image.colorspace_settings.name == "ACEScg"
    # A picture of light that fills an orthographic camera's view.
    mesh = bpy.data.meshes.new("plane")
    x, y = 0.5, 0.5 * HEIGHT / WIDTH
    mesh.from_pydata([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], [], [(0, 1, 2, 3)])
    uv = mesh.uv_layers.new(name="UVMap")
    uv.data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    material = bpy.data.materials.new("light")
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture, emission, output = (
        nodes.new(kind) for kind in ("ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeOutputMaterial")
    )
    texture.image, texture.interpolation = image, "Closest"
    files.show_sequence(texture.image_user, first_number=1001, count=6, first_frame=1001)
    links.new(texture.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs["Emission"], output.inputs["Surface"])
    mesh.materials.append(material)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale, camera.location = "ORTHO", 1.0, (0, 0, 1)
    for item in (bpy.data.objects.new("plane", mesh), camera):
        scene.collection.objects.link(item)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.render.filter_size = 4, False, 0.01
    scene.frame_set(1003)
    lamp, patch = lamp_and_patch(rendered(scene, tmp_path / "cycles.exr"))
    assert lamp == pytest.approx([LAMP] * 3, rel=1e-3)
    assert patch == pytest.approx(expected_patch(), rel=2e-3)


def test_an_exr_plate_from_file_to_strip(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    write_pictures(backend_python, tmp_path, NUMBERS, name="plate", interop="", aspect=2.0)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "film.blend"))
    scene = bpy.context.scene
    look = next(
        view
        for view in ("Filmic", "ACES 1.0 - SDR Video")
        if bpy.types.UILayout.enum_item_name(scene.view_settings, "view_transform", view)
    )
    scene.view_settings.view_transform = look
    state = scene.ex4d
    with pytest.raises(RuntimeError, match="--colour-space"):
        reconstruct(tmp_path / "plate.1001.exr")
    state.plate_colour_space, state.plate_frames, state.plate_handles = "ACEScg", "1002-1005", 1
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    shot = shots.find_shot(scene)
    plate = shot.record["plate"]
    assert (plate["colour"]["space"], plate["pixel_aspect"], plate["handles"]) == ("ACEScg", "2", [1, 1])
    assert shot.numbers == list(NUMBERS)
    # Seen is the range without its handles; light is looked at as the artist looks at light.
    assert (scene.frame_start, scene.frame_end) == (1002, 1005)
    assert scene.view_settings.view_transform == look
    assert (scene.render.pixel_aspect_x, scene.render.pixel_aspect_y) == (2.0, 1.0)
    image = node_tree(shot.mesh.data.materials[0]).nodes["EX-4D Plate"].image
    assert image.colorspace_settings.name == colour.picture_space()
    bpy.ops.ex4d.add_take_camera(move="hold")
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    edit = sequencer.edit_scenes(scene)[0]
    meta = sequencer.strips_of(edit.sequence_editor)[0]
    strip = sequencer.strips_of(meta)[0]
    assert strip.elements[0].filename.endswith(".exr")
    assert strip.colorspace_settings.name == "ACEScg"
    assert (edit.frame_start, edit.frame_end, edit.view_settings.view_transform) == (1002, 1005, look)
    assert (meta.frame_final_start, meta.frame_final_end) == (1002, 1006)
    edit.render.dither_intensity = 0
    edit.frame_set(1003)
    lamp, patch = lamp_and_patch(rendered(edit, tmp_path / "strip.exr"))
    assert lamp == pytest.approx([LAMP] * 3, rel=1e-3)
    assert patch == pytest.approx(expected_patch(), rel=2e-3)


def test_the_plates_clip_is_read_in_the_plates_space(
    addon: Any, scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    write_pictures(backend_python, tmp_path, range(1001, 1004), name="plate", interop="")
    clip = bpy.data.movieclips.load(str(tmp_path / "plate.1001.exr"))
    clip.colorspace_settings.name = colour.picture_space()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "clip.blend"))
    scene = bpy.context.scene
    bpy.ops.ex4d.plate_from_clip(clip=clip.name)
    scene.ex4d.viewport_side, scene.ex4d.plate_colour_space = 32, "ACEScg"
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    assert clip.colorspace_settings.name == "ACEScg"
    assert any("is read as «ACEScg» now" in note for note in shots.find_shot(scene).record["notes"])


@pytest.mark.skipif(UNDER_ACES, reason="runs the others under an ACES configuration")
def test_all_under_an_aces_configuration(backend_python: str, tmp_path: Path) -> None:
    config = tmp_path / "aces.ocio"
    code = (
        "import sys, PyOpenColorIO as o; from pathlib import Path;"
        "c = o.Config.CreateFromBuiltinConfig('studio-config-v2.1.0_aces-v1.3_ocio-v2.3');"
        "Path(sys.argv[1]).write_text(c.serialize())"
    )
    subprocess.run([backend_python, "-I", "-c", code, str(config)], check=True)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env=dict(os.environ, OCIO=str(config), EX4D_TEST_ACES="1", BLENDER_USER_RESOURCES=str(tmp_path / "user")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert "failed" not in ended.stdout


def test_passes_open_in_the_compositor(scene: bpy.types.Scene, backend_python: str, tmp_path: Path) -> None:
    """Every pass of both parts has a socket; depth, UV and motion as what they are."""
    path = tmp_path / "aov" / "aov.1001.exr"
    write_aov(backend_python, path)
    node: Any = bpy.data.node_groups.new("AOV", "CompositorNodeTree").nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(path))
    assert node.image.type == "MULTILAYER"
    assert [(socket.name, socket.type) for socket in node.outputs] == [("rgba", "RGBA")]
    node.layer = "data"
    kinds = {socket.name: socket.type for socket in node.outputs}
    assert kinds.keys() == {"depth", "generated", "motion", "origin", "source", "uv"}
    assert all(kinds[name] == "VALUE" for name in ("depth", "generated", "origin", "source"))
