# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots and takes where users have them: several in a scene, linked, saved elsewhere, of plates with the same name."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from ex4d.protocol.requests import FillRequest  # noqa: E402

Reconstruct = Callable[[Path], None]
pytest_plugins = ["addon_fixtures"]


def shots_of(scene: Any) -> list[Any]:
    from ex4d_blender.scene import shot

    return shot.find_shots(scene)


def make_active(obj: Any) -> None:
    bpy.context.view_layer.objects.active = obj


def other_plate(plate: Path, folder: Path, name: str = "plate.mp4") -> Path:
    """Another movie: the same pictures, and bytes behind their end that no reader looks at."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(plate.read_bytes() + b"\x00\x00\x00\x08free")
    return path


# Linked from another file


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the .blend is that others link; the first test that needs it makes it."""
    return tmp_path_factory.mktemp("library") / "library.blend"


@pytest.fixture
def linked(case: Path, library: Path, tmp_path: Path, reconstruct: Reconstruct) -> Path:
    """A file with the shot of the case and a take camera; the open file is another, empty one."""
    if not library.exists():
        bpy.ops.wm.save_as_mainfile(filepath=str(library))
        reconstruct(Path(shutil.copy(case / "plate.mp4", library.parent)))
        bpy.ops.ex4d.add_take_camera(move="orbit:20")
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    return library


def link(path: Path, kind: str = "collections") -> list[Any]:
    with bpy.data.libraries.load(str(path), link=True) as (there, here):
        setattr(here, kind, list(getattr(there, kind)))
    return list(getattr(here, kind))


@pytest.mark.case("linked_shot")
def test_a_linked_shot_gets_a_take_camera_of_this_file(linked: Path) -> None:
    scene = bpy.context.scene
    for collection in link(linked):
        scene.collection.children.link(collection)
    assert bpy.ops.ex4d.match_scene() == {"FINISHED"}
    assert bpy.ops.ex4d.add_take_camera(move="orbit:20") == {"FINISHED"}
    camera = scene.ex4d.takes[0].camera
    assert camera.library is None
    assert camera.data.library is None
    assert scene.ex4d.takes[0].shot.library is not None
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    assert Path(scene.ex4d.takes[0].versions[0].folder) == linked.parent / "ex4d" / "plate" / "takes" / "v001"

    # What would change the shot itself is refused, and changes nothing.
    scene.ex4d.plate_path = str(linked.parent / "plate.mp4")
    before = (len(bpy.data.objects), len(bpy.data.meshes), len(scene.ex4d.pending))
    with pytest.raises(RuntimeError, match=r"linked from library\.blend.*append"):
        bpy.ops.ex4d.reconstruct()
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(scene.ex4d.pending)) == before

    # A linked camera can be generated, not moved.
    theirs = next(obj for obj in scene.objects if obj.type == "CAMERA" and obj.library and obj.name == "Take 01")
    make_active(theirs)
    assert bpy.ops.ex4d.add_take() == {"FINISHED"}
    for operator in (lambda: bpy.ops.ex4d.apply_preset(move="orbit:5"), lambda: bpy.ops.ex4d.add_handheld(strength=1)):
        with pytest.raises(RuntimeError, match="is linked from another file"):
            operator()
    assert bpy.ops.ex4d.preview_take() == {"FINISHED"}
    assert scene.ex4d.takes[1].coverage


@pytest.mark.case("linked_shot")
def test_an_overridden_shot_gets_a_take_camera_of_this_file(linked: Path) -> None:
    scene = bpy.context.scene
    plate = next(item for item in link(linked) if item.name == "plate")
    assert plate.override_hierarchy_create(scene, bpy.context.view_layer) is not None
    found = shots_of(scene)
    assert [shot.root.override_library is not None for shot in found] == [True]
    bpy.ops.ex4d.match_scene()
    assert bpy.ops.ex4d.add_take_camera(move="orbit:20") == {"FINISHED"}
    camera = scene.ex4d.takes[0].camera
    assert (camera.library, camera.override_library, camera.data.override_library) == (None, None, None)
    assert bpy.ops.ex4d.preview_take() == {"FINISHED"}


