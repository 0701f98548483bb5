# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of a film plate and asked of its takes, from the panels' fields to files and pictures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from clip_factory import solved_clip
from ex4d_blender import colour_spaces, take_versions
from ex4d_blender.core import assumptions
from ex4d_blender.core.deliveries import colour_of, read_take
from ex4d_blender.ops.generate import _output_request
from ex4d_blender.ops.reconstruct import reconstruct_request
from ex4d_blender.scene import colour_tables, plates, sequencer
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.colour import picture_space
from ex4d_blender.scene.data import node_tree
from film_factory import lamp_and_patch, rendered, write_pictures
from panel_drawing import draw_panels
from viewport_factory import write_png

from ex4d.camera import Lens, parse_lens
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import OutputRequest, PlateRequest

pytest_plugins = ["addon_fixtures"]

SIZE = (192, 108)
#: Barrel distortion of several pixels at the corners.
K1, K2 = -0.18, 0.05
FOCAL = 160.0


def place_pictures(folder: Path, numbers: range) -> Path:
    """8-bit pictures whose red and green tell each pixel's place, 0 to 255 from left to right and top to bottom."""
    x, y = np.meshgrid(*(np.linspace(0, 255, side) for side in SIZE))
    picture = np.stack([x, y, np.full_like(x, 90)], axis=-1).round().astype(np.uint8)
    for number in numbers:
        name = f"plate.{'-' if number < 0 else ''}{abs(number):04d}.png"
        write_png(folder / name, picture)
    return folder


def clip_of(folder: Path, **lens: Any) -> bpy.types.MovieClip:
    clip = bpy.data.movieclips.load(str(folder / "plate.1001.png"))
    camera = clip.tracking.camera
    camera.units = "PIXELS"
    camera.focal_length_pixels = FOCAL
    camera.principal_point_pixels = (SIZE[0] / 2 + 3, SIZE[1] / 2 - 2)
    for name, value in lens.items():
        setattr(camera, name, value)
    return clip


def plate_request(scene: bpy.types.Scene) -> PlateRequest:
    return reconstruct_request(scene, block=False)[0].plate


def test_fields_of_earlier_files_ask_for_what_was_asked(scene: bpy.types.Scene, addon: Any, tmp_path: Path) -> None:
    state = scene.ex4d
    state.plate_path = str(tmp_path / "p.mp4")
    request = plate_request(scene)
    assert request == PlateRequest(str(tmp_path / "p.mp4"), ocio=colour_tables.environment_config())
    assert _output_request(state) == OutputRequest()
    assert state.take_lens == "plate"


def test_fields_reach_the_requests(scene: bpy.types.Scene, addon: Any, tmp_path: Path) -> None:
    state = scene.ex4d
    state.plate_path = str(tmp_path / "p.mp4")
    state.plate_pixel_aspect, state.plate_over_range, state.plate_first_frame = " 4/3 ", "keep", -8
    state.plate_colour_matrix, state.plate_colour_range = "bt2020", "full"
    calibration = "%YAML:1.0\n---\ndistortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 2\n   dt: d\n"
    (tmp_path / "lens.yml").write_text(calibration + "   data: [ -1.0e-01, 2.0e-02 ]\n")
    state.plate_lens, state.plate_lens_file = "FILE", str(tmp_path / "lens.yml")
    request = plate_request(scene)
    assert (request.pixel_aspect, request.over_range, request.first_frame) == ("4/3", "keep", -8)
    assert (request.colour_matrix, request.colour_range) == ("bt2020", "full")
    assert request.lens == (tmp_path / "lens.yml").read_text()
    state.result_pictures, state.result_compression, state.result_aov = "codes", "piz", True
    state.result_movie, state.result_audio = "h265", True
    assert _output_request(state) == OutputRequest("codes", "piz", aov=True, movie="h265", audio=True)
    state.plate_lens_file = ""
    with pytest.raises(BadInputError, match="No lens file is chosen"):
        plate_request(scene)
    state.plate_lens = "CLIP"
    with pytest.raises(BadInputError, match="no Movie Clip"):
        plate_request(scene)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("POLYNOMIAL", {"k1": -0.1, "k2": 0.02, "k3": 0.01}),
        ("DIVISION", {"division_k1": 0.1, "division_k2": -0.02}),
        ("NUKE", {"nuke_k1": 0.05, "nuke_k2": 0.01}),
        ("BROWN", {"brown_k1": -0.1, "brown_k2": 0.02, "brown_k3": 0.01, "brown_k4": 0.002, "brown_p1": 0.003,
                   "brown_p2": -0.002}),
    ],
)  # fmt: skip
def test_a_clips_lens_goes_along(
    scene: bpy.types.Scene, addon: Any, tmp_path: Path, model: str, names: dict[str, float]
) -> None:
    clip = clip_of(place_pictures(tmp_path, range(1001, 1003)), pixel_aspect=2.0, distortion_model=model, **names)
    assert bpy.ops.ex4d.plate_from_clip(clip=clip.name) == {"FINISHED"}
    state = scene.ex4d
    assert state.plate_lens == "CLIP"
    assert "lens" in state.plate_info
    request = plate_request(scene)
    found = parse_lens(request.lens)
    assert request.pixel_aspect == "2"
    assert found.lens.model == model.lower()
    assert not found.lens.is_identity
    # Blender's first row is the lowest one.
    assert found.camera.focal == pytest.approx((FOCAL, 2 * FOCAL))
    assert found.camera.principal == pytest.approx((SIZE[0] / 2 + 3, SIZE[1] / 2 + 2), abs=1e-4)
    assert found.camera.size == SIZE
    # libmv counts Nuke's in halves of the longer side, in square pixels.
    scale = (FOCAL / (max(SIZE[0], SIZE[1] / 2) / 2)) ** 2 if model == "NUKE" else 1.0
    first = next(iter(names.values()))
    assert found.lens.coefficients[0] == pytest.approx(first * scale, rel=1e-5)
    state.use_fov = True
    with pytest.raises(BadInputError, match="Two focal lengths"):
        plate_request(scene)
    # Another plate has not that lens.
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "plate.1001.png"))
    assert (state.plate_lens, plate_request(scene).lens) == ("NONE", None)


