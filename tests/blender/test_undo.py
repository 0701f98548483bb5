# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps back and forward through what shows a take: its projection, its camera, its preview."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import background, closing, material, projection
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.mesh_switches import plate_material
from panel_drawing import draw_all
from results_factory import render_result
from test_projection import place
from test_scene_shot import render
from test_wipe import deliver
from viewport_factory import make_shot, write_png

pytest_plugins = ["addon_fixtures"]


def push(message: str) -> None:
    bpy.ops.ed.undo_push(message=message)


def only_shot() -> shots.ShotObjects:
    """That of the scene as a step has left it: what was asked for before is gone."""
    (found,) = shots.find_shots(bpy.context.scene)
    return found


def counts() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in ("images", "objects", "meshes", "materials")}


def test_a_projection_is_taken_back_and_done_again(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    placed = place(scene, tmp_path)
    scene.camera = placed.shot.source_camera
    number = placed.shot.frame_of(1003)

    def seen() -> np.ndarray:
        bpy.context.scene.frame_set(number)
        return render(bpy.context.scene, tmp_path / "out.png")

    plate, before = seen(), counts()
    push("before")
    placed.project()
    push("projected")
    taken, after = seen(), counts()
    assert np.abs(taken - plate).max() > 50
    for _ in range(2):
        bpy.ops.ed.undo()
        found = only_shot()
        assert projection.shown(found.mesh) is None
        given = closing.inputs_of(found.mesh)
        assert given["Close Slits"]
        assert given["Validity"] == material.validity_image(plate_material(found.mesh))
        assert (counts(), np.array_equal(seen(), plate)) == (before, True)
        bpy.ops.ed.redo()
        found = only_shot()
        assert projection.shown(found.mesh) == "Take 01 v001"
        assert not closing.inputs_of(found.mesh)["Close Slits"]
        assert (counts(), np.array_equal(seen(), taken)) == (after, True)
    # Called so, Blender keeps a step as it does for a click.
    assert bpy.ops.ex4d.show_plate("EXEC_DEFAULT", True) == {"FINISHED"}
    assert np.array_equal(seen(), plate)
    bpy.ops.ed.undo()
    assert projection.shown(only_shot().mesh) == "Take 01 v001"
    assert np.array_equal(seen(), taken)


@pytest.mark.parametrize("by", ["shot", "wipe"])
def test_to_look_through_another_camera_is_a_step(scene: bpy.types.Scene, tmp_path: Path, addon: Any, by: str) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path, plate=(48, 32)))
    assert bpy.ops.ex4d.add_take_camera(move="orbit:10") == {"FINISHED"}
    version = scene.ex4d.takes[0].versions.add()
    version.name, version.folder = "v001", deliver(Path(placed.folder), "v001", placed.numbers, 100)
    own = bpy.data.objects.new("Own", bpy.data.cameras.new("Own"))
    scene.collection.objects.link(own)
    scene.camera = own
    names = {"shot": placed.source_camera.name, "wipe": scene.ex4d.takes[0].camera.name}
    # Blender keeps a step for those alone that say so.
    kind = {"shot": bpy.types.EX4D_OT_view_shot, "wipe": bpy.types.EX4D_OT_wipe}[by]
    assert "UNDO" in kind.bl_options
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    push("own camera")
    own.location.x = 5
    push("moved")
    with bpy.context.temp_override(window=window, area=area):
        if by == "shot":
            assert bpy.ops.ex4d.view_shot() == {"FINISHED"}
        else:
            assert bpy.ops.ex4d.wipe(against="PLATE") == {"FINISHED"}
    push("looked")
    assert scene.camera.name == names[by]
    bpy.ops.ed.undo()
    # The step before it stays done.
    now = bpy.context.scene.camera
    assert (now.name, now.location.x) == ("Own", 5)
    bpy.ops.ed.redo()
    assert bpy.context.scene.camera.name == names[by]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, addon: Any) -> list[str]:
    """The steps that results of jobs keep, which Blender itself keeps in a window alone."""
    from ex4d_blender import job_results

    kept: list[str] = []

    def keep(message: str) -> None:
        kept.append(message)
        push(message)

    monkeypatch.setattr(job_results, "_push_undo", keep)
    return kept


