# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot in a scene: pixels that come out as they went in, imports that can be repeated, files that move."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import camera, material, mesh, shot, takes
from viewport_factory import make_shot

from ex4d.protocol.errors import BadInputError


def render(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """One sample through the middle of each pixel, 8-bit RGBA (H, W, 4), top row first."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 1
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.filter_width = 0.01
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read(path)


def read(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path), check_existing=False)
    width, height = image.size
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)[::-1]
    bpy.data.images.remove(image)
    return np.round(pixels * 255).astype(int)


def frame_files(record: dict, number: int) -> tuple[Path, Path]:
    plate = Path(record["shot"]) / "cache/plate-0123/frames" / f"{number:06d}.png"
    return plate, Path(record["viewport"]) / "valid" / f"{number:06d}.png"


def valid_pixels(valid: np.ndarray, grid: tuple[int, int], plate: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Masks (H, W) of pixels whose centres lie on valid quads only, and on holes only; the border is neither."""
    columns, rows = np.linspace(0.5, plate[0] - 0.5, grid[0]), np.linspace(0.5, plate[1] - 0.5, grid[1])
    x, y = np.arange(plate[0]) + 0.5, np.arange(plate[1]) + 0.5

    def quads(positions: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        top = len(positions) - 2
        low = np.clip(np.searchsorted(positions, at - 1e-3, "right") - 1, 0, top)
        return low, np.clip(np.searchsorted(positions, at + 1e-3, "right") - 1, 0, top)

    (left, right), (up, down) = quads(columns, x), quads(rows, y)
    around = np.stack([valid[np.ix_(a, b)] for a in (up, down) for b in (left, right)])
    inner = np.zeros((plate[1], plate[0]), bool)
    inner[1:-1, 1:-1] = True
    return (around == 255).all(0) & inner, (around == 0).all(0) & inner


def camera_beside(source: bpy.types.Object) -> bpy.types.Object:
    """A camera that moves as a source camera does, so near it that the pixels stay what they are."""
    beside = source.copy()
    beside.delta_location = (1e-3, 0, 0)
    source.users_collection[0].objects.link(beside)
    return beside


@pytest.mark.parametrize(("grid", "moving"), [((48, 32), False), ((48, 32), True), ((20, 12), True)])
def test_source_camera_renders_the_plate(
    scene: bpy.types.Scene, tmp_path: Path, grid: tuple[int, int], moving: bool
) -> None:
    record = make_shot(tmp_path, grid=grid, moving=moving)
    placed = shot.import_shot(scene, record)
    placed.root.location, placed.root.scale, placed.root.rotation_euler = (3, 1, 2), (2.5,) * 3, (0.4, 0.5, 0.6)
    assert shot.match_scene(scene, record) == []
    scene.camera = placed.source_camera
    for number in (1001, 1004):
        scene.frame_set(number)
        shown = render(scene, tmp_path / "out.png")
        # No slit, no hole, no edge: the whole plate.
        assert (shown[..., 3] == 255).all()
        assert np.abs(shown - read(frame_files(record, number)[0])).max() <= 1


@pytest.mark.parametrize(("grid", "moving"), [((48, 32), False), ((48, 32), True), ((20, 12), True)])
def test_another_camera_sees_the_plate_and_holes(
    scene: bpy.types.Scene, tmp_path: Path, grid: tuple[int, int], moving: bool
) -> None:
    record = make_shot(tmp_path, grid=grid, moving=moving)
    placed = shot.import_shot(scene, record)
    placed.root.location, placed.root.scale, placed.root.rotation_euler = (3, 1, 2), (2.5,) * 3, (0.4, 0.5, 0.6)
    shot.match_scene(scene, record)
    scene.camera = camera_beside(placed.source_camera)
    for number in (1001, 1004):
        scene.frame_set(number)
        shown = render(scene, tmp_path / "out.png")
        plate_file, valid_file = frame_files(record, number)
        seen, hole = valid_pixels(read(valid_file)[..., 0], grid, (48, 32))
        assert seen.sum() > 700
        assert hole.sum() > 5
        error = np.abs(shown[..., :3] - read(plate_file)[..., :3]).max(-1)
        # With a vertex on each pixel's centre a few rays slip exactly between four faces.
        slipped = seen & (shown[..., 3] == 0)
        assert slipped.sum() <= (4 if grid == (48, 32) else 0)
        # A hundredth of a pixel beside it.
        assert error[seen & ~slipped].max() <= 4
        assert (shown[seen & ~slipped, 3] == 255).all()
        # A hole shows what lies behind: the cap, a hole itself, and then nothing.
        assert (shown[hole, 3] == 0).all()


def test_holes_in_a_chosen_colour(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(48, 32))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.camera = camera_beside(placed.source_camera)
    scene.frame_set(1002)
    surface = placed.mesh.data.materials[0]
    material.set_hole_style(surface, transparent=False, color=(0, 1, 0))
    assert material.hole_style(surface) == (False, (0, 1, 0))
    shown = render(scene, tmp_path / "out.png")
    _, hole = valid_pixels(read(frame_files(record, 1002)[1])[..., 0], (48, 32), (48, 32))
    assert hole.sum() > 5
    assert (shown[hole] == (0, 255, 0, 255)).all()
    # A renewed shot keeps the artist's choice.
    shot.import_shot(scene, record)
    assert material.hole_style(placed.mesh.data.materials[0]) == (False, (0, 1, 0))


def test_plate_sits_at_its_own_numbers_or_where_asked(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    assert placed.frames == range(1001, 1006)
    placed = shot.import_shot(scene, record, first_frame=1)
    assert placed.frames == range(1, 6)
    assert (placed.number_at(3), placed.frame_of(1003)) == (1003, 3)
    assert placed.mesh.modifiers[mesh.MODIFIER].frame_start == 1
    assert shot.import_shot(scene, record).first_frame == 1
    shot.match_scene(scene, record, first_frame=1)
    assert (scene.frame_start, scene.frame_end) == (1, 5)
    scene.camera = placed.source_camera
    scene.frame_set(4)
    shown = render(scene, tmp_path / "out.png")
    plate_file, valid_file = frame_files(record, 1004)
    seen, _ = valid_pixels(read(valid_file)[..., 0], (24, 16), (48, 32))
    assert np.abs(shown - read(plate_file))[seen].max() <= 1


def test_import_again_renews_and_leaks_nothing(scene: bpy.types.Scene, tmp_path: Path) -> None:
    first = make_shot(tmp_path / "a", moving=True)
    placed = shot.import_shot(scene, first, name="Alley")
    take = takes.add_take_camera(scene, placed)
    takes.apply_preset(scene, take, "orbit:40", record=first)
    placed.root.location = (1, 2, 3)
    extra = bpy.data.objects.new("Lamp", None)
    extra.parent = placed.root
    scene.collection.objects.link(extra)
    before = camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=take)
    kinds = ("objects", "meshes", "materials", "images", "cameras", "actions", "collections")
    counts = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    names = {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}
    # The same shot, reconstructed anew with another grid.
    shutil.rmtree(tmp_path / "a")
    second = make_shot(tmp_path / "a", grid=(31, 21), moving=True, seed=3)
    renewed = shot.import_shot(scene, second)
    assert {kind: len(getattr(bpy.data, kind)) for kind in kinds} == counts
    assert {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds} == names
    assert renewed.root == placed.root
    assert renewed.mesh == placed.mesh
    assert tuple(renewed.root.location) == (1, 2, 3)
    assert len(renewed.mesh.data.vertices) == 31 * 21 + 2 * (31 + 21) - 4
    assert extra.parent == renewed.root
    after = camera.sample_trajectory(scene, renewed.frames, root=renewed.root, camera=take)
    assert np.array_equal(before.E, after.E)
    assert np.array_equal(before.K, after.K)
    # What the artist deleted comes back.
    bpy.data.objects.remove(renewed.mesh)
    bpy.data.objects.remove(renewed.source_camera)
    again = shot.import_shot(scene, second)
    assert again.mesh is not None
    assert again.source_camera is not None


def test_two_shots_in_one_scene(scene: bpy.types.Scene, tmp_path: Path) -> None:
    one = shot.import_shot(scene, make_shot(tmp_path / "one"), name="One")
    two = shot.import_shot(scene, make_shot(tmp_path / "two"), name="Two")
    assert [found.root.name for found in shot.find_shots(scene)] == ["One", "Two"]
    assert shot.find_shot(scene, two.folder).root == two.root
    assert shot.find_shot(scene, "/nowhere") is None
    bpy.context.view_layer.objects.active = two.source_camera
    assert shot.find_shot(scene).root == two.root
    assert shot.shot_of(one.mesh).root == one.root
    assert shot.shot_of(bpy.data.objects.new("Other", None)) is None


def test_saved_file_plays_by_itself_and_moves_with_its_shot(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path / "project")
    blend = tmp_path / "project" / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    placed = shot.import_shot(scene, record)
    placed.root.name = "Renamed"
    takes.add_take_camera(scene, placed)
    assert placed.mesh.modifiers[mesh.MODIFIER].filepath.startswith("//")
    bpy.ops.wm.save_mainfile()
    # Saved elsewhere, then the whole project moved.
    (tmp_path / "elsewhere").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "elsewhere" / "copy.blend"))
    found = shot.find_shot(bpy.context.scene)
    assert shot.missing_files(found.mesh) == []
    shutil.move(tmp_path / "project", tmp_path / "moved")
    assert len(shot.missing_files(found.mesh)) == 1 + 2 * 5
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "moved" / "scene.blend"))
    found = shot.find_shot(bpy.context.scene)
    assert found.root.name == "Renamed"
    assert [take.name for take in found.takes] == ["Take 01"]
    assert found.record["pivot"] == 3.0
    assert shot.missing_files(found.mesh) == []
    bpy.context.scene.frame_set(1003)
    shown = found.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(3 * len(shown.vertices), np.float32)
    shown.attributes["position"].data.foreach_get("vector", points)
    saved = np.fromfile(tmp_path / "moved/shot/cache/viewport-0123/mesh.pc2", "<f4", offset=32)
    assert np.array_equal(points, saved.reshape(5, -1)[2])


