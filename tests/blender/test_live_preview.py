# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews that show a former move say so, and are rendered again by themselves where that is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.out_of_date import Stale
from ex4d_blender.scene import fcurves, takes
from ex4d_blender.scene import shot as shots
from panel_drawing import draw_all
from results_factory import render_result
from test_manners import make_take
from viewport_factory import make_shot, write_png

from ex4d.protocol.errors import TransientError
from ex4d.protocol.jobs import JobSnapshot

pytest_plugins = ["addon_fixtures"]


@pytest.fixture
def take(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> Any:
    """A take with an orbit, of a shot in the scene."""
    shots.import_shot(scene, make_shot(tmp_path, pictures=False))
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    return scene.ex4d.takes[0]


def end(live: Any, scene: bpy.types.Scene, folder: Path, state: str = "done") -> None:
    """The last job that was asked for ends; its picture comes."""
    from ex4d_blender import job_results

    job = live.asked[-1]
    live.jobs[job] = JobSnapshot(job, "preview", state=state)
    if state == "done":
        numbers = list(shots.known(scene).find().numbers)
        for number in numbers:
            write_png(folder / "color" / f"color.{number}.png", np.zeros((4, 6, 3), np.uint8))
        job_results.show_preview(scene, render_result(folder, numbers), live.current.waiting[job].data)


def keys_of(take: Any) -> Any:
    """The orbit's keys, which lie on the pivot."""
    return next(curve for curve in fcurves.fcurves(take.camera.parent) if len(curve.keyframe_points) > 1)


CHANGES: dict[str, Callable[[bpy.types.Scene, Any], None]] = {
    "a key": lambda _, take: setattr(keys_of(take).keyframe_points[-1].co, "y", 1.0),
    "a handle": lambda _, take: setattr(keys_of(take).keyframe_points[0].handle_right, "y", 1.0),
    "a modifier": lambda _, take: keys_of(take).modifiers.new("NOISE"),
    "the lens": lambda _, take: setattr(take.camera.data, "lens", 80.0),
    "the place": lambda _, take: setattr(take.camera, "location", (1.0, 2.0, 3.0)),
    "a constraint": lambda scene, take: setattr(take.camera.constraints.new("TRACK_TO"), "influence", 0.5),
    "the size": lambda scene, _: setattr(scene.render, "resolution_percentage", 50),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_moves_a_take_changes_its_fingerprint(scene: bpy.types.Scene, take: Any, change: Any) -> None:
    from ex4d_blender.ops.preview import fingerprint

    before = fingerprint(scene, take)
    for frame in (1002, 1004):
        scene.frame_set(frame)
        assert fingerprint(scene, take) == before
    take.camera.select_set(True)
    take.camera.name = "Hero"
    bpy.context.view_layer.update()
    assert fingerprint(scene, take) == before
    change(scene, take)
    assert fingerprint(scene, take) != before


def test_what_shows_the_same_has_the_same_fingerprint(scene: bpy.types.Scene, take: Any, tmp_path: Path) -> None:
    """Frames, what is selected, alignment, a moved shot, rests that Blender leaves in handles: none is another move."""
    from ex4d_blender.ops.preview import fingerprint
    from ex4d_blender.scene import clip_distances

    shot, camera = shots.known(scene).find(), take.camera
    constraint = camera.constraints.new("LIMIT_DISTANCE")
    # A distance of 0 Blender measures by itself.
    constraint.target, constraint.distance = shot.root, 1.0
    for frame, influence in ((1001, 0.0), (1004, 1.0)):
        constraint.influence = influence
        constraint.keyframe_insert("influence", frame=frame)
    track = camera.data.animation_data_create().nla_tracks.new()
    action = bpy.data.actions.new("Lens")
    strip = track.strips.new("Lens", 1001, action)
    strip.use_animated_influence = True
    strip.influence = 0.5
    scene.frame_set(1003)
    before, motion = fingerprint(scene, take), takes.move_of(camera)
    for frame in (1002, 1004):
        scene.frame_set(frame)
        assert fingerprint(scene, take) == before
    strip.select = not strip.select
    camera.rotation_euler[1] = -camera.rotation_euler[1]
    curve = keys_of(take)
    for point in curve.keyframe_points:
        point.handle_right.x = np.nextafter(np.float32(point.handle_right.x), np.float32(9999))
    clip_distances.scale_with_root(camera.data, clip_distances.HOME_SCALE, 2.5)
    moved = shot.record
    folder = moved["shot"]
    text = shot.root["ex4d"]["record"].replace(folder, str(tmp_path / "elsewhere"))
    shot.root["ex4d"]["record"] = text
    assert fingerprint(scene, take) == before
    assert takes.move_of(camera) == motion
    # The artist's own near distance is another picture, and another influence is another move.
    camera.data.clip_start *= 2
    assert fingerprint(scene, take) != before


def test_a_take_of_the_markers_cameras_is_the_same_at_each_frame(scene: bpy.types.Scene, take: Any) -> None:
    from ex4d_blender.ops.preview import fingerprint

    bpy.ops.ex4d.add_take_camera(move="zoom_in:1.5")
    for index, item in enumerate(list(scene.ex4d.takes)):
        scene.timeline_markers.new(f"cut {index}", frame=1001 + 2 * index).camera = item.camera
    bpy.ops.ex4d.add_take(use_scene_camera=True)
    cut, found = scene.ex4d.takes[2], set()
    for frame in (1001, 1003, 1004):
        scene.frame_set(frame)
        found.add(fingerprint(scene, cut))
    # Blender shows another one till the next frame is set.
    scene.camera = shots.known(scene).find().source_camera
    assert found == {fingerprint(scene, cut)}
    scene.timeline_markers[1].frame = 1002
    assert found != {fingerprint(scene, cut)}


def test_what_an_earlier_version_has_written_down_counts_as_good(
    scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any
) -> None:
    from ex4d_blender.ops.preview import request_preview

    request_preview(scene, take, block=False)
    live.current.waiting[live.asked[-1]].data["fingerprint"] = "0123456789abcdef"
    end(live, scene, tmp_path / "render")
    take.camera["ex4d"]["motion"] = "0123456789abcdef"
    live.look(0.0)
    assert live.stale(take) == Stale(False, False)
    assert takes.move_of(take.camera) == "orbit:20"


def test_a_take_that_comes_late_does_not_undo_what_is_known(
    scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any
) -> None:
    """Generate is asked for, the keys move on, the new move's preview comes, then the take of the former one."""
    from ex4d_blender import job_results
    from ex4d_blender.ops.generate import move_now
    from ex4d_blender.ops.preview import request_preview

    former = move_now(scene, take)
    keys_of(take).keyframe_points[-1].co.y += 0.2
    request_preview(scene, take, block=False)
    end(live, scene, tmp_path / "render")
    made = make_take(tmp_path)
    data = {"take": take.uid, "title": "T", "fingerprint": former.fingerprint, "move": former.text}
    job_results.place_take(scene, made, data)
    live.look(0.0)
    assert live.stale(take) == Stale(False, False)
    assert json.loads(take.coverage)["coverage"][1] == 1.0
    assert (take.versions[0].move, take.versions[0].fingerprint) == ("orbit:20", former.fingerprint)
    # Of the move as it is now it is news.
    job_results.place_take(scene, made, {**data, "fingerprint": move_now(scene, take).fingerprint})
    assert json.loads(take.coverage)["coverage"][1] == 0.5
    live.stir()
    live.look(1.0)
    assert live.stale(take) == Stale(False, False)


def test_copies_of_a_scene_have_marks_of_their_own(
    scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any
) -> None:
    from ex4d_blender import out_of_date

    copy = scene.copy()
    assert copy.ex4d.takes[0].uid == take.uid
    out_of_date.note(take, Stale(True, True))
    assert live.stale(copy.ex4d.takes[0]) == Stale(False, False)


def test_a_target_that_a_constraint_looks_at_counts(scene: bpy.types.Scene, take: Any) -> None:
    from ex4d_blender.ops.preview import fingerprint

    target = bpy.data.objects.new("Target", None)
    scene.collection.objects.link(target)
    take.camera.constraints.new("TRACK_TO").target = target
    before = fingerprint(scene, take)
    target.location.x = 2
    assert fingerprint(scene, take) != before


def test_keys_that_move_leave_a_mark_till_they_are_back(
    scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any
) -> None:
    from ex4d_blender.ops.preview import request_preview

    request_preview(scene, take, block=False)
    end(live, scene, tmp_path / "render")
    live.look(0.0)
    assert live.stale(take) == Stale(False, False)
    former = keys_of(take).keyframe_points[-1].co.y
    keys_of(take).keyframe_points[-1].co.y = former + 1
    live.stir()
    live.look(1.0)
    assert live.stale(take) == Stale(True, True)
    assert any("out of date" in line for line in draw_all(scene))
    assert "(100%)" in draw_all(scene)
    # Nothing was asked for: that is off till somebody wants it.
    live.look(9.0)
    assert len(live.asked) == 1
    keys_of(take).keyframe_points[-1].co.y = former
    live.stir()
    live.look(10.0)
    assert live.stale(take) == Stale(False, False)
    assert not any("out of date" in line for line in draw_all(scene))


def test_it_is_rendered_again_when_it_has_rested(scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any) -> None:
    scene.ex4d.live_preview = True
    now = 0.0
    # While keys are dragged nothing is asked for.
    for step in range(5):
        keys_of(take).keyframe_points[-1].co.y = 0.1 * step
        live.stir()
        live.look(now)
        now += 0.2
    assert not live.asked
    live.look(now + 0.1)
    assert len(live.asked) == 1
    # It is on its way: however often one looks, no other is queued.
    for _ in range(5):
        now += 1
        live.stir()
        live.look(now)
    assert (len(live.asked), live.cancelled) == (1, [])
    # The keys move on: what is on its way is of no use, and the next waits for its end.
    keys_of(take).keyframe_points[-1].co.y = 2.0
    live.stir()
    for _ in range(3):
        now += 1
        live.look(now)
    assert (len(live.asked), set(live.cancelled)) == (1, {live.asked[0]})
    end(live, scene, tmp_path / "first", state="cancelled")
    live.look(now + 1)
    assert len(live.asked) == 2
    end(live, scene, tmp_path / "second")
    for _ in range(3):
        now += 2
        live.stir()
        live.look(now)
    assert len(live.asked) == 2
    assert live.stale(take) == Stale(False, False)
    # Nothing waits, so the timer sleeps.
    assert not live.module.is_waiting()


def test_one_that_failed_is_not_asked_for_again(scene: bpy.types.Scene, tmp_path: Path, take: Any, live: Any) -> None:
    scene.ex4d.live_preview = True
    for now in (0.0, 1.0):
        live.look(now)
    assert len(live.asked) == 1
    end(live, scene, tmp_path, state="failed")
    for now in (2.0, 3.0):
        live.stir()
        live.look(now)
    assert len(live.asked) == 1


def test_why_it_cannot_be_rendered_is_said_in_the_panel(
    scene: bpy.types.Scene, take: Any, live: Any, addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_values: Any, **_options: Any) -> str:
        raise TransientError("There is no backend.", "Install it.")

    monkeypatch.setattr(addon.JobList, "submit", refuse)
    scene.ex4d.live_preview = True
    for now in (0.0, 1.0):
        live.look(now)
    assert "There is no backend. Install it." in draw_all(scene)


def test_nothing_is_sampled_while_the_artist_holds_something(
    scene: bpy.types.Scene, take: Any, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [SimpleNamespace(bl_idname="TRANSFORM_OT_translate")]
    screen = SimpleNamespace(is_animation_playing=False)
    window = SimpleNamespace(scene=scene, screen=screen, modal_operators=held)
    monkeypatch.setattr(live.module, "windows", lambda: [window])
    scene.ex4d.live_preview = True
    for now in (0.0, 1.0, 2.0):
        live.look(now)
    assert not live.asked
    # One that runs for good holds nothing.
    held[0].bl_idname = "VIEW2D_OT_screencast"
    screen.is_animation_playing = True
    live.look(3.0)
    assert not live.asked
    screen.is_animation_playing = False
    live.look(4.0)
    assert len(live.asked) == 1


def test_a_picture_of_an_earlier_file_counts_as_good(scene: bpy.types.Scene, take: Any, live: Any) -> None:
    take.coverage = json.dumps({"numbers": [1001], "coverage": [0.5]})
    live.look(0.0)
    assert live.stale(take) == Stale(False, False)
    assert takes.move_of(take.camera) == "orbit:20"


def test_a_take_that_sees_nothing_asks_before_it_is_generated(
    scene: bpy.types.Scene, take: Any, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender.ops import generate

    asked: list[str] = []
    manager = SimpleNamespace(invoke_confirm=lambda _op, _event, message: asked.append(message) or {"RUNNING_MODAL"})
    assert not generate.sees_nothing(take)
    for shares, nothing in (((0.0, 0.02), False), ((1.0,), False), ((0.004,), True), ((0.0, 0.0), True)):
        take.coverage = json.dumps({"numbers": list(range(len(shares))), "coverage": shares})
        assert generate.sees_nothing(take) == nothing
    submitted: list[str] = []
    operator = SimpleNamespace(take="", was_asked=False, _submit=lambda _: submitted.append("job") or {"FINISHED"})
    with monkeypatch.context() as patch:
        patch.setattr(generate, "manager_of", lambda _: manager)
        patch.setattr(generate, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
        assert generate.EX4D_OT_generate.invoke(operator, bpy.context, None) == {"RUNNING_MODAL"}
    assert len(asked) == 1
    assert not submitted
    # The answer asks for the job and waits for nothing.
    assert generate.EX4D_OT_generate.execute(operator, bpy.context) == {"FINISHED"}
    assert submitted == ["job"]
