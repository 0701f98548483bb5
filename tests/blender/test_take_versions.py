# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of takes and the list of their versions: what they say, and what a click on one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import pytest
from ex4d_blender.core import texts
from ex4d_blender.core.deliveries import read_take
from ex4d_blender.scene import sequencer, version_strips
from ex4d_blender.scene import shot as shots
from panel_drawing import draw_all
from test_manners import make_take
from viewport_factory import make_shot

pytest_plugins = ["addon_fixtures"]

CREATED = "2026-11-30T03:18:33Z"


def deliver(shot: Path, name: str, *, title: str = "Take 01", **record: Any) -> Any:
    """A take in a shot's folder with its record, as a backend leaves it; returns its result."""
    made = make_take(shot, name=name)
    numbers = list(made.numbers)
    told = {
        "created": CREATED,
        "trajectory": "trajectory.json",
        "title": title,
        "fill": {"name": "preview", "label": "preview fill", "seed": 7, "prompt": None},
        "fps": "25",
        "generated_mean": 0.25,
        "frames": [{"frame": number, "generated": 0.25} for number in numbers],
        "notes": ["The camera is assumed to stand still."],
        **record,
    }
    (shot / "takes" / name / "take.json").write_text(json.dumps(told))
    return made


@pytest.fixture
def take(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> Any:
    """A take with an orbit, of a shot in the scene."""
    shots.import_shot(scene, make_shot(tmp_path))
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    return scene.ex4d.takes[0]


def place(scene: bpy.types.Scene, take: Any, name: str) -> Any:
    """A version of a take, delivered as a job's end does it."""
    from ex4d_blender import job_results

    made = deliver(Path(shots.known(scene).find().folder), name)
    job_results.place_take(scene, made, {"take": take.uid, "title": take.name, "seed": 7, "move": "orbit:20"})
    return take.versions[-1]


def test_a_version_tells_what_it_is(scene: bpy.types.Scene, take: Any) -> None:
    place(scene, take, "v001")
    version = place(scene, take, "v002")
    assert (version.created, version.move, version.seed) == (CREATED, "orbit:20", 7)
    assert take.active_version == 1
    lines = draw_all(scene)
    said = next(line for line in lines if line.startswith("v002, "))
    assert said == f"v002, {texts.moment(CREATED)}, orbit:20"
    assert "10 % filled by preview fill, seed 7" in lines
    assert "The camera is assumed to stand still." in lines
    # The rows: of the take with its newest version and what it saw, of the versions with what they saw.
    assert [line for line in lines if line in ("v001", "v002")][:3] == ["v002", "v001", "v002"]
    assert {"60%", "90%"} <= set(lines)
    version.comment = "sent to the client"
    # Another one is chosen.
    take.active_version = 0
    assert any(line.startswith("v001, ") for line in draw_all(scene))
    assert [item.comment for item in take.versions] == ["", "sent to the client"]


def test_a_moment_is_told_by_this_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(texts.moment(CREATED)) == len("2026-11-30 03:18")
    for damaged in ("", "yesterday", "2026-13-40T00:00:00Z"):
        assert texts.moment(damaged) == ""


def test_a_click_on_a_version_shows_it(scene: bpy.types.Scene, take: Any) -> None:
    place(scene, take, "v001")
    place(scene, take, "v002")
    strips = {
        known["take"]: sequencer.meta_of_result(strip)
        for edit in sequencer.edit_scenes(scene)
        for strip in sequencer.all_strips(edit)
        if (known := sequencer.take_of_strip(strip)) is not None and known["role"] == "result"
    }
    own = {name: strip.mute for name, strip in strips.items()}
    window = bpy.context.window_manager.windows[0]
    # A script chooses, and nothing is changed.
    take.active_version = 0
    assert {name: strip.mute for name, strip in strips.items()} == own
    with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
        take.active_version = 0
        assert (strips["v001"].mute, strips["v002"].mute) == (False, True)
        take.active_version = 1
        assert (strips["v001"].mute, strips["v002"].mute) == (True, False)
        # One without a strip leaves the others as they are.
        lost = take.versions.add()
        lost.folder = "/nowhere/takes/v009"
        take.active_version = 2
        assert (strips["v001"].mute, strips["v002"].mute) == (True, False)
    assert "Put into Sequencer" in draw_all(scene)


def test_a_version_that_another_take_lies_over_is_seen_when_it_is_clicked(
    scene: bpy.types.Scene, take: Any, tmp_path: Path
) -> None:

    first = place(scene, take, "v001")
    bpy.ops.ex4d.add_take_camera(move="zoom_in:2")
    other = place(scene, scene.ex4d.takes[1], "v002")
    # One at other frames, and a title of the artist's own.
    (edit,) = sequencer.edit_scenes(scene)
    later = sequencer.place_take(
        edit, read_take(Path(other.folder)), with_mask=False, with_color=False, name="Later", frame_offset=500
    ).meta
    strips = sequencer.strips_of(edit.sequence_editor)
    length = {"length": 9} if bpy.app.version >= (5, 0) else {"frame_end": 1010}
    title = strips.new_effect(name="Title", type="TEXT", channel=9, frame_start=1001, **length)
    metas = {name: strips[name] for name in ("Take 01 v001", "Take 02 v002")}
    assert [meta.channel for meta in metas.values()] == [2, 3]
    assert version_strips.show(scene, first.folder, set())
    assert {name: meta.mute for name, meta in metas.items()} == {"Take 01 v001": False, "Take 02 v002": True}
    assert version_strips.show(scene, other.folder, set())
    assert {name: meta.mute for name, meta in metas.items()} == {"Take 01 v001": False, "Take 02 v002": False}
    assert not later.mute
    assert not title.mute


def test_a_version_without_a_strip_is_put_into_the_sequencer(scene: bpy.types.Scene, take: Any) -> None:
    folder = Path(shots.known(scene).find().folder)
    deliver(folder, "v001", camera={"preset": "orbit:20"})
    assert bpy.ops.ex4d.find_versions() == {"FINISHED"}
    version = take.versions[0]
    assert (version.name, version.created, version.move) == ("v001", CREATED, "orbit:20")
    # As Blender's own takes have it.
    deliver(folder, "v003", camera={"file": "/cam.json", "move": "crane:0.2, changed"})
    assert read_take(folder / "takes" / "v003").move == "crane:0.2, changed"
    assert bpy.ops.ex4d.import_take(directory=version.folder) == {"FINISHED"}
    assert version_strips.is_placed(scene, version.folder)
    assert "Put into Sequencer" not in draw_all(scene)


@pytest.mark.parametrize("deleted", ["strip", "result", "scene"])
def test_a_version_whose_strip_is_deleted_can_be_put_there_again(
    scene: bpy.types.Scene, take: Any, deleted: str
) -> None:
    folder = place(scene, take, "v001").folder
    place(scene, take, "v002")
    take.active_version = 0
    take.versions[0].note = "Its colour is another."
    lines = draw_all(scene)
    assert "Put into Sequencer" not in lines
    assert "Its colour is another." in lines
    (edit,) = sequencer.edit_scenes(scene)
    strips = sequencer.strips_of(edit.sequence_editor)
    meta = strips["Take 01 v001"]
    # Another name is no other strip.
    meta.name = "Hero"
    assert "Put into Sequencer" not in draw_all(scene)
    if deleted == "scene":
        bpy.data.scenes.remove(edit)
    elif deleted == "strip":
        strips.remove(meta)
    else:
        inner = sequencer.strips_of(meta)
        inner.remove(next(strip for strip in inner if sequencer.take_of_strip(strip)["role"] == "result"))
    lines = draw_all(scene)
    assert "Put into Sequencer" in lines
    assert "Its colour is another." not in lines
    assert bpy.ops.ex4d.import_take(directory=folder) == {"FINISHED"}
    assert "Put into Sequencer" not in draw_all(scene)


def test_versions_of_earlier_files_learn_their_date(scene: bpy.types.Scene, take: Any) -> None:
    version = place(scene, take, "v001")
    version.created = version.move = ""
    assert bpy.ops.ex4d.find_versions() == {"FINISHED"}
    assert len(take.versions) == 1
    assert take.versions[0].created == CREATED


@pytest.mark.parametrize("damage", [{"created": 7}, {"camera": "orbit"}, {"camera": {"preset": 3}}, {"notes": "none"}])
def test_damaged_words_of_a_record_are_left_out(tmp_path: Path, damage: dict[str, Any]) -> None:
    deliver(tmp_path, "v001", **damage)
    made = read_take(tmp_path / "takes" / "v001")
    assert made.move == ""
    assert made.created == ("" if "created" in damage else CREATED)
    assert made.notes == (() if "notes" in damage else ("The camera is assumed to stand still.",))


def test_appended_takes_are_found_with_their_versions(scene: bpy.types.Scene, tmp_path: Path, take: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="zoom_in:2")
    found = shots.known(scene).find()
    deliver(Path(found.folder), "v001", title="Take 01")
    collection, file = found.collection.name, tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    bpy.ops.wm.append(directory=f"{file}/Collection/", filename=collection)
    bpy.context.view_layer.update()
    assert [camera.name for camera in shots.unlisted(scene)] == ["Take 01", "Take 02"]
    assert "Find Takes (2)" in draw_all(scene)
    assert bpy.ops.ex4d.find_takes() == {"FINISHED"}
    takes = scene.ex4d.takes
    assert [(item.name, item.camera.name, len(item.versions)) for item in takes] == [
        ("Take 01", "Take 01", 1),
        ("Take 02", "Take 02", 0),
    ]
    assert takes[0].shot == shots.known(scene).find().root
    bpy.context.view_layer.update()
    assert not shots.unlisted(scene)
    assert not any(line.startswith("Find Takes") for line in draw_all(scene))
    # One that is removed is removed on purpose.
    bpy.ops.ex4d.remove_take()
    bpy.context.view_layer.update()
    assert not shots.unlisted(scene)
    # Till it is a take again.
    camera = bpy.data.objects["Take 02"]
    bpy.context.view_layer.objects.active = camera
    bpy.ops.ex4d.add_take()
    scene.ex4d.takes.clear()
    camera.update_tag()
    bpy.context.view_layer.update()
    assert camera in shots.unlisted(scene)


def test_a_move_that_was_changed_by_hand_says_so(scene: bpy.types.Scene, tmp_path: Path, take: Any) -> None:
    from ex4d_blender.scene import takes
    from ex4d_blender.scene.fcurves import fcurves

    for frame in (1001, 1005):
        scene.frame_set(frame)
        assert takes.move_of(take.camera) == "orbit:20"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    camera = bpy.context.scene.ex4d.takes[0].camera
    assert takes.move_of(camera) == "orbit:20"
    curve = next(curve for curve in fcurves(camera.parent) if len(curve.keyframe_points) > 1)
    curve.keyframe_points[-1].co.y += 0.1
    assert takes.move_of(camera) == "orbit:20, changed"
    assert bpy.ops.ex4d.apply_preset(move="crane:0.2") == {"FINISHED"}
    assert takes.move_of(camera) == "crane:0.2"
    # As earlier versions left it.
    del camera["ex4d"]["motion"]
    camera.location.x += 1
    assert takes.move_of(camera) == "crane:0.2"


def test_the_same_version_again_has_one_row_and_one_strip(scene: bpy.types.Scene, take: Any) -> None:
    from ex4d_blender import arrivals

    first = place(scene, take, "v001").folder
    place(scene, take, "v002")
    last = arrivals.last()
    assert last is not None
    assert last.is_new
    place(scene, take, "v001")
    assert [version.name for version in take.versions] == ["v001", "v002"]
    assert take.active_version == 0
    assert version_strips.is_placed(scene, first)
    (edit,) = sequencer.edit_scenes(scene)
    strips = sequencer.strips_of(edit.sequence_editor)
    assert sorted(strip.name for strip in strips) == ["Take 01 v001", "Take 01 v002"]
    assert [strip.name for strip in strips if strip.select] == ["Take 01 v001"]
    assert edit.sequence_editor.active_strip == strips["Take 01 v001"]
    last = arrivals.last()
    assert last is not None
    assert not last.is_new


def test_versions_that_an_undo_takes_out_come_back(scene: bpy.types.Scene, take: Any) -> None:
    place(scene, take, "v001")
    take.versions.clear()
    from ex4d_blender import handlers

    handlers._undo_post()
    handlers._undo_post()
    assert [version.name for version in take.versions] == ["v001"]


def test_versions_that_were_delivered_meanwhile_are_found_on_load(
    scene: bpy.types.Scene, take: Any, tmp_path: Path
) -> None:
    folder, file = Path(shots.known(scene).find().folder), str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    deliver(folder, "v001")
    deliver(folder, "v002", title="Another take")
    bpy.ops.wm.open_mainfile(filepath=file)
    assert [version.name for version in bpy.context.scene.ex4d.takes[0].versions] == ["v001"]


def test_a_removed_take_comes_back_with_what_was_finished_meanwhile(scene: bpy.types.Scene, take: Any) -> None:
    from ex4d_blender import job_results

    take.name = "Hero"
    uid, folder = take.uid, Path(shots.known(scene).find().folder)
    assert bpy.ops.ex4d.remove_take() == {"FINISHED"}
    made = deliver(folder, "v001", title="Hero")
    job_results.place_take(scene, made, {"take": uid, "title": "Hero"})
    bpy.context.view_layer.update()
    assert not shots.unlisted(scene)
    assert "Find Removed Takes (1)" in draw_all(scene)
    assert bpy.ops.ex4d.find_takes() == {"FINISHED"}
    assert [(item.name, len(item.versions)) for item in scene.ex4d.takes] == [("Hero", 1)]
    bpy.context.view_layer.update()
    assert not shots.removed(scene)