def test_relink_to_the_moved_folder(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path / "a")
    placed = shot.import_shot(scene, record, first_frame=11)
    images = len(bpy.data.images)
    shutil.move(tmp_path / "a", tmp_path / "b")
    missing = shot.missing_files(placed.mesh)
    assert record["viewport"] + "/mesh.pc2" in missing
    with pytest.raises(BadInputError, match="no reconstructed mesh"):
        shot.relink(placed.mesh, Path(record["viewport"]))
    moved = tmp_path / "b" / "shot" / "cache" / "viewport-0123"
    shot.relink(placed.mesh, moved)
    assert shot.missing_files(placed.mesh) == []
    assert placed.mesh.modifiers[mesh.MODIFIER].frame_start == 11
    assert len(bpy.data.images) == images
    found = shot.find_shot(scene, str(tmp_path / "b" / "shot"))
    assert found is not None
    assert len(found.source()) == 5
    assert found.record["viewport"] == str(moved)
    shot.match_scene(scene, record, first_frame=11)
    scene.camera = placed.source_camera
    scene.frame_set(13)
    seen, _ = valid_pixels(read(moved / "valid/001003.png")[..., 0], (24, 16), (48, 32))
    shown = render(scene, tmp_path / "out.png")
    assert np.abs(shown - read(tmp_path / "b/shot/cache/plate-0123/frames/001003.png"))[seen].max() <= 1
    other = make_shot(tmp_path / "c", grid=(9, 9))
    with pytest.raises(BadInputError, match="vertices"):
        shot.relink(placed.mesh, Path(other["viewport"]))


