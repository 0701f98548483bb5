# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as an artist uses it, with a real backend: the way of the work, and what can come in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")
import addon_utils  # noqa: E402
import numpy as np  # noqa: E402
from clip_factory import solved_clip  # noqa: E402

pytest_plugins = ["addon_fixtures"]
REPOSITORY = Path(__file__).parents[2]
ADDON = "ex4d_blender"


def classes() -> list[str]:
    return [name for name in dir(bpy.types) if name.startswith("EX4D_")]


@pytest.fixture
def addon(runtime: Path, backend_python: str) -> Iterator[Any]:
    """The job list of the enabled add-on; nothing of it stays."""
    assert addon_utils.enable(ADDON, default_set=True) is not None
    from ex4d_blender import job_list

    yield job_list
    addon_utils.disable(ADDON, default_set=True)
    assert classes() == []


@pytest.fixture
def shot(addon: Any, plate: Path, tmp_path: Path) -> Any:
    """A saved file with a reconstructed shot; returns the scene."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    scene = bpy.context.scene
    scene.ex4d.viewport_side = 48
    bpy.ops.ex4d.load_plate(filepath=str(plate))
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    return scene


def strips(scene: Any) -> list[Any]:
    """Of the scene's results; the scene itself has none."""
    from ex4d_blender.scene import sequencer

    assert scene.sequence_editor is None or len(sequencer.strips_of(scene.sequence_editor)) == 0
    return [strip for edit in sequencer.edit_scenes(scene) for strip in sequencer.strips_of(edit.sequence_editor)]


def pump(addon: Any, done: Any, seconds: float = 60.0) -> None:
    """What the timer does where there is a window."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "nothing came of it"
        addon.current().pump()
        time.sleep(0.02)


def begin(operator: str, **options: Any) -> str:
    """Submit without waiting, as a click does; returns the job's id."""
    from ex4d_blender import ops
    from ex4d_blender.ops import generate, preview, reconstruct, take_cameras

    found = {"reconstruct": reconstruct.EX4D_OT_reconstruct, "generate": generate.EX4D_OT_generate}
    cls = {**found, "preview": preview.EX4D_OT_preview_take}[operator]
    assert ops

    class Click(take_cameras.TakeJobOperator):
        match_scene, take = True, ""
        report = staticmethod(lambda *_: None)

    for name, value in options.items():
        setattr(Click, name, value)
    return cls.begin(Click(), bpy.context, block=True)


# Registration


def test_enabling_twice_and_disabling_leave_nothing(runtime: Path) -> None:
    def traces() -> dict[str, Any]:
        handlers = {
            name: [
                str(item) for item in getattr(bpy.app.handlers, name) if "ex4d" in str(getattr(item, "__module__", ""))
            ]
            for name in ("load_post", "save_post", "frame_change_post")
        }
        return {
            "classes": classes(),
            "scene": hasattr(bpy.types.Scene, "ex4d"),
            "manager": hasattr(bpy.types.WindowManager, "ex4d"),
            "handlers": handlers,
            "status": [
                item
                for header in (bpy.types.STATUSBAR_HT_header, bpy.types.SEQUENCER_HT_header)
                for item in header._dyn_ui_initialize()
                if "ex4d" in item.__module__
            ],
        }

    from ex4d_blender import backend_link, job_list, registration, timer

    before = traces()
    assert before["classes"] == []
    for _ in range(2):
        addon_utils.enable(ADDON, default_set=True)
        registration.register()
        once = traces()
        assert len(once["classes"]) > 30
        assert len(once["handlers"]["load_post"]) == 1
        assert len(once["status"]) == 2
        assert bpy.app.timers.is_registered(timer._tick)
        addon_utils.disable(ADDON, default_set=True)
        assert traces() == before
        assert not bpy.app.timers.is_registered(timer._tick)
        assert job_list._jobs is None
        assert backend_link._link is None


def test_every_operator_and_property_says_what_it_is(addon: Any) -> None:
    for name in classes():
        cls = getattr(bpy.types, name)
        if issubclass(cls, bpy.types.Operator):
            assert cls.bl_label
            assert len(cls.bl_description) > 10, name
    for prop in bpy.context.scene.ex4d.bl_rna.properties:
        if not prop.is_hidden and prop.identifier not in ("rna_type", "name", "takes", "active_take"):
            assert prop.description, prop.identifier


