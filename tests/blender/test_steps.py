# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of shots, the steps that fold, what is shown when a shot comes, and entries in Blender's menus."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from ex4d_blender.core import assumptions
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene import showing
from panel_drawing import Layout, context_of
from results_factory import reconstruct_result
from viewport_factory import make_shot

pytest_plugins = ["addon_fixtures"]

STEPS = ("plate", "geometry", "takes", "generate")


def opened(scene: bpy.types.Scene) -> list[str]:
    return [step for step in STEPS if getattr(scene.ex4d, f"open_{step}")]


def place(scene: bpy.types.Scene, folder: Path, name: str, **depth: Any) -> shots.ShotObjects:
    record = make_shot(folder, grid=(6, 4), plate=(96, 64), count=10, pictures=False)
    record["plate"]["path"] = str(folder / f"{name}.mp4")
    record["depth"].update(depth)
    return shots.import_shot(scene, record, name=name)


def test_a_step_that_is_done_folds_and_the_next_opens(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    state = scene.ex4d
    assert opened(scene) == ["plate"]
    state.plate_path = str(tmp_path / "a.mp4")
    assert opened(scene) == ["geometry"]
    place(scene, tmp_path, "a", intrinsics_known=True, source_poses_known=True)
    assert opened(scene) == ["takes"]
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    assert opened(scene) == ["takes", "generate"]
    # Another plate is to be reconstructed first.
    state.plate_path = str(tmp_path / "b.mp4")
    assert opened(scene) == ["geometry"]


def test_another_shots_object_may_be_active(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    known = {"intrinsics_known": True, "source_poses_known": True}
    place(scene, tmp_path / "a", "a", **known)
    other = place(scene, tmp_path / "b", "b", **known)
    scene.ex4d.plate_path = str(tmp_path / "a" / "a.mp4")
    bpy.context.view_layer.objects.active = other.root
    assert opened(scene) == ["takes"]


def test_what_stands_in_the_way_keeps_its_step_open(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.scene import obstacles

    shot = place(scene, tmp_path, "a", intrinsics_known=True, source_poses_known=True)
    scene.ex4d.plate_path = str(tmp_path / "a.mp4")
    wall = bpy.data.objects.new("Wall", bpy.data.meshes.new("Wall"))
    scene.collection.objects.link(wall)
    shot.root[obstacles.IN_THE_WAY] = "Wall"
    assert opened(scene) == ["geometry", "takes"]
    wall.hide_set(True)
    assert opened(scene) == ["takes"]


def test_what_was_assumed_keeps_its_step_open(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    scene.ex4d.plate_path = str(tmp_path / "a.mp4")
    shot = place(scene, tmp_path, "a", intrinsics_known=False, source_poses_known=True)
    assert opened(scene) == ["geometry", "takes"]
    record = {**shot.record, "notes": ["An image sequence has no frame rate: 24 fps is assumed."]}
    record["depth"]["intrinsics_known"] = True
    shots.import_shot(scene, record)
    assert opened(scene) == ["plate", "takes"]


def test_what_was_assumed_folds_with_the_first_take_and_stays_marked(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    from ex4d_blender.props.steps import needs_look
    from ex4d_blender.scene import obstacles

    scene.ex4d.plate_path = str(tmp_path / "a.mp4")
    shot = place(scene, tmp_path, "a", intrinsics_known=False, source_poses_known=True)
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    assert opened(scene) == ["takes", "generate"]
    assert needs_look(scene.ex4d, "geometry")
    # What is lost is no matter of taste: it stays open.
    wall = bpy.data.objects.new("Wall", bpy.data.meshes.new("Wall"))
    scene.collection.objects.link(wall)
    shot.root[obstacles.IN_THE_WAY] = "Wall"
    assert "geometry" in opened(scene)


def test_what_is_folded_by_hand_stays_folded(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    state = scene.ex4d
    state.plate_path = str(tmp_path / "a.mp4")
    state.open_geometry = False
    assert opened(scene) == []
    place(scene, tmp_path, "a", intrinsics_known=False, source_poses_known=True)
    assert opened(scene) == ["takes"]
    # Opened where it is open anyway, it follows the work again.
    state.open_geometry = True
    assert state.hand_geometry == 0
    state.open_plate = True
    assert opened(scene) == ["plate", "geometry", "takes"]


def test_notes_stand_in_the_step_that_changes_them() -> None:
    rate = "The file names no frame rate: 24 fps is assumed."
    matrix = "The colour matrix is not tagged: BT.601 is assumed, as the height is below 720."
    asked = "The colour range is tagged limited: full is used, as was asked for."
    primaries = "The file does not say which primaries it has: Rec.709 is assumed."
    lens = "The lens is not known; a field of view of 54° is assumed. Give it with --fov."
    record = {"notes": [rate, matrix, asked, primaries, lens], "depth": {}}
    assert assumptions.plate_notes(record) == [
        (rate, "plate_fps"),
        (matrix, "plate_colour_matrix"),
        (asked, "plate_colour_range"),
        (primaries, "plate_colour_space"),
    ]
    assert assumptions.geometry_notes(record) == ["The lens is not known; a field of view of 54° is assumed."]
    for note in (rate, primaries):
        assert assumptions.plate_needs_look({"notes": [note, lens]})
    # Whoever has chosen has looked, and most small movies name no matrix.
    for note in (asked, matrix):
        assert not assumptions.plate_needs_look({"notes": [note, lens]})


def test_choosing_a_shot_selects_it_and_brings_its_plate_back(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.scene import asked

    state, made = scene.ex4d, {}
    for name in ("a", "b"):
        record = make_shot(tmp_path / name, grid=(6, 4), plate=(96, 64), count=10, first=1001 if name == "a" else 2001)
        record["plate"]["path"] = state.plate_path = str(tmp_path / f"{name}.mp4")
        state.thickness, state.plate_colour_space = (0.5, "ACEScg") if name == "a" else (2.0, "")
        data = {"name": name, "asked": asked.asked(state)}
        job_results.import_reconstruction(scene, reconstruct_result(record), data)
        made[name] = next(shot for shot in shots.find_shots(scene) if shot.root.name == name)
    layer = bpy.context.view_layer
    assert bpy.ops.ex4d.choose_shot(root="a") == {"FINISHED"}
    first = made["a"]
    assert {obj.name for obj in layer.objects.selected} == {first.root.name, first.source_camera.name, first.mesh.name}
    assert layer.objects.active == first.root
    assert shots.known(scene).find().root == first.root
    assert (state.plate_path, state.thickness) == (str(tmp_path / "a.mp4"), 0.5)
    assert state.plate_colour_space == "ACEScg"
    assert scene.frame_current == 1001
    bpy.ops.ex4d.choose_shot(root="b")
    assert (state.plate_path, state.thickness, state.plate_colour_space) == (str(tmp_path / "b.mp4"), 2.0, "")
    assert scene.frame_current == 2001
    with pytest.raises(RuntimeError, match="There is no shot «c» in the scene"):
        bpy.ops.ex4d.choose_shot(root="c")


def test_choosing_looks_through_the_camera_where_one_stood_in_a_camera_view(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    first, second = (place(scene, tmp_path / name, name) for name in ("a", "b"))
    scene.camera = second.source_camera
    spaces = [
        area.spaces.active
        for area in bpy.context.window_manager.windows[0].screen.areas
        if area.type == "VIEW_3D" and area.spaces.active.region_3d is not None
    ]
    for space in spaces:
        space.region_3d.view_perspective = "PERSP"
    bpy.ops.ex4d.choose_shot(root="a")
    assert scene.camera == second.source_camera
    spaces[0].region_3d.view_perspective = "CAMERA"
    bpy.ops.ex4d.choose_shot(root="a")
    assert scene.camera == first.source_camera


def test_choosing_a_shot_can_be_undone(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    for name in ("a", "b"):
        place(scene, tmp_path / name, name)
    bpy.ops.ex4d.choose_shot(root="a")
    bpy.ops.ed.undo_push(message="a is chosen")
    bpy.ops.ex4d.choose_shot(root="b")
    bpy.ops.ed.undo_push(message="b is chosen")
    bpy.ops.ed.undo()
    assert shots.known(bpy.context.scene).find().root.name == "a"
    assert bpy.context.scene.ex4d.plate_path == str(tmp_path / "a" / "a.mp4")


def test_a_shot_of_an_earlier_version_brings_back_its_plate(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    place(scene, tmp_path, "a")
    scene.ex4d.plate_path, scene.ex4d.plate_lens = str(tmp_path / "b.mp4"), "FILE"
    bpy.ops.ex4d.choose_shot(root="a")
    state = scene.ex4d
    assert (state.plate_path, state.plate_frames, state.plate_lens) == (str(tmp_path / "a.mp4"), "1001-1010", "NONE")


def test_the_panel_lists_the_shots(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.ui import panels

    def listed() -> list[str]:
        lines: list[str] = []
        context = context_of(scene, "VIEW_3D")
        panels.draw_steps(Layout(context, lines), context)
        return lines

    place(scene, tmp_path / "a", "a")
    assert "Shot: a" in listed()
    assert "ex4d.choose_shot" not in listed()
    for name in "bcdef":
        place(scene, tmp_path / name, name)
        lines = listed()
        chosen = [lines[i + 1] for i, line in enumerate(lines) if line == "ex4d.choose_shot"]
        assert chosen == sorted(shot.root.name for shot in shots.known(scene).shots)


def test_a_shot_that_comes_is_looked_through_and_the_startup_cube_is_hidden(tmp_path: Path, addon: Any) -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene, window = bpy.context.scene, bpy.context.window_manager.windows[0]
    assert shots.is_as_new(scene)
    shot = place(scene, tmp_path, "a")
    cube, view = scene.objects["Cube"], next(area for area in window.screen.areas if area.type == "VIEW_3D")
    assert showing.startup_cube(scene, shot) == cube
    showing.show_shot([window], scene, shot)
    assert not cube.visible_get()
    assert cube.hide_render
    space = view.spaces.active
    assert space.region_3d.view_perspective == "CAMERA"
    assert (space.shading.type, space.shading.color_type) == ("SOLID", "TEXTURE")
    assert shots.known(scene).find().root == shot.root == bpy.context.view_layer.objects.active
    cube.hide_set(False)
    cube.location.x = 0.5
    bpy.context.view_layer.update()
    # The artist has moved it: it is asked about.
    assert showing.startup_cube(scene, shot) is None
    scene.frame_end = 100
    assert not shots.is_as_new(scene)


@pytest.mark.parametrize("operator", ["view_shot", "show_heat_map"])
def test_pictures_are_looked_for_once_their_material_has_changed(
    operator: str, scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addon: Any
) -> None:
    shot = shots.import_shot(scene, make_shot(tmp_path, grid=(6, 4), plate=(96, 64), count=10), name="a")
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    scene.timeline_markers.new("switch", frame=1001).camera = other
    scene.frame_set(1003)
    scene.camera = shot.source_camera
    timers: list[Any] = []
    monkeypatch.setattr(showing.hooks, "add_timer", lambda function, after: timers.append(function))
    window = bpy.context.window_manager.windows[0]
    window.screen.areas[0].type = "VIEW_3D"
    frames: list[int] = []

    def note(changed: bpy.types.Scene, *_: Any) -> None:
        frames.append(changed.frame_current)

    bpy.app.handlers.frame_change_post.append(note)
    try:
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
            assert getattr(bpy.ops.ex4d, operator)() == {"FINISHED"}
        # Not before it has been drawn: Blender would take the missing picture for the frame's.
        assert frames == []
        assert [look() for look in timers] == [None]
        assert frames == [1004, 1003]
        # Not the one that the marker switches to.
        assert scene.camera == shot.source_camera
    finally:
        bpy.app.handlers.frame_change_post.remove(note)


@pytest.mark.parametrize(
    ("menu", "operator"),
    [
        ("TOPBAR_MT_file_import", "ex4d.load_plate"),
        ("VIEW3D_MT_camera_add", "ex4d.add_take_camera"),
        ("CLIP_MT_clip", "ex4d.plate_from_clip"),
    ],
)
def test_menus_have_entries_where_people_look(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, menu: str, operator: str
) -> None:
    place(scene, tmp_path, "a")
    lines: list[str] = []
    context = context_of(scene, "CLIP_EDITOR")
    context.space_data.clip = SimpleNamespace(name="clip")
    for draw in getattr(bpy.types, menu)._dyn_ui_initialize():
        if draw.__module__.startswith("ex4d_blender"):
            draw(SimpleNamespace(layout=Layout(context, lines)), context)
    assert operator in lines


def test_the_menu_search_finds_the_work(scene: bpy.types.Scene, addon: Any) -> None:
    from ex4d_blender.ui import menu_entries

    lines: list[str] = []
    context = context_of(scene, "VIEW_3D")
    for draw in bpy.types.VIEW3D_MT_object._dyn_ui_initialize():
        if draw.__module__ == menu_entries.__name__:
            draw(SimpleNamespace(layout=Layout(context, lines)), context)
    assert {"ex4d.load_plate", "ex4d.reconstruct", "ex4d.generate", "ex4d.show_result"} <= set(lines)


# The shot's folder


def test_the_size_of_the_folder_is_counted_beside_and_again_after_a_job(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import folder_sizes

    from ex4d.protocol.jobs import JobSnapshot

    def counted() -> int | None:
        folder_sizes.look()
        while folder_sizes.is_counting():
            time.sleep(0.01)
        return folder_sizes.size(shot.folder)

    shot = place(scene, tmp_path, "a")
    files = [path for path in Path(shot.folder).rglob("*") if path.is_file()]
    assert folder_sizes.size(shot.folder) is None
    assert counted() == sum(path.stat().st_size for path in files)
    before = counted()
    (Path(shot.folder) / "more.bin").write_bytes(b"x" * 1000)
    # Nothing has ended: it is not walked again.
    assert counted() == before
    jobs = addon.current()
    jobs.link.client.jobs["a"] = JobSnapshot("a", "preview", state="done", title="Preview")
    jobs.mirror()
    assert counted() == before + 1000


def test_what_the_file_shows_of_the_cache_stays(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.scene import cache_use

    shot = place(scene, tmp_path, "a")
    folder = Path(shot.folder)
    image = bpy.data.images.new("mask", 4, 4)
    image.filepath = str(folder / "cache" / "raster-0123" / "mask" / "1001.png")
    bpy.data.images.new("other", 4, 4).filepath = str(tmp_path / "raster-9" / "1001.png")
    used = cache_use.used_of_cache(folder)
    assert "raster-0123" in used
    assert any(name.startswith("viewport-") for name in used)
    assert all((folder / "cache" / name) for name in used if name != "raster-0123")
    assert "raster-9" not in used


def test_cleaning_tells_what_goes_before_it_goes(shot: Any, addon: Any) -> None:
    from ex4d_blender.ops import clean_cache

    folder = Path(shots.find_shot(shot).folder)
    old = folder / "cache" / "raster-0000"
    old.mkdir()
    (old / "1001.png").write_bytes(b"x" * 5_000_000)
    with pytest.raises(RuntimeError, match="Nobody has looked at the cache yet"):
        bpy.ops.ex4d.clean_cache()
    assert bpy.ops.ex4d.look_at_cache() == {"FINISHED"}
    assert old.is_dir()
    assert clean_cache.lines(clean_cache.told[str(folder)]) == ["Rendering: 1 folder, 5 MB"]
    assert bpy.ops.ex4d.clean_cache() == {"FINISHED"}
    assert not old.exists()
    assert shots.missing_files(shots.find_shot(shot).mesh) == []
    bpy.ops.ex4d.look_at_cache()
    assert clean_cache.told[str(folder)].stages == ()


def test_where_the_blend_moves_its_shot_may_follow(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.scene.shot_place import is_left_behind

    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(first / "a.blend"))
    record = make_shot(first / "ex4d", grid=(6, 4), plate=(96, 64), count=3, pictures=False)
    shots.import_shot(scene, record)
    bpy.ops.wm.save_mainfile()
    assert not is_left_behind(shots.find_shot(scene))
    bpy.ops.wm.save_as_mainfile(filepath=str(second / "a.blend"))
    assert is_left_behind(shots.find_shot(scene))
    assert bpy.ops.ex4d.leave_shot() == {"FINISHED"}
    assert not is_left_behind(shots.find_shot(scene))
    # A file that was carried elsewhere by other means knows it as well.
    (first / "a.blend").rename(second / "b.blend")
    bpy.ops.wm.open_mainfile(filepath=str(second / "b.blend"))
    assert is_left_behind(shots.find_shot(bpy.context.scene))


def two_plates(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures that Blender can open, with other contents."""
    made = []
    for index, name in enumerate(("a", "b")):
        image = bpy.data.images.new(name, 96, 64)
        image.generated_color = (index, 0.5, 0.5, 1)
        path = tmp_path / "plates" / name / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
        bpy.data.images.remove(image)
        made.append(path)
    return made[0], made[1]


def reconstructed(scene: bpy.types.Scene, folder: Path, plate: Path) -> shots.ShotObjects:
    """The shot of the scene's plate, as a job would bring it."""
    from ex4d_blender import job_results
    from ex4d_blender.scene import asked

    record = make_shot(folder, grid=(6, 4), plate=(96, 64), count=1, pictures=False)
    digest, size = hashlib.sha256(plate.read_bytes()).hexdigest(), plate.stat().st_size
    record["shot"] = str(folder)
    record["plate"].update(path=str(plate), sha256=digest, files=[[plate.name, size]])
    (folder / "shot.json").write_text(json.dumps({"plate": record["plate"]}))
    data = {"name": plate.stem, "asked": asked.asked(scene.ex4d)}
    job_results.import_reconstruction(scene, reconstruct_result(record), data)
    return next(shot for shot in shots.find_shots(scene) if shot.folder == str(folder))


def drawn(scene: bpy.types.Scene) -> list[str]:
    from ex4d_blender.ui.panels.steps import draw_steps

    lines: list[str] = []
    context = context_of(scene, "VIEW_3D")
    draw_steps(Layout(context, lines), context)
    return lines


def test_another_plate_begins_a_shot_and_one_click_brings_the_former_back(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    from ex4d_blender.props.steps import begins_shot, is_done
    from ex4d_blender.scene.shot_place import shot_folder

    state, (one, other) = scene.ex4d, two_plates(tmp_path)
    bpy.ops.ex4d.load_plate(filepath=str(one))
    state.thickness, state.plate_layer, state.shot_folder = 0.5, "beauty", str(tmp_path / "mine")
    first = reconstructed(scene, tmp_path / "mine", one)
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    assert all(is_done(state, step) for step in ("plate", "geometry", "takes"))
    bpy.ops.ex4d.load_plate(filepath=str(other))
    assert begins_shot(state)
    assert [is_done(state, step) for step in STEPS] == [True, False, False, False]
    # What was said of the former plate's files is not meant for this one; how a mesh is made is.
    assert (state.plate_layer, state.shot_folder, state.thickness) == ("", "", 0.5)
    assert shot_folder(scene) != Path(first.folder)
    lines = drawn(scene)
    assert "ex4d.reconstruct" in lines
    assert lines.count("Reconstruct the plate first.") == 2
    assert not {"ex4d.add_take_camera", "ex4d.generate", "ex4d.preview_take", "ex4d.view_shot"} & set(lines)
    assert first.root.name in lines
    bpy.ops.ex4d.choose_shot(root=first.root.name)
    assert not begins_shot(state)
    assert (state.plate_path, state.plate_layer) == (str(one), "beauty")
    assert is_done(state, "takes")
    assert shot_folder(scene) == Path(first.folder)
    # The second, once made, has no takes yet; opening the first one's plate again chooses that shot.
    bpy.ops.ex4d.load_plate(filepath=str(other))
    second = reconstructed(scene, tmp_path / "second", other)
    bpy.ops.ex4d.choose_shot(root=second.root.name)
    assert [is_done(state, step) for step in STEPS] == [True, True, False, False]
    assert opened(scene)[-1] == "takes"
    assert len(state.takes) == 1
    bpy.ops.ex4d.load_plate(filepath=str(one))
    assert shots.find_shot(scene).root == first.root
    assert (state.plate_layer, is_done(state, "takes")) == ("beauty", True)


def test_a_plate_that_has_moved_is_still_its_shots(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.props.steps import begins_shot, is_of_plate

    state, (one, _) = scene.ex4d, two_plates(tmp_path)
    bpy.ops.ex4d.load_plate(filepath=str(one))
    shot = reconstructed(scene, tmp_path / "a", one)
    moved = tmp_path / "elsewhere" / one.name
    moved.parent.mkdir()
    one.rename(moved)
    bpy.ops.ex4d.load_plate(filepath=str(moved))
    assert is_of_plate(state, shot)
    assert not begins_shot(state)
    # A .blend of an earlier version has not written down which shot that is, and has the path relative to itself.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    state.plate_path = "//elsewhere/a.png"
    state.property_unset("plate_shot")
    assert not is_of_plate(state, shot)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "job.blend"))
    scene = bpy.context.scene
    assert is_of_plate(scene.ex4d, shots.find_shot(scene))