@pytest.mark.case("linked_shot")
def test_an_instance_of_a_shot_is_no_shot_and_that_is_said(linked: Path) -> None:
    scene = bpy.context.scene
    empty = bpy.data.objects.new("instance", None)
    empty.instance_type = "COLLECTION"
    empty.instance_collection = next(item for item in link(linked) if item.name == "plate")
    scene.collection.objects.link(empty)
    cameras = len(bpy.data.cameras)
    with pytest.raises(RuntimeError, match=r"only as an instance of the collection «plate».*library override"):
        bpy.ops.ex4d.add_take_camera(move="orbit:20")
    assert len(bpy.data.cameras) == cameras


@pytest.mark.case("linked_shot")
def test_a_linked_scene_is_not_worked_in(linked: Path) -> None:
    cameras = len(bpy.data.cameras)
    (scene,) = link(linked, "scenes")
    cameras = len(bpy.data.cameras)
    bpy.context.window.scene = scene
    for operator in (lambda: bpy.ops.ex4d.add_take_camera(move="orbit:20"), bpy.ops.ex4d.generate):
        with pytest.raises(RuntimeError, match=r"is linked from library\.blend"):
            operator()
    assert len(bpy.data.cameras) == cameras


def test_a_move_that_fails_leaves_no_camera(shot: Any) -> None:
    before = (set(bpy.data.objects), set(bpy.data.cameras), set(bpy.data.actions))
    source = Path(shots_of(shot)[0].record["source"])
    source.rename(source.with_suffix(".away"))
    with pytest.raises(RuntimeError, match="source_camera"):
        bpy.ops.ex4d.add_take_camera(move="orbit:20")
    source.with_suffix(".away").rename(source)
    assert (set(bpy.data.objects), set(bpy.data.cameras), set(bpy.data.actions)) == before
    assert len(shot.ex4d.takes) == 0


# Several shots in a scene


def test_the_takes_camera_decides_the_shot(shot: Any, plate: Path, tmp_path: Path, reconstruct: Reconstruct) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    reconstruct(other_plate(plate, tmp_path / "other", "street.mp4"))
    first, second = shots_of(shot)
    assert (first.root.name, second.root.name) == ("plate", "street")
    make_active(second.root)
    for operator in (bpy.ops.ex4d.preview_take, bpy.ops.ex4d.generate):
        operator()
    assert Path(shot.ex4d.takes[0].versions[0].folder).parent.parent == Path(first.folder)
    assert not (Path(second.folder) / "takes").exists()
    # A camera of nobody's becomes a take of the shot that is worked on, whatever is active later.
    loose = bpy.data.objects.new("loose", bpy.data.cameras.new("loose"))
    shot.collection.objects.link(loose)
    make_active(second.root)
    bpy.ops.ex4d.add_take(use_scene_camera=True)
    make_active(first.root)
    assert shot.ex4d.takes[1].shot == second.root
    bpy.ops.ex4d.generate()
    assert Path(shot.ex4d.takes[1].versions[0].folder).parent.parent == Path(second.folder)
    # Its shot is gone: the one that is left is another plate.
    bpy.data.objects.remove(second.root)
    with pytest.raises(RuntimeError, match="shot of the take «Scene Camera» is not in the scene, which has: plate"):
        bpy.ops.ex4d.generate()
    assert len(shot.ex4d.takes[1].versions) == 1


def test_a_take_whose_camera_is_gone_renders_no_other(shot: Any) -> None:
    from ex4d_blender import props

    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    bpy.ops.ex4d.add_take_camera(move="orbit:5")
    takes = shot.ex4d.takes
    bpy.data.objects.remove(takes[0].camera)
    # What the X key does: out of the scene, not out of the file.
    with bpy.context.temp_override(selected_objects=[takes[1].camera]):
        bpy.ops.object.delete()
    assert [props.camera_state(shot, take) for take in takes] == ["missing", "missing", "own"]
    for index in (0, 1):
        shot.ex4d.active_take = index
        for operator in (bpy.ops.ex4d.generate, bpy.ops.ex4d.preview_take):
            with pytest.raises(RuntimeError, match=f"camera of the take «Take 0{index + 1}» is missing.*remove"):
                operator()
        assert not bpy.ops.ex4d.apply_preset.poll()
    takes[0].camera = takes[2].camera
    assert props.camera_state(shot, takes[0]) == "own"
    takes[1].use_scene_camera = True
    assert props.camera_state(shot, takes[1]) == "scene"