def test_a_solved_clips_distortion_is_used_or_said_to_be_left_out(
    scene: bpy.types.Scene, addon: Any, tmp_path: Path
) -> None:
    clip = solved_clip(tmp_path, 12).clip
    clip.tracking.camera.k1 = 0.01
    bpy.ops.ex4d.plate_from_clip(clip=clip.name)
    request, notes = reconstruct_request(scene, block=False)
    assert request.solved is not None
    assert request.plate.lens is not None
    assert not any("distortion" in note for note in notes)
    scene.ex4d.plate_lens = "NONE"
    request, notes = reconstruct_request(scene, block=False)
    assert request.plate.lens is None
    assert any("lens distortion is ignored" in note for note in notes)


def cycles(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """What the source camera shows (H, W, 4), sRGB codes 0 to 255 and alpha, one ray through each pixel's centre."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = 1, False, False
    scene.cycles.filter_width = 0.01
    scene.render.film_transparent, scene.render.dither_intensity = True, 0
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path), check_existing=False)
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)[::-1] * 255
    bpy.data.images.remove(image)
    return pixels


def test_through_the_source_camera_the_plate_stands_without_its_distortion(
    addon: Any, scene: bpy.types.Scene, tmp_path: Path
) -> None:
    clip = clip_of(place_pictures(tmp_path, range(1001, 1004)), k1=K1, k2=K2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "lens.blend"))
    scene = bpy.context.scene
    bpy.ops.ex4d.plate_from_clip(clip=clip.name)
    scene.ex4d.viewport_side = SIZE[0]
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    pixels = cycles(scene, tmp_path / "source.png")
    centres = np.stack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5), axis=-1)
    principal = np.array([SIZE[0] / 2 + 3, SIZE[1] / 2 + 2])
    wanted = Lens("polynomial", (K1, K2)).distort((centres - principal) / FOCAL) * FOCAL + principal
    moved = np.abs(wanted - centres).max(axis=-1)
    shown = pixels[..., :2] / 255 * (np.array(SIZE) - 1) + 0.5
    inside = (pixels[..., 3] > 254) & ((wanted > 2) & (wanted < np.array(SIZE) - 2)).all(axis=-1)
    assert inside.mean() > 0.7
    assert moved[inside].max() > 4
    # Half a code of 8 bits is 0.4 px.
    assert np.abs(shown - wanted)[inside].max() < 1.0
    assert np.abs((shown - wanted)[inside].mean(axis=0)).max() < 0.1
    # A take is drawn through the lens, or as the viewport is; a preview lies over the viewport.
    bpy.ops.ex4d.add_take_camera(move="hold")
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    scene.ex4d.take_lens = "none"
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    through, without = (Path(version.folder) for version in scene.ex4d.takes[0].versions)
    assert "lens" in json.loads((through / "take.json").read_text())["camera"]
    assert "lens" not in json.loads((without / "take.json").read_text())["camera"]
    plate, same = read_png(tmp_path / "plate.1001.png"), read_png(through / "result" / "result.1001.png")
    mask = read_png(through / "mask" / "mask.1001.png")[..., 0] == 255
    assert mask.mean() > 0.9
    assert np.array_equal(plate[mask], same[mask])
    assert np.abs(read_png(without / "result" / "result.1001.png").astype(int) - plate).max() > 8


def read_png(path: Path) -> np.ndarray:
    """Codes (H, W, 3)."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.is_data = True
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], -1)[::-1, :, :3]
    bpy.data.images.remove(image)
    return np.round(pixels * 255).astype(np.uint8)


