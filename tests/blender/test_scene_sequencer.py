# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in the sequencer, plates from clips and strips, previews behind a camera."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from clip_factory import make_clip, solved_clip
from ex4d_blender.core import frame_mapping
from ex4d_blender.core.deliveries import DeliveredTake
from ex4d_blender.scene import background, plates, sequencer
from results_factory import delivered, generate_result, render_result
from viewport_factory import write_png

from ex4d.protocol.errors import BadInputError

pytest_plugins = ["addon_fixtures"]


def make_take(folder: Path, *, first: int = 1001, count: int = 4) -> DeliveredTake:
    numbers = list(range(first, first + count))
    take = folder / "takes" / "v001"
    for number in numbers:
        shade = np.full((32, 48, 3), number % 256, np.uint8)
        for kind in ("result", "color"):
            write_png(take / kind / f"{kind}.{number}.png", shade)
        write_png(take / "mask" / f"mask.{number}.png", np.full((32, 48), 255, np.uint8))
    return delivered(generate_result(take, numbers))


def plain_strip(scene: bpy.types.Scene, take: DeliveredTake, name: str, frame_offset: int = 0) -> Any:
    """A take's result without a meta strip, as earlier versions have placed it."""
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    strips, numbers = sequencer.strips_of(scene.sequence_editor), take.numbers
    start, folder = numbers[0] + frame_offset, Path(take.folder) / "result"
    strip = strips.new_image(
        name=name,
        filepath=str(folder / f"result.{numbers[0]}.png"),
        channel=sequencer.free_channel(strips, start, start + len(numbers)),
        frame_start=start,
    )
    for number in numbers[1:]:
        strip.elements.append(f"result.{number}.png")
    strip.frame_final_duration = len(numbers)
    strip["ex4d"] = {"role": "result", "take": take.take, "folder": take.folder}
    return strip


KINDS = ("result", "mask", "color")


def span(start: int, end: int, channel: int) -> SimpleNamespace:
    return SimpleNamespace(frame_final_start=start, frame_final_end=end, channel=channel)


def test_free_channel() -> None:
    strips = [span(1, 11, 1), span(5, 8, 3), span(20, 30, 2)]
    assert sequencer.free_channel([], 1, 5) == 1
    assert sequencer.free_channel(strips, 1, 5) == 2
    assert sequencer.free_channel(strips, 11, 20) == 1
    assert sequencer.free_channel(strips, 10, 21) == 3
    assert sequencer.free_channel(strips, 6, 25, preferred=3) == 4
    with pytest.raises(BadInputError, match="taken"):
        sequencer.free_channel([span(1, 9, channel) for channel in range(1, 129)], 5, 6)


def test_take_is_placed_at_its_own_numbers(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path)
    scene.sequence_editor_clear()
    placed = sequencer.place_take(scene, result, with_mask=True, with_color=True, name="Shot v001")
    strips, meta = (placed.result, placed.mask, placed.color), placed.meta
    assert [strip.frame_final_start for strip in (meta, *strips)] == [1001] * 4
    assert [strip.frame_final_duration for strip in (meta, *strips)] == [4] * 4
    assert [strip.name for strip in (meta, *strips)] == ["Shot v001", *(f"Shot v001 {kind}" for kind in KINDS)]
    # They take one channel of the editor, above the plate's, and three within.
    assert list(sequencer.strips_of(scene.sequence_editor)) == [meta]
    assert [strip.channel for strip in (meta, *strips)] == [2, 1, 2, 3]
    assert [strip.mute for strip in (meta, *strips)] == [False, False, True, True]
    assert [element.filename for element in placed.result.elements] == [f"result.{n}.png" for n in result.numbers]
    for strip, kind in zip(strips, KINDS, strict=True):
        assert sequencer.take_of_strip(strip) == {"take": "v001", "folder": result.folder, "role": kind}
        assert Path(bpy.path.abspath(strip.directory)) == Path(result.folder) / kind
    assert placed.mask.colorspace_settings.is_data
    assert not placed.result.colorspace_settings.is_data
    # The next one goes above, in a meta strip too if it has a result alone. Elsewhere in time the channel is free.
    again = sequencer.place_take(scene, result, with_mask=False, with_color=False, name="Again")
    assert (again.meta.channel, again.mask, again.color) == (3, None, None)
    assert [strip.name for strip in sequencer.strips_of(again.meta)] == ["Again result"]
    moved = sequencer.place_take(scene, result, with_mask=False, with_color=False, name="Moved", frame_offset=-1000)
    assert (moved.meta.channel, moved.meta.frame_final_start, moved.meta.frame_final_end) == (2, 1, 5)
    duration = {"length": 5} if bpy.app.version >= (5, 0) else {"frame_end": 6}
    strips = sequencer.strips_of(scene.sequence_editor)
    assert len(strips) == 3
    text = strips.new_effect(name="Text", type="TEXT", channel=9, frame_start=1, **duration)
    assert sequencer.take_of_strip(text) is None
    with pytest.raises(BadInputError, match="neither a movie nor pictures"):
        plates.plate_from_strip(text, scene)


