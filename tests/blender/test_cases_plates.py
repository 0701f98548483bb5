# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates that Blender shows at another speed, order, start or colour than the file has: what it shows is rendered here.

The movie's frame number stands in its grey level.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core import frame_mapping
from ex4d_blender.scene import colour, plates, sequencer
from viewport_factory import write_png

from ex4d.camera import parse_trajectory
from ex4d.protocol.errors import BadInputError

FRAMES = 60


@contextmanager
def editor(kind: str = "SEQUENCE_EDITOR") -> Iterator[bpy.types.Area]:
    """The context of an editor, for operators."""
    window = bpy.context.window_manager.windows[0]
    if hasattr(window.workspace, "sequencer_scene"):
        window.workspace.sequencer_scene = bpy.context.scene
    area = window.screen.areas[0]
    area.type = kind
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        yield area


def movie_strip(scene: bpy.types.Scene, movie: Path, *, at: int = 1, rate: bool = False) -> bpy.types.Strip:
    """The movie as Blender's own operator adds it."""
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    with editor():
        bpy.ops.sequencer.movie_strip_add(
            filepath=str(movie),
            frame_start=at,
            channel=1,
            sound=False,
            use_framerate=False,
            adjust_playback_rate=rate,
            # Since Blender 5 it would wait for the mouse, and crashes without one.
            **({"move_strips": False} if bpy.app.version >= (5, 0) else {}),
        )
    return next(strip for strip in sequencer.strips_of(scene.sequence_editor) if strip.select)


@pytest.fixture
def shown(scene: bpy.types.Scene, tmp_path: Path) -> Callable[[int], float]:
    """What frame of the movie Blender's sequencer renders at a scene frame, counted from 0."""
    render = scene.render
    render.resolution_x = render.resolution_y = 16
    scene.view_settings.view_transform = "Standard"
    render.dither_intensity = 0
    render.image_settings.file_format = "PNG"
    render.filepath = str(tmp_path / "shown.png")

    def look(frame: int) -> float:
        scene.frame_set(frame)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(render.filepath)
        level = 255 * float(np.mean(np.array(image.pixels[:]).reshape(-1, 4)[:, 0]))
        bpy.data.images.remove(image)
        return (level - 15) / 2.62

    return look


def set_trims(strip: bpy.types.Strip) -> None:
    strip.animation_offset_start, strip.animation_offset_end = 6, 4


def set_handles(strip: bpy.types.Strip) -> None:
    strip.frame_offset_start, strip.frame_offset_end = 5, 3


def set_beyond(strip: bpy.types.Strip) -> None:
    strip.frame_offset_start, strip.frame_offset_end = -4, -3


def set_both(strip: bpy.types.Strip) -> None:
    set_trims(strip)
    set_handles(strip)


def set_strobe(strip: bpy.types.Strip) -> None:
    strip.strobe = 3


@pytest.mark.case("vse_playback_rate")
@pytest.mark.parametrize(
    ("change", "rate", "frames", "start", "word"),
    [
        (lambda _: None, False, "1001-1060", 10, ""),
        (set_handles, False, "1006-1057", 15, ""),
        (set_trims, False, "1007-1056", 10, ""),
        (set_both, False, "1012-1053", 15, ""),
        # What holds beyond the file's ends is no part of it.
        (set_beyond, False, "1001-1060", 10, "holds"),
        (set_strobe, False, "1001-1060", 10, "strobe"),
        (lambda _: None, True, "1001-1060", 10, "playback rate"),
        # Five scene frames are twelve and a half of the movie's, three are seven and a half.
        (set_handles, True, "1014-1053", 15, "playback rate"),
        (set_trims, True, "1007-1056", 10, "playback rate"),
    ],
)
def test_a_strip_is_cut_as_blender_shows_it(
    scene: bpy.types.Scene,
    case: Path,
    shown: Callable[[int], float],
    change: Callable[[Any], None],
    rate: bool,
    frames: str,
    start: int,
    word: str,
) -> None:
    strip = movie_strip(scene, case / "grey60.mp4", at=10, rate=rate)
    change(strip)
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.frames, choice.scene_start) == (frames, start)
    assert not word or any(word in note for note in choice.notes)
    first, last = (int(number) - 1001 for number in frames.split("-"))
    assert shown(start) == pytest.approx(first, abs=0.8)
    end = strip.frame_final_end - 1 if "holds" not in word else start + FRAMES - 1
    # The last scene frame shows a moment up to one of the movie's steps before the cut's end.
    assert last - (2.5 if rate or word == "strobe" else 0) - 0.8 <= shown(end) <= last + 0.8