def test_frames_below_0_are_shown(addon: Any, scene: bpy.types.Scene, tmp_path: Path) -> None:
    place_pictures(tmp_path, range(-2, 1))
    light = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
    write_png(tmp_path / "plate.-0001.png", light)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "below.blend"))
    scene = bpy.context.scene
    assert bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "plate.$F4.png")) == {"FINISHED"}
    assert scene.ex4d.plate_info == f"{SIZE[0]}x{SIZE[1]}, 3 frames"
    scene.ex4d.viewport_side = 32
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    shot = shots.find_shot(scene)
    assert shot.numbers == [-2, -1, 0]
    greens = []
    for frame in shot.frames:
        scene.frame_set(frame)
        pixels = cycles(scene, tmp_path / "shown.png")
        greens.append(pixels[4:-4, 20, 1].mean())
        # Pictures that are missing are drawn in magenta.
        assert pixels[..., 2].max() < 230
    assert greens[1] == pytest.approx(200, abs=2)
    assert greens[0] == pytest.approx(127, abs=6)
    assert greens[2] == pytest.approx(127, abs=6)
    assert not shots.missing_files(shot.mesh)
    bpy.ops.ex4d.add_take_camera(move="hold")
    assert bpy.ops.ex4d.preview_take() == {"FINISHED"}
    background = scene.ex4d.takes[0].camera.data.background_images[0]
    assert Path(bpy.path.abspath(background.image.filepath)).name == "000001.png"
    assert background.image_user.frame_offset == 0


def test_a_clip_of_frames_below_0_is_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    place_pictures(tmp_path, range(-2, 1))
    clip = bpy.data.movieclips.load(str(tmp_path / "plate.-0002.png"))
    with pytest.raises(BadInputError, match="without their minus"):
        plates.plate_from_clip(clip, scene)


@pytest.mark.parametrize("name", ["plate.@@@@.png", "plate.[1001-1002].png", "plate.####.png 1001-1002"])
def test_patterns_of_other_programs_open(scene: bpy.types.Scene, addon: Any, tmp_path: Path, name: str) -> None:
    place_pictures(tmp_path, range(1001, 1003))
    assert bpy.ops.ex4d.load_plate(filepath=str(tmp_path / name)) == {"FINISHED"}
    assert scene.ex4d.plate_info == f"{SIZE[0]}x{SIZE[1]}, 2 frames"
    assert plate_request(scene).path == str(tmp_path / name)


