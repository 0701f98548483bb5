# SPDX-License-Identifier: GPL-3.0-or-later
"""Floor, axis, length, pivot and another shot's world by the operators, as scripts and the Redo panel call them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Vector
from panel_drawing import draw_all
from viewport_factory import make_shot

from ex4d.camera.transforms import rotation_x, rotation_y

FLOOR = [-1.0, 1.2, 4.0, 1.0, 1.2, 4.0, 0.0, 1.2, 7.0]


@pytest.fixture
def addon() -> Iterator[Any]:
    import addon_utils

    assert addon_utils.enable("ex4d_blender", default_set=True) is not None
    import ex4d_blender

    yield ex4d_blender
    addon_utils.disable("ex4d_blender", default_set=True)


@pytest.fixture
def shot(addon: Any, scene: bpy.types.Scene, tmp_path: Path) -> Any:
    from ex4d_blender.scene import shot as shots

    return shots.import_shot(scene, make_shot(tmp_path, moving=True))


def points(values: list[float]) -> dict[str, Any]:
    return {"points": (*values, *[0.0] * (9 - len(values))), "count": len(values) // 3}


def at(shot: Any, point: list[float]) -> np.ndarray:
    bpy.context.view_layer.update()
    world = np.array(shot.root.matrix_world, float)
    return world[:3, :3] @ point + world[:3, 3]


def test_floor_axis_length_and_height(shot: Any) -> None:
    ops = bpy.ops.ex4d
    assert ops.align_floor(**points(FLOOR)) == {"FINISHED"}
    np.testing.assert_allclose(at(shot, FLOOR[:3]), 0, atol=1e-5)
    np.testing.assert_allclose(at(shot, FLOOR[3:6]), (2, 0, 0), atol=1e-5)
    assert at(shot, FLOOR[6:])[2] == pytest.approx(0, abs=1e-5)
    assert at(shot, [0, 0, 0])[2] == pytest.approx(1.2, abs=1e-5)
    assert ops.align_length(**points(FLOOR[:6]), length=5.0) == {"FINISHED"}
    np.testing.assert_allclose(at(shot, FLOOR[3:6]), (5, 0, 0), atol=1e-4)
    assert ops.align_axis(**points(FLOOR[:6]), direction="Y") == {"FINISHED"}
    np.testing.assert_allclose(at(shot, FLOOR[3:6]), (0, 5, 0), atol=1e-4)
    bpy.context.scene.frame_set(1001)
    assert ops.align_height(height=1.7) == {"FINISHED"}
    assert shot.source_camera.matrix_world.translation.z == pytest.approx(1.7, abs=1e-5)
    assert ops.align_origin(**points(FLOOR[6:])) == {"FINISHED"}
    np.testing.assert_allclose(at(shot, FLOOR[6:]), 0, atol=1e-4)
    assert ops.reset_world() == {"FINISHED"}
    np.testing.assert_allclose(at(shot, [1, 2, 3]), (1, 3, -2), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("align_floor", [0, 1, 4, 1, 1, 5, 2, 1, 6], "on a line"),
        ("align_length", [0, 1, 4, 0, 1, 4], "one and the same"),
        ("align_axis", [0, 1, 4, 0, -1, 4], "straight up"),
        ("align_floor", [0, 1, 4], "No points are picked"),
        ("pick_landmarks", [0, 1, 4, 1, 1, 5, 2, 1, 6], "on a line"),
    ],
)
def test_what_tells_nothing_is_refused_and_changes_nothing(
    shot: Any, name: str, values: list[float], words: str
) -> None:
    before = shot.root.matrix_world.copy()
    with pytest.raises(RuntimeError, match=words):
        getattr(bpy.ops.ex4d, name)(**points(values))
    bpy.context.view_layer.update()
    assert shot.root.matrix_world == before
    assert "ex4d_landmarks" not in shot.root


def test_a_height_needs_a_floor(shot: Any) -> None:
    bpy.context.scene.frame_set(1001)
    with pytest.raises(RuntimeError, match="not above the floor"):
        bpy.ops.ex4d.align_height(height=1.7)


def test_one_undo_takes_an_alignment_back_whole(shot: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    name, near = shot.root.name, shot.source_camera.data.clip_start
    # Called so, Blender keeps a step as it does for a click.
    bpy.ops.ex4d.align_length("EXEC_DEFAULT", True, **points(FLOOR[:6]), length=50.0)
    root = bpy.data.objects[name]
    assert root.scale[0] == pytest.approx(25)
    bpy.ops.ed.undo()
    root = bpy.data.objects[name]
    assert root.scale[0] == 1.0
    assert root.get("ex4d_aligned") is None
    source = next(item for item in root.children if item.type == "CAMERA")
    assert source.data.clip_start == near
    assert source.data.get("ex4d_near") is None


def test_the_pivot_goes_to_the_cursor_and_back(shot: Any) -> None:
    scene, ops = bpy.context.scene, bpy.ops.ex4d
    scene.frame_set(1003)
    ops.align_length(**points(FLOOR[:6]), length=7.0)
    scene.cursor.location = (1.5, 9.0, -0.5)
    assert ops.pivot_from_cursor() == {"FINISHED"}
    assert list(shot.root["ex4d_pivot"])[3] == 1003
    scene.cursor.location = (0, 0, 0)
    assert ops.cursor_to_pivot() == {"FINISHED"}
    np.testing.assert_allclose(scene.cursor.location, (1.5, 9.0, -0.5), atol=1e-5)
    # The take's Empty stands on it: it is what the orbit turns about.
    ops.add_take_camera(move="lock:1003+orbit:30")
    pivot = next(item for item in bpy.data.objects if item.name.endswith("Pivot"))
    bpy.context.view_layer.update()
    np.testing.assert_allclose(pivot.matrix_world.translation, (1.5, 9.0, -0.5), atol=1e-4)
    assert ops.reset_pivot() == {"FINISHED"}
    assert ops.cursor_to_pivot() == {"FINISHED"}
    # The measured one: 3 units before the source camera at this frame.
    seen = shot.source_camera.matrix_world.normalized().inverted() @ scene.cursor.location
    np.testing.assert_allclose(seen, (0, 0, -3 * 3.5), atol=1e-4)


def test_another_shot_of_the_place_takes_the_world(shot: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    scene, ops = bpy.context.scene, bpy.ops.ex4d
    ops.align_floor(**points(FLOOR))
    ops.pick_landmarks(**points(FLOOR))
    other = shots.import_shot(scene, make_shot(tmp_path / "other"), name="Other")
    bpy.context.view_layer.objects.active = other.root
    ops.same_world(other=shot.root.name, by="STAND")
    np.testing.assert_allclose(other.root.matrix_world, shot.root.matrix_world, atol=1e-6)
    # By landmarks: the other shot has its own axes and unit.
    turn, scale, shift = rotation_y(0.7) @ rotation_x(0.2), 0.4, np.array([0.3, -0.2, 1.0])
    own = (scale * np.array(FLOOR).reshape(3, 3) @ turn.T + shift).ravel().tolist()
    with pytest.raises(RuntimeError, match="has no landmarks"):
        ops.same_world(other=shot.root.name, by="LANDMARKS")
    ops.pick_landmarks(**points(own))
    assert ops.same_world(other=shot.root.name, by="LANDMARKS") == {"FINISHED"}
    for index in range(3):
        part = slice(3 * index, 3 * index + 3)
        np.testing.assert_allclose(at(other, own[part]), at(shot, FLOOR[part]), atol=1e-4)


def test_the_residual_of_a_match_is_said(shot: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from ex4d_blender.scene import shot as shots

    ops = bpy.ops.ex4d
    ops.pick_landmarks(**points(FLOOR))
    other = shots.import_shot(bpy.context.scene, make_shot(tmp_path / "other"), name="Other")
    bpy.context.view_layer.objects.active = other.root
    moved = list(FLOOR)
    moved[0] -= 0.3
    ops.pick_landmarks(**points(moved))
    capfd.readouterr()
    ops.same_world(other=shot.root.name, by="LANDMARKS")
    assert "apart in the mean square" in capfd.readouterr().out


def test_a_shot_of_a_scene_that_no_window_shows_is_found(shot: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import shot as shots

    first = bpy.context.scene
    bpy.ops.ex4d.align_floor(**points(FLOOR))
    second = bpy.data.scenes.new("Second")
    other = shots.import_shot(second, make_shot(tmp_path / "other"), name="Other")
    with bpy.context.temp_override(scene=second, view_layer=second.view_layers[0]):
        bpy.ops.ex4d.same_world(other=shot.root.name, by="STAND")
    second.view_layers[0].update()
    first.view_layers[0].update()
    np.testing.assert_allclose(other.root.matrix_world, shot.root.matrix_world, atol=1e-6)


def test_the_panel_says_where_the_shot_stands_in_the_scenes_units(shot: Any) -> None:
    scene = bpy.context.scene
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 0.01
    scene.frame_set(1001)
    bpy.ops.ex4d.align_floor(**points(FLOOR))
    said = " ".join(draw_all(scene))
    # 1.2 Blender units of a centimetre.
    assert "1.2 cm" in said
    assert "Pivot: measured, 3 cm" in said


def test_a_click_picks_what_lies_under_the_mouse(shot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a window there are no regions: the line of sight is what Blender would say.
    from ex4d_blender.scene import sight

    region = SimpleNamespace(x=100, y=50)
    monkeypatch.setattr(sight, "region_2d_to_origin_3d", lambda *_: shot.root.matrix_world @ shot.root.location)
    directions: list[Any] = []
    bpy.ops.ex4d.align_length(**points(FLOOR[:6]), length=6.0)
    answer = shot.root.matrix_world.to_3x3() @ Vector((0.01, 0.02, 1.0))
    monkeypatch.setattr(sight, "region_2d_to_vector_3d", lambda _region, _view, at: directions.append(at) or answer)
    found = sight.point_under(shot, 1001, sight.View(None, region, None), 400, 300)
    assert directions == [(300, 250)]
    np.testing.assert_allclose(found, (0.03, 0.06, 3.0), atol=1e-5)


class Click(SimpleNamespace):
    """An event of the mouse or the keyboard over a viewport."""

    def __init__(self, kind: str = "LEFTMOUSE", value: str = "PRESS", **more: Any) -> None:
        super().__init__(type=kind, value=value, **{"mouse_x": 10, "mouse_y": 10, "alt": False, **more})


@pytest.fixture
def picker(shot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An operator that asks for two points, in a window whose mouse lies over a viewport; what it did is kept."""
    from ex4d_blender.ops import picking
    from ex4d_blender.scene import sight

    class Pick(picking.PointPicker):
        bl_idname, bl_label, asks = "ex4d.test", "Test", ("one end", "the other")

        def __init__(self) -> None:
            self.points, self.count, self.done, self.said = [0.0] * 9, 0, [], []
            self.headers: list[str | None] = []
            self.places = [np.array([0.1, 0.2, 3.0]), None, np.array([1.0, 0.2, 4.0]), np.array([2.0, 0.2, 4.0])]
            self.cursor: list[str] = []
            window = SimpleNamespace(
                cursor_modal_set=self.cursor.append, cursor_modal_restore=lambda: self.cursor.append("back")
            )
            manager = SimpleNamespace(modal_handler_add=lambda _operator: None)
            self.context = SimpleNamespace(window=window, window_manager=manager, scene=bpy.context.scene)

        def report(self, _kind: set[str], text: str) -> None:
            self.said.append(text)

        def execute(self, _context: Any) -> set[str]:
            self.done.append(self.chosen())
            return {"FINISHED"}

        def send(self, event: Click) -> set[str]:
            return self.modal(self.context, event)

    operator = Pick()
    view = SimpleNamespace(header_text_set=operator.headers.append, tag_redraw=lambda: None)
    monkeypatch.setattr(picking, "_viewports", lambda: [view])
    monkeypatch.setattr(sight, "area_under", lambda *_: SimpleNamespace(type="VIEW_3D"))
    monkeypatch.setattr(sight, "view_under", lambda _window, x, _y: "view" if x >= 0 else None)
    monkeypatch.setattr(sight, "point_under", lambda *_: operator.places.pop(0))
    yield operator
    picking.forget()