@pytest.mark.case("vse_playback_rate")
def test_the_case_as_it_was_reported(scene: bpy.types.Scene, case: Path) -> None:
    strip = movie_strip(scene, case / "grey60.mp4", rate=True)
    assert plates.plate_from_strip(strip, scene).frames == "1001-1060"
    strip.frame_offset_start = 4
    assert plates.plate_from_strip(strip, scene).frames == "1011-1060"
    # Numbers begin where the artist lets them begin.
    assert plates.plate_from_strip(strip, scene, first_number=1).frames == "11-60"


def reverse(scene: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    strip.use_reverse_frames = True


def speed_effect(scene: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    length = {"length": 24} if bpy.app.version >= (5, 0) else {"frame_end": 25}
    key = "input1" if bpy.app.version >= (4, 4) else "seq1"
    strips = sequencer.strips_of(scene.sequence_editor)
    strips.new_effect(name="Speed", type="SPEED", channel=4, frame_start=1, **length, **{key: strip})


def retiming_keys(scene: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    scene.sequence_editor.active_strip = strip
    with editor():
        bpy.ops.sequencer.retiming_show()
        bpy.ops.sequencer.retiming_segment_speed_set(speed=200.0)
    assert len(strip.retiming_keys) > 0


@pytest.mark.case("vse_playback_rate")
@pytest.mark.parametrize("change", [reverse, speed_effect, retiming_keys])
@pytest.mark.parametrize("in_meta", [False, True])
def test_what_cannot_be_mapped_is_said_and_the_file_taken_whole(
    scene: bpy.types.Scene, case: Path, change: Callable[..., None], in_meta: bool
) -> None:
    strip = movie_strip(scene, case / "grey60.mp4")
    changed = strip
    if in_meta:
        if change is retiming_keys:
            pytest.skip("the operator retimes no meta strips")
        changed = make_meta()
    change(scene, changed)
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.frames, choice.scene_start) == (None, None)
    assert any("retimed" in note and "whole file" in note for note in choice.notes)


def make_meta() -> bpy.types.Strip:
    with editor():
        bpy.ops.sequencer.meta_make()
    return next(item for item in sequencer.all_strips(bpy.context.scene) if item.type == "META")


@pytest.mark.case("vse_playback_rate")
def test_a_meta_strip_cuts_what_is_in_it(scene: bpy.types.Scene, case: Path, shown: Callable[[int], float]) -> None:
    strip = movie_strip(scene, case / "grey60.mp4")
    meta = make_meta()
    meta.frame_offset_start, meta.frame_offset_end = 10, 20
    assert (meta.frame_final_start, meta.frame_final_end) == (11, 41)
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.frames, choice.scene_start) == ("1011-1040", 11)
    assert [shown(frame) for frame in (11, 40)] == pytest.approx([10, 39], abs=0.8)
    meta.frame_start += 100
    moved = plates.plate_from_strip(strip, scene)
    assert (moved.frames, moved.scene_start) == ("1011-1040", 111)
    # Wholly outside of its meta strip it shows nothing.
    strip.frame_start += 300
    with pytest.raises(BadInputError, match="none of its frames"):
        plates.plate_from_strip(strip, scene)
    with pytest.raises(BadInputError, match="meta strip"):
        plates.plate_from_strip(meta, scene)


def test_the_selected_strip_may_lie_in_an_open_meta_strip(scene: bpy.types.Scene, tmp_path: Path) -> None:
    strip = image_strip(scene, tmp_path, ["p.1001.png", "p.1002.png"])
    strip.select = True
    scene.sequence_editor.active_strip = make_meta()
    with editor() as area:
        bpy.ops.sequencer.meta_toggle()
        scene.sequence_editor.active_strip, strip.select = None, True
        assert area.type == "SEQUENCE_EDITOR"
        assert sequencer.selected_strip(bpy.context) == strip


def image_strip(scene: bpy.types.Scene, folder: Path, names: list[str]) -> bpy.types.Strip:
    for name in set(names):
        write_png(folder / name, np.zeros((8, 8, 3), np.uint8))
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    strip = sequencer.strips_of(scene.sequence_editor).new_image(
        name="Pictures", filepath=str(folder / names[0]), channel=1, frame_start=5
    )
    for name in names[1:]:
        strip.elements.append(name)
    strip.frame_final_duration = len(names)
    return strip


@pytest.mark.parametrize(
    ("numbers", "frames", "start", "word"),
    [
        ([1001, 1002, 1003, 1004], "1001-1004", 5, ""),
        ([1004, 1003, 1002, 1001], None, None, "order of its own"),
        ([1001, 1002, 1004, 1005], None, None, "order of its own"),
        ([1001, 1001, 1002, 1002], None, None, "order of its own"),
    ],
)
def test_a_strips_list_of_pictures(
    scene: bpy.types.Scene, tmp_path: Path, numbers: list[int], frames: str | None, start: int | None, word: str
) -> None:
    strip = image_strip(scene, tmp_path, [f"p.{number}.png" for number in numbers])
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.path.name, choice.frames, choice.scene_start) == ("p.####.png", frames, start)
    assert any(word in note for note in choice.notes) or not word
    # Only what is seen counts.
    strip.frame_offset_end = 2
    seen = numbers[:2]
    rises = seen[1] == seen[0] + 1
    assert plates.plate_from_strip(strip, scene).frames == (f"{seen[0]}-{seen[1]}" if rises else None)


