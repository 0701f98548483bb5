# SPDX-License-Identifier: GPL-3.0-or-later
"""The A/B wipe: where its parts lie, which pictures it shows, what it costs, how it begins and ends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core import wipe as geometry
from ex4d_blender.core.wipe import Rect
from ex4d_blender.scene import background, wipe_pictures
from ex4d_blender.scene import shot as shots
from mathutils import Matrix
from panel_drawing import context_of
from results_factory import render_result
from test_drawing import counting
from viewport_factory import make_shot, write_png

from ex4d.protocol.errors import BadInputError

pytest_plugins = ["addon_fixtures"]

SIZE = (48, 32)


def deliver(folder: Path, name: str, numbers: list[int], grey: int, suffix: str = ".png") -> str:
    """A version's folder; its pictures are grey, the frame's place in the take added."""
    place = folder / "takes" / name
    for index, number in enumerate(numbers):
        write_png(place / "result" / f"result.{number}{suffix}", np.full((*SIZE[::-1], 3), grey + index, np.uint8))
    record = {
        "frames": [{"frame": number, "generated": 0.1} for number in numbers],
        "fill": {"name": "preview", "label": "Preview", "seed": None},
        "generated_mean": 0.1,
        "title": "Take 01",
        "trajectory": "camera.json",
        "fps": "24",
    }
    (place / "take.json").write_text(json.dumps(record))
    return str(place)


@pytest.fixture
def versions(scene: bpy.types.Scene, tmp_path: Path, addon: Any) -> bpy.types.Scene:
    """A scene with a take of two versions, of greys 100 and 200, whose first frame is 11."""
    record = make_shot(tmp_path, plate=SIZE)
    shot = shots.import_shot(scene, record, first_frame=11)
    assert bpy.ops.ex4d.add_take_camera(move="orbit:10") == {"FINISHED"}
    for name, grey in (("v001", 100), ("v002", 200)):
        version = scene.ex4d.takes[0].versions.add()
        version.name, version.folder = name, deliver(Path(shot.folder), name, shot.numbers, grey)
    scene.frame_set(11)
    return scene


def begin(against: str) -> Any:
    from ex4d_blender import wipe

    assert bpy.ops.ex4d.wipe(against=against) == {"FINISHED"}
    while wipe.step() is not None:
        pass
    return wipe.current()


def greys(shown: Any) -> list[int | None]:
    """The middle pixel of both pictures."""
    return [
        None if picture is None or picture.pixels is None else round(255 * float(picture.pixels[16, 24, 0]))
        for picture in shown.pictures
    ]


def test_where_the_parts_lie() -> None:
    frame = Rect(100, 50, 300, 150)
    assert geometry.fit(frame, None) == frame
    assert geometry.fit(frame, 1.0) == Rect(150, 50, 250, 150)
    assert geometry.fit(frame, 4.0) == Rect(100, 75, 300, 125)
    left = geometry.part_between(frame, 100, 150)
    assert left == geometry.Part(Rect(100, 50, 150, 150), 0.0, 0.25)
    assert geometry.part_between(frame, 300, 400) is None
    # Half of a picture with a margin of 50 at its sides.
    assert geometry.part_between(geometry.fit(frame, 1.0), 100, 200) == geometry.Part(Rect(150, 50, 200, 150), 0, 0.5)
    assert [geometry.share_at(frame, x) for x in (0, 150, 900)] == [0.0, 0.25, 1.0]
    assert geometry.line_at(frame, 0.25) == 150
    places = ((152, 100), (170, 100), (150, 160))
    assert [geometry.is_on_line(frame, 0.25, x, y, 9) for x, y in places] == [True, False, False]
    # With an interface of twice the size the mouse takes it from farther away.
    assert geometry.is_on_line(frame, 0.25, 165, 100, 18)
    assert geometry.shown_size(3840, 2160) == (1920, 1080)
    assert geometry.shown_size(512, 512) == (512, 512)


def test_scene_linear_values_are_shown_by_the_curve_of_srgb() -> None:
    shown = geometry.srgb_codes(np.array([0.0, 0.18, 1.0, 40.0, -1.0, np.nan], np.float32))
    assert shown == pytest.approx([0.0, 0.4614, 1.0, 1.0, 0.0, 0.0], abs=1e-4)


def test_newest_version_against_the_one_before_and_the_plate(versions: bpy.types.Scene) -> None:
    shown = begin("VERSION")
    assert [side.label for side in shown.sides] == ["v002", "v001"]
    assert greys(shown) == [200, 100]
    versions.frame_set(13)
    assert shown.wanted(13) == [0, 1]
    for index in shown.wanted(13):
        shown.read(index, 13)
    assert (greys(shown), shown.wanted(13)) == ([202, 102], [])
    assert bpy.ops.ex4d.wipe_flip() == {"FINISHED"}
    assert ([side.label for side in shown.sides], greys(shown)) == (["v001", "v002"], [102, 202])
    # Before its first frame a take has no picture.
    for index in shown.wanted(1):
        shown.read(index, 1)
    assert greys(shown) == [None, None]
    plate = begin("PLATE").sides[1]
    assert (plate.label, plate.aspect) == ("Plate", SIZE[0] / SIZE[1])
    assert sorted(plate.files) == list(shots.find_shot(versions).frames)
    assert all(path.is_file() for path in plate.files.values())


def test_where_pixels_come_from_has_colours_and_a_legend(versions: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender import wipe
    from panel_drawing import draw_panels

    shot, take = shots.find_shot(versions), versions.ex4d.takes[0]
    folder = Path(take.versions[1].folder) / "confidence"
    codes = np.zeros((*SIZE[::-1],), np.uint8)
    codes[:16], codes[16:24] = 255, 128
    for number in shot.numbers:
        write_png(folder / f"confidence.{number}.png", codes)
    shown = begin("ORIGIN")
    assert ([side.label for side in shown.sides], shown.share) == (["v002", "Origin"], 0.0)
    # Blender's rows go upwards.
    column = shown.pictures[1].pixels[::-1, 5, :3]
    for row, color in ((3, geometry.OWN_FRAME), (20, geometry.OTHER_FRAME), (30, geometry.FILLED)):
        assert column[row] == pytest.approx(color, abs=1e-6)
    assert {"The plate's own frame", "Another frame of the plate", "Filled: Preview"} <= set(draw_panels(versions))
    bpy.ops.ex4d.wipe_end()
    assert wipe.origin_of(versions) is None
    assert "Filled: Preview" not in draw_panels(versions)
    # A preview has holes in place of what fills.
    take.versions.clear()
    assert not bpy.ops.ex4d.wipe.poll()
    for number in shot.numbers:
        write_png(tmp_path / "p" / "color" / f"color.{number}.png", np.full((8, 12, 3), 50, np.uint8))
        write_png(tmp_path / "p" / "mask" / f"mask.{number}.png", np.full((8, 12), 0, np.uint8))
    background.show_preview(take.camera, render_result(tmp_path / "p", shot.numbers), frame_offset=-990)
    with pytest.raises(RuntimeError, match="has no version"):
        bpy.ops.ex4d.wipe(against="PLATE")
    shown = begin("ORIGIN")
    assert shown.pictures[1].pixels[4, 6, :3] == pytest.approx(geometry.FILLED, abs=1e-6)
    assert "Hole, to be filled" in draw_panels(versions)


def test_it_is_the_takes_camera_that_is_looked_through(versions: bpy.types.Scene) -> None:
    from ex4d_blender import wipe

    versions.camera = shots.find_shot(versions).source_camera
    begin("PLATE")
    take = versions.ex4d.takes[0]
    assert versions.camera == take.camera
    assert wipe.of_take(versions, take) is wipe.current()
    assert bpy.ops.ex4d.wipe_end() == {"FINISHED"}
    assert (wipe.current(), wipe.of_take(versions, take)) == (None, None)
    assert not bpy.ops.ex4d.wipe_flip.poll()


def test_what_decodes_pictures_stays_in_no_file(versions: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender import wipe

    begin("PLATE")
    assert wipe_pictures.SCRATCH in bpy.data.images
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert wipe.current() is None
    assert wipe_pictures.SCRATCH not in bpy.data.images


def test_what_is_not_there_is_said(versions: bpy.types.Scene) -> None:
    take = versions.ex4d.takes[0]
    path = Path(take.versions[1].folder) / "result" / "result.1001.png"
    path.write_bytes(b"no picture")
    assert greys(begin("VERSION")) == [None, 100]
    path.unlink()
    with pytest.raises(RuntimeError, match="lacks 1 of"):
        bpy.ops.ex4d.wipe(against="VERSION")
    take.versions.remove(1)
    with pytest.raises(RuntimeError, match="has one version"):
        bpy.ops.ex4d.wipe(against="VERSION")
    take.versions.clear()
    assert not bpy.ops.ex4d.wipe.poll()


def test_large_and_scene_linear_pictures(scene: bpy.types.Scene, tmp_path: Path) -> None:
    image = bpy.data.images.new("film", 4, 2, float_buffer=True)
    image.pixels.foreach_set(np.full(32, 0.18, np.float32))
    image.file_format, image.filepath_raw = "OPEN_EXR", str(tmp_path / "film.exr")
    image.save()
    shown = wipe_pictures.read_picture(tmp_path / "film.exr")
    assert (shown.shape, float(shown[0, 0, 3])) == ((2, 4, 4), 1.0)
    write_png(tmp_path / "wide.png", np.full((8, 2400, 3), 60, np.uint8))
    large = wipe_pictures.read_picture(tmp_path / "wide.png")
    assert (large.shape, round(255 * float(large[3, 900, 1]))) == ((6, 1920, 4), 60)
    with pytest.raises(BadInputError, match="cannot read"):
        wipe_pictures.read_picture(tmp_path / "none.png")


def test_a_picture_is_read_within_a_quarter_of_a_second(scene: bpy.types.Scene, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:512, :512]
    for number in (1, 2, 3):
        write_png(tmp_path / f"a.{number}.png", np.stack([rows, columns, rows + number * columns], -1).astype(np.uint8))
    spent = []
    for number in (1, 2, 3):
        begun = time.thread_time()
        wipe_pictures.read_picture(tmp_path / f"a.{number}.png")
        spent.append(time.thread_time() - begun)
    assert max(spent) < 0.25


def test_drawing_asks_for_nothing(versions: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.ui import wipe as view

    shown = begin("PLATE")
    context = context_of(versions, "VIEW_3D")
    drawn: list[Any] = []
    monkeypatch.setattr(view, "bpy", SimpleNamespace(context=context, types=bpy.types))
    monkeypatch.setattr(view, "camera_frame", lambda *_: Rect(0, 0, 300, 200))
    monkeypatch.setattr(view, "_texture", lambda picture: picture.frame)
    monkeypatch.setattr(view, "_draw_picture", lambda part, texture: drawn.append((part.place, texture)))
    monkeypatch.setattr(view, "_fill", lambda *_: None)
    monkeypatch.setattr(view, "_text", lambda text, *_, **__: drawn.append(text))
    shown.share = 0.25
    with counting() as found:
        view._draw()
    assert dict(found) == {}
    assert drawn == [(Rect(0, 0, 75, 200), 11), (Rect(75, 0, 300, 200), 11), "v002", "Plate"]
    # Pictures that are not read yet are of another frame, and say so; so does a side that has none.
    drawn.clear()
    versions.frame_set(12)
    view._draw()
    assert drawn[2:] == ["v002: frame 11", "Plate: frame 11"]
    versions.frame_set(1)
    drawn.clear()
    view._draw()
    assert drawn[-1] == "Plate: none at frame 1"
    context.region_data.view_perspective = "PERSP"
    drawn.clear()
    view._draw()
    assert drawn == []


def test_the_frame_stays_where_it_is_while_the_camera_moves(versions: bpy.types.Scene) -> None:
    from ex4d_blender.ui import wipe as view

    camera = versions.camera
    camera.data.shift_x = 0.1
    for frame, lens in ((11, 35.0), (13, 50.0)):
        camera.data.lens = lens
        camera.data.keyframe_insert("lens", frame=frame)
    region = SimpleNamespace(width=900, height=600)
    size = versions.render.resolution_x, versions.render.resolution_y
    # Blender has drawn the first frame: the view still stands where the camera stood then.
    versions.frame_set(11)
    placed = camera.matrix_world.inverted()
    places = set()
    for frame in (11, 12, 13):
        versions.frame_set(frame)
        places.add(tuple(camera.matrix_world.translation))
        for scale in (1.0, 0.5):
            # The camera's picture fills the region, or half of it.
            window = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=size[0], y=size[1])
            window = Matrix.Diagonal((scale, scale, 1, 1)) @ window
            looking = SimpleNamespace(window_matrix=window, perspective_matrix=window @ placed)
            found = view.camera_frame(region, looking, versions, camera)
            assert found is not None
            sides = (found.left, found.right, found.bottom, found.top)
            low, high = (1 - scale) / 2, (1 + scale) / 2
            assert sides == pytest.approx((900 * low, 900 * high, 600 * low, 600 * high), abs=0.01), frame
    assert len(places) == 3


def test_the_panel_offers_it_and_its_end(versions: bpy.types.Scene) -> None:
    from panel_drawing import draw_panels

    def buttons() -> set[str]:
        return {line for line in draw_panels(versions) if line.startswith("ex4d.wipe")}

    assert buttons() == {"ex4d.wipe"}
    begin("PLATE")
    # The map of origins may be shown in its place.
    assert buttons() == {"ex4d.wipe", "ex4d.wipe_flip", "ex4d.wipe_end"}
    assert "A/B Plate" not in draw_panels(versions)
    assert "v002 | Plate" in draw_panels(versions)