def test_clicks_are_points_and_backspace_takes_one_back(picker: Any) -> None:
    from ex4d_blender import pick_marks

    assert picker.invoke(picker.context, Click()) == {"RUNNING_MODAL"}
    assert not bpy.ops.ex4d.align_floor.poll()
    assert picker.cursor == ["EYEDROPPER"]
    assert picker.send(Click()) == {"RUNNING_MODAL"}
    # Drawn where the point lies in Blender's world.
    np.testing.assert_allclose(pick_marks.shown(), [(0.1, 3.0, -0.2)], atol=1e-6)
    # Nothing was seen there by the plate, which the header says, for reports come when all is over; over the sidebar
    # nothing is asked.
    assert picker.send(Click()) == {"RUNNING_MODAL"}
    assert picker.headers[-1].startswith("The plate has seen nothing of «")
    assert picker.headers[-1].endswith(picker.headers[-2])
    assert picker.send(Click(mouse_x=-1)) == {"RUNNING_MODAL"}
    assert len(picker.places) == 2
    assert picker.send(Click("BACK_SPACE")) == {"RUNNING_MODAL"}
    assert (picker.count, pick_marks.shown()) == (0, [])
    picker.send(Click())
    assert picker.send(Click()) == {"FINISHED"}
    np.testing.assert_allclose(picker.done, [[(1, 0.2, 4), (2, 0.2, 4)]])
    assert (pick_marks.shown(), picker.cursor) == ([], ["EYEDROPPER", "back"])
    assert picker.headers[-1] is None
    assert bpy.ops.ex4d.align_floor.poll()