@pytest.mark.parametrize(
    ("fps", "base"), [("24", (24, 1.0)), ("24000/1001", (24, 1.001)), ("30000/1001", (30, 1.001)), ("25/2", (13, 1.04))]
)
def test_scene_is_matched_to_the_plate(
    scene: bpy.types.Scene, tmp_path: Path, fps: str, base: tuple[int, float]
) -> None:
    record = make_shot(tmp_path, fps=fps)
    scene.render.resolution_percentage = 50
    scene.render.pixel_aspect_x = 2
    scene.render.fps = 7
    scene.view_settings.exposure = 1
    scene.frame_end = 10
    differences = shot.scene_differences(scene, record)
    assert len(differences) == 7
    assert differences[0] == "Resolution: 1920x1080 becomes 48x32."
    assert "50 % becomes 100 %" in differences[1]
    assert shot.match_scene(scene, record) == []
    assert shot.scene_differences(scene, record) == []
    assert (scene.render.fps, scene.render.fps_base) == (base[0], pytest.approx(base[1]))
    assert camera.render_size(scene) == (48, 32)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (1001, 1005, 1001)
    assert scene.view_settings.view_transform == "Standard"
    assert scene.render.dither_intensity == 0


def test_frames_that_no_scene_has_are_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, first=2_000_000)
    with pytest.raises(BadInputError, match="beyond"):
        shot.import_shot(scene, record)
    assert shot.import_shot(scene, record, first_frame=10).frames == range(10, 15)


@pytest.mark.parametrize("key", ["shot", "plate", "viewport", "source", "pivot"])
def test_incomplete_record_is_refused(scene: bpy.types.Scene, tmp_path: Path, key: str) -> None:
    record = make_shot(tmp_path)
    del record[key]
    with pytest.raises(BadInputError, match="record"):
        shot.import_shot(scene, record)
    assert len(bpy.data.objects) == 0


def test_undo_and_redo_of_an_import(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    bpy.ops.ed.undo_push(message="Before")
    placed = shot.import_shot(scene, record)
    takes.apply_preset(scene, takes.add_take_camera(scene, placed), "orbit:30", record=record)
    bpy.ops.ed.undo_push(message="Import")
    bpy.ops.ed.undo()
    assert shot.find_shot(bpy.context.scene) is None
    assert len(bpy.context.scene.objects) == 0
    bpy.ops.ed.redo()
    found = shot.find_shot(bpy.context.scene)
    assert [take.name for take in found.takes] == ["Take 01"]
    have = camera.sample_trajectory(bpy.context.scene, found.frames, root=found.root, camera=found.takes[0])
    assert have.centers()[-1, 0] == pytest.approx(3 * np.sin(np.radians(30)), abs=1e-4)
    # And what is found can be imported again.
    shot.import_shot(bpy.context.scene, record)
    assert shot.missing_files(found.mesh) == []
