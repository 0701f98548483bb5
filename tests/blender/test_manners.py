# SPDX-License-Identifier: GPL-3.0-or-later
"""How the add-on behaves in an artist's session: where results go, what is drawn and when, what is said and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender import redraw
from ex4d_blender.scene import obstacles, sequencer
from ex4d_blender.scene import shot as shots
from panel_drawing import Layout, context_of
from results_factory import delivered, generate_result, reconstruct_result
from test_scene_sequencer import plain_strip
from viewport_factory import make_shot, write_png

from ex4d.protocol.errors import ErrorInfo, TransientError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.results import DoctorResult, GenerateResult

DOCTOR = DoctorResult(usable=True, rasterizer=None, findings=())
PLATE = {"width": 48, "height": 32, "fps": "25", "numbers": [1001, 1002, 1003, 1004]}


@pytest.fixture
def addon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The add-on, with no backend in reach."""
    import addon_utils

    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert addon_utils.enable("ex4d_blender", default_set=True) is not None
    from ex4d_blender import job_list

    yield job_list
    addon_utils.disable("ex4d_blender", default_set=True)


def make_take(folder: Path, *, name: str = "v001", grey: int = 90, size: tuple[int, int] = (48, 32)) -> GenerateResult:
    take = folder / "takes" / name
    for number in PLATE["numbers"]:
        for kind in ("result", "mask"):
            write_png(take / kind / f"{kind}.{number}.png", np.full((size[1], size[0], 3), grey, np.uint8))
    # The mask that it names is gone: the cache has been cleaned.
    gone = str(folder / "cache" / "raster-gone" / "mask")
    return generate_result(take, PLATE["numbers"], coverage=(1.0, 0.5, 0.0, 0.9), size=size, fps="25", mask=gone)


def rendered(scene: bpy.types.Scene, folder: Path) -> float:
    """The mean grey of what F12 gives."""
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(folder / "out.png")
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.array(image.pixels[:]).reshape(-1, 4)
    bpy.data.images.remove(image)
    return 255 * float(pixels[:, :3].mean())


# Where results go


def test_f12_renders_the_scene_and_the_results_have_their_own(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any
) -> None:
    from ex4d_blender import job_results

    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 16
    scene.camera = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
    scene.collection.objects.link(scene.camera)
    scene.render.film_transparent = False
    scene.world = bpy.data.worlds.new("Black")
    if bpy.app.version >= (5, 0):
        scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0, 0, 0, 1)
    scene.world.color = (0, 0, 0)
    take = scene.ex4d.takes.add()
    take.uid = take.name = "T"
    job_results.place_take(scene, make_take(tmp_path), {"take": "T", "title": "T", "offset": -1000, "with_mask": True})
    (edit,) = sequencer.edit_scenes(scene)
    assert sequencer.all_strips(scene) == []
    assert scene.render.use_sequencer
    assert rendered(scene, tmp_path) < 5
    assert (edit.render.resolution_x, edit.render.resolution_y) == (48, 32)
    assert (edit.render.fps, edit.render.fps_base, edit.frame_start, edit.frame_end) == (25, 1.0, 1, 4)
    assert edit.view_settings.view_transform == "Standard"
    edit.frame_set(2)
    assert rendered(edit, tmp_path) == pytest.approx(90, abs=1)
    # The mask is the take's own: the cache may be cleaned.
    mask = next(strip for strip in sequencer.all_strips(edit) if strip.name.endswith("mask"))
    assert Path(bpy.path.abspath(mask.directory)) == tmp_path / "takes" / "v001" / "mask"
    # The next one comes into the same scene, and is seen whole if it is of another size.
    second = make_take(tmp_path, name="v002", grey=200, size=(96, 64))
    job_results.place_take(scene, second, {"take": "T", "title": "T", "offset": 96})
    assert sequencer.edit_scenes(scene) == [edit]
    assert (edit.frame_start, edit.frame_end, edit.render.resolution_x) == (1, 1100, 48)
    large = next(strip for strip in sequencer.all_strips(edit) if strip.name == "T v002 result")
    assert large.transform.scale_x == pytest.approx(0.5)
    # Another rate does not play right among these.
    sequencer.ensure_edit_scene(scene, {**PLATE, "fps": "24000/1001"}, 1)
    assert len(sequencer.edit_scenes(scene)) == 2