def test_handles_are_trimmed_by_the_meta_strip(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = replace(make_take(tmp_path, count=6), handles=(1, 2))
    placed = sequencer.place_take(scene, result, with_mask=True, with_color=False, name="T")
    assert (placed.meta.frame_final_start, placed.meta.frame_final_end) == (1002, 1005)
    assert [(strip.frame_final_start, strip.frame_final_end) for strip in (placed.result, placed.mask)] == [
        (1001, 1007)
    ] * 2
    # They can be pulled out.
    placed.meta.frame_final_start = 1001
    assert placed.meta.frame_final_start == 1001
    alone = sequencer.place_take(scene, result, with_mask=False, with_color=False, name="Alone")
    assert (alone.meta.frame_final_start, alone.meta.frame_final_end) == (1002, 1005)
    assert (alone.result.frame_final_start, alone.result.frame_final_end) == (1001, 1007)


def test_a_meta_strip_stands_for_its_result(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = sequencer.place_take(scene, make_take(tmp_path), with_mask=True, with_color=True, name="T")
    context = SimpleNamespace(scene=scene)
    scene.sequence_editor.active_strip = placed.meta
    assert sequencer.selected_strip(context) == placed.result
    assert plates.selected_plate_strip(context).path == Path(placed.result.directory) / "result.####.png"
    scene.sequence_editor.active_strip = placed.mask
    assert sequencer.selected_strip(context) == placed.mask


def test_what_is_muted_in_a_meta_strip_hides_nothing_below(scene: bpy.types.Scene, tmp_path: Path) -> None:
    sequencer.place_take(scene, make_take(tmp_path / "a", first=40), with_mask=True, with_color=True, name="A")
    above = sequencer.place_take(
        scene, make_take(tmp_path / "b", first=90), with_mask=True, with_color=True, name="B", frame_offset=-50
    )
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / "out.png")
    scene.frame_set(41)
    for muted, grey in ((False, 91), (True, 41)):
        above.result.mute = muted
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath, check_existing=False)
        assert 255 * float(image.pixels[0]) == pytest.approx(grey, abs=1)


PLATE = {"fps": "24", "numbers": [1001, 1002], "width": 64, "height": 36}


def evaluated_with(edit: bpy.types.Scene) -> set[str]:
    layer = edit.view_layers[0]
    layer.update()
    return {item.name for item in layer.depsgraph.ids}


@pytest.mark.parametrize("earlier", [False, True])
def test_a_scene_of_results_evaluates_nothing_of_the_scene_that_is_worked_in(
    scene: bpy.types.Scene, addon: Any, earlier: bool
) -> None:
    from ex4d_blender import migrations

    camera = bpy.data.objects.new("Camera of a take", bpy.data.cameras.new("Camera of a take"))
    scene.collection.objects.link(camera)
    scene.ex4d.takes.add().camera = camera
    edit = sequencer.ensure_edit_scene(scene, PLATE, 1001)
    if earlier:
        edit[sequencer.EDIT_PROPERTY] = scene
        assert sequencer.scene_of_edit(edit) == scene
        edit.collection.objects.link(bpy.data.objects.new("One", None))
        assert camera.name in evaluated_with(edit)
        migrations.migrate()
        # Relations are built anew, as when a file is opened.
        edit.collection.objects.link(bpy.data.objects.new("Other", None))
    assert sequencer.scene_of_edit(edit) == scene
    assert camera.name not in evaluated_with(edit)


