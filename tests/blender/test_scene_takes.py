# SPDX-License-Identifier: GPL-3.0-or-later
"""Take cameras: presets as few, editable keys that show the same as ``ex4d.camera.build_take``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import camera, shot, takes
from ex4d_blender.scene.fcurves import fcurves
from viewport_factory import make_shot

from ex4d.camera import PRESETS, Trajectory, build_take, parse_preset, read_trajectory, write_json
from ex4d.protocol.errors import BadInputError, UsageError

MOVES = [
    *PRESETS,
    "30",
    "60",
    "90",
    "180",
    "orbit:360",
    "orbit:-200..200,elevation=25",
    "orbit:60,ease=linear",
    "dolly_in:0.5,ease=in",
    "dolly_out:1..0,ease=out",
    "zoom_in:2..4,ease=out",
    "crane:-0.6",
    "figure_eight:25",
]
#: Pixels of the plate.
LIMIT = 0.05


def pixel_error(want: Trajectory, have: Trajectory, depth: float) -> float:
    """By how much the corners, sides and centre of the pictures, at that depth, stand elsewhere."""
    assert len(want) == len(have)
    worst = 0.0
    for a, b in zip(want, have, strict=True):
        grid = np.array([[x, y, 1] for x in (0, a.width / 2, a.width) for y in (0, a.height / 2, a.height)])
        points = grid @ np.linalg.inv(a.K).T * depth
        world = (points - a.E[:3, 3]) @ a.E[:3, :3]
        worst = max(worst, float(np.abs(a.project(world)[0] - b.project(world)[0]).max()))
    return worst


def sample(scene: bpy.types.Scene, placed: shot.ShotObjects, obj: bpy.types.Object) -> Trajectory:
    return camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=obj)


def place(scene: bpy.types.Scene, folder: Path, **options: Any) -> tuple[dict, shot.ShotObjects]:
    record = make_shot(folder, grid=(6, 4), plate=(960, 640), count=options.pop("count", 25), pictures=False, **options)
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    return record, placed


def key_counts(*datablocks: Any) -> list[int]:
    return [len(curve.keyframe_points) for item in datablocks for curve in fcurves(item)]


@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
def test_every_preset_shows_what_the_backend_would(scene: bpy.types.Scene, tmp_path: Path, moving: bool) -> None:
    record, placed = place(scene, tmp_path, moving=moving)
    source = placed.source()
    placed.root.location, placed.root.scale = (1, 2, 3), (2, 2, 2)
    take = takes.add_take_camera(scene, placed)
    for move in MOVES:
        takes.apply_preset(scene, take, move, record=record)
        want = build_take(parse_preset(move), source, shot.pivot_point(record))
        assert pixel_error(want, sample(scene, placed, take), record["pivot"]) < LIMIT, move
        assert take[shot.PROPERTY]["move"] == move
    # Nothing of the former moves is left.
    assert sum(shot.role(obj) in ("rig", "pivot") for obj in bpy.data.objects) == 1 + moving
    assert len(bpy.data.actions) <= 2 + 2 * moving


@pytest.mark.parametrize(
    ("move", "most"),
    [("orbit:60", 2), ("dolly_in", 2), ("truck", 2), ("pan", 2), ("tilt", 2), ("crane", 5), ("zoom_in", 9), ("30", 4)],
)
def test_few_keys_are_enough(scene: bpy.types.Scene, tmp_path: Path, move: str, most: int) -> None:
    record, placed = place(scene, tmp_path, count=49)
    take = takes.add_take_camera(scene, placed)
    takes.apply_preset(scene, take, move, record=record)
    counts = key_counts(take, take.data, *([] if take.parent == placed.root else [take.parent]))
    assert 1 <= len(counts) <= 6
    assert set(counts) <= set(range(2, most + 1))
    first = [key.co[0] for curve in [*fcurves(take), *fcurves(take.data)] for key in curve.keyframe_points]
    assert all(frame == round(frame) for frame in first)


@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
def test_what_is_drawn_of_empties_and_cameras_is_small_beside_the_mesh(
    scene: bpy.types.Scene, tmp_path: Path, moving: bool
) -> None:
    record, placed = place(scene, tmp_path, moving=moving)
    takes.apply_preset(scene, takes.add_take_camera(scene, placed), "orbit:30", record=record)
    bpy.context.view_layer.update()
    assert placed.mesh is not None
    least = min(placed.mesh.dimensions[:2])
    drawn = {}
    for obj in (placed.root, *placed.root.children_recursive):
        size = obj.empty_display_size if obj.type == "EMPTY" else obj.data.display_size if obj.type == "CAMERA" else 0.0
        drawn[obj.name] = 2 * size * max(obj.matrix_world.to_scale())
    assert sum(size > 0 for size in drawn.values()) >= 3
    assert {name: size for name, size in drawn.items() if size > 0.15 * least} == {}


def test_orbit_is_one_angle_to_edit(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record, placed = place(scene, tmp_path)
    take = takes.add_take_camera(scene, placed)
    takes.apply_preset(scene, take, "orbit:30", record=record)
    pivot = take.parent
    assert pivot.name == "Take 01 Pivot"
    assert tuple(pivot.location) == pytest.approx((0, 0, 3))
    (curve,) = fcurves(pivot)
    key = curve.keyframe_points[-1]
    assert key.co[1] == pytest.approx(-np.radians(30))
    key.co_ui = (key.co[0], -np.radians(90))
    curve.update()
    want = build_take(parse_preset("orbit:90"), placed.source(), shot.pivot_point(record))
    assert pixel_error(want, sample(scene, placed, take), 3.0) < LIMIT


def test_zooming_source_camera(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record, placed = place(scene, tmp_path, moving=True)
    source = read_trajectory(Path(record["source"]))
    K = source.K.copy()
    K[:, 0, 0] *= np.linspace(1, 1.4, len(K))
    K[:, 1, 1] *= np.linspace(1, 1.4, len(K))
    K[:, 0, 2] += 7
    source = Trajectory(K, source.E, source.width, source.height, frame_numbers=source.frame_numbers)
    write_json(Path(record["source"]), source)
    placed = shot.import_shot(scene, record)
    assert pixel_error(source, sample(scene, placed, placed.source_camera), 3.0) < LIMIT
    take = takes.add_take_camera(scene, placed)
    assert pixel_error(source, sample(scene, placed, take), 3.0) < LIMIT
    for move in ("orbit:30", "zoom_out:2"):
        takes.apply_preset(scene, take, move, record=record)
        want = build_take(parse_preset(move), placed.source(), shot.pivot_point(record))
        assert pixel_error(want, sample(scene, placed, take), 3.0) < LIMIT


def test_part_of_the_frames_and_a_base_that_stands(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record, placed = place(scene, tmp_path, moving=True)
    take = takes.add_take_camera(scene, placed)
    chosen = range(1005, 1016)
    takes.apply_preset(scene, take, "dolly_in", record=record, frames=chosen, follow=False)
    source = placed.source().for_frames(chosen, None, "")
    want = build_take(parse_preset("dolly_in"), source, shot.pivot_point(record), follow=False)
    have = camera.sample_trajectory(scene, chosen, root=placed.root, camera=take)
    assert pixel_error(want, have, 3.0) < LIMIT
    with pytest.raises(BadInputError, match="within the plate's"):
        takes.apply_preset(scene, take, "dolly_in", record=record, frames=range(1000, 1010))
    with pytest.raises(UsageError, match="no camera move"):
        takes.apply_preset(scene, take, "loop", record=record)
    with pytest.raises(BadInputError, match="not a take camera"):
        takes.apply_preset(scene, placed.source_camera, "orbit", record=record)
    # A refused move leaves the former one.
    assert pixel_error(want, camera.sample_trajectory(scene, chosen, root=placed.root, camera=take), 3.0) < LIMIT


@pytest.mark.parametrize(
    "move",
    ["lock", "lock:1012+orbit:30", "match:1020+zoom_in", "stabilise:0.8,level+orbit:20", "stabilise:0.5s", "lock+60"],
)
def test_moves_on_a_path_show_what_the_backend_would(scene: bpy.types.Scene, tmp_path: Path, move: str) -> None:
    record, placed = place(scene, tmp_path, moving=True)
    take = takes.add_moving_camera(scene, placed, move)
    want = build_take(parse_preset(move), placed.source(), shot.pivot_point(record))
    assert pixel_error(want, sample(scene, placed, take), record["pivot"]) < LIMIT
    # A path decides itself whether the source camera is followed; and what it leaves out, the next move finds again.
    takes.apply_preset(scene, take, move, record=record, follow=False)
    assert pixel_error(want, sample(scene, placed, take), record["pivot"]) < LIMIT
    takes.apply_preset(scene, take, "hold", record=record)
    assert pixel_error(placed.source(), sample(scene, placed, take), record["pivot"]) < LIMIT


def test_a_path_in_a_shot_with_handles_is_over_the_frames_between(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(6, 4), plate=(960, 640), count=25, pictures=False, moving=True)
    record["plate"]["handles"] = [4, 4]
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    take = takes.add_moving_camera(scene, placed, "lock")
    held = placed.source()[4]
    have = sample(scene, placed, take)
    np.testing.assert_allclose(have.E, np.broadcast_to(held.E, have.E.shape), atol=1e-5)


def test_single_frame_shot(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record, placed = place(scene, tmp_path, count=1)
    take = takes.add_take_camera(scene, placed)
    takes.apply_preset(scene, take, "orbit:-20..20", record=record)
    want = build_take(parse_preset("orbit:-20..20"), placed.source(), shot.pivot_point(record))
    assert pixel_error(want, sample(scene, placed, take), 3.0) < LIMIT
    assert key_counts(take, take.data) == []


def test_take_cameras_are_copies_of_what_the_source_camera_does(scene: bpy.types.Scene, tmp_path: Path) -> None:
    _, placed = place(scene, tmp_path, moving=True)
    constraint = placed.source_camera.constraints.new("LIMIT_LOCATION")
    constraint.use_max_x, constraint.max_x, constraint.owner_space = True, 0.2, "LOCAL"
    first = takes.add_take_camera(scene, placed)
    second = takes.add_take_camera(scene, placed)
    wide = takes.add_take_camera(scene, placed, name="Wide")
    assert [obj.name for obj in shot.find_shot(scene).takes] == ["Take 01", "Take 02", "Wide"]
    assert first.data != second.data != placed.source_camera.data
    assert pixel_error(sample(scene, placed, placed.source_camera), sample(scene, placed, wide), 3.0) < LIMIT
    bpy.data.objects.remove(placed.source_camera)
    file_based = takes.add_take_camera(scene, shot.find_shot(scene))
    assert pixel_error(placed.source(), sample(scene, placed, file_based), 3.0) < LIMIT


def test_handheld_shakes_the_same_each_time_and_goes_away(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record, placed = place(scene, tmp_path)
    one, two, other = (takes.add_take_camera(scene, placed) for _ in range(3))
    for obj, seed in ((one, 5), (two, 5), (other, 6)):
        takes.apply_preset(scene, obj, "dolly_in", record=record)
        takes.add_handheld(obj, 1.0, seed)
    still = build_take(parse_preset("dolly_in"), placed.source(), shot.pivot_point(record))
    shaken = sample(scene, placed, one)
    assert 2 < pixel_error(still, shaken, 3.0) < 100
    assert pixel_error(shaken, sample(scene, placed, two), 3.0) < 1e-3
    assert pixel_error(shaken, sample(scene, placed, other), 3.0) > 1
    # It moves all the time and keeps near where it would be.
    offsets = shaken.centers() - still.centers()
    assert (np.linalg.norm(np.diff(offsets, axis=0), axis=1) > 0).all()
    assert np.abs(offsets).max() < 0.1 * record["pivot"]
    # Another move keeps the shake; without it the move is exact again.
    assert takes.has_handheld(one)
    takes.apply_preset(scene, one, "orbit:20", record=record)
    assert takes.has_handheld(one)
    takes.add_handheld(one, 0.5, 1)
    assert len([curve for curve in fcurves(one) if curve.data_path in takes.HANDHELD_PATHS]) == 6
    takes.remove_handheld(one)
    assert not takes.has_handheld(one)
    want = build_take(parse_preset("orbit:20"), placed.source(), shot.pivot_point(record))
    assert pixel_error(want, sample(scene, placed, one), 3.0) < LIMIT
    one.rotation_mode = "QUATERNION"
    with pytest.raises(BadInputError, match="quaternions"):
        takes.add_handheld(one, 1.0, 1)
    loose = bpy.data.objects.new("Loose", bpy.data.cameras.new("Loose"))
    with pytest.raises(BadInputError, match="no shot"):
        takes.add_handheld(loose, 1.0, 1)