def test_one_picture_is_one_frame_however_long_it_is_held(scene: bpy.types.Scene, tmp_path: Path) -> None:
    strip = image_strip(scene, tmp_path, ["p.0007.png"])
    strip.frame_final_duration = 25
    choice = plates.plate_from_strip(strip, scene)
    assert (choice.frames, choice.scene_start) == ("7-7", 5)
    assert any("holds one picture" in note for note in choice.notes)


def test_pictures_of_several_sequences_are_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    strip = image_strip(scene, tmp_path, ["a.1001.png", "b.1002.png"])
    with pytest.raises(BadInputError, match="several sequences"):
        plates.plate_from_strip(strip, scene)


def test_a_mirrored_strip_is_said(scene: bpy.types.Scene, tmp_path: Path) -> None:
    strip = image_strip(scene, tmp_path, ["p.1.png", "p.2.png"])
    assert plates.plate_from_strip(strip, scene).notes == ()
    strip.use_flip_x = True
    assert any("mirrored" in note for note in plates.plate_from_strip(strip, scene).notes)


@pytest.mark.case("clip_frame_offset")
@pytest.mark.parametrize(
    ("offset", "frames", "start"), [(0, None, 1), (7, "1008-1060", 1), (-3, "1001-1060", 4), (59, "1060-1060", 1)]
)
def test_a_clip_begins_at_its_offset(
    scene: bpy.types.Scene,
    case: Path,
    shown: Callable[[int], float],
    offset: int,
    frames: str | None,
    start: int,
) -> None:
    clip = bpy.data.movieclips.load(str(case / "grey60.mp4"))
    clip.frame_start, clip.frame_offset = 1, offset
    choice = plates.plate_from_clip(clip, scene)
    assert (choice.frames, choice.scene_start) == (frames, start)
    plain = bpy.data.movieclips.load(str(case / "grey60.mp4"))
    scene.sequence_editor_create()
    strips = sequencer.strips_of(scene.sequence_editor)
    strips.new_clip(name="Clip", clip=clip, channel=1, frame_start=1)
    strips.new_clip(name="Plain", clip=plain, channel=1, frame_start=201)
    if offset != FRAMES - 1:
        # As a strip a clip has other greys, and its very first frame is never right.
        second, eleventh = shown(202), shown(211)
        found = 1 + 9 * (shown(start + 1) - second) / (eleventh - second)
        first = 0 if frames is None else int(frames.split("-")[0]) - 1001
        assert found == pytest.approx(first + 1, abs=0.3)
    clip.frame_start = 101
    assert plates.plate_from_clip(clip, scene).scene_start == start + 100
    clip.frame_offset = FRAMES
    with pytest.raises(BadInputError, match="offset by 60"):
        plates.plate_from_clip(clip, scene)