def test_a_take_camera_on_an_empty_of_the_artists_own(shot: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="truck:0.2")
    dolly = bpy.data.objects.new("My Dolly", None)
    shot.collection.objects.link(dolly)
    camera = shot.ex4d.takes[0].camera
    camera.parent = dolly
    for operator in (
        lambda: bpy.ops.ex4d.add_handheld(strength=0.5),
        bpy.ops.ex4d.preview_take,
        lambda: bpy.ops.ex4d.apply_preset(move="orbit:10"),
        bpy.ops.ex4d.generate,
    ):
        assert operator() == {"FINISHED"}
    assert "My Dolly" in bpy.data.objects


def test_the_preview_of_the_scenes_camera_lies_over_each_that_is_active(shot: Any) -> None:
    from ex4d_blender.scene import background

    for index, move in enumerate(("orbit:20", "orbit:-20")):
        bpy.ops.ex4d.add_take_camera(move=move)
        shot.timeline_markers.new(f"cut {index}", frame=1001 + 3 * index).camera = shot.camera
    bpy.ops.ex4d.add_take(use_scene_camera=True)
    bpy.ops.ex4d.preview_take()
    cameras = [take.camera for take in shot.ex4d.takes if take.camera is not None]
    assert [background.has_preview(camera) for camera in cameras] == [True, True]
    assert bpy.ops.ex4d.hide_preview() == {"FINISHED"}
    assert [background.has_preview(camera) for camera in cameras] == [False, False]


# Where shots lie


def test_saved_and_saved_elsewhere_it_is_the_same_shot(
    addon: Any, plate: Path, tmp_path: Path, reconstruct: Reconstruct
) -> None:
    """From Blender's own startup scene, which has a cube and a camera."""
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    reconstruct(Path(shutil.copytree(plate.parent, tmp_path / "plates")) / "plate.mp4")
    (first,) = shots_of(scene)
    # Nothing is said of a folder: beside the plate.
    assert Path(first.folder) == tmp_path / "plates" / "ex4d" / "plate"
    assert scene.ex4d.proposed_folder == first.folder
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    for name in ("job.blend", "elsewhere/job.blend"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / name))
        scene.ex4d.thickness += 0.25
        bpy.ops.ex4d.reconstruct()
        (again,) = shots_of(scene)
        assert (again.root, again.folder) == (first.root, str(tmp_path / "plates" / "ex4d" / "plate"))
    bpy.ops.ex4d.generate()
    assert Path(scene.ex4d.takes[0].versions[0].folder).is_relative_to(first.folder)


def test_the_proposed_folder_follows_the_file(addon: Any, plate: Path, tmp_path: Path) -> None:
    state = bpy.context.scene.ex4d
    movie = other_plate(plate, tmp_path / "plates")
    state.plate_path = str(movie)
    assert state.proposed_folder == str(tmp_path / "plates" / "ex4d" / "plate")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    assert state.proposed_folder == str(tmp_path / "ex4d" / "plate")
    state.shot_folder = str(tmp_path / "mine")
    assert state.proposed_folder == str(tmp_path / "mine")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_plate_in_a_folder_that_cannot_be_written_to(addon: Any, plate: Path, tmp_path: Path) -> None:
    movie = other_plate(plate, tmp_path / "card")
    movie.parent.chmod(0o555)
    bpy.context.scene.ex4d.plate_path = str(movie)
    from ex4d_blender.core.shot_folders import documents_folder

    assert bpy.context.scene.ex4d.proposed_folder == str(documents_folder() / "ex4d" / "plate")


def test_plates_of_the_same_name_are_shots_of_their_own(
    shot: Any, plate: Path, tmp_path: Path, reconstruct: Reconstruct
) -> None:
    reconstruct(other_plate(plate, tmp_path / "other"))
    assert [Path(found.folder).name for found in shots_of(shot)] == ["plate", "plate-2"]
    # The first again, and the first at another place, are the first.
    reconstruct(plate)
    moved = tmp_path / "moved"
    moved.mkdir()
    reconstruct(Path(shutil.copy(plate, moved / "plate.mp4")))
    assert [Path(found.folder).name for found in shots_of(shot)] == ["plate", "plate-2"]