def test_a_scene_and_its_copy_have_results_of_their_own(scene: bpy.types.Scene, addon: Any, tmp_path: Path) -> None:
    edit = sequencer.ensure_edit_scene(scene, PLATE, 1001)
    copy = scene.copy()
    copy.name, copy.use_fake_user = "A copy, first in the list", True
    assert sequencer.edit_scenes(copy) == []
    own = sequencer.ensure_edit_scene(copy, PLATE, 1001)
    assert (sequencer.scene_of_edit(edit), sequencer.scene_of_edit(own)) == (scene, copy)
    # Renamed they stay so, and after a file that was saved since, too.
    names = {scene: edit.name, copy: own.name}
    scene.name, copy.name = copy.name, "Another"
    assert (sequencer.scene_of_edit(edit), sequencer.scene_of_edit(own)) == (scene, copy)
    names = {working.name: shown for working, shown in names.items()}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "results.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "results.blend"))
    found = {name: sequencer.scene_of_edit(bpy.data.scenes[shown]).name for name, shown in names.items()}
    assert found == {name: name for name in names}
    # The working scene is gone: what showed its results is a scene as any.
    shown = bpy.data.scenes[names["Another"]]
    bpy.data.scenes.remove(bpy.data.scenes["Another"])
    assert sequencer.scene_of_edit(shown) is None


def test_results_are_shown_at_a_frame_that_has_one(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path, first=20)
    scene.sequence_editor_create()
    sequencer.see_something(scene, 22)
    assert scene.frame_current == 1
    placed = sequencer.place_take(scene, result, with_mask=True, with_color=False, name="T").meta
    for asked, shown in ((22, 22), (5, 20), (99, 23)):
        scene.frame_set(1)
        sequencer.see_something(scene, asked)
        assert scene.frame_current == shown
    # Where there is something to be seen the artist's frame stays.
    sequencer.see_something(scene, 20)
    assert scene.frame_current == 23
    placed.mute = True
    sequencer.see_something(scene, 20)
    assert scene.frame_current == 23


def test_take_of_one_frame(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path, first=7, count=1)
    strip = sequencer.place_take(scene, result, with_mask=False, with_color=False, name="One").result
    assert (strip.frame_final_start, strip.frame_final_duration) == (7, 1)
    assert plates.plate_from_strip(strip, scene).frames == "7-7"


def test_take_survives_saving(scene: bpy.types.Scene, tmp_path: Path) -> None:
    blend = tmp_path / "a.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    result = make_take(tmp_path)
    placed = sequencer.place_take(scene, result, with_mask=False, with_color=False, name="Take")
    assert placed.result.directory.startswith("//")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    (meta,) = sequencer.strips_of(bpy.context.scene.sequence_editor)
    (strip,) = sequencer.strips_of(meta)
    assert sequencer.take_of_strip(strip)["folder"] == result.folder
    assert Path(bpy.path.abspath(strip.directory)) == Path(result.result)


@pytest.mark.parametrize("what", ["missing", "gap"])
def test_incomplete_take_places_nothing(scene: bpy.types.Scene, tmp_path: Path, what: str) -> None:
    result = make_take(tmp_path)
    if what == "missing":
        (Path(result.mask) / "mask.1003.png").unlink()
    else:
        result = replace(result, numbers=(1001, 1003))
    with pytest.raises(BadInputError):
        sequencer.place_take(scene, result, with_mask=True, with_color=True, name="Take")
    assert scene.sequence_editor is None or len(sequencer.strips_of(scene.sequence_editor)) == 0


def test_colour_that_the_take_does_not_have_is_left_out(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path)
    # It is in the cache, which may be cleaned.
    cache = tmp_path / "cache" / "raster-1"
    cache.mkdir(parents=True)
    (Path(result.folder) / "color").rename(cache / "color")
    result = replace(result, color=str(cache / "color"), mask=str(cache / "mask"))
    placed = sequencer.place_take(scene, result, with_mask=True, with_color=True, name="T")
    assert placed.color is None
    assert "colour without fill of v001 is not in its folder" in placed.notes[0]
    assert [strip.name for strip in sequencer.strips_of(placed.meta)] == ["T result", "T mask"]
    assert sequencer.outside_their_take([scene]) == []


