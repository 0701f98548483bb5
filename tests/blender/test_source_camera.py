# SPDX-License-Identifier: GPL-3.0-or-later
"""A solved source camera in a scene: its keys, its points, its tracks, and what the panel says of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core.solved_scene import read_points, read_tracks
from ex4d_blender.scene import camera, plates, shot
from panel_drawing import draw_all
from viewport_factory import add_solve, make_shot, write_png

from ex4d.camera import Lens, Trajectory, parse_trajectory
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.results import SourceCameraInfo

pytest_plugins = ["addon_fixtures"]


def values_of(mesh: bpy.types.Mesh, name: str) -> np.ndarray:
    attribute = mesh.attributes[name]
    out = np.empty(len(attribute.data), np.float32)
    attribute.data.foreach_get("value", out)
    return out


def test_the_source_camera_has_the_keys_of_the_solve(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path, moving=True, plate=(960, 640), pictures=False))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    source = placed.source()
    seen = camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=placed.source_camera)
    solved = read_points(Path(record["solve"]))
    for want, have in zip(source, seen, strict=True):
        pixels, _ = want.project(solved.xyz)
        np.testing.assert_allclose(have.project(solved.xyz)[0], pixels, atol=1e-3)


def test_points_stand_below_the_shot(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path, moving=True))
    placed = shot.import_shot(scene, record)
    solved = read_points(Path(record["solve"]))
    points = placed.points
    assert points is not None
    assert points.parent == placed.root
    assert (points.hide_render, points.hide_select) == (True, True)
    np.testing.assert_allclose([v.co[:] for v in points.data.vertices], solved.xyz, atol=1e-6)
    np.testing.assert_allclose(values_of(points.data, "error"), solved.error, atol=1e-6)
    # A mesh and points are told from each other, and a shot that is renewed has one cloud.
    assert placed.mesh != points
    again = shot.import_shot(scene, add_solve(make_shot(tmp_path / "b", moving=True)) | {"shot": record["shot"]})
    assert again.points == points
    assert sum(shot.role(obj) == "points" for obj in scene.objects) == 1
    plain = make_shot(tmp_path / "c") | {"shot": record["shot"]}
    assert shot.import_shot(scene, plain).points is None
    assert not any(shot.role(obj) == "points" for obj in bpy.data.objects)


def test_a_damaged_solve_changes_nothing(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path))
    folder = Path(record["solve"])
    arrays = dict(np.load(folder / "solve.npz"))
    for bad in (
        {"point_xyz": arrays["point_xyz"][:-1]},
        {"point_xyz": arrays["point_xyz"] * np.nan},
    ):
        np.savez(folder / "solve.npz", **{**arrays, **bad})
        with pytest.raises(BadInputError, match="damaged"):
            shot.import_shot(scene, record)
    np.savez(folder / "solve.npz", **{**arrays, "sighting_track": arrays["sighting_track"] + 1})
    with pytest.raises(BadInputError, match="damaged"):
        read_tracks(folder)
    (folder / "solve.json").write_text(json.dumps({"format": "ex4d-solve", "version": 2, "work_size": [1, 1]}))
    with pytest.raises(BadInputError, match="version"):
        shot.import_shot(scene, record)
    assert not len(scene.objects)


def test_tracks_are_coloured_by_what_the_solve_says_of_them(scene: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender.ui import tracks

    record = add_solve(make_shot(tmp_path, moving=True))
    solved = read_tracks(Path(record["solve"]))
    sightings = solved.seen_in(2)
    found = tracks.colours(solved, sightings)
    assert len(found) == 22
    np.testing.assert_allclose(found[0], tracks.GOOD, atol=1e-6)
    np.testing.assert_allclose(found[19], tracks.POOR, atol=1e-6)
    np.testing.assert_allclose(found[20:], (tracks.MOVING, tracks.ON_SCREEN), atol=1e-6)
    # On the camera's frame they lie where the camera sees the points of the picture.
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.frame_set(placed.frames[2])
    corners = np.array([corner[:] for corner in placed.source_camera.data.view_frame(scene=scene)])
    where = tracks.places(corners, solved.xy[sightings]) * (1, -1, -1)
    pixels = where @ placed.source().K[2].T
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], solved.xy[sightings] * (48, 32), atol=1e-3)


def test_tracks_lie_where_the_viewport_shows_the_plate(scene: Any, tmp_path: Path, addon: Any) -> None:
    """Which draws it without its lens, and without what lies around its frame."""
    from ex4d_blender.ui import tracks

    record = add_solve(make_shot(tmp_path, moving=True))
    placed = shot.import_shot(scene, record)
    scene.ex4d.show_tracks = True
    scene.frame_set(placed.frames[1])
    plain = read_tracks(Path(record["solve"]))
    found = tracks.shown(scene, placed.source_camera)
    assert found is not None
    np.testing.assert_allclose(found[0], plain.xy[plain.seen_in(1)], atol=1e-9)
    view, lens = placed.source(), Lens("brown", (-0.2, 0.05))
    ideal = np.random.default_rng(1).uniform(0, (48, 32), (len(found[0]), 2))
    focal, middle = np.array([view.K[1, 0, 0], view.K[1, 1, 1]]), view.K[1, :2, 2]
    through = lens.distort((ideal - middle) / focal) * focal + middle
    assert np.abs(through - ideal).max() > 0.3

    def on_frame(camera: Trajectory, seen: np.ndarray, seen_by: Trajectory) -> np.ndarray | None:
        xy = plain.xy.copy()
        xy[plain.seen_in(1)] = seen / (camera.width, camera.height)
        return replace(plain, xy=xy, camera=camera).on_frame(1, seen_by)

    np.testing.assert_allclose(on_frame(view, through, replace(view, lens=lens)), ideal / (48, 32), atol=1e-9)
    # Overscan: the plate has more pixels than the frame.
    wide = view.cropped(-5, -3, 60, 40)
    np.testing.assert_allclose(
        on_frame(wide, through + np.array([5, 3]), replace(view, lens=lens)), ideal / (48, 32), atol=1e-9
    )
    assert on_frame(replace(wide, K=wide.K * (2.0, 2.0, 1.0)), ideal, view) is None
    # Nothing is drawn through other cameras, of frames that the plate has not, and of files that are gone.
    assert tracks.shown(scene, None) is None
    assert tracks.shown(scene, bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))) is None
    scene.frame_set(placed.frames[-1] + 1)
    assert tracks.shown(scene, placed.source_camera) is None
    scene.frame_set(placed.frames[1])
    (Path(record["solve"]) / "solved_camera.json").unlink()
    assert tracks.shown(scene, placed.source_camera) is not None
    tracks.forget()
    assert tracks.shown(scene, placed.source_camera) is None


# What is said of it, and asked


@pytest.mark.parametrize(
    ("found", "measured", "said", "asked"),
    [
        (SourceCameraInfo("moves", "known", 54.2), 0.72, ["Moves.", "54.2°, solved.", "72% is measured"], []),
        (SourceCameraInfo("turns", "within 5 %", 40.0), None, ["Turns on its place.", "40.0°, solved to 5 %."], []),
        (
            SourceCameraInfo("moves", "given", 40.0, interpolated=(5,)),
            None,
            ["as given.", "other frames: frame 5."],
            [],
        ),
        (SourceCameraInfo("moves", "known", 54.2), 0.001, ["none of it could be measured"], []),
        (SourceCameraInfo("still", "not observable", 54.2, assumed=True), None, ["Taken to"], ["54.2° assumed"]),
        (SourceCameraInfo("still", "not observable", 54.2, assumed=True, cuts=(3,)), None, ["Taken to"], ["frame 3:"]),
        (SourceCameraInfo("moves", "not observable", 54.2), 0.5, ["Moves."], ["54.2° assumed"]),
        (
            SourceCameraInfo("still", "given", 54.2, cuts=(3, 4, 5, 6, 7)),
            None,
            ["Stands still."],
            ["frames 3, 4, 5, 6 and 1 more: choose one shot, or separate them."],
        ),
    ],
)
def test_what_was_found_in_words(
    found: SourceCameraInfo, measured: float | None, said: list[str], asked: list[str]
) -> None:
    from ex4d_blender.core import found_camera

    told = " ".join(found_camera.said_of(found, measured))
    assert all(words in told for words in said)
    questions = found_camera.asked_of(found)
    assert len(questions) == len(asked)
    assert all(words in question for words, question in zip(asked, questions, strict=True))


def test_no_line_of_a_panel_begins_with_a_per_cent_sign() -> None:
    from ex4d_blender.core.texts import wrapped

    said = "Field of view: 58.9°, solved to 5 %."
    assert [wrapped(said, columns) for columns in (35, 36)] == [["Field of view: 58.9°, solved to", "5 %."], [said]]
    assert wrapped("10 %\n\nlong", 8) == ["10 %", "", "long"]


def test_the_panel_says_what_was_found_and_asks_for_the_rest(scene: Any, tmp_path: Path, addon: Any) -> None:
    record = make_shot(tmp_path, moving=True)
    record["depth"]["source_poses_known"] = False
    shot.import_shot(scene, record)
    lines = draw_all(scene)
    assert "Source camera: taken to stand still." in lines
    assert "Solve Camera" in lines
    told = {"lens": "not observable", "headline": "The source camera moves: solved (median error 0.14 px)."}
    placed = shot.import_shot(scene, add_solve(record, **told))
    record = json.loads(placed.root[shot.PROPERTY]["record"])
    lines = draw_all(scene)
    assert "Camera: Moves." in lines
    assert any("Lens not told: 60.0° assumed" in line for line in lines)
    assert "Solve Again" in lines
    assert "Solve Camera" not in lines


def test_a_plate_that_cuts_is_offered_shot_by_shot(scene: Any, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.core.found_camera import shots_between

    assert shots_between((1, 2, 3, 4, 5), (3, 5)) == [(1, 2), (3, 4), (5, 5)]
    assert shots_between((1, 2), (0, 1, 9)) == [(1, 2)]
    placed = shot.import_shot(scene, add_solve(make_shot(tmp_path), kind="still", cuts=[1003]), first_frame=11)
    lines = draw_all(scene)
    assert [line for line in lines if line.startswith("Frames ")] == ["Frames 1001-1002", "Frames 1003-1005"]
    assert bpy.ops.ex4d.use_shot_frames(first=1003, last=1005) == {"FINISHED"}
    assert (scene.ex4d.plate_frames, scene.ex4d.plate_scene_start) == ("1003-1005", placed.frame_of(1003))
    with pytest.raises(RuntimeError, match="not the plate's"):
        bpy.ops.ex4d.use_shot_frames(first=1003, last=1006)


def test_the_shots_of_a_plate_that_cuts_get_scenes_of_their_own(
    scene: Any, tmp_path: Path, addon: Any, cutting_plate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ex4d_blender import cli

    state = scene.ex4d
    state.viewport_side, state.depth_source, state.thickness = 32, "prior", 0.5
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.ex4d.separate_shots()
    bpy.ops.ex4d.load_plate(filepath=str(cutting_plate / "room.1001.png"))
    state.shot_folder = str(tmp_path / "cut")
    bpy.ops.ex4d.reconstruct()
    assert "ex4d.separate_shots" in draw_all(scene)
    whole = shot.find_shots(scene)[0]
    before = set(bpy.data.scenes)
    state.source_camera = "OBJECT"
    with pytest.raises(RuntimeError, match="No source camera"):
        bpy.ops.ex4d.separate_shots()
    state.source_camera = "auto"
    assert set(bpy.data.scenes) == before
    assert bpy.ops.ex4d.separate_shots() == {"FINISHED"}
    made = sorted(set(bpy.data.scenes) - before, key=lambda item: item.name)
    assert [item.name for item in made] == ["room 1001-1007", "room 1008-1012"]
    for own, numbers in zip(made, (range(1001, 1008), range(1008, 1013)), strict=True):
        (found,) = shot.find_shots(own)
        assert found.numbers == list(numbers)
        assert found.folder == str(tmp_path / f"cut-{numbers[0]}-{numbers[-1]}")
        assert (own.frame_start, own.frame_end, own.camera) == (numbers[0], numbers[-1], found.source_camera)
        assert own.render.resolution_x == 192
        assert own.ex4d.thickness == pytest.approx(0.5)
        assert "Camera: Moves." in draw_all(own) or "Camera: Turns on its place." in draw_all(own)
    # The whole plate's shot stays, and what is asked for again goes into the same scenes.
    assert (shot.find_shots(scene), state.plate_frames) == ([whole], "")
    made[0].ex4d.thickness = 0.25
    assert cli.main(["reconstruct", "--split-cuts", "--json"]) == 0
    assert made[0].ex4d.thickness == 0.25
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [result["shot"] for result in told["shots"]] == [shot.find_shots(own)[0].folder for own in made]
    assert set(bpy.data.scenes) == before | set(made)
    assert [len(shot.find_shots(own)) for own in made] == [1, 1]


# Cameras that are given


def moving_object(scene: bpy.types.Scene, first: int) -> bpy.types.Object:
    obj = bpy.data.objects.new("Filmed", bpy.data.cameras.new("Filmed"))
    scene.collection.objects.link(obj)
    obj.data.lens, obj.data.sensor_width = 36.0, 36.0
    for frame, x in ((first, 0.0), (first + 4, 4.0)):
        obj.location = (x, 0, 0)
        obj.keyframe_insert("location", frame=frame)
    return obj


@pytest.mark.parametrize("start", [None, 11])
def test_a_camera_object_is_the_source_camera(scene: Any, tmp_path: Path, addon: Any, start: int | None) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request

    for number in range(1001, 1006):
        write_png(tmp_path / f"plate/p.{number}.png", np.zeros((32, 48, 3), np.uint8))
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "plate/p.1001.png"))
    state, obj = scene.ex4d, moving_object(scene, start or 1001)
    state.source_camera, state.plate_frames = "OBJECT", "1002-1005"
    if start is not None:
        state.plate_scene_start = start + 1
    with pytest.raises(BadInputError, match="No source camera"):
        reconstruct_request(scene, block=False)
    state.source_object = obj
    # What the scene renders is another picture.
    scene.render.resolution_x, scene.render.resolution_y, scene.render.pixel_aspect_x = 100, 400, 2
    request, _ = reconstruct_request(scene, block=False)
    assert (request.source_camera, request.depth.camera) == ("auto", None)
    assert request.solved is not None
    camera_given: Trajectory = parse_trajectory(request.solved.camera, Path("c.json"))
    assert camera_given.frame_numbers == (1002, 1003, 1004, 1005)
    assert (camera_given.width, camera_given.height) == (48, 32)
    np.testing.assert_allclose(camera_given.K[0], [[48, 0, 24], [0, 48, 16], [0, 0, 1]], atol=1e-4)
    steps = np.diff(camera_given.centers(), axis=0)
    assert camera_given.centers()[-1, 0] == pytest.approx(4, abs=1e-5)
    assert (steps[:, 0] > 0.2).all()
    np.testing.assert_allclose(steps[:, 1:], 0, atol=1e-6)


@pytest.mark.parametrize("start", [1001, 11])
def test_each_shot_of_a_plate_that_cuts_has_its_frames_of_a_camera_object(
    scene: Any, tmp_path: Path, addon: Any, start: int
) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request
    from ex4d_blender.ops.separate import separate_shots

    for number in range(1001, 1006):
        write_png(tmp_path / f"plate/p.{number}.png", np.zeros((32, 48, 3), np.uint8))
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "plate/p.1001.png"))
    record = make_shot(tmp_path)
    record["plate"]["path"] = str(tmp_path / "plate/p.1001.png")
    placed = shot.import_shot(scene, add_solve(record, kind="still", cuts=[1003]), first_frame=start)
    state = scene.ex4d
    obj = moving_object(scene, start)
    # What it hangs on is in the first scene alone.
    rail = bpy.data.objects.new("Rail", None)
    scene.collection.objects.link(rail)
    rail.location = (0, 0, 2)
    obj.parent = rail
    state.source_camera, state.source_object = "OBJECT", obj
    whole = camera.sample_camera(
        scene, range(start, start + 5), root=None, camera=obj, picture_size=(48, 32)
    ).trajectory
    for _ in range(2):
        parts = separate_shots(scene)
        assert len(parts) == 2
        for part, numbers in zip(parts, ((1001, 1002), (1003, 1004, 1005)), strict=True):
            assert list(part.scene.objects).count(obj) == 1
            request, _ = reconstruct_request(part.scene, block=False)
            given: Trajectory = parse_trajectory(request.solved.camera, Path("c.json"))
            assert given.frame_numbers == numbers
            own = [number - 1001 for number in numbers]
            np.testing.assert_allclose(given.E, whole.E[own], atol=1e-6)
            np.testing.assert_allclose(given.K, whole.K[own], atol=1e-6)
    assert placed.root.name in scene.objects
    state.source_object = None
    with pytest.raises(BadInputError, match="No source camera"):
        separate_shots(scene)


def test_keys_before_frame_0_cannot_be_taken_along(scene: Any, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.ops.separate import separate_shots

    record = add_solve(make_shot(tmp_path), kind="still", cuts=[1003])
    record["plate"]["handles"] = [2, 0]
    shot.import_shot(scene, record, first_frame=-2)
    scenes = set(bpy.data.scenes)
    scene.ex4d.source_camera, scene.ex4d.source_object = "OBJECT", moving_object(scene, -2)
    with pytest.raises(UsageError, match="before frame 0"):
        separate_shots(scene)
    assert set(bpy.data.scenes) == scenes


def _through_usd(path: Path) -> None:
    bpy.ops.wm.usd_export(filepath=str(path), export_animation=True)
    bpy.data.objects.remove(bpy.data.objects["Filmed"])
    bpy.ops.wm.usd_import(filepath=str(path))


def _through_alembic(path: Path) -> None:
    bpy.ops.wm.alembic_export(filepath=str(path), start=1, end=5)
    bpy.data.objects.remove(bpy.data.objects["Filmed"])
    bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)


def _through_fbx(path: Path) -> None:
    import addon_utils

    addon_utils.enable("io_scene_fbx")
    bpy.ops.export_scene.fbx(filepath=str(path), bake_anim=True)
    bpy.data.objects.remove(bpy.data.objects["Filmed"])
    bpy.ops.import_scene.fbx(filepath=str(path))


@pytest.mark.parametrize(
    ("name", "go_through"), [("c.usdc", _through_usd), ("c.abc", _through_alembic), ("c.fbx", _through_fbx)]
)
def test_an_imported_camera_moves_as_it_did(
    scene: bpy.types.Scene, tmp_path: Path, name: str, go_through: Callable[[Path], None]
) -> None:
    for number in range(1001, 1006):
        write_png(tmp_path / f"plate/p.{number}.png", np.zeros((32, 48, 3), np.uint8))
    scene.frame_start, scene.frame_end, scene.render.fps = 1, 5, 24
    obj = moving_object(scene, 1)
    obj.rotation_euler = (1.2, 0.1, 0.4)

    def sampled() -> Trajectory:
        found = next(item for item in bpy.context.scene.objects if item.type == "CAMERA")
        pattern = tmp_path / "plate/p.####.png"
        options: Any = {"frames": None, "first_number": 1001, "first_frame": 1, "root": None}
        return plates.object_camera(bpy.context.scene, found, pattern, **options).trajectory

    want = sampled()
    go_through(tmp_path / name)
    have = sampled()
    np.testing.assert_allclose(have.E, want.E, atol=1e-5)
    np.testing.assert_allclose(have.K, want.K, atol=1e-3)
    assert have.frame_numbers == (1001, 1002, 1003, 1004, 1005)


def test_a_camera_file_goes_with_estimated_depth(scene: Any, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request

    write_png(tmp_path / "p.1001.png", np.zeros((32, 48, 3), np.uint8))
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "p.1001.png"))
    scene.ex4d.source_camera = "FILE"
    with pytest.raises(BadInputError, match="No camera file"):
        reconstruct_request(scene, block=False)
    scene.ex4d.depth_camera = str(tmp_path / "camera.json")
    request, _ = reconstruct_request(scene, block=False)
    assert request.depth.camera == str(tmp_path / "camera.json")
    assert (request.solved, request.source_camera) == (None, None)


def test_mattes_of_what_moves_go_with_measured_depth(scene: Any, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender.ops.reconstruct import reconstruct_request

    for folder in ("plate", "matte"):
        for number in (1001, 1002):
            write_png(tmp_path / folder / f"p.{number}.png", np.zeros((32, 48, 3), np.uint8))
    bpy.ops.ex4d.load_plate(filepath=str(tmp_path / "plate/p.1001.png"))
    assert reconstruct_request(scene, block=False)[0].depth.mattes is None
    for given, told in (("matte/p.1001.png", "matte/p.####.png"), ("matte", "matte"), ("m.mp4", "m.mp4")):
        scene.ex4d.mattes_path = str(tmp_path / given)
        assert reconstruct_request(scene, block=False)[0].depth.mattes == str(tmp_path / told)


# From a plate to a scene


def write_room(folder: Path, backend_python: str, pictures: str) -> Path:
    """Pictures of a room, as the backend's tests draw them: ``pictures`` is what makes them."""
    code = (
        "import sys, cv2, numpy as np; sys.path.insert(0, sys.argv[1])\n"
        "from solve_scenes import room_pictures as room\n"
        f"for i, picture in enumerate({pictures}):\n"
        "    cv2.imwrite(f'{sys.argv[2]}/room.{1001 + i}.png', picture)"
    )
    subprocess.run([backend_python, "-c", code, str(Path(__file__).parents[1] / "unit"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def moving_plate(tmp_path_factory: pytest.TempPathFactory, backend_python: str) -> Path:
    """A camera slides past a room."""
    return write_room(tmp_path_factory.mktemp("room"), backend_python, "room('slides', count=7, size=(128, 96))[0]")


@pytest.fixture(scope="module")
def cutting_plate(tmp_path_factory: pytest.TempPathFactory, backend_python: str) -> Path:
    """A camera slides past a room; then another turns in a negative of it."""
    size = "size=(192, 144)"
    first, second = f"room('slides', count=7, {size})[0]", f"255 - room('turns', count=5, {size})[0][:, ::-1]"
    pictures = f"np.concatenate([{first}, {second}])"
    return write_room(tmp_path_factory.mktemp("cut"), backend_python, pictures)


def test_a_plate_whose_camera_moves_is_solved_chosen_and_solved_again(
    scene: Any, addon: Any, moving_plate: Path
) -> None:
    state = scene.ex4d
    state.viewport_side = 32
    bpy.ops.ex4d.load_plate(filepath=str(moving_plate / "room.1001.png"))
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    placed = shot.find_shots(scene)[0]
    assert placed.record["source_camera"]["kind"] == "moves"
    assert placed.points is not None
    source = placed.source()
    seen = camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=placed.source_camera)
    np.testing.assert_allclose(seen.E, source.E, atol=1e-5)
    np.testing.assert_allclose(seen.K, source.K, rtol=1e-5)
    assert np.ptp(source.centers()[:, 0]) > 0
    assert "Camera: Moves." in draw_all(scene)
    # A take that stays where the source camera was stands there, and is there when the camera is solved anew.
    state.move, state.move_path, state.lock_first, state.lock_frame = "hold", "lock", False, 1005
    assert bpy.ops.ex4d.add_take_camera() == {"FINISHED"}
    locked = camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=state.takes[0].camera)
    np.testing.assert_allclose(locked.E, np.broadcast_to(source.E[4], locked.E.shape), atol=1e-5)
    placed.root.location = (1, 2, 3)
    # A camera object stays as it moves, in the shot's own space wherever that was put.
    state.source_camera, state.source_object = "OBJECT", placed.source_camera
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    given = shot.find_shots(scene)[0]
    assert (given.record["source_camera"]["kind"], given.record["source_camera"]["lens"]) == ("moves", "given")
    np.testing.assert_allclose(given.source().E, source.E, atol=1e-5)
    assert given.points is not None
    assert bpy.ops.ex4d.solve_camera(source_camera="still") == {"FINISHED"}
    again = shot.find_shots(scene)[0]
    assert (again.root, tuple(again.root.location), again.points) == (placed.root, (1, 2, 3), None)
    assert np.ptp(again.source().centers(), axis=0).max() == 0
    assert state.takes[0].camera is not None
    assert "Solve Again" in draw_all(scene) or "Solve Camera" in draw_all(scene)


# What moves show


def test_coverage_tells_what_is_revealed_from_what_no_frame_shows(scene: Any, tmp_path: Path, addon: Any) -> None:
    from ex4d_blender import job_results
    from ex4d_blender.ui import coverage
    from results_factory import render_result

    placed = shot.import_shot(scene, make_shot(tmp_path))
    scene.camera = placed.source_camera
    bpy.ops.ex4d.add_take_camera(move="orbit:30")
    take = scene.ex4d.takes[0]
    numbers = (1001, 1002)
    told = render_result(tmp_path, numbers, coverage=(0.9, 0.5), never_covered=(0.0, 0.2))
    job_results.show_preview(scene, told, {"take": take.uid, "show": False})
    assert coverage.revealed_and_never(take.coverage) == pytest.approx((0.2, 0.1))
    assert any("The move reveals 20%; 10% no frame has in its view" in line for line in draw_all(scene))
    # A backend that does not tell, and a file that was tampered with.
    job_results.show_preview(
        scene, render_result(tmp_path, numbers, coverage=(0.9, 0.5)), {"take": take.uid, "show": False}
    )
    assert coverage.summary(take.coverage, placed).endswith("(frame 1002)")
    # A job of one frame leaves the other, as long as the move is the same.
    from ex4d_blender.core.coverage_record import parse

    for shown, expected in (("2-a", ((1001, 1002), (0.9, 0.5))), ("2-a", ((1001, 1002), (0.9, 0.25)))):
        frames = numbers if expected[1][1] == 0.5 else numbers[1:]
        again = render_result(tmp_path, frames, coverage=expected[1][-len(frames) :])
        job_results.show_preview(scene, again, {"take": take.uid, "show": False, "fingerprint": shown})
        assert parse(take.coverage) == expected
    again = render_result(tmp_path, numbers[1:], coverage=(0.3,))
    job_results.show_preview(scene, again, {"take": take.uid, "show": False, "fingerprint": "2-b"})
    assert parse(take.coverage) == ((1002,), (0.3,))
    for never in ([0.1], [2, 0], ["x", 0], "ab", None):
        text = json.dumps({"numbers": numbers, "coverage": [0.9, 0.5], "never_covered": never})
        assert coverage.revealed_and_never(text) is None


def test_a_version_tells_where_its_filled_pixels_come_from() -> None:
    from ex4d_blender.core.deliveries import FilledShares, filled_shares

    def frame(generated: float, other: float, revealed: float, never: float) -> dict[str, float]:
        shares = {"of_it_from_other_frames": other, "of_it_revealed": revealed, "of_it_never_covered": never}
        return {"generated": generated, **shares}

    found = filled_shares([frame(0.3, 1.0, 0.0, 0.0), frame(0.1, 0.0, 0.5, 0.5)])
    assert found == FilledShares(*(pytest.approx(share) for share in (0.75, 0.125, 0.125)))
    assert filled_shares([frame(0.0, 0.0, 0.0, 0.0)]) is None
    assert filled_shares([{"generated": 0.3}]) is None
    assert found is not None
    assert found.text() == "Of it 75% from other frames, 12% revealed, 12% in no frame's view"


# Long plates


def test_going_through_frames_plays_no_mesh_that_nobody_looks_at(scene: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender.scene import mesh

    placed = shot.import_shot(scene, make_shot(tmp_path, moving=True))
    modifier = placed.mesh.modifiers[mesh.MODIFIER]
    with mesh.at_rest(scene):
        assert not modifier.show_viewport
    assert modifier.show_viewport
    # A camera that looks at the mesh goes where that goes.
    take = bpy.data.objects.new("Take", bpy.data.cameras.new("Take"))
    scene.collection.objects.link(take)
    take.constraints.new("COPY_LOCATION").target = placed.mesh
    with mesh.at_rest(scene):
        assert modifier.show_viewport
    take.constraints.clear()
    modifier.show_viewport = False
    with mesh.at_rest(scene):
        pass
    assert not modifier.show_viewport


def test_a_result_is_read_ahead_before_the_scene_gets_it(
    scene: Any, tmp_path: Path, addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a window: without one everything blocks."""
    import threading

    from ex4d_blender import job_list as jobs
    from results_factory import reconstruct_result

    from ex4d.protocol.jobs import JobSnapshot

    read, done, order = threading.Event(), threading.Event(), []

    def prepare(_result: Any, _data: Any) -> None:
        read.wait(10)
        order.append(threading.current_thread() is threading.main_thread())
        done.set()

    result = reconstruct_result(make_shot(tmp_path))
    job = jobs.JobList(
        addon.current().link, {"reconstruct": lambda *_: order.append("handled")}, {"reconstruct": prepare}
    )
    snapshot = JobSnapshot("20260101-000000-00000000", "reconstruct", state="done", result=result)
    job.waiting[snapshot.id] = jobs.Waiting(scene.session_uid, "reconstruct", {})
    monkeypatch.setattr(job.link, "follow", lambda: None)
    monkeypatch.setitem(job.link.client.jobs, snapshot.id, snapshot)
    job.pump()
    job.pump()
    assert (order, job.is_preparing) == ([], True)
    read.set()
    assert done.wait(10)
    while job.is_preparing:
        job.pump()
    assert order == [False, "handled"]
    job.pump()
    assert order == [False, "handled"]


def test_files_that_have_changed_are_compared_anew(tmp_path: Path) -> None:
    from ex4d_blender.scene import mesh

    record = make_shot(tmp_path)
    folder = Path(record["viewport"])
    mesh.read_viewport(folder)
    data = (folder / "mesh.pc2").read_bytes()
    (folder / "mesh.pc2").write_bytes(data[:-4] + b"abcd")
    with pytest.raises(BadInputError, match="damaged"):
        mesh.read_viewport(folder)
    (folder / "mesh.pc2").write_bytes(data)
    mesh.read_viewport(folder)