# The way


def test_the_way_from_plate_to_strip(shot: Any, tmp_path: Path) -> None:
    render = shot.render
    assert (render.resolution_x, render.resolution_y, render.fps) == (96, 64, 24)
    assert (shot.frame_start, shot.frame_end) == (1001, 1006)
    assert shot.view_settings.view_transform == "Standard"
    assert "96x64, 24 fps, 6 frames" in shot.ex4d.plate_info
    assert len(shot.ex4d.pending) == 0

    assert bpy.ops.ex4d.add_take_camera(move="orbit:20") == {"FINISHED"}
    assert shot.camera.name == shot.ex4d.takes[0].name == "Take 01"
    assert bpy.ops.ex4d.preview_take() == {"FINISHED"}
    coverage = json.loads(shot.ex4d.takes[0].coverage)
    assert coverage["numbers"] == list(range(1001, 1007))
    assert coverage["coverage"][0] > 0.97 > coverage["coverage"][-1]
    assert shot.camera.data.show_background_images

    shot.ex4d.with_mask = shot.ex4d.with_color = True
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    from ex4d_blender.scene import sequencer, version_strips

    (meta,) = strips(shot)
    placed = [
        (item.name, item.frame_final_start, item.frame_final_duration, item.mute)
        for item in (meta, *sequencer.strips_of(meta))
    ]
    assert placed == [
        ("Take 01 v001", 1001, 6, False),
        ("Take 01 v001 result", 1001, 6, False),
        ("Take 01 v001 mask", 1001, 6, True),
        ("Take 01 v001 color", 1001, 6, True),
    ]
    version = shot.ex4d.takes[0].versions[0]
    assert (version.name, version.profile) == ("v001", "preview")
    assert version_strips.is_placed(shot, version.folder)
    take = tmp_path / "ex4d" / "plate" / "takes" / "v001"
    assert Path(version.folder) == take
    # None of them needs the cache, and the take is as whole as it was without the colour.
    assert [Path(bpy.path.abspath(item.directory)) for item in sequencer.strips_of(meta)] == [
        take / kind for kind in ("result", "mask", "color")
    ]
    assert bpy.ops.ex4d.generate() == {"FINISHED"}
    # Nothing has changed: it is the same version.
    assert [Path(item.folder) for item in shot.ex4d.takes[0].versions] == [take]

    # Another camera is another version on another channel; the first stays as it was.
    bpy.ops.ex4d.apply_preset(move="truck:0.1")
    bpy.ops.ex4d.generate()
    assert [item.name for item in shot.ex4d.takes[0].versions] == ["v001", "v002"]
    assert len(strips(shot)) == 2
    record = json.loads((Path(version.folder) / "take.json").read_text(encoding="utf-8"))
    assert record["title"] == "Take 01"
    # The move with its amount, which nobody could tell from the trajectory.
    assert record["camera"]["move"] == "orbit:20"
    assert [item.move for item in shot.ex4d.takes[0].versions] == ["orbit:20", "truck:0.1"]
    assert all(item.fingerprint == shot.ex4d.takes[0].fingerprint for item in shot.ex4d.takes[0].versions[1:])


def test_the_exported_camera_is_the_one_that_is_rendered(shot: Any) -> None:
    """From the source camera the take is the plate."""
    bpy.ops.ex4d.add_take_camera(move="none")
    bpy.ops.ex4d.generate()
    folder = Path(shot.ex4d.takes[0].versions[0].folder)
    record = json.loads((folder / "take.json").read_text(encoding="utf-8"))
    assert record["generated_max"] == 0.0
    plate_frames = next((folder.parents[1] / "cache").glob("plate-*/frames"))
    for number in (1001, 1006):
        pictures = [
            bpy.data.images.load(str(path))
            for path in (plate_frames / f"{number:06d}.png", folder / "result" / f"result.{number}.png")
        ]
        one, two = (list(picture.pixels) for picture in pictures)
        assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1.01 / 255