def test_takes_at_the_same_frames_lie_over_each_other_below_titles(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Two shots of one scene: frames 40-59, and 50-69."""
    first, second = make_take(tmp_path / "a", first=40, count=20), make_take(tmp_path / "b", first=50, count=20)
    third = make_take(tmp_path / "c", first=62, count=20)
    scene.sequence_editor_create()
    strips = sequencer.strips_of(scene.sequence_editor)
    length = {"length": 60} if bpy.app.version >= (5, 0) else {"frame_end": 90}
    strips.new_effect(name="Title", type="TEXT", channel=9, frame_start=30, **length)
    placed = [
        sequencer.place_take(scene, take, with_mask=False, with_color=False, name=name).meta
        for name, take in (("A", first), ("B", second), ("C", third), ("A2", first))
    ]
    # C begins after A has ended, and lies over B all the same: what comes last is seen.
    assert [(meta.name, meta.channel) for meta in placed] == [("A", 2), ("B", 3), ("C", 4), ("A2", 4)]
    spans = [(meta.frame_final_start, meta.frame_final_end) for meta in placed]
    assert spans == [(40, 60), (50, 70), (62, 82), (40, 60)]


def test_rendered_sequence_is_the_take(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path, first=100)
    sequencer.place_take(scene, result, with_mask=True, with_color=True, name="Take")
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / "out.png")
    scene.frame_set(102)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(tmp_path / "out.png"))
    pixels = np.round(np.array(image.pixels[:]).reshape(-1, 4)[:, :3] * 255)
    assert np.abs(pixels - 102).max() <= 1


def test_plate_from_an_image_strip(scene: bpy.types.Scene, tmp_path: Path) -> None:
    result = make_take(tmp_path, count=6)
    strip = plain_strip(scene, result, "Plate", frame_offset=-900)
    choice = plates.plate_from_strip(strip, scene)
    assert choice.path == Path(result.result) / "result.####.png"
    assert (choice.frames, choice.scene_start, choice.fps) == ("1001-1006", 101, None)
    strip.frame_offset_start, strip.frame_offset_end = 1, 2
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.frames, choice.scene_start) == ("1002-1004", 102)
    strip.use_reverse_frames = True
    reverse = plates.plate_from_strip(strip, scene)
    assert (reverse.frames, reverse.scene_start, len(reverse.notes)) == (None, None, 1)
    strip.use_reverse_frames = False
    scene.sequence_editor.active_strip = strip
    context = SimpleNamespace(scene=scene)
    assert plates.selected_plate_strip(context) == choice
    strips = sequencer.strips_of(scene.sequence_editor)
    strips.remove(strip)
    with pytest.raises(BadInputError, match="No movie or image strip"):
        plates.selected_plate_strip(context)


def test_plate_from_a_movie(scene: bpy.types.Scene, tmp_path: Path) -> None:
    movie = write_movie(scene, tmp_path, frames=9)
    scene.render.fps, scene.render.fps_base = 30, 1.0
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    strip = sequencer.strips_of(scene.sequence_editor).new_movie(
        name="Plate", filepath=str(movie), channel=1, frame_start=50
    )
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.path, choice.frames, choice.scene_start) == (movie, "1001-1009", 50)
    assert choice.fps == Fraction(24000, 1001)
    assert any("23.976" in note and "30" in note for note in choice.notes)
    strip.frame_offset_start = 3
    assert plates.plate_from_strip(strip, scene).frames == "1004-1009"
    clip = bpy.data.movieclips.load(str(movie))
    choice = plates.plate_from_clip(clip, scene)
    assert (choice.path, choice.frames, choice.fps, choice.scene_start) == (movie, None, Fraction(24000, 1001), 1)
    movie.rename(tmp_path / "gone.mp4")
    with pytest.raises(BadInputError, match="does not exist"):
        plates.plate_from_strip(strip, scene)
    with pytest.raises(BadInputError, match="does not exist"):
        plates.plate_from_clip(clip, scene)


def write_movie(scene: bpy.types.Scene, folder: Path, frames: int) -> Path:
    """A film of an empty scene in H.264, 24000/1001 frames per second."""
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.camera = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
    scene.collection.objects.link(scene.camera)
    render.resolution_x, render.resolution_y = 64, 48
    render.fps, render.fps_base = 24, 1.001
    scene.frame_start, scene.frame_end = 1, frames
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.use_file_extension = False
    render.filepath = str(folder / "plate.mp4")
    bpy.ops.render.render(animation=True)
    return folder / "plate.mp4"


def test_plate_from_a_clip_of_pictures(scene: bpy.types.Scene, tmp_path: Path) -> None:
    clip = make_clip(tmp_path, 5)
    clip.frame_start = 7
    choice = plates.plate_from_clip(clip, scene)
    assert choice.path == tmp_path / "plate.####.png"
    assert (choice.frames, choice.scene_start) == ("1001-1005", 7)
    assert plates.solved_camera(clip, scene) is None


def test_solved_camera_of_a_clip(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Blender's own solver, fed with the projections of known points by known cameras, gives those cameras back."""
    count = 20
    solved = solved_clip(tmp_path, count)
    clip, truth, K = solved.clip, solved.truth, solved.truth.K[0]
    found = plates.solved_camera(clip, scene)
    assert found is not None
    trajectory = found.trajectory
    assert trajectory.frame_numbers == tuple(range(1001, 1001 + count))
    assert (trajectory.width, trajectory.height) == (640, 480)
    assert np.allclose(trajectory.K[0], K, atol=1e-3)
    # The solver's world has a scale of its own.
    rotations = trajectory.E[:, :3, :3] @ np.swapaxes(truth.E[:, :3, :3], 1, 2)
    assert np.abs(rotations - np.eye(3)).max() < 2e-3
    a, b = trajectory.centers(), truth.centers()
    scale = (a * b).sum() / (a * a).sum()
    assert np.abs(a * scale - b).max() < 5e-3 * np.abs(b).max()
    assert "average error" in found.notes[0]
    assert len(found.notes) == 1
    known = plates.solved_points(clip)
    pose = truth.E[0]
    assert np.abs(known * scale - (solved.points @ pose[:3, :3].T + pose[:3, 3])).max() < 0.05
    assert not plates.is_distorted(clip)
    clip.tracking.camera.k1 = 0.01
    assert plates.is_distorted(clip)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (23.976, "24000/1001"),
        (23.976024, "24000/1001"),
        (29.97, "30000/1001"),
        (59.94, "60000/1001"),
        (24.0, "24"),
        (25.0, "25"),
        (12.5, "25/2"),
        (0.0, None),
    ],
)
def test_rates_are_exact_fractions(value: float, expected: str | None) -> None:
    assert frame_mapping.exact_fps(value) == (Fraction(expected) if expected else None)