def test_an_earlier_job_that_was_moved_goes_on_as_the_same_shot(addon: Any, earlier_job: Path) -> None:
    from ex4d_blender.ops.reconstruct import propose_folder
    from ex4d_blender.scene import shot as shots

    bpy.ops.wm.open_mainfile(filepath=str(earlier_job / "job.blend"))
    scene = bpy.context.scene
    # Where it was made there may be another job.
    root = shots.find_shot(scene).root
    for obj in (root, *root.children_recursive):
        obj["ex4d"]["shot"] = "/gone/ex4d/plate"
    root["ex4d"]["record"] = root["ex4d"]["record"].replace("/tmp/job", "/gone")
    propose_folder(scene)
    scene.ex4d.plate_path = str(earlier_job / "plate.mp4")
    assert scene.ex4d.proposed_folder == str(earlier_job / "ex4d" / "plate")
    bpy.ops.ex4d.reconstruct()
    (found,) = shots_of(scene)
    assert (found.root.name, found.folder) == ("plate", str(earlier_job / "ex4d" / "plate"))
    assert [take.shot for take in scene.ex4d.takes] == [found.root] * 2
    scene.ex4d.active_take = 0
    bpy.ops.ex4d.generate()
    # The same camera and settings are the version that is there.
    assert [Path(version.folder).name for version in scene.ex4d.takes[0].versions] == ["v001", "v001"]


def test_a_shot_in_the_extensions_folder_is_moved_when_asked(
    addon: Any, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reconstruct: Reconstruct
) -> None:
    from ex4d_blender.core import shot_folders
    from ex4d_blender.ops import move_shot as operators
    from ex4d_blender.scene import shot as shots

    old = tmp_path / "extension" / "shots" / "plate"
    monkeypatch.setattr(operators, "old_place", lambda: old.parent)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    scene = bpy.context.scene
    scene.ex4d.shot_folder = str(old)
    reconstruct(plate)
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.preview_take()
    bpy.ops.ex4d.generate()
    assert operators.is_in_old_place(shots_of(scene)[0].folder)

    # A copy that differs is none, and changes nothing.
    new = tmp_path / "ex4d" / "plate"
    with monkeypatch.context() as patch:
        patch.setattr(shot_folders.shutil, "copy2", lambda _source, target: Path(target).write_bytes(b"other"))
        with pytest.raises(RuntimeError, match="differs"):
            bpy.ops.ex4d.move_shot(directory=str(new))
    assert shots_of(scene)[0].folder == str(old)
    assert list((tmp_path / "ex4d").iterdir()) == []

    assert bpy.ops.ex4d.move_shot(directory=str(new)) == {"FINISHED"}
    assert (old / "shot.json").is_file()
    (found,) = shots_of(scene)
    assert found.folder == str(new)
    assert not operators.is_in_old_place(found.folder)
    # Nothing in the file looks at the old place any more.
    old.rename(tmp_path / "removed")
    assert shots.missing_files(found.mesh) == []
    paths = [Path(bpy.path.abspath(path)) for path in bpy.utils.blend_paths(absolute=True)]
    assert [path for path in paths if path.is_relative_to(old)] == []
    assert Path(scene.ex4d.takes[0].versions[0].folder) == new / "takes" / "v001"
    bpy.ops.ex4d.generate()
    assert Path(scene.ex4d.takes[0].versions[-1].folder) == new / "takes" / "v001"