def test_a_clip_of_pictures_begins_at_its_offset(scene: bpy.types.Scene, tmp_path: Path) -> None:
    for number in range(1001, 1011):
        write_png(tmp_path / f"p.{number}.png", np.zeros((8, 8, 3), np.uint8))
    clip = bpy.data.movieclips.load(str(tmp_path / "p.1003.png"))
    for offset, frames, start in ((0, "1003-1010", 1), (2, "1005-1010", 1), (-1, "1002-1010", 1), (-4, "1001-1010", 3)):
        clip.frame_offset = offset
        choice = plates.plate_from_clip(clip, scene)
        assert (choice.frames, choice.scene_start) == (frames, start)


@pytest.fixture
def partly_solved(case: Path) -> bpy.types.MovieClip:
    """A clip whose points leave the picture ten frames before its end."""
    clip = bpy.data.movieclips.load(str(case / "grey60.mp4"))
    solved, (width, height), focal = 50, clip.size, 94.2
    clip.tracking.camera.focal_length_pixels = focal
    rng = np.random.default_rng(1)
    points = np.c_[rng.uniform(-1, 1, 40), rng.uniform(-0.6, 0.6, 40), rng.uniform(3, 6, 40)]
    for index, (x, y, z) in enumerate(points):
        track = clip.tracking.tracks.new(name=f"T{index}", frame=1)
        for frame in range(FRAMES):
            place = (focal * (x - 0.02 * frame) / z / width + 0.5, 0.5 - focal * y / z / height)
            track.markers.insert_frame(1 + frame, co=place).mute = frame >= solved
    clip.tracking.settings.use_keyframe_selection = False
    clip.tracking.objects[0].keyframe_a, clip.tracking.objects[0].keyframe_b = 1, solved
    with editor("CLIP_EDITOR") as area:
        area.spaces.active.clip = clip
        bpy.ops.clip.solve_camera()
    assert len(clip.tracking.reconstruction.cameras) == solved
    return clip


@pytest.fixture
def addon() -> Iterator[None]:
    import addon_utils

    addon_utils.enable("ex4d_blender", default_set=True)
    yield
    addon_utils.disable("ex4d_blender", default_set=True)


@pytest.mark.case("clip_partial_solve")
def test_a_partial_solution_is_said_and_serves_its_frames(
    scene: bpy.types.Scene, partly_solved: bpy.types.MovieClip, addon: None
) -> None:
    from ex4d_blender.ops.plate import lacks_solved_frames, solved_blobs

    state = scene.ex4d
    state.source_camera = "still"
    bpy.ops.ex4d.plate_from_clip(clip=partly_solved.name)
    for told in (state.plate_info, " ".join(solved_blobs(scene)[1])):
        assert "lacks 10 of the plate's 60 frames" in told
        assert "1001-1050" in told
        assert "54.0 degrees" in told
    assert solved_blobs(scene)[0] == ()
    assert lacks_solved_frames(scene)
    assert bpy.ops.ex4d.use_solved_frames() == {"FINISHED"}
    assert (state.plate_frames, state.plate_scene_start) == ("1001-1050", 1)
    assert not lacks_solved_frames(scene)
    assert "lacks" not in state.plate_info
    blobs, notes = solved_blobs(scene)
    assert json.loads(blobs[0])["frames"][0]["frame"] == 1001 if "frames" in json.loads(blobs[0]) else blobs
    assert "average error" in notes[0]
    found = plates.solved_camera(partly_solved, scene, frames=(1001, 1050))
    assert found is not None
    assert found.trajectory.frame_numbers == tuple(range(1001, 1051))
    steps = np.linalg.norm(np.diff(found.trajectory.centers(), axis=0), axis=1)
    assert steps.std() < 0.05 * steps.mean()


@pytest.mark.case("clip_partial_solve")
def test_a_partial_solution_is_kept_and_the_rest_solved_around_it(
    scene: bpy.types.Scene, partly_solved: bpy.types.MovieClip, addon: None, tmp_path: Path
) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request

    bpy.ops.ex4d.plate_from_clip(clip=partly_solved.name)
    assert "solved around it" in scene.ex4d.plate_info
    scene.ex4d.shot_folder = str(tmp_path)
    for said in ("DEFAULT", "auto", "moves"):
        scene.ex4d.source_camera = said
        request, notes = reconstruct_request(scene, block=False)
        assert request.source_camera == "auto"
        assert request.solved is not None
        camera = parse_trajectory(request.solved.camera, Path("camera.json"))
        assert camera.frame_numbers == tuple(range(1001, 1051))
        assert any("lacks 10 of the plate's 60 frames" in note and "solved around it" in note for note in notes)
    scene.ex4d.source_camera = "still"
    request, notes = reconstruct_request(scene, block=False)
    assert (request.solved, request.source_camera) == (None, "still")
    assert any("It is left out" in note for note in notes)