@pytest.mark.parametrize(
    ("name", "pattern", "number"),
    [
        ("plate.1001.png", "plate.####.png", 1001),
        ("sh010_v2.000007.exr", "sh010_v2.######.exr", 7),
        ("A003_C012.1.tif", "A003_C012.#.tif", 1),
        ("take7_final.png", "take#_final.png", 7),
        ("still.png", "still.png", None),
    ],
)
def test_sequence_pattern(name: str, pattern: str, number: int | None) -> None:
    assert frame_mapping.sequence_pattern(Path("/x") / name) == (Path("/x") / pattern, number)


def test_preview_behind_and_before_a_camera(scene: bpy.types.Scene, tmp_path: Path) -> None:
    take = make_take(tmp_path)
    result = render_result(Path(take.folder), take.numbers)
    obj = bpy.data.objects.new("Take 01", bpy.data.cameras.new("Take 01"))
    scene.collection.objects.link(obj)
    own = obj.data.background_images.new()
    own.image = bpy.data.images.new("Own", 4, 4)
    background.show_preview(obj, result, frame_offset=-1000, opacity=0.4, in_front=False)
    assert background.has_preview(obj)
    mine = obj.data.background_images[1]
    assert (mine.alpha, mine.display_depth, mine.frame_method) == (pytest.approx(0.4), "BACK", "FIT")
    user = mine.image_user
    assert (user.frame_start, user.frame_offset, user.frame_duration) == (1, 1000, 4)
    assert Path(bpy.path.abspath(mine.image.filepath_from_user(image_user=user))).parent == Path(result.color)
    assert obj.data.show_background_images
    background.set_preview_look(obj, opacity=1.0, in_front=True)
    assert (mine.alpha, mine.display_depth) == (1.0, "FRONT")
    background.show_preview(obj, result, kind="mask")
    assert len(obj.data.background_images) == 2
    assert obj.data.background_images[1].image.colorspace_settings.is_data
    assert len(bpy.data.images) == 2
    background.hide_preview(obj)
    assert not background.has_preview(obj)
    assert [item.image.name for item in obj.data.background_images] == ["Own"]
    assert len(bpy.data.images) == 1
    (Path(result.color) / "color.1002.png").unlink()
    with pytest.raises(BadInputError, match="preview's color"):
        background.show_preview(obj, result)