def test_shots_of_other_files_are_copied_out_of_the_extensions_folder(
    addon: Any, earlier_job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender.ops import move_shot as operators

    old = earlier_job / "ex4d"
    monkeypatch.setattr(operators, "old_place", lambda: old)
    assert not bpy.ops.ex4d.copy_stray_shots.poll()
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert operators.stray_shots == [old / "plate"]
    (tmp_path / "mine" / "plate").mkdir(parents=True)
    for _ in range(2):
        assert bpy.ops.ex4d.copy_stray_shots(directory=str(tmp_path / "mine")) == {"FINISHED"}
        assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["plate", "plate-2"]
    assert (tmp_path / "mine" / "plate-2" / "takes" / "v003" / "take.json").is_file()
    assert (old / "plate" / "shot.json").is_file()
    operators.stray_shots.clear()


# Sizes and versions


def test_sizes_that_no_take_has_are_refused_before_they_are_asked_for(shot: Any) -> None:
    from ex4d_blender.ops import take_cameras

    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    found = shots_of(shot)[0]
    assert take_cameras.size_notes(shot, found) == ()
    shot.render.resolution_x = shot.render.resolution_y = 32000
    for operator in (bpy.ops.ex4d.generate, bpy.ops.ex4d.preview_take):
        with pytest.raises(RuntimeError, match=r"32000x32000 pixels.*Match the scene"):
            operator()
    assert len(shot.ex4d.pending) == 0
    shot.render.resolution_x, shot.render.resolution_y = 1920, 1080
    shot.use_preview_range, shot.frame_preview_start, shot.frame_preview_end = True, 1002, 1003
    size, preview = take_cameras.size_notes(shot, found)
    assert "1920x1080" in size
    assert "96x64" in size
    assert "1002-1003" in preview


def test_versions_of_a_removed_take_are_found_again(shot: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:17")
    shot.ex4d.takes[0].name = shot.ex4d.takes[0].camera.name = "hero"
    bpy.ops.ex4d.generate()
    camera, folder = shot.ex4d.takes[0].camera, shot.ex4d.takes[0].versions[0].folder
    bpy.ops.ex4d.remove_take()
    make_active(camera)
    bpy.ops.ex4d.add_take()
    assert [(version.folder, version.profile) for version in shot.ex4d.takes[0].versions] == [(folder, "preview")]
    shot.ex4d.takes[0].versions.clear()
    assert bpy.ops.ex4d.find_versions() == {"FINISHED"}
    assert bpy.ops.ex4d.find_versions() == {"FINISHED"}
    assert [version.folder for version in shot.ex4d.takes[0].versions] == [folder]


# Names


def test_a_profile_is_what_it_is_called_before_the_backend_has_said_so(
    shot: Any, addon: Any, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import capabilities, cli
    from ex4d_blender.ops import generate

    from ex4d.protocol.errors import TransientError

    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.generate()
    bpy.ops.wm.save_mainfile()
    asked: list[FillRequest] = []

    def submit(_jobs: Any, _scene: Any, request: Any, **_options: Any) -> str:
        asked.append(request.fill)
        raise TransientError("Enough.", "It is known what was asked for.")

    monkeypatch.setattr(addon.JobList, "submit", submit)
    made = generate.read_take(Path(shot.ex4d.takes[0].versions[0].folder))
    monkeypatch.setattr(generate, "read_take", lambda _: replace(made, profile="fast", seed=7, prompt="a street"))
    meta = next(item for scene in bpy.data.scenes for item in strips(scene))
    inside = generate.sequencer.strips_of(meta)
    strip = next(item for item in inside if (generate.sequencer.take_of_strip(item) or {}).get("role") == "result")
    monkeypatch.setattr(generate.sequencer, "selected_strip", lambda _: strip)
    shot.ex4d.profile, shot.ex4d.seed, shot.ex4d.prompt = "fast", 7, "a street"
    for action in (
        bpy.ops.ex4d.generate,
        bpy.ops.ex4d.redo_take,
        lambda: cli.main(["generate"]),
        lambda: cli.main(["generate", "--profile", "fast"]),
    ):
        # As in a Blender that has just been started.
        addon.current().link.client.disconnect()
        capabilities.forget()
        for file in runtime.glob("offers-*.json"):
            file.unlink()
        # Operators raise, the command tells.
        with suppress(RuntimeError):
            action()
    assert asked == [FillRequest("fast", {"seed": 7, "prompt": "a street"})] * 4
    for command, option in (("generate", "--profile"), ("reconstruct", "--estimator")):
        assert cli.main([command, option, "magic"]) == 2
    shot.ex4d.profile = "magic"
    with pytest.raises(RuntimeError, match="offers no profile «magic»"):
        bpy.ops.ex4d.generate()
    assert len(asked) == 4


def strips(scene: Any) -> list[Any]:
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences)
