# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sequencer's panels say of the selected strip's take, and which take they generate."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core.strip_facts import local_moment
from ex4d_blender.scene import sequencer, takes
from ex4d_blender.scene import shot as shots
from panel_drawing import Layout, context_of
from results_factory import delivered, generate_result
from test_manners import make_take
from viewport_factory import make_shot, write_png

pytest_plugins = ["addon_fixtures"]

CREATED = "2026-11-30T20:15:00Z"


@pytest.fixture
def edited(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> bpy.types.Scene:
    """A scene with the takes A and B, the strips of B's version v002 in it, made by a move; A is chosen."""
    from ex4d_blender import job_results

    shot = shots.import_shot(scene, make_shot(tmp_path))
    for name in ("A", "B"):
        take = scene.ex4d.takes.add()
        take.uid = take.name = name
        take.shot, take.camera = shot.root, takes.add_take_camera(scene, shot)
    made = make_take(tmp_path, name="v002")
    (Path(made.folder) / "take.json").write_text(json.dumps({"created": CREATED}))
    data = {"take": "B", "title": "B", "offset": -1000, "with_mask": True, "seed": 7, "move": "orbit:30"}
    job_results.place_take(scene, made, data)
    scene.ex4d.active_take = 0
    return scene


def select(edit: bpy.types.Scene, role: str | None) -> None:
    """Make the strip of that role the active one; None: none."""
    chosen = None
    for strip in sequencer.all_strips(edit):
        strip.select = role is not None and (sequencer.take_of_strip(strip) or {}).get("role") == role
        chosen = strip if strip.select else chosen
    edit.sequence_editor.active_strip = chosen


def lines_of(panel: str, scene: bpy.types.Scene) -> list[str]:
    lines: list[str] = []
    kind = getattr(bpy.types, panel)
    context = context_of(scene, kind.bl_space_type)
    context.sequencer_scene = sequencer.edit_scenes(scene)[0]
    kind.draw(SimpleNamespace(layout=Layout(context, lines)), context)
    return lines


def test_the_panel_tells_all_of_the_selected_strips_take(edited: bpy.types.Scene) -> None:
    edit = sequencer.edit_scenes(edited)[0]
    select(edit, None)
    assert lines_of("EX4D_PT_sequencer_strip", edited)[0] == "Select the strip of a take to"
    select(edit, "mask")
    lines = lines_of("EX4D_PT_sequencer_strip", edited)
    assert lines[:1] == ["B v002"]
    told = dict(zip(lines[1::2], lines[2::2], strict=False))
    assert told["Shows"] == "Mask"
    assert (told["Move"], told["Fill Profile"], told["Seed"]) == ("orbit:30", "preview", "7")
    assert told["Finished"] == local_moment(CREATED)
    # A take may be called otherwise since.
    edited.ex4d.takes[1].name = "Hero"
    assert lines_of("EX4D_PT_sequencer_strip", edited)[0] == "Hero v002"


def test_strips_of_earlier_files_tell_what_the_list_knows(edited: bpy.types.Scene) -> None:
    edit = sequencer.edit_scenes(edited)[0]
    select(edit, "result")
    strip = edit.sequence_editor.active_strip
    strip["ex4d"] = {key: strip["ex4d"][key] for key in ("role", "take", "folder")}
    lines = lines_of("EX4D_PT_sequencer_strip", edited)
    told = dict(zip(lines[1::2], lines[2::2], strict=False))
    assert (told["Fill Profile"], told["Seed"]) == ("preview", "7")
    assert not {"Move", "Finished"} & set(lines)
    edited.ex4d.takes[1].versions.clear()
    assert lines_of("EX4D_PT_sequencer_strip", edited)[:3] == ["Take v002", "Shows", "Result"]


def test_moments_are_shown_as_a_clock_here_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert local_moment(CREATED) == "2026-11-30 22:15"
        assert local_moment("yesterday") == "yesterday"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_generate_in_the_sequencer_is_of_the_selected_strips_take(edited: bpy.types.Scene, tmp_path: Path) -> None:
    edit = sequencer.edit_scenes(edited)[0]
    select(edit, "result")
    assert "Generate B" in lines_of("EX4D_PT_sequencer_generate", edited)
    assert "Generate A" in lines_of("EX4D_PT_view3d_steps", edited)
    select(edit, None)
    assert "Generate A" in lines_of("EX4D_PT_sequencer_generate", edited)
    # A strip of a take that is in no list.
    folder = tmp_path / "elsewhere" / "takes" / "v009"
    write_png(folder / "result" / "result.1001.png", np.zeros((32, 48, 3), np.uint8))
    other = delivered(generate_result(folder, [1001]))
    sequencer.place_take(edit, other, with_mask=False, with_color=False, name="Other", frame_offset=-500)
    for strip in sequencer.all_strips(edit):
        strip.select = strip.name == "Other result"
        if strip.select:
            edit.sequence_editor.active_strip = strip
    assert "Generate A" in lines_of("EX4D_PT_sequencer_generate", edited)


def test_generate_takes_the_take_that_it_is_told(edited: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender import capabilities
    from ex4d_blender.ops import generate

    asked: list[str] = []
    monkeypatch.setattr(capabilities, "resolve_generator", lambda *_, **__: SimpleNamespace(name="preview"))
    monkeypatch.setattr(generate, "scene_options", lambda *_: {})
    monkeypatch.setattr(generate.TakeJobOperator, "sample", lambda *_: b"")
    monkeypatch.setattr(
        generate, "submit_take", lambda _context, _shot, take, *_, **__: asked.append(take.uid) or "job"
    )
    monkeypatch.setattr(generate.job_list.current(), "wait", lambda _job: None)
    bpy.ops.ex4d.generate(take="B")
    bpy.ops.ex4d.generate()
    assert asked == ["B", "A"]