@pytest.mark.case("clip_partial_solve")
def test_a_solution_follows_the_clips_offset(scene: bpy.types.Scene, partly_solved: bpy.types.MovieClip) -> None:
    """Blender's solution belongs to the frames that the clip shows, whatever the file's numbers are."""
    partly_solved.frame_offset = 7
    solved = plates.solved_numbers(partly_solved)
    assert (min(solved), max(solved)) == (1008, 1057)
    assert plates.solved_camera(partly_solved, scene, frames=(1008, 1057)) is not None
    assert plates.solved_camera(partly_solved, scene, frames=(1007, 1057)) is None


@pytest.mark.case("ocio_texture_space")
def test_plates_are_srgb_under_another_colour_management(case: Path) -> None:
    code = (
        "import bpy, json; from pathlib import Path; from ex4d_blender.scene import files, shot, sequencer\n"
        "from ex4d_blender.core.deliveries import DeliveredTake\n"
        "bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)\n"
        "plate = files.load_sequence(Path('p.1001.png').absolute(), 'plate', is_data=False)\n"
        "mask = files.load_sequence(Path('p.1001.png').absolute(), 'mask', is_data=True)\n"
        "record = {'plate': {'width': 48, 'height': 32, 'fps': '24', 'numbers': [1001]}}\n"
        "notes = shot.match_scene(bpy.context.scene, record)\n"
        "take = DeliveredTake('v001', '/nowhere', (1001,), (1.0,), '.', '', 'preview', '', 0.0)\n"
        "strip = sequencer.place_take(bpy.context.scene, take, with_mask=False, with_color=False, name='T').result\n"
        "spaces = [x.colorspace_settings.name for x in (plate, mask, strip)]\n"
        "print('FOUND' + json.dumps([spaces, notes]), flush=True)\n"
        "import os; os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OCIO": str(case / "config.ocio")},
        cwd=case,
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND")), done.stderr)
    spaces, notes = json.loads(line.removeprefix("FOUND"))
    assert spaces == ["Utility - sRGB - Texture", "Utility - Raw", "Utility - sRGB - Texture"]
    assert any("View transform stays" in note for note in notes)
    assert not any("texture space" in note for note in notes)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Filmic sRGB", "ACES 2.0 sRGB", "AgX Base sRGB", "Khronos PBR Neutral sRGB", "sRGB"], "sRGB"),
        (["Output - sRGB", "Utility - Curve - sRGB", "Utility - Linear - sRGB", "Utility - sRGB - Texture"], -1),
        (["sRGB - Display", "sRGB - Texture", "Linear Rec.709 (sRGB)", "lin_srgb"], "sRGB - Texture"),
        (["Linear Rec.709 (sRGB)", "sRGB Encoded AP1", "sRGB Encoded P3-D65", "sRGB Encoded Rec.709 (sRGB)"], -1),
        (["lin_srgb", "srgb_tx"], "srgb_tx"),
        (["Output - sRGB (D60 sim.)", "ACEScg", "Rec.1886"], None),
    ],
)
def test_which_space_is_that_of_8_bit_pictures(names: list[str], expected: str | int | None) -> None:
    wanted = names[expected] if isinstance(expected, int) else expected
    assert colour.srgb_among(names) == wanted


def test_without_such_a_space_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert colour.space_notes() == []
    monkeypatch.setattr(colour, "picture_space", lambda: None)
    (note,) = colour.space_notes()
    assert "sRGB texture space" in note
    image = bpy.data.images.new("Own", 4, 4)
    colour.set_picture_space(image.colorspace_settings)
    assert image.colorspace_settings.name == "sRGB"


