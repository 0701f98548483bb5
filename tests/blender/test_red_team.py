# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, scenes and commands as careless and unlucky users make them: copies, damage, links, long paths."""

from __future__ import annotations

import faulthandler
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import addon_utils  # noqa: E402
from results_factory import delivered as made  # noqa: E402
from results_factory import generate_result, render_result  # noqa: E402
from viewport_factory import make_shot, write_png  # noqa: E402

from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo  # noqa: E402
from ex4d.protocol.errors import BadInputError  # noqa: E402
from ex4d.protocol.requests import job_name  # noqa: E402


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The enabled add-on, which has no backend and finds none."""
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "runtime"))
    addon_utils.enable("ex4d_blender", default_set=True)
    yield
    addon_utils.disable("ex4d_blender", default_set=True)


def shot_in(scene: Any, folder: Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    """A shot in the scene, and its record; its folder can be copied."""
    from ex4d_blender.scene import shot

    record = make_shot(folder, **options)
    (Path(record["shot"]) / "shot.json").write_text("{}")
    return shot.import_shot(scene, record), record


def only_shot(scene: Any) -> Any:
    from ex4d_blender.scene import shot

    (found,) = shot.find_shots(scene)
    return found


def reopened(path: Path) -> Any:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


def duplicated(obj: Any, *, linked: bool = False) -> Any:
    """What Shift D or Alt D make of an object."""
    for other in bpy.context.scene.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.duplicate(linked=linked)
    return bpy.context.view_layer.objects.active


def seen_by(scene: Any, shot: Any, camera: Any) -> tuple[np.ndarray, np.ndarray]:
    from ex4d_blender.scene import camera as cameras

    found = cameras.sample_trajectory(scene, list(shot.frames), root=shot.root, camera=camera)
    return found.K, found.E


def assert_same(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def delivered(folder: Path, numbers: list[int], **values: Any) -> Path:
    """A take as it lies on disk."""
    for number in numbers:
        write_png(folder / "result" / f"{number:06d}.png", np.zeros((32, 48, 3), np.uint8))
    fill = {"name": "preview", "label": "Preview", "seed": None, "prompt": None}
    frames = [{"frame": number, "generated": 0.25} for number in numbers]
    record = {"fill": fill, "frames": frames, "title": "Take 01", "generated_mean": 0.25, "trajectory": "t.json"}
    (folder / "take.json").write_text(json.dumps({**record, **values}))
    return folder


# Records and custom properties that somebody has edited


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shot", None),
        ("shot", 5),
        ("first_frame", None),
        ("first_frame", "soon"),
        ("record", None),
        ("record", "{"),
        ("record", "[1]"),
        ("record", '{"plate": 5}'),
    ],
)
def test_a_damaged_root_is_said_and_stops_nothing_else(scene: Any, tmp_path: Path, key: str, value: Any) -> None:
    from ex4d_blender import job_list

    root = shot_in(scene, tmp_path / "plate")[0].root
    if value is None:
        del root["ex4d"][key]
    else:
        root["ex4d"][key] = value
    scene.ex4d.plate_path = str(tmp_path / "plate.mp4")
    other = bpy.data.scenes.new("Other")
    job_list.current().expect(other, "job", "generate", {"take": "x"})
    scene = reopened(tmp_path / "damaged.blend")
    # The file's other scene still waits for its job.
    assert "job" in job_list.current().waiting
    with pytest.raises(RuntimeError, match=r"custom properties is damaged\. Undo"):
        bpy.ops.ex4d.add_take_camera()
    assert bpy.data.objects["shot"].name == "shot"


@pytest.mark.parametrize("change", [{"far": float("inf")}, {"pivot": float("nan")}, {"depth": {"scale": float("nan")}}])
def test_a_record_that_could_not_be_read_again_renews_nothing(
    scene: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate")
    before, mesh = shot.record, shot.mesh.data
    with pytest.raises(BadInputError, match="Reconstruct the shot again"):
        shots.import_shot(scene, {**record, **change})
    assert (only_shot(scene).record, only_shot(scene).mesh.data) == (before, mesh)


def test_names_of_any_letters_are_found_again(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    folder = tmp_path / "ü 日本 🎬'%04d"
    shot, record = shot_in(scene, folder / "plate #1")
    shot.root.name = "ü\n🎬" * 30
    found = only_shot(reopened(folder / "a b.blend"))
    assert (found.folder, shots.missing_files(found.mesh)) == (record["shot"], [])


def test_a_shot_whose_library_is_gone_is_no_shot(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    shot_in(scene, tmp_path / "plate")
    library = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(library), link=True) as (there, here):
        here.collections = there.collections
    bpy.context.scene.collection.children.link(here.collections[0])
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    library.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "job.blend"))
    scene = bpy.context.scene
    with pytest.raises(BadInputError, match="no shot"):
        shots.take_shot(scene, scene.ex4d.takes[0])


def test_other_objects_may_carry_anything(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import sequencer

    shot, _ = shot_in(scene, tmp_path / "plate")
    shot.mesh["ex4d"], shot.source_camera["ex4d"] = "hello", [1, 2]
    assert (only_shot(scene).mesh, only_shot(scene).source_camera) == (None, None)
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    scene.ex4d.takes[0].camera.parent["ex4d"] = {"nothing": 1}
    assert bpy.ops.ex4d.apply_preset(move="truck:0.2") == {"FINISHED"}
    scene.sequence_editor_create()
    strip = sequencer.strips_of(scene.sequence_editor).new_image(
        name="a", filepath=str(tmp_path / "a.png"), channel=1, frame_start=1
    )
    for value in ("x", 5, {"role": "result"}):
        strip["ex4d"] = value
        assert sequencer.take_of_strip(strip) is None
        assert sequencer.strips_in_the_way(scene) == []


def test_damaged_coverage_draws_nothing() -> None:
    from ex4d_blender.ui import coverage

    for text in [
        '{"numbers": [1], "coverage": ["x"]}',
        '{"numbers": [1, 2], "coverage": [0.5]}',
        '{"numbers": [1], "coverage": [1e999]}',
        '{"numbers": ["a"], "coverage": [1]}',
    ]:
        assert coverage.parse(text) == ((), ())


def test_a_scene_of_results_of_itself_is_none(scene: Any) -> None:
    from ex4d_blender.scene import sequencer

    for told in (scene, "an id"):
        scene[sequencer.EDIT_PROPERTY], scene[sequencer.SCENE_UID] = told, "an id"
        assert sequencer.scene_of_edit(scene) is None
        assert sequencer.working_scene(bpy.context) == scene
        del scene[sequencer.EDIT_PROPERTY]


# Duplicates


def test_duplicates_are_not_the_shots_own(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate")
    source, mesh = shot.source_camera, shot.mesh
    camera, copy = duplicated(source), duplicated(mesh)
    # Names decide the order of a parent's children.
    camera.name, copy.name, camera.location = "A camera", "A mesh", (5, 5, 5)
    before, data = seen_by(scene, shot, camera), copy.data
    assert (only_shot(scene).source_camera, only_shot(scene).mesh) == (source, mesh)
    shots.import_shot(scene, record)
    assert (only_shot(scene).source_camera, only_shot(scene).mesh) == (source, mesh)
    assert_same(seen_by(scene, shot, camera), before)
    assert copy.data == data

    # As a whole, each has its own.
    for obj in scene.objects:
        obj.select_set(True)
    bpy.ops.object.duplicate()
    first, second = shots.find_shots(scene)
    assert first.source_camera.parent == first.root
    assert second.source_camera.parent == second.root != first.root


def test_a_deleted_source_camera_that_a_take_still_has_is_not_renewed(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate")
    bpy.context.view_layer.objects.active = shot.source_camera
    bpy.ops.ex4d.add_take()
    scene.collection.children[0].objects.unlink(shot.source_camera)
    assert only_shot(scene).source_camera is None
    renewed = shots.import_shot(scene, record).source_camera
    assert scene in renewed.users_scene
    assert scene.camera in {renewed, shot.source_camera}


def test_a_move_of_a_duplicate_leaves_the_take_it_was_copied_from(scene: Any, tmp_path: Path) -> None:
    shot, _ = shot_in(scene, tmp_path / "plate", moving=True)
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    take = scene.ex4d.takes[0].camera
    before = seen_by(scene, shot, take)
    duplicated(take)
    bpy.ops.ex4d.add_take()
    assert bpy.ops.ex4d.apply_preset(move="truck:0.5") == {"FINISHED"}
    assert_same(seen_by(scene, shot, take), before)
    # Of the last one its Empties go.
    scene.ex4d.active_take = 0
    assert bpy.ops.ex4d.apply_preset(move="hold") == {"FINISHED"}
    assert [obj.name for obj in scene.objects if "Pivot" in obj.name] == []


@pytest.mark.parametrize(("moving", "move"), [(False, "zoom_in:2"), (True, "truck:0.3"), (True, "zoom_in:2")])
def test_a_move_of_a_linked_duplicate_leaves_the_source_camera(
    scene: Any, tmp_path: Path, *, moving: bool, move: str
) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate", moving=moving)
    source = shot.source_camera
    before = seen_by(scene, shot, source)
    copy = duplicated(source, linked=True)
    assert copy.data == source.data
    bpy.ops.ex4d.add_take()
    assert bpy.ops.ex4d.apply_preset(move=move) == {"FINISHED"}
    assert_same(seen_by(scene, shot, source), before)
    assert bpy.ops.ex4d.add_handheld(strength=1.0) == {"FINISHED"}
    assert_same(seen_by(scene, shot, source), before)
    # Nor does the source camera, made anew, move its duplicate.
    other = duplicated(source, linked=True)
    other.data.lens = 20
    seen = seen_by(scene, shot, other)
    shots.import_shot(scene, record)
    assert_same(seen_by(scene, shot, other), seen)
    assert_same(seen_by(scene, shot, source), before)


def test_a_preview_lies_over_its_own_camera_only(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import background

    shot, _ = shot_in(scene, tmp_path / "plate")
    copy = duplicated(shot.source_camera, linked=True)
    for number in shot.numbers:
        write_png(tmp_path / "color" / f"{number:06d}.png", np.zeros((8, 12, 3), np.uint8))
    background.show_preview(copy, render_result(tmp_path, shot.numbers))
    assert (background.has_preview(copy), background.has_preview(shot.source_camera)) == (True, False)


def test_what_the_artist_gave_the_mesh_stays_when_it_is_renewed(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate")
    shot.mesh.data.materials.append(bpy.data.materials.new("Mine"))
    shot.mesh.modifiers.remove(shot.mesh.modifiers[0])
    shot.mesh.modifiers.new("Mine", "SUBSURF")
    mesh = shots.import_shot(scene, record).mesh
    assert [item.name for item in mesh.data.materials] == ["shot", "Mine"]
    # Points are replaced before they are divided.
    assert [item.type for item in mesh.modifiers] == ["MESH_CACHE", "NODES", "SUBSURF"]


def test_what_moves_a_camera_besides_its_move_is_said(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import takes

    shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    camera = scene.ex4d.takes[0].camera
    bpy.ops.ex4d.add_handheld(strength=1.0)
    assert takes.acting_besides(camera) == []
    bpy.ops.ex4d.add_handheld(strength=0.0)
    camera.delta_location.x = 1
    camera.driver_add("location", 0)
    camera.animation_data.nla_tracks.new()
    camera.constraints.new("COPY_LOCATION")
    assert takes.acting_besides(camera) == ["constraints", "drivers", "NLA tracks", "delta transforms"]


def test_a_copied_scene_does_not_take_the_first_ones_result(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import job_list

    shot_in(scene, tmp_path / "plate")
    job_list.current().expect(scene, "job", "generate", {"take": "x"})
    # Blender has scenes by their names: the copy comes first.
    scene.name = "Work"
    bpy.ops.scene.new(type="FULL_COPY")
    bpy.context.scene.name = "A copy"
    reopened(tmp_path / "copied.blend")
    assert {item.name: len(item.ex4d.pending) for item in bpy.data.scenes} == {"A copy": 0, "Work": 1}
    assert job_list.scene_by_uid(job_list.current().waiting["job"].scene).name == "Work"


def test_a_scene_of_results_deleted_under_a_job_is_made_anew(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.scene import sequencer

    shot, record = shot_in(scene, tmp_path / "plate")
    folder = delivered(Path(record["shot"]) / "takes" / "v001", shot.numbers)
    result = generate_result(folder, shot.numbers)
    bpy.data.scenes.remove(sequencer.ensure_edit_scene(scene, record["plate"], 1001))
    # Its take is gone as well.
    job_results.place_take(scene, result, {"take": "gone", "title": "Take 01"})
    (edit,) = sequencer.edit_scenes(scene)
    assert [strip.name for strip in sequencer.all_strips(edit)] == ["Take 01 v001", "Take 01 v001 result"]


def test_a_take_that_finds_no_room_in_the_sequencer_is_in_the_list(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.scene import sequencer

    shot, record = shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    take = scene.ex4d.takes[0]
    folder = delivered(Path(record["shot"]) / "takes" / "v001", shot.numbers)
    result = generate_result(folder, shot.numbers, coverage=(0.5,) * len(shot.numbers), generated_mean=0.5)
    strips = sequencer.strips_of(sequencer.ensure_edit_scene(scene, record["plate"], 1001).sequence_editor)
    picture = str(folder / "result" / "001001.png")
    for channel in range(1, sequencer.LAST_CHANNEL + 1):
        strips.new_image(name="full", filepath=picture, channel=channel, frame_start=1001)
    with pytest.raises(BadInputError, match="All sequencer channels"):
        job_results.place_take(scene, result, {"take": take.uid, "title": take.name})
    assert [(version.name, version.folder) for version in take.versions] == [("v001", str(folder))]
    assert take.coverage


def test_undo_and_redo_keep_what_is_whose(scene: Any, tmp_path: Path) -> None:
    shot_in(scene, tmp_path / "plate")
    bpy.ops.ed.undo_push(message="shot")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    bpy.ops.ed.undo_push(message="take")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert (len(scene.ex4d.takes), only_shot(scene).source_camera.name) == (0, "shot Source Camera")
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    assert scene.ex4d.takes[0].camera in only_shot(scene).takes
    assert scene.ex4d.takes[0].shot == only_shot(scene).root


# Folders


def test_a_moved_shot_is_moved_in_copied_scenes_too(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    shot, record = shot_in(scene, tmp_path / "plate")
    duplicated(shot.mesh)
    bpy.ops.scene.new(type="FULL_COPY")
    assert bpy.ops.ex4d.move_shot(directory=str(tmp_path / "new" / "plate")) == {"FINISHED"}
    shutil.rmtree(record["shot"])
    for item in bpy.data.scenes:
        found = only_shot(item)
        assert Path(found.folder) == tmp_path / "new" / "plate"
        assert Path(found.record["viewport"]).is_relative_to(tmp_path / "new")
    meshes = [obj for obj in bpy.data.objects if obj.type == "MESH"]
    assert len(meshes) == 4
    assert [shots.missing_files(obj) for obj in meshes] == [[]] * 4


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_moved_shot_takes_along_what_links_in_it_lead_to(scene: Any, tmp_path: Path) -> None:
    shot, record = shot_in(scene, tmp_path / "plate")
    folder, elsewhere = Path(record["shot"]), tmp_path / "large disk"
    delivered(elsewhere / "v001", shot.numbers)
    (folder / "takes").symlink_to(elsewhere)
    assert bpy.ops.ex4d.move_shot(directory=str(tmp_path / "new")) == {"FINISHED"}
    assert not (tmp_path / "new" / "takes").is_symlink()
    assert len(list((tmp_path / "new" / "takes" / "v001" / "result").iterdir())) == len(shot.numbers)

    for name, target in (("gone", tmp_path / "nowhere"), ("round", tmp_path / "new" / "takes")):
        link = tmp_path / "new" / "takes" / name
        link.symlink_to(target)
        with pytest.raises(RuntimeError, match=f"The link .*{name} leads nowhere"):
            bpy.ops.ex4d.move_shot(directory=str(tmp_path / "newer"))
        link.unlink()
        assert not (tmp_path / "newer").exists()
    assert Path(only_shot(scene).folder) == tmp_path / "new"


def test_a_full_disk_leaves_no_half_of_a_moved_shot(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender.core import shot_folders

    _, record = shot_in(scene, tmp_path / "plate")
    copied = []

    def copy(source: Path, target: Path) -> None:
        copied.append(target)
        if len(copied) == 3:
            target.write_bytes(source.read_bytes()[:10])
            raise OSError(28, "No space left on device")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(shot_folders.shutil, "copy2", copy)
    with pytest.raises(RuntimeError, match=r"No space left on device.*free space"):
        bpy.ops.ex4d.move_shot(directory=str(tmp_path / "new" / "plate"))
    assert list((tmp_path / "new").iterdir()) == []
    assert only_shot(scene).folder == record["shot"]


def test_a_path_longer_than_blender_keeps_is_refused_and_not_cut(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request
    from ex4d_blender.scene import sequencer
    from ex4d_blender.scene import shot as shots

    deep = tmp_path
    while len(str(deep)) < 760:
        deep /= "ä" * 30
    take = delivered(deep / "takes" / "v001", [1001, 1002])
    result = made(generate_result(take, [1001, 1002]))
    with pytest.raises(BadInputError, match="longer than the 767 bytes"):
        sequencer.place_take(scene, result, with_mask=False, with_color=False, name="Take 01")
    assert sequencer.all_strips(scene) == []
    # Said before the work, too.
    scene.ex4d.plate_path, scene.ex4d.shot_folder = str(tmp_path / "plate.mp4"), str(deep)
    with pytest.raises(BadInputError, match="path too long"):
        reconstruct_request(scene, block=True)

    while len(str(deep).encode()) < 1000:
        deep /= "ä" * 30
    before = [len(kind) for kind in (bpy.data.meshes, bpy.data.materials, bpy.data.images, scene.objects)]
    with pytest.raises(BadInputError, match="longer than the 1023 bytes"):
        shots.import_shot(scene, make_shot(deep / "plate"))
    assert [len(kind) for kind in (bpy.data.meshes, bpy.data.materials, bpy.data.images, scene.objects)] == before


def test_a_root_that_moves_moves_on_where_it_is_not_seen(scene: Any, tmp_path: Path) -> None:
    shot, _ = shot_in(scene, tmp_path / "plate")
    free = bpy.data.objects.new("Free", bpy.data.cameras.new("Free"))
    scene.collection.objects.link(free)
    for frame, x in ((1001, 0.0), (1005, 5.0)):
        shot.root.location.x = x
        shot.root.keyframe_insert("location", frame=frame)
    seen = seen_by(scene, shot, free)
    assert np.ptp(seen[1][:, 0, 3]) > 1
    shot.root.hide_viewport = True
    assert_same(seen_by(scene, shot, free), seen)
    bpy.context.view_layer.layer_collection.children["shot"].exclude = True
    assert_same(seen_by(scene, shot, free), seen)


def test_a_shot_of_the_longest_name_is_moved(scene: Any, tmp_path: Path) -> None:
    shot_in(scene, tmp_path / "plate")
    new = tmp_path / "new" / ("ä" * 127)
    assert bpy.ops.ex4d.move_shot(directory=str(new)) == {"FINISHED"}
    assert Path(only_shot(scene).folder) == new


def test_relinked_after_moving_by_hand_what_came_along_is_found(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import sequencer

    shot, record = shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    takes = Path(record["shot"]) / "takes"
    for name in ("v001", "v002"):
        delivered(takes / name, shot.numbers)
        bpy.ops.ex4d.import_take(directory=str(takes / name))
    bpy.ops.ex4d.find_versions()
    new = tmp_path / "new" / "plate"
    shutil.copytree(record["shot"], new)
    # One take stays behind.
    shutil.rmtree(new / "takes" / "v002")
    shutil.rmtree(takes / "v001")
    shutil.rmtree(Path(record["shot"]) / "cache")
    assert bpy.ops.ex4d.relink(directory=str(new)) == {"FINISHED"}
    wanted = [new / "takes" / "v001", takes / "v002"]
    assert [Path(version.folder) for version in scene.ex4d.takes[0].versions] == wanted
    placed = sequencer.all_strips(sequencer.edit_scenes(scene)[0])
    strips = sorted((strip for strip in placed if strip.type == "IMAGE"), key=lambda strip: strip.name)
    assert [Path(strip["ex4d"]["folder"]) for strip in strips] == wanted
    assert [Path(bpy.path.abspath(strip.directory)) for strip in strips] == [folder / "result" for folder in wanted]


def test_a_copied_project_that_makes_takes_in_the_first_ones_folder_says_so(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.ops import take_cameras

    first = tmp_path / "first"
    first.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(first / "a.blend"))
    shot, _ = shot_in(scene, first / "ex4d")
    assert take_cameras.newer_notes(shot) == ()
    bpy.ops.wm.save_mainfile()
    shutil.copytree(first, tmp_path / "second")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "second" / "a.blend"))
    (note,) = take_cameras.newer_notes(only_shot(bpy.context.scene))
    assert f"shown from {tmp_path / 'second'}" in note
    assert f"made in {first}" in note
    assert bpy.ops.ex4d.relink(directory=str(tmp_path / "second" / "ex4d" / "shot")) == {"FINISHED"}
    assert take_cameras.newer_notes(only_shot(bpy.context.scene)) == ()


@pytest.mark.parametrize("name", ["shot #2.png", "shot#0001.png"])
def test_a_file_with_a_hash_in_its_name_is_that_file(scene: Any, tmp_path: Path, name: str) -> None:
    write_png(tmp_path / name, np.zeros((32, 48, 3), np.uint8))
    assert bpy.ops.ex4d.load_plate(filepath=str(tmp_path / name)) == {"FINISHED"}
    assert (Path(scene.ex4d.plate_path), scene.ex4d.plate_info) == (tmp_path / name, "48x32, 1 frame")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
@pytest.mark.parametrize("name", ["plate.mp4", "plate.png", "plate.0001.png"])
def test_a_pipe_is_no_plate(scene: Any, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    # Blender would wait for its other end, and so would this test.
    faulthandler.dump_traceback_later(30, exit=True)
    try:
        with pytest.raises(RuntimeError, match="is a pipe, not a file"):
            bpy.ops.ex4d.load_plate(filepath=str(tmp_path / name))
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert scene.ex4d.plate_path == ""


# Takes


ODD_VALUES: list[dict[str, Any]] = [
    {"frames": [{"frame": "x", "generated": 0.5}]},
    {"frames": [{"frame": 10**12, "generated": 0.5}]},
    {"frames": []},
    {"title": ["a"]},
    {"trajectory": 5},
    {"generated_mean": "much"},
    {"fps": "0"},
    {"fill": {"name": 1, "label": "x", "seed": None}},
    {"fill": {"name": "x", "label": "x", "seed": "many"}},
    {"fill": 3},
]


@pytest.mark.usefixtures("scene")
def test_a_take_of_odd_values_is_no_take(tmp_path: Path) -> None:
    for values in ODD_VALUES:
        folder = delivered(tmp_path / "takes" / "v001", [1001], **values)
        with pytest.raises(RuntimeError, match="holds no finished take"):
            bpy.ops.ex4d.import_take(directory=str(folder))
    assert len(bpy.data.scenes) == 1


def test_a_take_with_a_seed_of_63_bits_is_found(scene: Any, tmp_path: Path) -> None:
    shot, record = shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    fill = {"name": "exact", "label": "EX-4D", "seed": 2**62, "prompt": None}
    delivered(Path(record["shot"]) / "takes" / "v001", shot.numbers, fill=fill)
    assert bpy.ops.ex4d.find_versions() == {"FINISHED"}
    assert [(version.name, version.seed) for version in scene.ex4d.takes[0].versions] == [("v001", -1)]


def test_a_take_of_a_shot_that_is_not_here_has_its_own_frames_and_rate(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import camera, sequencer
    from ex4d_blender.scene import shot as shots

    record = make_shot(tmp_path / "plate", fps="24")
    shots.import_shot(scene, record, first_frame=1)
    folder = delivered(tmp_path / "other" / "takes" / "v001", [50, 51], fps="30")
    assert bpy.ops.ex4d.import_take(directory=str(folder)) == {"FINISHED"}
    (edit,) = sequencer.edit_scenes(scene)
    assert camera.scene_fps(edit) == 30
    assert [strip.frame_final_start for strip in sequencer.strips_of(edit.sequence_editor)] == [50]


def test_a_shot_that_was_reconstructed_elsewhere_is_said(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender.ops import take_cameras
    from ex4d_blender.scene import shot as shots

    record = make_shot(tmp_path / "plate")
    folder = Path(record["shot"])
    source = folder / "cache" / "mesh-0123" / "source_camera.json"
    source.parent.mkdir(parents=True)
    record["source"] = str(shutil.move(record["source"], source))
    shot = shots.import_shot(scene, record)
    for key, said in (("0123", False), ("4567", True)):
        (folder / "shot.json").write_text(json.dumps({"stages": {"mesh": key}}))
        assert bool(take_cameras.newer_notes(shot)) is said
    for damaged in ("", "[]", '{"stages": 5}'):
        (folder / "shot.json").write_text(damaged)
        assert take_cameras.newer_notes(shot) == ()


# The command


WORDS = [
    ("generate", "--camera", ""),
    ("generate", "--take", " "),
    ("generate", "--move", ""),
    ("generate", "--profile", ""),
    ("generate", "--frames", ""),
    ("generate", "--frames", "²"),
    ("generate", "--frames", "1001-"),
    ("generate", "--frames", "99999999999"),
    ("generate", "--seed", "-5"),
    ("generate", "--seed", "99999999999"),
    ("reconstruct", "--shot", ""),
    ("reconstruct", "--plate", ""),
    ("reconstruct", "--estimator", ""),
    ("reconstruct", "--viewport", "5"),
    ("reconstruct", "--viewport", "100000"),
    ("reconstruct", "--output", ""),
]


def test_empty_and_impossible_words_are_no_choice(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import cli

    shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    for words in WORDS:
        assert cli.main(words) == 2, words
    assert not scene.ex4d.pending


def test_an_empty_prompt_is_none(scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender import capabilities, cli

    shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    scene.ex4d.prompt = "a street"
    options = (OptionInfo("seed", "Seed", "integer"), OptionInfo("prompt", "Prompt", "text"))
    exact = GeneratorInfo("exact", "EX-4D", "MIT", generative=True, options=options)
    asked: list[Any] = []
    monkeypatch.setattr(capabilities, "resolve_generator", lambda *_, **__: exact)
    monkeypatch.setattr(cli, "submit_take", lambda *_, **values: asked.append(values["options"].get("prompt")) or "job")
    monkeypatch.setattr(cli, "_finish", lambda *_: generate_result(tmp_path, [1001]))
    for words in ((), ("--prompt", ""), ("--prompt", "snow")):
        assert cli.main(("generate", *words)) == 0
    assert asked == ["a street", None, "snow"]


def test_a_file_saved_with_its_results_in_view_is_worked_in(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import cli, job_list
    from ex4d_blender.scene import sequencer

    shot, record = shot_in(scene, tmp_path / "plate")
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    bpy.context.window.scene = sequencer.ensure_edit_scene(scene, record["plate"], 1001)
    asked: list[Any] = []

    def submit(_jobs: Any, where: Any, request: Any, **_: Any) -> str:
        asked.append((where, job_name(request), request.shot))
        raise BadInputError("That is enough.", "Stop.")

    monkeypatch.setattr(job_list.JobList, "submit", submit)
    assert cli.main(("render", "--take", "Take 01")) == 10
    assert asked == [(scene, "render", shot.folder)]


def test_a_place_that_cannot_be_saved_at_is_said_before_the_work(
    scene: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ex4d_blender import cli

    shot_in(scene, tmp_path / "plate")
    (tmp_path / "file").write_text("")
    pipe = tmp_path / "pipe.blend"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
    else:
        pipe.mkdir()
    long = tmp_path.joinpath(*["x" * 200] * 5, "a.blend")
    for place, said in (
        (tmp_path, "is a folder"),
        (pipe, "is a "),
        (tmp_path / "file" / "a.blend", "cannot be made"),
        (long, "longer than the 1023 bytes"),
    ):
        assert cli.main(("generate", "--move", "orbit:10", "--output", str(place))) == 10
        assert said in capsys.readouterr().err
    assert not scene.ex4d.pending


def test_a_save_that_fails_names_itself_and_the_work(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import saved

    from ex4d.protocol.errors import TransientError

    # Its folder has gone meanwhile.
    path = tmp_path / "gone" / "a.blend"
    with pytest.raises(TransientError, match=r"cannot be saved; what is done is in /takes/v001"):
        saved.save(path, saved.expected(path), "/takes/v001")


def test_two_that_write_one_output_are_told_a_way_that_loses_nothing(scene: Any, tmp_path: Path) -> None:
    from ex4d_blender import saved

    from ex4d.protocol.errors import TransientError

    reopened(tmp_path / "in.blend")
    output = tmp_path / "out.blend"
    before = saved.expected(output)
    output.write_bytes(b"of another process")
    with pytest.raises(TransientError) as caught:
        saved.save(output, before, "takes/v001")
    assert "Run the command on that file" in caught.value.hint
    assert output.read_bytes() == b"of another process"
    # However it is spelt, the open file is the open file.
    known = saved.expected(tmp_path / "sub" / ".." / "in.blend")
    (tmp_path / "in.blend").write_bytes(b"of another process")
    assert not known.is_still(tmp_path / "in.blend")
    assert saved.expected(tmp_path / "sub" / ".." / "in.blend") == known


def test_lines_that_nobody_can_read_stop_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender import cli

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    cli._Output(as_json=False).event("note", "note: «Tür»")
    narrow.seek(0)
    assert narrow.read() == "note: \\xabT\\xfcr\\xbb\n"
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", Closed())
    assert cli.main(("generate", "--take", "")) == 2
