# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot's folder goes to another place, and the .blend with it: nothing names the old one."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import background, projection
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.files import stored_path
from ex4d_blender.scene.sequencer import strips_of
from test_scene_shot import render
from viewport_factory import write_png

pytest_plugins = ["addon_fixtures"]


def _all_over_the_file(scene: bpy.types.Scene, folder: Path) -> None:
    """Names files of a folder wherever Blender has a place for it."""
    picture, sound = folder / "own" / "a.0001.png", folder / "own" / "a.wav"
    write_png(picture, np.zeros((4, 4, 3), np.uint8))
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    # As a fixed row of bytes holds it, whose end would outlive a shorter path.
    bpy.data.movieclips.load(stored_path(picture))
    # A sound strip has no path but its sound's.
    bpy.data.sounds.load(stored_path(sound))
    other = bpy.data.scenes.new("Other")
    other.sequence_editor_create()
    strips = strips_of(other.sequence_editor)
    meta = strips.new_meta("Meta", 2, 1)
    strips_of(meta).new_image("Inner", stored_path(picture), 1, 1)
    other.render.filepath = stored_path(folder / "renders" / "a.")
    material = bpy.data.materials.new("Own")
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexIES").filepath = stored_path(folder / "own" / "a.ies")
    tree = bpy.data.node_groups.new("Comp", "CompositorNodeTree")
    output: Any = tree.nodes.new("CompositorNodeOutputFile")
    setattr(output, "directory" if hasattr(output, "directory") else "base_path", stored_path(folder / "comp") + "/")
    obj = bpy.data.objects.new("Sea", bpy.data.meshes.new("Sea"))
    scene.collection.objects.link(obj)
    obj.modifiers.new("Ocean", "OCEAN").filepath = stored_path(folder / "ocean")


@pytest.mark.parametrize("relative", [False, True])
def test_a_moved_shots_folder_is_named_nowhere(shot: Any, tmp_path: Path, relative: bool) -> None:
    from ex4d_blender import wipe

    bpy.context.preferences.filepaths.use_relative_paths = relative
    # The file's shot is the other tests' too.
    first = tmp_path / "a place whose name is written nowhere else"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    assert bpy.ops.ex4d.move_shot(directory=str(first)) == {"FINISHED"}
    bpy.ops.ex4d.match_scene()
    bpy.ops.ex4d.add_take_camera(move="orbit:8")
    bpy.ops.ex4d.preview_take()
    bpy.ops.ex4d.generate()
    bpy.ops.ex4d.project_take()
    bpy.ops.ex4d.show_heat_map(map="COVERAGE")
    _all_over_the_file(shot, first)
    camera = shot.ex4d.takes[0].camera
    shot.camera = camera
    shot.frame_set(3)
    before = render(shot, tmp_path / "before.png")

    bpy.ops.wm.save_mainfile(compress=False)
    assert first.name.encode() in (tmp_path / "job.blend").read_bytes()
    assert bpy.ops.ex4d.wipe(against="PLATE") == {"FINISHED"}
    second = tmp_path / ("another" + first.name.replace(" ", "_") + "_at_all")
    assert bpy.ops.ex4d.move_shot(directory=str(second)) == {"FINISHED"}
    first.rename(tmp_path / "removed")
    assert wipe.current() is None
    (found,) = shots.find_shots(shot)
    assert projection.shown(found.mesh) == "Take 01 v001"
    assert shots.missing_files(found.mesh) == []
    assert all(path.is_dir() and path.is_relative_to(second) for path in background.preview_folders(camera))
    assert np.array_equal(render(shot, tmp_path / "after.png"), before)
    # Whatever Blender writes down, and wherever.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "moved.blend"), compress=False)
    assert first.name.encode() not in (tmp_path / "moved.blend").read_bytes()


def test_another_file_of_the_same_shot_goes_on_where_it_was(shot: Any, tmp_path: Path) -> None:
    (found,) = shots.find_shots(shot)
    former, other = found.folder, str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=other, copy=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "own.blend"))
    assert bpy.ops.ex4d.move_shot(directory=str(tmp_path / "own")) == {"FINISHED"}
    bpy.ops.wm.save_mainfile()
    assert shots.find_shots(bpy.context.scene)[0].folder == str(tmp_path / "own")
    bpy.ops.wm.open_mainfile(filepath=other)
    (found,) = shots.find_shots(bpy.context.scene)
    assert found.folder == former
    assert shots.missing_files(found.mesh) == []
    assert bpy.ops.ex4d.leave_shot() == {"FINISHED"}
    bpy.ops.ex4d.add_take_camera(move="orbit:8")
    assert bpy.ops.ex4d.preview_take() == {"FINISHED"}
    assert background.preview_folders(bpy.context.scene.ex4d.takes[0].camera)[0].is_relative_to(former)


def test_a_take_on_the_mesh_moves_in_a_copied_scene_too(shot: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "own.blend"))
    bpy.ops.ex4d.match_scene()
    bpy.ops.ex4d.add_take_camera(move="orbit:8")
    bpy.ops.ex4d.generate()
    bpy.ops.ex4d.project_take()
    bpy.ops.scene.new(type="FULL_COPY")
    copied = bpy.context.scene
    assert copied != shot
    bpy.context.window.scene = shot
    assert bpy.ops.ex4d.move_shot(directory=str(tmp_path / "own")) == {"FINISHED"}
    for scene in (shot, copied):
        (found,) = shots.find_shots(scene)
        assert found.folder == str(tmp_path / "own")
        assert projection.shown(found.mesh) == "Take 01 v001"
        assert Path(scene.ex4d.takes[0].versions[0].projection).is_relative_to(found.folder)