@pytest.mark.parametrize(
    ("chosen", "others", "pattern", "number"),
    [
        ("sh010_1001_v02.png", ["sh010_1002_v02.png", "sh010_1003_v02.png"], "sh010_####_v02.png", 1001),
        ("sh010.1001.1920x1080.png", ["sh010.1002.1920x1080.png"], "sh010.####.1920x1080.png", 1001),
        # Versions beside a sequence are no frames.
        ("a_v2.0001.png", ["a_v2.0002.png", "a_v2.0003.png", "a_v1.0001.png"], "a_v2.####.png", 1),
        ("a_v2.0001.png", [], "a_v2.####.png", 1),
        ("alone.png", ["other.png"], "alone.png", None),
    ],
)
def test_the_frame_number_is_what_the_files_differ_in(
    tmp_path: Path, chosen: str, others: list[str], pattern: str, number: int | None
) -> None:
    for name in (chosen, *others):
        (tmp_path / name).touch()
    assert frame_mapping.sequence_pattern(tmp_path / chosen) == (tmp_path / pattern, number)


@pytest.mark.case("vse_playback_rate")
def test_only_media_are_opened_as_a_plate(scene: bpy.types.Scene, case: Path, tmp_path: Path, addon: None) -> None:
    blend = tmp_path / "job.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    bpy.ops.ex4d.load_plate(filepath=str(case / "grey60.mp4"))
    before = (scene.ex4d.plate_path, scene.ex4d.plate_info)
    assert "60 frames" in before[1]
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    for bad in ("job.blend", "text.png", "empty.mp4", "folder", "no.####.png"):
        with pytest.raises(RuntimeError, match=r"neither a movie nor|no pictures"):
            bpy.ops.ex4d.load_plate(filepath=str(tmp_path / bad))
        assert (scene.ex4d.plate_path, scene.ex4d.plate_info) == before
    assert not len(bpy.data.movieclips)


def test_open_plate_proposes_no_name(scene: bpy.types.Scene, tmp_path: Path, addon: None) -> None:
    from ex4d_blender.ops.plate import EX4D_OT_load_plate

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))

    class Context:
        scene = bpy.context.scene

        window_manager = SimpleNamespace(fileselect_add=lambda _: None)

    class Pressed:
        filepath = ""

    EX4D_OT_load_plate.invoke(Pressed, Context, None)
    assert Pressed.filepath == str(tmp_path) + os.sep


def test_a_plate_before_frame_0_is_said(scene: bpy.types.Scene, tmp_path: Path, addon: None) -> None:
    strip = image_strip(scene, tmp_path, [f"p.{number}.png" for number in range(1, 9)])
    strip.frame_start = -3
    scene.sequence_editor.active_strip = strip
    with editor():
        bpy.ops.ex4d.plate_from_strip()
    assert scene.ex4d.plate_scene_start == -1
    assert "start at 0" in scene.ex4d.plate_info


def test_pictures_have_the_rate_of_the_scene_that_plays_them(
    scene: bpy.types.Scene, tmp_path: Path, addon: None
) -> None:
    scene.render.fps, scene.render.fps_base = 30, 1.001
    strip = image_strip(scene, tmp_path, [f"p.{number}.png" for number in range(1, 9)])
    scene.sequence_editor.active_strip = strip
    with editor():
        bpy.ops.ex4d.plate_from_strip()
    assert scene.ex4d.plate_fps == "30000/1001"
    clip = bpy.data.movieclips.load(str(tmp_path / "p.1.png"))
    scene.render.fps, scene.render.fps_base = 25, 1.0
    bpy.ops.ex4d.plate_from_clip(clip=clip.name)
    assert scene.ex4d.plate_fps == "25"
    # As files they have none.
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "p.1.png"))
    assert (scene.ex4d.plate_fps, scene.ex4d.plate_frames) == ("", "")


def test_stretched_time_is_set_right(scene: bpy.types.Scene) -> None:
    from ex4d_blender.scene import shot

    record = {"plate": {"width": 48, "height": 32, "fps": "24", "numbers": [1001]}}
    shot.match_scene(scene, record)
    assert shot.scene_differences(scene, record) == []
    scene.render.frame_map_new = 200
    assert any("Time stretching" in text for text in shot.scene_differences(scene, record))
    shot.match_scene(scene, record)
    assert (scene.render.frame_map_old, scene.render.frame_map_new) == (100, 100)
