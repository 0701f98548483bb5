# SPDX-License-Identifier: GPL-3.0-or-later
"""A/B in the sequencer: the plate and the version before, in a take's place, by muting."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import plate_strip, sequencer
from ex4d_blender.scene import shot as shots
from panel_drawing import Layout, context_of
from test_manners import make_take, rendered
from viewport_factory import make_shot, write_png

pytest_plugins = ["addon_fixtures"]

PLATE_GREY = 30


@pytest.fixture
def edited(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> bpy.types.Scene:
    """A scene with a take of the versions v001 and v002, greys 90 and 200; the second's strip is selected."""
    from ex4d_blender import job_results

    shot = shots.import_shot(scene, make_shot(tmp_path, plate=(48, 32)))
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    take = scene.ex4d.takes[0]
    for name, grey in (("v001", 90), ("v002", 200)):
        made = make_take(Path(shot.folder), name=name, grey=grey)
        job_results.place_take(scene, made, {"take": take.uid, "title": take.name, "offset": 0})
    from ex4d_blender.scene.wipe_pictures import plate_side

    for path in plate_side(shot).files.values():
        write_png(path, np.full((32, 48, 3), PLATE_GREY, np.uint8))
    select(scene, "v002")
    return scene


def edit_of(scene: bpy.types.Scene) -> bpy.types.Scene:
    (edit,) = sequencer.edit_scenes(scene)
    return edit


def meta_of(scene: bpy.types.Scene, version: str) -> Any:
    return next(strip for strip in sequencer.strips_of(edit_of(scene).sequence_editor) if strip.name.endswith(version))


def select(scene: bpy.types.Scene, version: str) -> None:
    meta = meta_of(scene, version)
    for strip in sequencer.all_strips(edit_of(scene)):
        strip.select = strip == meta
    edit_of(scene).sequence_editor.active_strip = meta


def press(scene: bpy.types.Scene, against: str) -> None:
    """As from the panel of a sequencer that shows the results: before Blender 5 they are the window's scene."""
    window: Any = bpy.context.window_manager.windows[0]
    if hasattr(window.workspace, "sequencer_scene"):
        window.workspace.sequencer_scene = edit_of(scene)
    else:
        window.scene = edit_of(scene)
    try:
        with bpy.context.temp_override(window=window):
            assert bpy.ops.ex4d.compare_strips(against=against) == {"FINISHED"}
    finally:
        window.scene = scene


def seen(scene: bpy.types.Scene, folder: Path, frame: int = 1002) -> float:
    """The mean grey that the results' scene renders."""
    window = bpy.context.window_manager.windows[0]
    window.scene = edit_of(scene)
    edit_of(scene).frame_set(frame)
    try:
        return rendered(edit_of(scene), folder)
    finally:
        window.scene = scene


def said(scene: bpy.types.Scene) -> list[str]:
    lines: list[str] = []
    context = context_of(scene, "SEQUENCE_EDITOR")
    context.sequencer_scene = edit_of(scene)
    bpy.types.EX4D_PT_sequencer_strip.draw(SimpleNamespace(layout=Layout(context, lines)), context)
    return lines


def test_plate_and_take_in_turn(edited: bpy.types.Scene, tmp_path: Path) -> None:
    assert seen(edited, tmp_path) == pytest.approx(200, abs=1)
    assert "Seen: v002" in said(edited)
    assert len(sequencer.strips_of(edit_of(edited).sequence_editor)) == 2
    press(edited, "PLATE")
    assert seen(edited, tmp_path) == pytest.approx(PLATE_GREY, abs=1)
    assert "Seen: Plate" in said(edited)
    plate = plate_strip.find(edit_of(edited), shots.known(edited).find().folder)
    # Below the takes, at its own frames, and not taken for one of them.
    assert (plate.channel, plate.frame_final_start, sequencer.take_of_strip(plate)) == (1, 1001, None)
    assert (plate.select, meta_of(edited, "v002").select) == (False, True)
    assert min(meta_of(edited, name).channel for name in ("v001", "v002")) == 2
    press(edited, "PLATE")
    assert seen(edited, tmp_path) == pytest.approx(200, abs=1)
    press(edited, "PLATE")
    assert sum(item.get(plate_strip.PLATE_PROPERTY) is not None for item in sequencer.all_strips(edit_of(edited))) == 1


def test_a_take_and_the_version_before(edited: bpy.types.Scene, tmp_path: Path) -> None:
    press(edited, "VERSION")
    assert seen(edited, tmp_path) == pytest.approx(90, abs=1)
    assert "Seen: v001" in said(edited)
    press(edited, "VERSION")
    assert seen(edited, tmp_path) == pytest.approx(200, abs=1)
    # From the plate it leads to the other version, not to both.
    press(edited, "PLATE")
    press(edited, "VERSION")
    assert seen(edited, tmp_path) == pytest.approx(90, abs=1)
    press(edited, "PLATE")
    press(edited, "PLATE")
    assert seen(edited, tmp_path) == pytest.approx(200, abs=1)
    # The first version has none before it: the one after.
    select(edited, "v001")
    press(edited, "VERSION")
    assert "Seen: v001" in said(edited)
    assert seen(edited, tmp_path) == pytest.approx(90, abs=1)


def test_with_one_version_there_is_nothing_to_compare_it_with(edited: bpy.types.Scene) -> None:
    sequencer.strips_of(edit_of(edited).sequence_editor).remove(meta_of(edited, "v001"))
    with pytest.raises(RuntimeError, match="has one version in the sequencer"):
        press(edited, "VERSION")
    assert not meta_of(edited, "v002").mute


def test_takes_at_other_frames_are_seen_again(edited: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender import job_results

    # Of another take, over the plate's last frame alone.
    other = edited.ex4d.takes.add()
    other.uid = other.name = "Other"
    made = make_take(tmp_path / "far", name="v009", grey=150)
    job_results.place_take(edited, made, {"take": "Other", "title": "Other", "offset": 4})
    select(edited, "v002")
    assert seen(edited, tmp_path, 1005) == pytest.approx(150, abs=1)
    press(edited, "PLATE")
    assert seen(edited, tmp_path, 1005) == pytest.approx(PLATE_GREY, abs=1)
    press(edited, "PLATE")
    assert seen(edited, tmp_path, 1005) == pytest.approx(150, abs=1)


def test_a_full_first_channel_puts_the_plate_above(edited: bpy.types.Scene, tmp_path: Path) -> None:
    editor = edit_of(edited).sequence_editor
    strips = sequencer.strips_of(editor)
    length = {"length": 2000} if bpy.app.version >= (5, 0) else {"frame_end": 3000}
    music = strips.new_effect(name="Mine", type="COLOR", channel=1, frame_start=1000, **length)
    press(edited, "PLATE")
    assert seen(edited, tmp_path) == pytest.approx(PLATE_GREY, abs=1)
    assert plate_strip.find(edit_of(edited), shots.known(edited).find().folder).channel > 3
    press(edited, "PLATE")
    assert seen(edited, tmp_path) == pytest.approx(200, abs=1)
    assert not music.mute


def test_a_strip_that_shows_no_listed_take_is_not_compared(edited: bpy.types.Scene) -> None:
    edited.ex4d.takes.clear()
    assert not any(line.startswith("Seen: ") for line in said(edited))