def preview(folder: Path, *, live: bool = False) -> None:
    """A preview of the first take comes, as a job's end brings it."""
    from ex4d_blender import job_results
    from ex4d_blender.ops.preview import fingerprint

    scene = bpy.context.scene
    take, numbers = scene.ex4d.takes[0], list(only_shot().numbers)
    for number in numbers:
        write_png(folder / "color" / f"color.{number}.png", np.zeros((4, 6, 3), np.uint8))
    data = {"take": take.uid, "fingerprint": fingerprint(scene, take), "live": live}
    job_results.show_preview(scene, render_result(folder, numbers), data)


def shown() -> Path | None:
    """Where the first take's preview is."""
    found = background.preview_folders(bpy.context.scene.ex4d.takes[0].camera)
    return found[0].parent if found is not None else None


def test_a_preview_stays_when_what_came_after_it_is_undone(
    scene: bpy.types.Scene, tmp_path: Path, steps: list[str]
) -> None:
    shots.import_shot(scene, make_shot(tmp_path, pictures=False))
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    push("take")
    preview(tmp_path / "first")
    assert steps == ["Preview Take"]
    bpy.context.scene.ex4d.takes[0].camera.location.x += 1
    push("moved")
    bpy.ops.ed.undo()
    take = bpy.context.scene.ex4d.takes[0]
    assert (shown(), bool(take.coverage)) == (tmp_path / "first", True)
    bpy.ops.ed.undo()
    take = bpy.context.scene.ex4d.takes[0]
    assert (shown(), take.coverage) == (None, "")
    bpy.ops.ed.redo()
    assert shown() == tmp_path / "first"
    # It is taken away by a step as well.
    assert bpy.ops.ex4d.hide_preview("EXEC_DEFAULT", True) == {"FINISHED"}
    assert shown() is None
    bpy.ops.ed.undo()
    assert shown() == tmp_path / "first"


def test_one_that_comes_by_itself_is_no_step_and_comes_again(
    scene: bpy.types.Scene, tmp_path: Path, steps: list[str], live: Any
) -> None:
    shots.import_shot(scene, make_shot(tmp_path, pictures=False))
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    scene.ex4d.live_preview = True
    push("take")

    def rest(now: float) -> int:
        """How many were asked for till then."""
        live.stir()
        for later in (0.0, 1.0):
            live.look(now + later)
        return len(live.asked)

    def end(folder: str) -> None:
        live.jobs.clear()
        preview(tmp_path / folder, live=True)

    assert rest(0) == 1
    end("first")
    bpy.context.scene.ex4d.takes[0].camera.location.x += 1
    push("moved")
    assert rest(10) == 2
    end("second")
    assert (steps, shown()) == ([], tmp_path / "second")
    # Back where the take was made there was none.
    bpy.ops.ed.undo()
    assert shown() is None
    assert rest(20) == 3
    end("first")
    assert shown() == tmp_path / "first"
    # And where the move was pushed the first was shown.
    bpy.ops.ed.redo()
    assert shown() == tmp_path / "first"
    live.stir()
    live.look(30.0)
    assert any("out of date" in line for line in draw_all(bpy.context.scene))
    assert rest(31) == 4
    end("second")
    assert rest(40) == 4


def test_a_preview_whose_pictures_are_gone_is_taken_away(
    scene: bpy.types.Scene, tmp_path: Path, steps: list[str], live: Any
) -> None:
    shots.import_shot(scene, make_shot(tmp_path, pictures=False))
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    preview(tmp_path / "first")
    bpy.context.scene.ex4d.takes[0].camera.location.x += 1
    push("moved")
    preview(tmp_path / "second")
    # Of many the backend keeps the newest.
    shutil.rmtree(tmp_path / "first")
    bpy.ops.ed.undo()
    assert shown() is None
    assert not any("Preview" in image.name for image in bpy.data.images)
    bpy.ops.ed.redo()
    assert shown() == tmp_path / "second"
    bpy.ops.ed.undo()
    # Where it is wanted it is made again, though its coverage is known.
    bpy.context.scene.ex4d.live_preview = True
    live.stir()
    for now in (0.0, 1.0):
        live.look(now)
    assert len(live.asked) == 1