def test_some_frames_only(shot: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    shot.ex4d.frame_range, shot.ex4d.frame_start, shot.ex4d.frame_end = "FRAMES", 1002, 1004
    bpy.ops.ex4d.generate()
    assert [(item.frame_final_start, item.frame_final_duration) for item in strips(shot)] == [(1002, 3)]
    shot.ex4d.frame_end = 1009
    with pytest.raises(RuntimeError, match="1002-1009"):
        bpy.ops.ex4d.generate()


def test_the_preview_range_can_limit_a_take(shot: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    shot.ex4d.frame_range = "PREVIEW"
    with pytest.raises(RuntimeError, match="has no preview range"):
        bpy.ops.ex4d.generate()
    # Of a range that begins before the plate its part in it.
    shot.use_preview_range, shot.frame_preview_start, shot.frame_preview_end = True, 990, 1003
    bpy.ops.ex4d.generate()
    assert [(item.frame_final_start, item.frame_final_duration) for item in strips(shot)] == [(1001, 3)]
    shot.frame_preview_end = 995
    with pytest.raises(RuntimeError, match="990-995"):
        bpy.ops.ex4d.generate()


def test_markers_switch_the_camera(shot: Any) -> None:
    for index, move in enumerate(("orbit:20", "orbit:-20")):
        bpy.ops.ex4d.add_take_camera(move=move)
        marker = shot.timeline_markers.new(f"cut {index}", frame=1001 + 3 * index)
        marker.camera = shot.camera
    bpy.ops.ex4d.add_take(use_scene_camera=True)
    assert shot.ex4d.takes[2].camera is None
    bpy.ops.ex4d.preview_take()
    both = json.loads(shot.ex4d.takes[2].coverage)["coverage"]
    single = []
    for index in (0, 1):
        shot.ex4d.active_take = index
        bpy.ops.ex4d.preview_take()
        single.append(json.loads(shot.ex4d.takes[index].coverage)["coverage"])
    assert both == single[0][:3] + single[1][3:]


def test_redo_makes_the_same_again_and_a_lost_strip_is_imported(shot: Any) -> None:
    from ex4d_blender.scene import sequencer

    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.generate()
    folder = shot.ex4d.takes[0].versions[0].folder
    bpy.ops.ex4d.apply_preset(move="orbit:5")
    bpy.ops.ex4d.show_result()
    (edit,) = sequencer.edit_scenes(shot)
    edit.sequence_editor.active_strip = strips(shot)[0]
    bpy.ops.ex4d.redo_take()
    assert [item.folder for item in shot.ex4d.takes[0].versions] == [folder]
    before = len(strips(shot))
    bpy.ops.ex4d.import_take(directory=folder)
    assert len(strips(shot)) == before + 1


def test_hand_held_and_back(shot: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.preview_take()
    still = shot.ex4d.takes[0].coverage
    bpy.ops.ex4d.add_handheld(strength=1.0, seed=3)
    bpy.ops.ex4d.preview_take()
    assert shot.ex4d.takes[0].coverage != still
    bpy.ops.ex4d.add_handheld(strength=0.0)
    bpy.ops.ex4d.preview_take()
    assert shot.ex4d.takes[0].coverage == still


def test_a_solved_clip_brings_its_camera(addon: Any, tmp_path: Path) -> None:
    count = 12
    solved = solved_clip(tmp_path / "clip", count, 160, 120)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    scene = bpy.context.scene
    scene.ex4d.viewport_side = 48
    assert bpy.ops.ex4d.plate_from_clip(clip=solved.clip.name) == {"FINISHED"}
    assert "160x120" in scene.ex4d.plate_info
    assert "12 frames" in scene.ex4d.plate_info
    bpy.ops.ex4d.reconstruct()
    from ex4d_blender.scene import shot as shots

    found = shots.find_shot(scene)
    assert found.record["depth"]["source_poses_known"]
    assert found.record["depth"]["intrinsics_known"]
    assert any("sightings" in note for note in found.record["notes"])
    source = found.source()
    a, b = source.centers(), solved.truth.centers() - solved.truth.centers()[0]
    first = solved.truth.E[0, :3, :3]
    scale = np.linalg.norm(a[-1]) / np.linalg.norm(b[-1])
    assert scale > 0
    np.testing.assert_allclose(a, scale * b @ first.T, atol=0.03 * np.linalg.norm(a[-1]))
    # Without the solve it is the plain guess again.
    scene.ex4d.use_solved_camera = False
    bpy.ops.ex4d.reconstruct()
    assert not shots.find_shot(scene).record["depth"]["source_poses_known"]


def test_a_strip_is_a_plate(addon: Any, plate: Path) -> None:
    scene = bpy.context.scene
    scene.sequence_editor_create()
    editor = scene.sequence_editor
    found = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = found.new_movie(name="plate", filepath=str(plate), channel=1, frame_start=10)
    editor.active_strip = strip
    assert bpy.ops.ex4d.plate_from_strip() == {"FINISHED"}
    assert scene.ex4d.plate_path == str(plate)
    assert scene.ex4d.plate_frames == "1001-1006"
    assert scene.ex4d.plate_scene_start == 10


# In between


def test_undo_does_not_lose_a_result(shot: Any, addon: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ed.undo_push(message="take")
    job = begin("preview")
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert len(scene.ex4d.takes) == 1
    pump(addon, lambda: job in addon.current().finished)
    assert bpy.context.scene.ex4d.takes[0].coverage
    # A step back to when the job was still awaited does not bring it back.
    bpy.ops.ed.undo_push(message="done")
    bpy.ops.ed.undo()
    addon.current().pump()
    assert job in addon.current().finished


def test_another_file_gets_nothing_and_the_first_its_result_when_it_is_back(
    shot: Any, addon: Any, tmp_path: Path
) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    job = begin("generate")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    pump(addon, lambda: job in addon.current().finished)
    assert strips(bpy.context.scene) == []
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert len(bpy.context.scene.ex4d.pending) == 1
    pump(addon, lambda: strips(bpy.context.scene))
    assert [item.name for item in strips(bpy.context.scene)] == ["Take 01 v001"]
    assert len(bpy.context.scene.ex4d.pending) == 0


def test_saved_under_another_name_the_result_comes_all_the_same(shot: Any, addon: Any, tmp_path: Path) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    begin("generate")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    pump(addon, lambda: strips(bpy.context.scene))
    assert len(bpy.context.scene.ex4d.takes[0].versions) == 1


def test_a_new_blender_takes_up_what_the_old_one_asked_for(shot: Any, addon: Any, tmp_path: Path) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    begin("generate")
    bpy.ops.wm.save_mainfile()
    # What quitting does: the socket closes, the job list is gone; the backend goes on for whoever is left.
    addon_utils.disable(ADDON)
    addon_utils.enable(ADDON)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    pump(addon, lambda: strips(bpy.context.scene))
    assert len(bpy.context.scene.ex4d.takes[0].versions) == 1


def test_cancel_and_retry(shot: Any, addon: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:33")
    job = begin("generate")
    assert bpy.ops.ex4d.cancel_job(job=job) == {"FINISHED"}
    pump(addon, lambda: addon.current().link.client.jobs[job].is_final)
    state = addon.current().link.client.jobs[job].state
    assert state in ("cancelled", "done")
    addon.current().pump()
    if state == "cancelled":
        assert strips(shot) == []
        bpy.ops.ex4d.retry_job(job=job)
    assert len(strips(shot)) == 1


def test_a_killed_backend_is_replaced_and_the_job_goes_on(shot: Any, addon: Any) -> None:
    bpy.ops.ex4d.add_take_camera(move="orbit:34")
    begin("generate")
    os.kill(addon.current().link.client.handshake.pid, 9)
    pump(addon, lambda: strips(shot))
    assert len(shot.ex4d.takes[0].versions) == 1


def test_disabled_the_mesh_still_plays(shot: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_mainfile()
    code = (
        "import bpy, sys, numpy as np; bpy.ops.wm.open_mainfile(filepath=sys.argv[1]); s = bpy.context.scene\n"
        "obj = next(o for o in s.objects if o.type == 'MESH'); out = []\n"
        "for frame in (1001, 1006):\n"
        "    s.frame_set(frame); mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data\n"
        "    values = np.empty(3 * len(mesh.vertices), np.float32)\n"
        "    mesh.attributes['position'].data.foreach_get('vector', values); out.append(values)\n"
        "print('MOVED', float(np.abs(out[0] - out[1]).max()), hasattr(bpy.types.Scene, 'ex4d'))"
    )
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "shot.blend")],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    words = next(line for line in done.stdout.splitlines() if line.startswith("MOVED")).split()
    assert float(words[1]) > 0
    assert words[2] == "False"


# Wrong buttons


def test_errors_say_what_to_do(addon: Any, tmp_path: Path) -> None:
    scene = bpy.context.scene
    for operator, options, words in (
        (bpy.ops.ex4d.load_plate, {"filepath": str(tmp_path / "no.mp4")}, "no plate"),
        (bpy.ops.ex4d.plate_from_strip, {}, "No movie or image strip"),
        (bpy.ops.ex4d.import_take, {"directory": str(tmp_path)}, "no finished take"),
    ):
        with pytest.raises(RuntimeError, match=words) as caught:
            operator(**options)
        assert str(caught.value).count(".") >= 2
    for name in ("reconstruct", "add_take_camera", "preview_take", "generate", "redo_take"):
        assert not getattr(bpy.ops.ex4d, name).poll(), name
    scene.ex4d.plate_path = str(tmp_path / "no.mp4")
    scene.ex4d.shot_folder = str(tmp_path / "shot")
    with pytest.raises(RuntimeError, match=r"no\.mp4"):
        bpy.ops.ex4d.reconstruct()
    assert len(scene.ex4d.pending) == 0
    assert not [obj for obj in scene.objects if obj.type == "MESH"]


def test_without_a_backend_it_says_how_to_get_one(
    addon: Any, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("EX4D_BACKEND_PYTHON")
    bpy.context.scene.ex4d.shot_folder = str(tmp_path / "shot")
    bpy.ops.ex4d.load_plate(filepath=str(plate))
    with pytest.raises(RuntimeError, match="Install Backend"):
        bpy.ops.ex4d.reconstruct()


def test_diagnosis_and_memory(addon: Any) -> None:
    bpy.ops.ex4d.diagnose()
    findings = addon.current().link.doctor.findings
    assert any(item.area == "raster" and item.works for item in findings)
    assert any("research" in item.licence for item in findings) or all(
        item.name != "nvdiffrast" or not item.works for item in findings
    )
    assert bpy.ops.ex4d.free_memory() == {"FINISHED"}


def test_panels_draw_in_every_state(shot: Any, addon: Any) -> None:
    """What draw() reads is there before, during and after the work; drawing itself needs a window."""
    from ex4d_blender.ui import coverage, panels

    class Layout:
        def __getattr__(self, name: str) -> Any:
            if name in ("panel", "panel_prop"):
                return lambda *_a, **_k: (Layout(), Layout())
            if name in ("prop", "label", "progress", "template_list", "separator", "prop_search"):
                return lambda *_a, **_k: None
            return lambda *_a, **_k: Layout()

        def __setattr__(self, name: str, value: Any) -> None:
            pass

    class Context:
        scene = shot
        window_manager = bpy.context.window_manager
        space_data = type("Space", (), {"type": "VIEW_3D"})
        workspace = None
        window = bpy.context.window

    draws = (panels.draw_steps, panels.draw_jobs)
    for draw in draws:
        draw(Layout(), Context)
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    bpy.ops.ex4d.preview_take()
    bpy.ops.ex4d.generate()
    for draw in draws:
        draw(Layout(), Context)
    text = shot.ex4d.takes[0].coverage
    from ex4d_blender.scene import shot as shots

    assert coverage.summary(text, shots.find_shot(shot)).startswith("Coverage: ")
    corners = coverage.columns(coverage.parse(text)[1], 600.0)
    assert sum(len(points) for points in corners.values()) == 6 * 6


def test_error_texts_keep_the_user_private(addon: Any) -> None:
    from ex4d_blender import error_dialog

    from ex4d.protocol.errors import BadInputError

    error_dialog.show_error(BadInputError(f"{Path.home()}/clip.mp4 is damaged.", "Export it again."))
    text = error_dialog.error_text(addon.current().link.version())
    assert str(Path.home()) + "/" not in text
    assert "~/clip.mp4 is damaged." in text
    assert "Export it again." in text
    assert bpy.app.version_string in text


# The model


def test_the_preferences_name_the_model_to_the_backend(addon: Any, tmp_path: Path) -> None:
    from ex4d_blender import paths

    preferences = paths.addon_preferences()
    assert paths.model_variables() == {}
    preferences.models_folder = str(tmp_path)
    preferences.distill_lora = str(tmp_path / "lora.safetensors")
    named = {"EX4D_MODELS": str(tmp_path), "EX4D_DISTILL_LORA": str(tmp_path / "lora.safetensors")}
    assert paths.model_variables() == named
    assert addon.current().link.backend_process().variables == named


def test_the_preferences_give_the_backend_its_gpus(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender import paths
    from ex4d_blender.core import backend_process

    from ex4d.protocol.errors import Ex4dError

    preferences = paths.addon_preferences()
    assert addon.current().link.backend_process().arguments == ()
    preferences.gpus = " 0,2 "
    assert addon.current().link.backend_process().arguments == ("--gpus=0,2",)
    # A negative number stays the value of the option, which refuses it.
    preferences.gpus = "-1"
    backend = addon.current().link.backend_process()
    preferences.gpus = ""
    commands: list[list[str]] = []

    def started(command: list[str], **_: Any) -> Any:
        commands.append(command)
        raise OSError(2, "nothing starts here")

    monkeypatch.setattr(backend_process.subprocess, "Popen", started)
    backend._started = 0.0
    with pytest.raises(Ex4dError, match="nothing starts here"):
        backend.start()
    assert "--gpus=-1" in commands[0]
    assert commands[0].index("serve") < commands[0].index("--gpus=-1")


def test_the_preferences_show_where_jobs_are_done(addon: Any) -> None:
    from ex4d_blender.core.texts import gpu_lines

    from ex4d.protocol.capabilities import Welcome, WorkerInfo

    welcome = Welcome("ex4d/2", "1", 7, ready=True, gpus=("NVIDIA H200, 143771 MiB",) * 2)
    assert gpu_lines(welcome) == ["GPU: NVIDIA H200, 143771 MiB"] * 2
    workers = (WorkerInfo(0, 0, "NVIDIA H200, 143771 MiB", ready=True), WorkerInfo(1, 1, "NVIDIA H200, 143771 MiB"))
    assert gpu_lines(replace(welcome, workers=workers)) == [
        "GPU 0: NVIDIA H200, 143771 MiB, does jobs",
        "GPU 1: NVIDIA H200, 143771 MiB, starting",
    ]
    assert gpu_lines(replace(welcome, workers=(WorkerInfo(1, ready=True),))) == ["Worker 1, does jobs"]


def test_a_look_at_what_is_made_becomes_an_icon(addon: Any, tmp_path: Path) -> None:
    from ex4d_blender.ui import thumbnails

    assert thumbnails.icon("") == 0
    thumbnails.prepare(["", str(tmp_path / "gone.jpg")])
    assert thumbnails.icon(str(tmp_path / "gone.jpg")) == 0
    picture = bpy.data.images.new("look", 8, 8)
    for name in ("1.png", "2.png"):
        picture.filepath_raw, picture.file_format = str(tmp_path / name), "PNG"
        picture.save()
        # Without a window Blender numbers no icons, so only what is kept can be looked at.
        thumbnails.prepare([str(tmp_path / name)])
        shown = thumbnails.icon(str(tmp_path / name))
        assert thumbnails.icon(str(tmp_path / name)) == shown
    bpy.data.images.remove(picture)
    assert list(thumbnails._icons) == [str(tmp_path / "2.png")]


def test_profiles_of_the_backend_are_offered_with_what_they_take(addon: Any) -> None:
    from ex4d_blender import capabilities
    from ex4d_blender.core.generator_options import takes

    link = addon.current().link
    link.connect(block=True)
    end = time.monotonic() + 60
    while not (link.client.welcome and link.client.welcome.ready) and time.monotonic() < end:
        link.client.poll(50)
    offered = {profile.name: profile for profile in capabilities.generators()}
    assert list(offered) == ["preview", "exact", "fast", "turbo", "draft"]
    assert takes(offered["fast"], "seed")
    assert takes(offered["fast"], "prompt")
    assert "Apache-2.0" in offered["fast"].licence
    assert not takes(offered["preview"], "prompt")