def test_blenders_own_configuration_is_nobodys_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Since 5.2 Blender writes it into $OCIO itself."""
    monkeypatch.delenv("OCIO", raising=False)
    own = colour_tables.blender_config()
    assert Path(own).is_file()
    for named, wanted in ((own, None), (str(tmp_path / "a.ocio"), str(tmp_path / "a.ocio")), ("ocio://x", "ocio://x")):
        monkeypatch.setenv("OCIO", named)
        assert colour_tables.environment_config() == wanted
        assert colour_tables.blender_config() == (wanted or own)
        assert colour_tables.backend_variables() == ({} if wanted else {"OCIO": ""})


def test_a_name_of_blenders_own_spaces_is_translated(addon: Any, scene: bpy.types.Scene, tmp_path: Path) -> None:
    colour_spaces.ask(scene, block=True)
    scene.ex4d.plate_path, scene.ex4d.plate_colour_space = str(tmp_path / "p.mp4"), "Linear Rec.709"
    assert plate_request(scene).colour_space == "Linear Rec.709 (sRGB)"
    assert "Linear Rec.709 (sRGB)" in colour_tables.plate_space_names()
    assert "Linear Rec.709" in colour_tables.plate_space_names()
    scene.ex4d.plate_colour_space = "nothing known"
    assert plate_request(scene).colour_space == "nothing known"


def test_what_is_asked_of_a_take_is_delivered_and_said(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    write_pictures(backend_python, tmp_path, range(1001, 1004), name="plate")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "out.blend"))
    scene = bpy.context.scene
    state = scene.ex4d
    state.plate_pixel_aspect = "2"
    reconstruct(tmp_path / "plate.1001.exr")
    assert shots.find_shot(scene).record["plate"]["pixel_aspect"] == "2"
    bpy.ops.ex4d.add_take_camera(move="hold")
    state.result_aov, state.result_movie, state.result_compression = True, "prores4444", "piz"
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    version = state.takes[0].versions[0]
    folder = Path(version.folder)
    assert (version.passes, version.movie) == ("aov", "result.mov")
    assert (folder / "aov" / "aov.1001.exr").is_file()
    assert (folder / version.movie).is_file()
    head = (folder / "result" / "result.1001.exr").read_bytes()[:4096]
    compression = head.index(b"compression\0compression\0") + len(b"compression\0compression\0") + 4
    # OpenEXR's number of PIZ.
    assert head[compression] == 4
    assert sequencer.edit_scenes(scene)[0].render.pixel_aspect_x == 2.0
    lines = draw_panels(scene)
    assert "AOV files: aov" in lines
    assert "Movie: result.mov" in lines
    made = read_take(folder)
    assert made.pixel_aspect == 2
    assert (made.colour.kind, made.colour.linear_space) == ("linear", "ACEScg")
    assert (Path(made.aov), Path(made.edit_movie)) == (folder / "aov", folder / "result.mov")
    found = take_versions.add_version(state.takes[0], made)
    assert (found.passes, found.movie) == ("aov", "result.mov")
    # A plate without sound has none to give.
    state.result_audio = True
    with pytest.raises(RuntimeError, match=r"(?i)sound|audio"):
        bpy.ops.ex4d.generate()


@pytest.mark.parametrize(("primaries", "named"), [(1, False), (None, False), (12, True)])
def test_takes_that_are_shown_as_srgb_have_no_space_of_their_own(primaries: int | None, *, named: bool) -> None:
    record = {"kind": "display", "space": "a display", "linear_space": "", "primaries": primaries, "notes": []}
    assert (colour_of({"colour": record}) is not None) == named


def test_log_pictures_are_delivered_in_their_own_curve_where_that_is_chosen(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path
) -> None:
    place_pictures(tmp_path, range(1001, 1003))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "log.blend"))
    scene = bpy.context.scene
    scene.ex4d.plate_colour_space = "ACEScct"
    reconstruct(tmp_path / "plate.1001.png")
    # Without the name of the command line's option.
    assert "Colour: ACEScct (as chosen)" in " ".join(draw_panels(scene))
    bpy.ops.ex4d.add_take_camera(move="hold")
    for pictures, suffix in (("linear", ".exr"), ("codes", ".png")):
        scene.ex4d.result_pictures = pictures
        assert bpy.ops.ex4d.generate() == {"FINISHED"}
        folder = Path(scene.ex4d.takes[0].versions[-1].folder)
        assert (folder / "result" / f"result.1001{suffix}").is_file()


_OVER = """
import sys, av, numpy as np
with av.open(sys.argv[1], "w") as out:
    stream = out.add_stream("ffv1", rate=24)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
    for _ in range(3):
        planes = np.full((96, 96), 128, np.uint8)
        planes[:64] = np.linspace(16, 250, 96).astype(np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
    out.mux(stream.encode())
"""


@pytest.mark.parametrize(("choice", "kind"), [("AUTO", None), ("clip", None), ("keep", "codes")])
def test_values_beyond_white_are_kept_where_that_is_chosen(
    reconstruct: Callable[[Path], None],
    scene: bpy.types.Scene,
    tmp_path: Path,
    backend_python: str,
    choice: str,
    kind: str | None,
) -> None:
    subprocess.run([backend_python, "-I", "-c", _OVER, str(tmp_path / "over.mkv")], check=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "over.blend"))
    scene = bpy.context.scene
    scene.ex4d.plate_over_range = choice
    reconstruct(tmp_path / "over.mkv")
    colour = shots.find_shot(scene).record["plate"]["colour"]
    assert (colour["kind"] if colour else None) == kind


def test_an_assumed_colour_matrix_stands_where_it_can_be_changed(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    subprocess.run([backend_python, "-I", "-c", _OVER, str(tmp_path / "over.mkv")], check=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "over.blend"))
    scene = bpy.context.scene
    reconstruct(tmp_path / "over.mkv")

    def noted() -> dict[str, str]:
        return {name: note for note, name in assumptions.plate_notes(shots.find_shot(scene).record)}

    assert "BT.601 is assumed" in noted()["plate_colour_matrix"]
    scene.ex4d.plate_colour_matrix, scene.ex4d.plate_colour_range = "bt709", "full"
    reconstruct(tmp_path / "over.mkv")
    assert "BT.709 is used, as was asked for" in noted()["plate_colour_matrix"]
    assert "full is used, as was asked for" in noted()["plate_colour_range"]
    assert not assumptions.plate_needs_look(shots.find_shot(scene).record)
    assert "BT.709 is used, as was asked for" in " ".join(draw_panels(scene))


def test_overscan_and_size_cost_the_viewport_nothing(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    """People see the frame's camera; textures are small 8-bit pictures of all that the files have."""
    code = (
        "import sys, numpy as np, OpenEXR\n"
        "from pathlib import Path\n"
        "h, w = 1120, 2400\n"
        "rgb = np.full((h, w, 3), 0.18, np.float16); rgb[:, :1200] = 0.5\n"
        "header = {'type': OpenEXR.scanlineimage, 'compression': OpenEXR.ZIP_COMPRESSION,\n"
        "  'dataWindow': (np.array([-40, -20], np.int32), np.array([w - 41, h - 21], np.int32)),\n"
        "  'displayWindow': (np.array([0, 0], np.int32), np.array([w - 81, h - 41], np.int32)),\n"
        "  'colorInteropID': 'lin_rec709_scene'}\n"
        "OpenEXR.File(header, {'RGB': rgb}).write(sys.argv[1])\n"
    )
    subprocess.run([backend_python, "-I", "-c", code, str(tmp_path / "uhd.1001.exr")], check=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "uhd.blend"))
    scene = bpy.context.scene
    scene.ex4d.match_without_asking = True
    reconstruct(tmp_path / "uhd.1001.exr")
    plate = shots.find_shot(scene).record["plate"]
    assert (plate["width"], plate["height"]) == (2320, 1080)
    image = node_tree(shots.find_shot(scene).mesh.data.materials[0]).nodes["EX-4D Plate"].image
    assert Path(image.filepath).suffix == ".png"
    assert image.colorspace_settings.name == picture_space()
    texture = bpy.data.images.load(bpy.path.abspath(image.filepath))
    assert (*texture.size, texture.is_float, texture.depth) == (2048, 956, False, 24)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (2320, 1080)
    # The border between the two halves of the file stands 1160 pixels from the frame's left edge.
    scene.render.resolution_percentage = 10
    columns = cycles(scene, tmp_path / "seen.png")[54, :, 0]
    edge = int(np.argmax(np.abs(np.diff(columns))))
    assert edge == 115


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="working spaces can be chosen since Blender 5")
def test_in_another_working_space_light_stays_light(
    reconstruct: Callable[[Path], None], scene: bpy.types.Scene, tmp_path: Path, backend_python: str
) -> None:
    write_pictures(backend_python, tmp_path, range(1001, 1003), name="plate")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "ap1.blend"))
    bpy.ops.wm.set_working_color_space(working_space="ACEScg")
    scene = bpy.context.scene
    reconstruct(tmp_path / "plate.1001.exr")
    bpy.ops.ex4d.add_take_camera(move="hold")
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    edit = sequencer.edit_scenes(scene)[0]
    assert sequencer.all_strips(edit)[-1].colorspace_settings.name == "ACEScg"
    image = node_tree(shots.find_shot(scene).mesh.data.materials[0]).nodes["EX-4D Plate"].image
    assert image.colorspace_settings.name == picture_space()
    edit.render.dither_intensity = 0
    edit.frame_set(1001)
    lamp, patch = lamp_and_patch(rendered(edit, tmp_path / "strip.exr"))
    assert lamp == pytest.approx([40.0] * 3, rel=1e-3)
    assert patch == pytest.approx([0.5, 0.2, 0.1], rel=2e-3)