def test_show_result_and_back(scene: bpy.types.Scene, addon: Any) -> None:
    window = bpy.context.window_manager.windows[0]
    for area in window.screen.areas:
        area.type = "OUTLINER"
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    assert not bpy.ops.ex4d.show_result.poll()
    edit = sequencer.ensure_edit_scene(scene, PLATE, 1001)
    scoped = hasattr(window.workspace, "sequencer_scene")

    def press() -> None:
        with bpy.context.temp_override(window=window, area=area):
            assert bpy.ops.ex4d.show_result() == {"FINISHED"}

    def state() -> tuple[str, Any]:
        return area.type, window.workspace.sequencer_scene if scoped else window.scene

    press()
    assert state() == ("SEQUENCE_EDITOR", edit)
    assert not scoped or window.scene == scene
    press()
    assert (area.type, window.scene) == ("VIEW_3D", scene)
    # A sequencer that is there serves.
    other = window.screen.areas[1]
    other.type = "SEQUENCE_EDITOR"
    press()
    assert state() == ("VIEW_3D", edit)
    window.scene = scene


def test_what_render_image_renders_is_said_beside_results(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender.ops import sequencer as buttons
    from ex4d_blender.ui import status_bar
    from ex4d_blender.ui.panels import strip

    monkeypatch.setattr("ex4d_blender.ui.layout.COLUMNS", 1000)
    monkeypatch.setattr(strip, "is_shown", lambda _window: True)
    edit, window = sequencer.ensure_edit_scene(scene, PLATE, 1001), bpy.context.window_manager.windows[0]

    def said(shown: bpy.types.Scene, draw: Any) -> list[str]:
        window.scene = shown
        lines: list[str] = []
        context = context_of(shown, "SEQUENCE_EDITOR")
        with monkeypatch.context() as patch:
            patch.setattr(sequencer, "selected_strip", lambda _context: None)
            draw(Layout(context, lines), context)
        window.scene = scene
        return lines

    # Since Blender 5 the window keeps its scene; before, and by hand, it shows the results' own.
    assert any(line.startswith(f"Render Image renders «{scene.name}»;") for line in said(scene, strip.draw_strip))
    text = f"Render Image renders these results now, not «{scene.name}»."
    assert text in said(edit, strip.draw_strip)
    # The way back is in every workspace.
    for shown, is_there in ((scene, False), (edit, True)):
        lines = said(shown, lambda layout, context: status_bar._draw(SimpleNamespace(layout=layout), context))
        assert ("Back to the Scene" in lines) == is_there
    assert buttons.is_shown(SimpleNamespace(scene=edit, workspace=None, screen=None))


def test_what_is_rendered_of_results_goes_beside_the_shot(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    shot, ours = tmp_path / "sh010", scene.render.filepath
    job_results.place_take(scene, make_take(shot), {"take": "T", "title": "T", "offset": -1000})
    (edit,) = sequencer.edit_scenes(scene)
    assert Path(bpy.path.abspath(edit.render.filepath)) == tmp_path / "sh010 Edit"
    assert bpy.path.abspath(edit.render.frame_path(frame=1)).endswith("sh010 Edit/0001.png")
    assert scene.render.filepath == ours
    # It is the artist's from then on.
    edit.render.filepath = "/elsewhere/"
    job_results.place_take(scene, make_take(shot, name="v002"), {"take": "T", "title": "T", "offset": -1000})
    assert edit.render.filepath == "/elsewhere/"


def test_a_take_that_came_is_said_until_it_is_looked_at(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import arrivals, job_results
    from ex4d_blender.ui import status_bar

    def said(where: bpy.types.Scene) -> list[str]:
        lines: list[str] = []
        context = context_of(where, "VIEW_3D")
        context.window = SimpleNamespace(scene=where, workspace=SimpleNamespace(), screen=None)
        status_bar._draw(SimpleNamespace(layout=Layout(context, lines)), context)
        return lines

    assert said(scene) == []
    job_results.place_take(scene, make_take(tmp_path), {"take": "T", "title": "T", "offset": -1000})
    assert said(scene) == ["T v001 is done", "ex4d.show_result", "Show Result"]
    other = bpy.data.scenes.new("Other")
    assert said(other) == []
    bpy.ops.ex4d.show_result()
    assert (arrivals.last(), said(scene)) == (None, [])
    job_results.place_take(scene, make_take(tmp_path, name="v002"), {"take": "T", "title": "T", "offset": -1000})
    assert said(scene)[0] == "T v002 is done"
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert arrivals.last() is None


def test_panels_in_a_scene_of_results_lead_back(scene: bpy.types.Scene, addon: Any) -> None:
    edit = sequencer.ensure_edit_scene(scene, PLATE, 1001)
    lines: list[str] = []
    for shown in (scene, edit):
        lines.clear()
        view = SimpleNamespace(type="VIEW_3D")
        context = SimpleNamespace(scene=shown, window_manager=bpy.context.window_manager, space_data=view)
        bpy.types.EX4D_PT_view3d_steps.draw(SimpleNamespace(layout=Drawing(lines)), context)
        assert ("ex4d.load_plate" in lines) == (shown == scene)
        assert any("These are the results" in line for line in lines) == (shown == edit)


def test_a_new_result_is_shown_where_nothing_else_is(scene: bpy.types.Scene, addon: Any) -> None:
    window = bpy.context.window_manager.windows[0]
    if not hasattr(window.workspace, "sequencer_scene"):
        sequencer.show_edit(window, scene)
        assert window.scene == scene
        pytest.skip("before Blender 5 a sequencer shows the window's scene")
    edit = sequencer.ensure_edit_scene(scene, PLATE, 1001)
    window.workspace.sequencer_scene = None
    sequencer.show_edit(window, edit)
    assert window.workspace.sequencer_scene == edit
    own = window.workspace.sequencer_scene = bpy.data.scenes.new("Cut")
    sequencer.show_edit(window, edit)
    assert window.workspace.sequencer_scene == own


def test_strips_of_an_earlier_version_are_moved_when_asked(earlier_job: Path, addon: Any) -> None:
    from ex4d_blender.ops.sequencer import stray_strips

    if bpy.app.version < (4, 5):
        pytest.skip("the file was saved by Blender 4.5")
    bpy.ops.wm.open_mainfile(filepath=str(earlier_job / "job.blend"))
    scene = bpy.context.scene
    before = {
        strip.name: (
            strip.frame_final_start,
            strip.frame_final_end,
            strip.mute,
            strip.directory,
            [item.filename for item in strip.elements],
            sequencer.take_of_strip(strip),
            strip.colorspace_settings.name,
        )
        for strip in sequencer.all_strips(scene)
    }
    assert len(before) == stray_strips(scene) == 3
    # Nothing is moved unasked.
    assert sequencer.edit_scenes(scene) == []
    own = sequencer.all_strips(scene)[0]
    own.blend_alpha, own.transform.offset_x, own.frame_offset_end = 0.5, 7, 2
    kept = own.name
    before[kept] = (before[kept][0], before[kept][1] - 2, *before[kept][2:])
    assert bpy.ops.ex4d.move_strips() == {"FINISHED"}
    assert stray_strips(scene) == 0
    assert len(sequencer.all_strips(scene)) == 0
    (edit,) = sequencer.edit_scenes(scene)
    after = {
        strip.name: (
            strip.frame_final_start,
            strip.frame_final_end,
            strip.mute,
            strip.directory,
            [item.filename for item in strip.elements],
            sequencer.take_of_strip(strip),
            strip.colorspace_settings.name,
        )
        for strip in sequencer.all_strips(edit)
    }
    assert after == before
    moved = next(strip for strip in sequencer.all_strips(edit) if strip.name == kept)
    assert (moved.blend_alpha, moved.transform.offset_x) == (0.5, 7)
    assert (edit.render.resolution_x, edit.render.resolution_y, edit.render.fps) == (96, 64, 24)
    assert (edit.frame_start, edit.frame_end) == (1001, 1008)
    assert not bpy.ops.ex4d.move_strips.poll()


def test_strips_that_others_are_built_on_stay(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    made = delivered(make_take(tmp_path))
    placed, _ = (plain_strip(scene, made, name) for name in ("T", "Other"))
    strips = sequencer.strips_of(scene.sequence_editor)
    length = {"length": 4} if bpy.app.version >= (5, 0) else {"frame_end": 1005}
    key = "input1" if bpy.app.version >= (4, 4) else "seq1"
    strips.new_effect(name="Blur", type="GAUSSIAN_BLUR", channel=9, frame_start=1001, **length, **{key: placed})
    assert bpy.ops.ex4d.move_strips() == {"FINISHED"}
    assert {strip.name for strip in sequencer.all_strips(scene)} == {"T", "Blur"}
    with pytest.raises(RuntimeError, match="hang on them"):
        bpy.ops.ex4d.move_strips()


# The first view


def test_in_the_startup_scene_the_source_camera_is_active_and_the_cube_is_said(tmp_path: Path, addon: Any) -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    assert {"Cube", "Camera", "Light"} <= set(scene.objects.keys())
    placed = shots.import_shot(scene, make_shot(tmp_path))
    assert scene.camera == placed.source_camera
    scene.frame_set(1001)
    assert [obj.name for obj in obstacles.remember(scene, placed)] == ["Cube"]
    lines = drawn(scene)
    assert any("Between the camera and the mesh: Cube" in line for line in lines)
    assert "ex4d.hide_in_the_way" in lines
    assert bpy.ops.ex4d.hide_in_the_way() == {"FINISHED"}
    cube = scene.objects["Cube"]
    assert not cube.visible_get()
    assert cube.hide_render
    assert "ex4d.hide_in_the_way" not in drawn(scene)
    # A second import of the same shot leaves the artist's camera alone.
    scene.camera = scene.objects["Camera"]
    shots.import_shot(scene, placed.record)
    assert scene.camera.name == "Camera"


@pytest.mark.parametrize(
    ("place", "scale", "hides"),
    [
        ((0, 1.5, 0), 0.2, True),
        # Behind the mesh, beside the picture, behind the camera.
        ((0, 20, 0), 1.0, False),
        ((9, 1.5, 0), 0.5, False),
        ((0, -3, 0), 0.5, False),
    ],
)
@pytest.mark.parametrize("kind", ["MESH", "CURVE"])
def test_what_stands_in_the_way(
    scene: bpy.types.Scene, tmp_path: Path, place: tuple[float, ...], scale: float, hides: bool, kind: str
) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    scene.frame_set(1001)
    if kind == "MESH":
        bpy.ops.mesh.primitive_cube_add(location=place, scale=(scale,) * 3)
    else:
        bpy.ops.curve.primitive_bezier_circle_add(location=place, radius=scale)
    assert [obj.type for obj in obstacles.find(scene, placed)] == ([kind] if hides else [])


@pytest.mark.parametrize("switch", ["CATCHER", "HOLDOUT", "RELIGHT"])
def test_cg_before_the_mesh_is_meant_to_be_there(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, switch: str
) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    scene.frame_set(1001)
    bpy.ops.mesh.primitive_cube_add(location=(0, 1.5, 0), scale=(0.2,) * 3)
    cube = bpy.context.active_object
    assert obstacles.remember(scene, placed) == [cube]
    bpy.ops.ex4d.mesh_switch(switch=switch)
    assert not any("Between the camera and the mesh" in line for line in drawn(scene))
    assert obstacles.find(scene, placed) == []
    # What hides the most of it, as what the camera stands in does, is not.
    cube.scale = (5.0, 0.2, 5.0)
    assert obstacles.find(scene, placed) == [cube]
    cube.scale = (0.2,) * 3
    bpy.ops.ex4d.mesh_switch(switch=switch, on=False)
    assert obstacles.find(scene, placed) == [cube]


def test_parts_of_the_shot_and_wires_do_not_hide_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    scene.frame_set(1001)
    bpy.ops.mesh.primitive_cube_add(location=(0, 1.5, 0), scale=(0.2,) * 3)
    cube = bpy.context.active_object
    assert obstacles.find(scene, placed) == [cube]
    cube.display_type = "WIRE"
    assert obstacles.find(scene, placed) == []
    cube.display_type = "TEXTURED"
    cube.parent = placed.root
    assert obstacles.find(scene, placed) == []


# What is drawn, and when


class Drawing:
    """A layout that keeps what is put on it."""

    def __init__(self, lines: list[str]) -> None:
        self.__dict__["lines"] = lines

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def add(*values: Any, **options: Any) -> Any:
            if name in ("label", "operator"):
                self.lines.append(values[0] if values else options.get("text", ""))
            return (self, self) if name in ("panel", "panel_prop") else self

        return add


def drawn(scene: bpy.types.Scene) -> list[str]:
    """All that the 3D viewport's panels say, wrapped lines joined."""
    from ex4d_blender.ui import layout, panels

    lines: list[str] = []
    context = SimpleNamespace(
        scene=scene,
        window_manager=bpy.context.window_manager,
        space_data=SimpleNamespace(type="VIEW_3D"),
        workspace=None,
        window=bpy.context.window_manager.windows[0],
    )
    columns, layout.COLUMNS = layout.COLUMNS, 1000
    try:
        for draw in (panels.draw_steps, panels.draw_jobs):
            draw(Drawing(lines), context)
    finally:
        layout.COLUMNS = columns
    return lines


def test_what_was_assumed_is_in_the_panel(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results

    record = make_shot(tmp_path)
    record["notes"] = ["The lens is not known. Give it with --fov.", "The source camera is assumed to stand still."]
    record["depth"].update(intrinsics_known=False, source_poses_known=False)
    result = reconstruct_result(record)
    job_results.import_reconstruction(scene, result, {"notes": ["The solution is incomplete."], "match_scene": True})
    scene.ex4d.plate_path = "plate.mp4"
    lines = drawn(scene)
    assert {"The lens is not known.", record["notes"][1], "The solution is incomplete."} <= set(lines)
    assert "ex4d.plate_from_clip" in lines
    assert not any("made from" in line for line in lines)
    scene.ex4d.plate_path = str(tmp_path / "other.mp4")
    lines = drawn(scene)
    assert any("Reconstruct makes a new shot of it." in line for line in lines)
    assert record["notes"][1] not in lines


def test_drawing_asks_neither_disk_nor_parser(
    scene: bpy.types.Scene, tmp_path: Path, addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = shots.import_shot(scene, make_shot(tmp_path))
    scene.ex4d.plate_path = str(tmp_path / "plate.mp4")
    take = scene.ex4d.takes.add()
    take.uid, take.camera = "T", placed.source_camera
    take.coverage = json.dumps({"numbers": [1001, 1002], "coverage": [0.0, 0.5]})
    plain_strip(scene, delivered(make_take(tmp_path)), "T")
    first = drawn(scene)
    assert any("strip of a take is in this scene" in line for line in first)

    def forbidden(*values: Any, **_: Any) -> None:
        raise AssertionError(f"drawing asks for {values}")

    with monkeypatch.context() as patch:
        for name in ("stat", "is_file", "exists", "open", "iterdir"):
            patch.setattr(Path, name, forbidden)
        patch.setattr(json, "loads", forbidden)
        second = drawn(scene)
    assert second == first


def test_missing_files_are_noticed_by_the_timer(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    record = make_shot(tmp_path)
    shots.import_shot(scene, record)
    from ex4d_blender import disk_watch

    disk_watch.look(100.0)
    assert "ex4d.relink" not in drawn(scene)
    (Path(record["viewport"]) / "mesh.pc2").rename(tmp_path / "elsewhere.pc2")
    disk_watch.look(101.0)
    assert "ex4d.relink" not in drawn(scene)
    disk_watch.look(106.0)
    assert "ex4d.relink" in drawn(scene)


def test_progress_draws_at_most_four_times_a_second() -> None:
    now, draws = [0.0], []
    drawing = redraw.Redraw(lambda: draws.append(now[0]), clock=lambda: now[0])
    for step in range(101):
        now[0] = step / 10
        drawing.show(("running", step))
    # Of changes ten times a second every third is due.
    assert len(draws) == 34
    assert min(np.diff(draws)) >= redraw.INTERVAL_SECONDS
    # The last change is drawn too, once, and nothing without a change.
    now[0] += 0.2
    drawing.flush()
    drawing.flush()
    assert draws[-1] >= 10.0
    count = len(draws)
    for step in range(100):
        now[0] = 20 + step / 10
        drawing.show(("running", 100))
    assert len(draws) == count


class FakeBlender:
    """Two windows, and a context whose window is what ``temp_override`` sets: none, after a file was opened."""

    def __init__(self) -> None:
        self.tagged: list[str] = []
        self.texts: list[Any] = []
        self.app = SimpleNamespace(background=False)
        self.windows = [self._window(), self._window()]
        self.context = SimpleNamespace(
            window=None, window_manager=SimpleNamespace(windows=self.windows), temp_override=self._override
        )

    def _window(self) -> Any:
        kinds = ("WINDOW", "HEADER", "UI", "TOOLS")
        areas = [
            SimpleNamespace(type=kind, regions=[self._region(kind, region) for region in kinds])
            for kind in ("VIEW_3D", "SEQUENCE_EDITOR", "PREFERENCES", "OUTLINER")
        ]
        return SimpleNamespace(
            screen=SimpleNamespace(areas=areas), workspace=SimpleNamespace(status_text_set=self._status)
        )

    def _region(self, area: str, kind: str) -> Any:
        return SimpleNamespace(type=kind, tag_redraw=lambda: self.tagged.append(f"{area} {kind}"))

    def _status(self, text: Any) -> None:
        # Blender crashes here.
        assert self.context.window is not None
        self.texts.append(text)

    @contextmanager
    def _override(self, *, window: Any) -> Iterator[None]:
        former, self.context.window = self.context.window, window
        yield
        self.context.window = former


def test_only_panels_are_tagged_and_no_window_in_the_context_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeBlender()
    monkeypatch.setattr(redraw, "bpy", fake)
    redraw.tag_panels()
    assert sorted(set(fake.tagged)) == ["PREFERENCES WINDOW", "SEQUENCE_EDITOR UI", "VIEW_3D UI"]
    assert len(fake.tagged) == 6
    assert fake.texts == [None, None]


def test_the_timer_works_in_a_window_or_waits(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender import disk_watch, installation, timer

    fake, seen = FakeBlender(), []
    current = addon.current()
    with monkeypatch.context() as patch:
        patch.setattr(timer, "bpy", fake)
        patch.setattr(installation, "bpy", fake)
        for module, name in ((current, "pump"), (disk_watch, "look")):
            patch.setattr(module, name, lambda *_: seen.append(fake.context.window))
        timer._tick()
        assert seen == [fake.windows[0]] * 2
        seen.clear()
        fake.windows.clear()
        assert timer._tick() == timer.BUSY_SECONDS
        assert seen == []


def test_jobs_change_no_property_while_they_run(addon: Any) -> None:
    """Setting one draws all of Blender again."""
    from ex4d_blender import props

    assert set(props.EX4D_PG_job.bl_rna.properties.keys()) == {"rna_type", "name", "job"}
    current = addon.current()
    for step in range(3):
        current.link.client.jobs["a"] = JobSnapshot(
            "a", "generate", state="running", step=step, of=9, title="Generate T"
        )
        current.mirror()
        assert current.rows[0].text.endswith(f"{step}/9")
    assert [item.job for item in bpy.context.window_manager.ex4d.jobs] == ["a"]
    current.link.client.jobs["b"] = JobSnapshot("b", "render", title="Preview", created=5.0)
    current.mirror()
    assert [item.job for item in bpy.context.window_manager.ex4d.jobs] == ["a", "b"]


def test_a_long_session_stays_small(addon: Any) -> None:
    current = addon.current()
    scene = bpy.context.scene
    for index in range(3 * addon.KEPT_JOBS):
        job = f"job{index}"
        current.link.client.jobs[job] = JobSnapshot(job, "doctor", state="done", created=float(index), result=DOCTOR)
        current.expect(scene, job, "nothing", {})
        current.pump()
    assert len(current.link.client.jobs) == len(current.finished) == len(current.waiting) == addon.KEPT_JOBS
    assert f"job{3 * addon.KEPT_JOBS - 1}" in current.finished
    # What has not ended is never forgotten.
    current.link.client.jobs["busy"] = JobSnapshot("busy", "generate", state="running", created=-1.0)
    current.expect(scene, "busy", "generate", {})
    current.link.client.jobs["last"] = JobSnapshot("last", "doctor", state="done", created=1e6)
    current.pump()
    assert "busy" in current.link.client.jobs
    assert "busy" in current.waiting


# What is said, and where


def test_an_error_is_shown_in_the_window_of_its_button(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.error_dialog import dialog_window
    from ex4d_blender.ops import common

    scenes = [object(), object()]
    windows = [SimpleNamespace(scene=scene) for scene in scenes]
    assert dialog_window(windows, windows[1], scenes[0]) is windows[1]
    assert dialog_window(windows, None, scenes[1]) is windows[1]
    assert dialog_window(windows, SimpleNamespace(scene=None), None) is windows[0]
    assert dialog_window([], None, None) is None
    told: list[Any] = []

    def show_error(*_values: Any, window: Any = None, **_options: Any) -> None:
        told.append(window)

    @common.report_errors
    def execute(_self: Any, _context: Any) -> set[str]:
        raise TransientError("No.", "Yes.")

    with monkeypatch.context() as patch:
        patch.setattr(common, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
        patch.setattr(
            "ex4d_blender.error_dialog.show_error", lambda *_values, **options: told.append(options["window"])
        )
        assert execute(None, SimpleNamespace(window=windows[1])) == {"CANCELLED"}
    assert told == [windows[1]]


def test_a_job_cut_off_by_quitting_is_said(scene: bpy.types.Scene, addon: Any, tmp_path: Path) -> None:
    current = addon.current()
    current.expect(scene, "lost", "generate", {"title": "Take 03"})
    current.expect(scene, "view", "preview", {})
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not current.cut_off
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "job.blend"))
    scene = bpy.context.scene
    assert list(current.cut_off.values()) == ["Generate Take 03"]
    assert any("«Generate Take 03» was not finished" in line for line in drawn(scene))
    # A backend that knows nothing of it says the same; one that knows better has the last word.
    current.link.client.jobs["lost"] = JobSnapshot("lost", "", state="failed", error=ErrorInfo())
    current.pump()
    assert list(current.cut_off.values()) == ["Generate Take 03"]
    assert [row.title for row in current.rows] == ["Generate Take 03"]
    assert bpy.ops.ex4d.forget_cut_off() == {"FINISHED"}
    assert not any("not finished" in line for line in drawn(scene))
    assert [entry.job for entry in scene.ex4d.pending] == ["view"]


def generating(current: Any, scene: bpy.types.Scene, job: str, take: str) -> None:
    """A take is being generated for a scene."""
    for name, state in (("before", "done"), (job, "running")):
        current.link.client.jobs[name] = JobSnapshot(name, "generate", state=state, title=f"Generate {take}")
    current.expect(scene, job, "generate", {"take": "T", "title": take, "offset": -1000})
    current.mirror()


def told_of(scene: bpy.types.Scene) -> list[str]:
    """What panels and status bar say."""
    from ex4d_blender.ui import status_bar

    lines, context = drawn(scene), context_of(scene, "VIEW_3D")
    status_bar._draw(SimpleNamespace(layout=Layout(context, lines)), context)
    return lines


@pytest.mark.parametrize("saved_after", [True, False])
def test_a_job_of_a_file_that_was_closed_is_told_and_its_result_comes(
    scene: bpy.types.Scene, addon: Any, tmp_path: Path, saved_after: bool
) -> None:
    current, blend = addon.current(), str(tmp_path / "sh010.blend")
    take = scene.ex4d.takes.add()
    take.uid = take.name = "T"
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    generating(current, scene, "going", "Hero")
    if saved_after:
        bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    told = told_of(bpy.context.scene)
    assert "«Generate Hero» goes on. Its result comes when sh010.blend is open again." in told
    assert "sh010.blend" in told
    # Below the list stands what becomes of it.
    assert "Generate Hero: starting" in told
    # It ends while another file is open.
    made = make_take(tmp_path)
    current.link.client.jobs["going"] = replace(current.link.client.jobs["going"], state="done", result=made)
    current.pump()
    told = told_of(bpy.context.scene)
    assert "«Generate Hero» is done. Its result comes when sh010.blend is open again." in told
    assert "«Generate Hero» is done: sh010.blend" in told
    assert "Open sh010.blend" in told
    assert sequencer.edit_scenes(bpy.context.scene) == []
    # Read of once it is told no more, and not forgotten.
    assert bpy.ops.ex4d.forget_left_jobs() == {"FINISHED"}
    assert not any("sh010.blend" in line for line in told_of(bpy.context.scene))
    bpy.ops.wm.open_mainfile(filepath=blend)
    scene = bpy.context.scene
    assert [entry.job for entry in scene.ex4d.pending] == ["going"]
    assert not any("sh010.blend" in line for line in told_of(scene))
    current.link.client.jobs["going"] = JobSnapshot("going", "generate", state="done", title="g", result=made)
    current.pump()
    assert [version.name for version in scene.ex4d.takes[0].versions] == ["v001"]
    assert len(sequencer.edit_scenes(scene)) == 1


def test_a_job_of_a_file_that_was_never_saved_says_where_its_result_lies(
    scene: bpy.types.Scene, addon: Any, tmp_path: Path
) -> None:
    current = addon.current()
    generating(current, scene, "going", "Hero")
    # A preview of a closed file is of no use to anybody.
    current.link.client.jobs["view"] = JobSnapshot("view", "preview", state="running", title="Hero")
    current.expect(scene, "view", "preview", {"take": "T"})
    assert not any("goes on" in line for line in told_of(scene))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    told = told_of(bpy.context.scene)
    assert [line for line in told if "goes on" in line] == [
        "«Generate Hero» goes on. Its file was not saved: what it makes stays in the shot's folder."
    ]
    made = make_take(tmp_path)
    current.link.client.jobs["going"] = replace(current.link.client.jobs["going"], state="done", result=made)
    current.pump()
    told = told_of(bpy.context.scene)
    assert any(line.startswith("«Generate Hero» is done. Its file was not saved") for line in told)
    assert "ex4d.open_folder" in told
    # What was stopped is said by the list alone.
    current.link.client.jobs["going"] = replace(current.link.client.jobs["going"], state="cancelled", result=None)
    assert not any("Its file was not saved" in line for line in told_of(bpy.context.scene))


def test_switched_off_and_on_the_add_on_waits_again(scene: bpy.types.Scene, addon: Any) -> None:
    import addon_utils

    addon.current().expect(scene, "running", "nothing", {"a": 1})
    addon_utils.disable("ex4d_blender")
    addon_utils.enable("ex4d_blender")
    current = addon.current()
    assert current.waiting["running"].data == {"a": 1}
    assert "running" in current.link.client._resumed
    assert len(bpy.context.window_manager.ex4d.jobs) == 0
    current.link.client.jobs["running"] = JobSnapshot("running", "doctor", state="done", result=DOCTOR)
    current.pump()
    assert len(scene.ex4d.pending) == 0


def test_a_damaged_pending_entry_harms_nothing(scene: bpy.types.Scene, addon: Any) -> None:
    entry = scene.ex4d.pending.add()
    entry.job, entry.action, entry.data = "deep", "nothing", "[" * 100_000
    addon.current().take_up_pending()
    assert addon.current().waiting["deep"].data == {}


# The coverage bar


def test_frames_of_which_nothing_was_seen_have_a_red_column() -> None:
    from ex4d_blender.ui import coverage

    found = coverage.columns((0.0, 0.7, 1.0), 300.0)
    assert {name: len(corners) for name, corners in found.items()} == {"poor": 6, "fair": 6, "good": 6}
    assert max(y for _, y in found["poor"]) >= 4
    deep = "[" * 100_000
    assert coverage.parse(deep) == ((), ())


def test_the_bar_is_seen_through_its_takes_camera_only(scene: bpy.types.Scene) -> None:
    from ex4d_blender.ui import coverage

    mine, other = (bpy.data.objects.new(name, bpy.data.cameras.new(name)) for name in ("Mine", "Other"))
    area = bpy.context.window_manager.windows[0].screen.areas[0]
    area.type = "VIEW_3D"
    space = area.spaces.active

    def seen(take: Any) -> bool:
        return coverage.looks_through(SimpleNamespace(scene=scene, space_data=space, region_data=space.region_3d), take)

    own, switched = (SimpleNamespace(camera=mine, use_scene_camera=follows) for follows in (False, True))
    for perspective, of_scene, of_view, expected in (
        ("CAMERA", mine, None, (True, True)),
        ("CAMERA", other, None, (False, True)),
        ("PERSP", mine, None, (False, False)),
        # A viewport may have a camera of its own.
        ("CAMERA", mine, other, (False, False)),
        ("CAMERA", other, mine, (True, False)),
        ("PERSP", other, mine, (False, False)),
    ):
        scene.camera, space.region_3d.view_perspective = of_scene, perspective
        space.use_local_camera = of_view is not None
        if of_view is not None:
            space.camera = of_view
        assert (seen(own), seen(switched)) == expected
    assert not coverage.looks_through(SimpleNamespace(scene=scene, space_data=space, region_data=None), own)


def test_frames_are_called_by_the_scenes_numbers(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.ui import coverage

    placed = shots.import_shot(scene, make_shot(tmp_path), first_frame=1)
    assert "Scene frames 1-5 show the plate's 1001-1005." in drawn(scene)
    assert coverage.frame_name(1003, placed) == "frame 3, the plate's 1003"
    text = json.dumps({"numbers": [1001, 1002], "coverage": [1.0, 0.25]})
    assert coverage.summary(text, placed).endswith("25% at least (frame 2, the plate's 1002)")
    placed = shots.import_shot(scene, placed.record, first_frame=1001)
    assert coverage.frame_name(1003, placed) == "frame 1003"