@pytest.mark.parametrize("key", ["ESC", "RIGHTMOUSE"])
def test_escape_leaves_no_trace(picker: Any, shot: Any, key: str) -> None:
    from ex4d_blender import pick_marks

    before = shot.root.matrix_world.copy()
    picker.invoke(picker.context, Click())
    picker.send(Click())
    assert picker.send(Click(key)) == {"CANCELLED"}
    assert (picker.done, pick_marks.shown(), picker.cursor[-1]) == ([], [], "back")
    assert shot.root.matrix_world == before
    assert bpy.ops.ex4d.align_floor.poll()


def test_looking_around_is_left_to_blender_and_work_is_not(picker: Any) -> None:
    picker.invoke(picker.context, Click())
    for event in (Click("MIDDLEMOUSE"), Click("WHEELUPMOUSE"), Click("RIGHT_ARROW"), Click(alt=True), Click("TIMER")):
        assert picker.send(event) == {"PASS_THROUGH"}
    for event in (Click("X"), Click("G"), Click("Z"), Click("TAB")):
        assert picker.send(event) == {"RUNNING_MODAL"}
    assert picker.count == 0


def test_an_error_while_picking_ends_it(picker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.scene import sight

    from ex4d.protocol.errors import BadInputError

    def fail(*_: Any) -> None:
        raise BadInputError("The mesh's files are gone.", "Relink them.")

    monkeypatch.setattr(sight, "point_under", fail)
    picker.invoke(picker.context, Click())
    assert picker.send(Click()) == {"CANCELLED"}
    assert "The mesh's files are gone." in picker.said[0]
    assert bpy.ops.ex4d.align_floor.poll()
