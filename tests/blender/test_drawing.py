# SPDX-License-Identifier: GPL-3.0-or-later
"""What drawing costs: it reads what is known, and asks neither the disk nor a parser nor the scene's objects."""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from ex4d_blender.scene import scan, sequencer, takes
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.shot import index
from panel_drawing import context_of, draw_all
from results_factory import delivered, model_info, render_result, welcome
from test_manners import make_take
from test_scene_sequencer import plain_strip
from viewport_factory import make_shot

from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, GeneratorInfo, OptionInfo
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.results import DoctorResult, Finding, ModelsResult

#: What the disk is asked by.
_DISK = ("stat", "lstat", "scandir", "listdir", "access", "readlink", "open")
_SCANS = [name for name, value in vars(scan).items() if callable(value) and value.__module__ == scan.__name__]
_audited: list[Counter[str]] = []


def _audit(event: str, _arguments: tuple[Any, ...]) -> None:
    if _audited and event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove"):
        _audited[-1][event] += 1


sys.addaudithook(_audit)


@contextmanager
def counting(*modules: Any) -> Iterator[Counter[str]]:
    """Counts what is asked of the disk, of JSON, and of the scene's objects.

    ``modules`` see a Blender with a window.
    """
    found: Counter[str] = Counter()

    def counted(name: str, function: Any) -> Any:
        def call(*values: Any, **options: Any) -> Any:
            found[name] += 1
            return function(*values, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in ((os, _DISK), (io, ("open",)), (json, ("loads", "load")), (scan, _SCANS)):
            for name in names:
                patch.setattr(owner, name, counted(f"{owner.__name__}.{name}", getattr(owner, name)))
        patch.setattr(json.JSONDecoder, "decode", counted("json.decode", json.JSONDecoder.decode))
        for module in modules:
            patch.setattr(module, "bpy", _Windowed())
        _audited.append(found)
        try:
            yield found
        finally:
            _audited.pop()


class _Windowed:
    """Blender, saying that it has a window."""

    app = SimpleNamespace(background=False, online_access=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(bpy, name)


@pytest.fixture
def addon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The add-on, with no backend in reach."""
    import addon_utils

    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert addon_utils.enable("ex4d_blender", default_set=True) is not None
    from ex4d_blender import capabilities, disk_watch, job_list

    yield SimpleNamespace(jobs=job_list, disk=disk_watch, capabilities=capabilities)
    addon_utils.disable("ex4d_blender", default_set=True)


#: What a backend offers, with options that panels draw in different ways.
OFFERED = Capabilities(
    (
        GeneratorInfo("preview", "Preview fill", "Apache-2.0", generative=False),
        GeneratorInfo(
            "exact",
            "Paints what is missing",
            "Apache-2.0",
            generative=True,
            options=(
                OptionInfo("seed", "Seed", "integer", 0, 0),
                OptionInfo("strokes", "Strokes", "integer", 12, 1, 50),
                OptionInfo("grain", "Grain", "number", 0.25, 0.0, 1.0),
                OptionInfo("paper", "Paper", "choice", "rough", choices=("rough", "smooth")),
                OptionInfo("reference", "Reference", "file", None),
            ),
        ),
    ),
    (EstimatorInfo("small", "Small", "Apache-2.0"),),
)


@pytest.fixture
def busy(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> bpy.types.Scene:
    """A scene with 500 objects, a shot, takes, results, jobs: whatever panels show."""
    cube = bpy.data.meshes.new("Cube")
    for number in range(500):
        scene.collection.objects.link(bpy.data.objects.new(f"Prop {number:03d}", cube))
    record = make_shot(tmp_path)
    record["notes"] = ["The source camera is assumed to stand still."]
    placed = shots.import_shot(scene, record, first_frame=1)
    shots.import_shot(scene, {**make_shot(tmp_path / "second"), "shot": str(tmp_path / "second" / "shot")}, name="Two")
    addon.jobs.current().link.client.welcome = welcome(OFFERED)
    addon.capabilities.follow()
    from ex4d_blender import model_downloads

    state = scene.ex4d
    state.plate_path = placed.record["plate"]["path"]
    state.profile, state.depth_source, state.shot_folder = "exact", "small", ""
    state.plate_lens, state.plate_lens_file, state.result_aov = "FILE", str(tmp_path / "lens.json"), True
    for number in range(3):
        take = state.takes.add()
        take.uid = take.name = f"Take {number}"
        take.shot, take.camera = placed.root, takes.add_take_camera(scene, placed)
        take.coverage = json.dumps({"numbers": [1001, 1002], "coverage": [0.0, number / 10]})
        version = take.versions.add()
        version.name, version.passes, version.movie = "v001", "aov", "result.mov"
    state.takes[1].use_scene_camera = True
    plain_strip(scene, delivered(make_take(tmp_path)), "T")
    sequencer.ensure_edit_scene(scene, record["plate"], 1)
    current = addon.jobs.current()
    for number, kind in enumerate(("reconstruct", "render", "generate", "doctor")):
        current.link.client.jobs[kind] = JobSnapshot(
            kind, kind, state="running", step=1, of=3, created=float(number), thumbnail=kind
        )
    current.link.client.jobs["failed"] = JobSnapshot("failed", "generate", state="failed", error={})
    current.link.client.jobs["model"] = JobSnapshot("model", "download", state="running", title="Download Model Two")
    current.mirror()
    findings = [Finding("depth", "small", True, "fine", "Look.", "MIT"), Finding("fill", "fast", False, "none")]
    current.link.doctor = DoctorResult(True, "embree", tuple(findings))
    model_downloads.remember(ModelsResult(tuple(model_info(f"Model {name}") for name in ("One", "Two"))))
    addon.disk.look(100.0)
    bpy.context.view_layer.update()
    return scene


def _modules() -> list[Any]:
    from ex4d_blender import installation

    installation.look()
    return [installation]


def test_drawing_asks_for_nothing(busy: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    with counting(*_modules()) as found:
        lines = draw_all(busy)
    assert dict(found) == {}
    for text in (
        "Paints what is missing [Apache-2.0]",
        "Shot: shot",
        "New takes are of the shot shot.",
        "Generate Take 0",
        "AOV files: aov",
        "Movie: result.mov",
        "ex4d.move_strips",
        "ex4d.show_result",
        "ex4d.better_depth",
        "Model One",
        "Look.",
    ):
        assert any(text in line for line in lines), text
    # Another take is chosen, with a new preview.
    busy.ex4d.active_take = 2
    render = render_result(tmp_path, [1001], coverage=(0.75,))
    job_results.show_preview(busy, render, {"take": "Take 2", "show": False})
    with counting(*_modules()) as found:
        lines = draw_all(busy)
    assert dict(found) == {}
    assert any("75% at least" in line for line in lines)


def test_drawing_while_a_shot_begins_asks_for_nothing(busy: bpy.types.Scene, tmp_path: Path) -> None:
    busy.ex4d.plate_path = str(tmp_path / "other.mp4")
    bpy.context.view_layer.update()
    draw_all(busy)
    with counting(*_modules()) as found:
        lines = draw_all(busy)
    assert dict(found) == {}
    assert any("Reconstruct makes a new shot of it." in line for line in lines)


def test_the_counters_count(busy: bpy.types.Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    with counting() as found:
        (tmp_path / "file").exists()
        json.loads((tmp_path / "file").read_text())
        list(tmp_path.iterdir())
        shots.find_shots(busy)
    assert found["os.stat"] >= 1
    assert found["open"] >= 1
    assert found["json.loads"] == 1
    assert found["os.listdir"] + found["os.scandir"] >= 1
    assert found["ex4d_blender.scene.scan.scene_objects"] == 1


def test_drawing_before_anything_was_made_asks_for_nothing(scene: bpy.types.Scene, addon: Any) -> None:
    addon.disk.look(100.0)
    draw_all(scene)
    with counting(*_modules()) as found:
        lines = draw_all(scene)
    assert dict(found) == {}
    assert any("Reconstruct a plate first." in line for line in lines)


def test_the_coverage_bar_asks_for_nothing(busy: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.ui import coverage

    busy.camera = busy.ex4d.takes[0].camera
    drawn: list[str] = []
    monkeypatch.setattr(coverage, "bpy", SimpleNamespace(context=context_of(busy, "VIEW_3D"), types=bpy.types))
    none = SimpleNamespace(from_builtin=lambda _: None, blend_set=lambda _: None)
    monkeypatch.setattr(coverage, "gpu", SimpleNamespace(shader=none, state=none))
    monkeypatch.setattr(coverage, "_fill", lambda *_: drawn.append("column"))
    monkeypatch.setattr(coverage, "_text", lambda text, *_: drawn.append(text))
    for frame in (1, 2):
        busy.frame_set(frame)
        with counting() as found:
            coverage._draw()
        assert dict(found) == {}
    assert "frame 1, the plate's 1001: coverage 0%" in drawn


def test_frames_and_others_objects_cost_no_look(busy: bpy.types.Scene, addon: Any) -> None:
    layer = bpy.context.view_layer
    prop = busy.objects["Prop 007"]
    prop.keyframe_insert("location", frame=1)
    prop.location.x = 2
    prop.keyframe_insert("location", frame=9)
    layer.update()
    with counting() as found:
        for frame in range(1, 9):
            busy.frame_set(frame)
        for other in busy.objects["Prop 001"], prop:
            other.location.y += 1
            layer.update()
        other = bpy.data.objects.new("One More", None)
        busy.collection.objects.link(other)
        layer.update()
        bpy.data.objects.remove(busy.objects["Prop 002"])
        layer.update()
        # An artist pulls a take's camera about.
        for step in range(5):
            busy.ex4d.takes[0].camera.location.x = step
            layer.update()
    assert dict(found) == {}
    with counting(*_modules()) as found:
        draw_all(busy)
    assert dict(found) == {}


def scans(found: Counter[str]) -> int:
    return found["ex4d_blender.scene.scan.scene_objects"]


def test_a_change_of_ours_costs_one_look(busy: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    layer = bpy.context.view_layer

    def changed() -> tuple[int, list[str]]:
        with counting() as found:
            layer.update()
        looks = scans(found)
        with counting(*_modules()) as found:
            lines = draw_all(busy)
        assert dict(found) == {}
        return looks, lines

    # The camera of a take is deleted; the take still has it, so it is not gone from the file.
    camera = busy.ex4d.takes[0].camera
    for collection in list(camera.users_collection):
        collection.objects.unlink(camera)
    looks, lines = changed()
    assert looks == 1
    assert any("Its camera is missing" in line for line in lines)
    busy.collection.objects.link(camera)
    looks, lines = changed()
    assert looks == 1
    assert not any("Its camera is missing" in line for line in lines)
    # A mesh is deleted from the file.
    bpy.data.objects.remove(shots.find_shot(busy).mesh)
    assert changed()[0] == 1
    assert shots.known(busy).find().mesh is None
    # A root goes, with it the shot.
    busy.view_layers[0].objects.active = None
    first, second = (shot.root for shot in shots.known(busy).shots)
    bpy.data.objects.remove(first)
    looks, lines = changed()
    assert looks == 1
    assert any(f"Shot: {second.name}" in line for line in lines)
    assert not any("New takes are of the shot" in line for line in lines)
    # What is written into a root by hand.
    second["ex4d"]["record"] = "{"
    second.update_tag()
    looks, lines = changed()
    assert looks == 1
    assert any("custom properties is damaged" in line for line in lines)


def test_a_shot_that_comes_with_a_collection_is_seen(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    draw_all(scene)
    other = bpy.data.scenes.new("Other")
    placed = shots.import_shot(other, make_shot(tmp_path))
    assert not shots.known(scene).shots
    scene.collection.children.link(placed.collection)
    with counting() as found:
        bpy.context.view_layer.update()
    assert scans(found) == 1
    assert [shot.root for shot in shots.known(scene).shots] == [placed.root]
    scene.collection.children.unlink(placed.collection)
    bpy.context.view_layer.update()
    assert not shots.known(scene).shots
    assert any("Reconstruct a plate first." in line for line in draw_all(scene))


def test_a_change_in_one_scene_costs_no_look_at_another(busy: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    other = bpy.data.scenes.new("Other")
    shots.import_shot(other, {**make_shot(tmp_path / "other"), "shot": str(tmp_path / "other" / "shot")})
    assert len(shots.known(other).shots) == 1
    root = shots.known(busy).shots[0].root
    bpy.context.view_layer.update()
    with counting() as found:
        for step in range(3):
            root.location.x = step
            bpy.context.view_layer.update()
        takes_camera = busy.ex4d.takes[0].camera
        takes_camera.location.y += 1
        bpy.context.view_layer.update()
    assert dict(found) == {}


def test_a_strip_in_place_of_a_takes_is_counted(busy: bpy.types.Scene, addon: Any) -> None:
    def in_the_way() -> list[str]:
        return [line for line in draw_all(busy) if "in this scene: it renders" in line]

    assert in_the_way()
    strips = sequencer.strips_of(busy.sequence_editor)
    length = len(strips)
    for strip in list(strips):
        strips.remove(strip)
    for number in range(length):
        end: dict[str, int] = {"length": 9} if bpy.app.version >= (5, 0) else {"frame_end": 10}
        strips.new_effect(name="Title", type="COLOR", channel=number + 1, frame_start=1, **end)
    bpy.context.view_layer.update()
    assert not in_the_way()


def test_undo_and_another_file_are_looked_at(busy: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    assert len(shots.known(busy).shots) == 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with counting() as found:
        assert not shots.known(bpy.context.scene).shots
    assert scans(found) == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "job.blend"))
    with counting() as found:
        assert len(shots.known(bpy.context.scene).shots) == 2
    assert scans(found) == 0
    bpy.ops.ed.undo_push(message="before")
    bpy.data.objects.remove(shots.known(bpy.context.scene).shots[0].root)
    bpy.ops.ed.undo_push(message="after")
    assert len(shots.known(bpy.context.scene).shots) == 1
    bpy.ops.ed.undo()
    with counting() as found:
        assert len(shots.known(bpy.context.scene).shots) == 2
    assert scans(found) == 0


def test_what_is_known_agrees_with_what_is_there(busy: bpy.types.Scene, addon: Any) -> None:
    from ex4d_blender import props

    known, found = shots.known(busy), shots.look_through(busy)
    assert known.shots == found.shots
    assert [known.of_take(take).root for take in busy.ex4d.takes] == [
        shots.take_shot(busy, take).root for take in busy.ex4d.takes
    ]
    for take in busy.ex4d.takes:
        assert shots.camera_state(busy, take) == props.camera_state(busy, take)
    index.forget()
    assert shots.known(busy).shots == found.shots
