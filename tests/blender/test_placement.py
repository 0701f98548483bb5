# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot that stands elsewhere in Blender's world shows what it showed: cameras, moves, takes, clip distances."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from ex4d_blender.core.alignment import Similarity
from ex4d_blender.scene import alignment, at_home, camera, picked_points, scan, shot, surface, takes
from viewport_factory import make_shot

from ex4d.camera import Trajectory, build_take, json_bytes, parse_preset
from ex4d.protocol.errors import BadInputError


def similarity(seed: int, scale: float) -> Similarity:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Similarity(scale, rotation * np.linalg.det(rotation), rng.uniform(-40, 40, 3))


def pixels_apart(a: Trajectory, b: Trajectory) -> float:
    """By how many pixels points 2 to 12 units before the cameras are seen elsewhere."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for one, other in zip(a, b, strict=True):
        pixels = rng.uniform(0, 1, (40, 2)) * (one.width, one.height)
        rays = np.concatenate([pixels, np.ones((40, 1))], axis=1) @ np.linalg.inv(one.K).T
        points = (rays * rng.uniform(2, 12, (40, 1)) - one.E[:3, 3]) @ one.E[:3, :3]
        worst = max(worst, float(np.abs(one.project(points)[0] - other.project(points)[0]).max()))
    return worst


def world_pixels(scene: bpy.types.Scene, obj: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    """World points (N, 3) -> pixels, y down, by Blender's own projection matrix of a camera."""
    graph = bpy.context.evaluated_depsgraph_get()
    seen = obj.evaluated_get(graph)
    width, height = camera.render_size(scene)
    projection = np.array(seen.calc_matrix_camera(graph, x=width, y=height), np.float64)
    view = np.linalg.inv(np.array(seen.matrix_world.normalized(), np.float64))
    clip = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ (projection @ view).T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], axis=-1)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("move", ["orbit:30", "dolly_in", "zoom_out", "crane", None])
def test_takes_of_an_aligned_shot_are_the_takes_that_they_were(
    scene: bpy.types.Scene, tmp_path: Path, moving: bool, move: str | None
) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path, moving=moving))
    shot.match_scene(scene, placed.record)
    take = takes.add_moving_camera(scene, placed, move)
    frames = list(placed.frames)
    before = camera.sample_trajectory(scene, frames, root=placed.root, camera=take)
    source = camera.sample_trajectory(scene, frames, root=placed.root, camera=placed.source_camera)
    for seed, scale in ((0, 0.137), (1, 61.3), (2, 1.0)):
        wanted = similarity(seed, scale)
        alignment.place(scene, placed, wanted)
        np.testing.assert_allclose(alignment.placed(placed.root).matrix, wanted.matrix, rtol=2e-6, atol=2e-5)
        after = camera.sample_trajectory(scene, frames, root=placed.root, camera=take)
        # To the bit: the same request, the same version.
        assert json_bytes(after) == json_bytes(before)
        assert pixels_apart(before, after) <= 1e-6
        again = camera.sample_trajectory(scene, frames, root=placed.root, camera=placed.source_camera)
        assert json_bytes(again) == json_bytes(source)
        # And the root stands where it was put.
        np.testing.assert_allclose(alignment.placed(placed.root).matrix, wanted.matrix, rtol=2e-6, atol=2e-5)


def test_a_take_made_after_the_alignment_is_the_one_made_before(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path, moving=True))
    shot.match_scene(scene, placed.record)
    frames = list(placed.frames)

    def sampled() -> bytes:
        take = takes.add_moving_camera(scene, placed, "orbit:20")
        return json_bytes(camera.sample_trajectory(scene, frames, root=placed.root, camera=take))

    before = sampled()
    alignment.place(scene, placed, similarity(3, 4.7))
    assert sampled() == before


def test_blender_itself_sees_the_same_through_aligned_cameras(scene: bpy.types.Scene, tmp_path: Path) -> None:
    # Not by our own sampling: by Blender's matrices of mesh and camera.
    placed = shot.import_shot(scene, make_shot(tmp_path, moving=True))
    shot.match_scene(scene, placed.record)
    take = takes.add_moving_camera(scene, placed, "orbit:30")
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, 4), (1, 1, 8), (30, 3))
    wanted = similarity(4, 2.4)
    frame = placed.frames[-1]
    scene.frame_set(frame)
    before = [world_pixels(scene, obj, alignment.placed(placed.root)(points)) for obj in (take, placed.source_camera)]
    alignment.place(scene, placed, wanted)
    after = [world_pixels(scene, obj, alignment.placed(placed.root)(points)) for obj in (take, placed.source_camera)]
    np.testing.assert_allclose(after, before, atol=1e-2)


def test_clip_distances_ride_along_and_come_back(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    take = takes.add_moving_camera(scene, placed, "orbit:30")
    cameras = [take.data, placed.source_camera.data]
    before = [(data.clip_start, data.clip_end) for data in cameras]
    alignment.place(scene, placed, similarity(5, 20.0))
    for data, (near, far) in zip(cameras, before, strict=True):
        assert data.clip_start == pytest.approx(20 * near)
        assert data.clip_end == pytest.approx(20 * far)
    alignment.place(scene, placed, alignment.HOME)
    assert [data.clip_start for data in cameras] == [near for near, _ in before]
    np.testing.assert_allclose(alignment.placed(placed.root).matrix, alignment.HOME.matrix, atol=1e-6)


def test_a_clip_distance_that_the_artist_changes_counts(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    take = takes.add_moving_camera(scene, placed, "orbit:30")
    alignment.place(scene, placed, similarity(5, 20.0))
    take.data.clip_start = 10.0
    sampled = camera.sample_trajectory(scene, [1001], root=placed.root, camera=take)
    assert sampled.near[0] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["constraint", "world parent", "driver"])
def test_cameras_that_the_world_moves_are_sampled_where_they_stand(
    scene: bpy.types.Scene, tmp_path: Path, kind: str
) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    shot.match_scene(scene, placed.record)
    target = bpy.data.objects.new("Target", None)
    scene.collection.objects.link(target)
    target.location = (1, 2, 3)
    obj = takes.add_moving_camera(scene, placed, None)
    if kind == "constraint":
        obj.constraints.new("COPY_LOCATION").target = target
    elif kind == "world parent":
        obj.parent = target
    else:
        curve = obj.driver_add("location", 0)
        curve.driver.expression = "frame / 100"
    wanted = similarity(6, 3.0)
    alignment.place(scene, placed, wanted)
    assert at_home.rides_on(obj, placed.root) is False
    sampled = camera.sample_trajectory(scene, [1001], root=placed.root, camera=obj)
    graph = bpy.context.evaluated_depsgraph_get()
    eye = np.array(obj.evaluated_get(graph).matrix_world.translation, np.float64)
    centre = -sampled.E[0, :3, :3].T @ sampled.E[0, :3, 3]
    np.testing.assert_allclose(wanted(centre), eye, rtol=1e-5, atol=1e-4)


def test_what_moves_the_root_is_named_and_nothing_is_changed(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    placed.root.keyframe_insert("location", frame=1)
    with pytest.raises(BadInputError, match="is moved by its keys"):
        alignment.place(scene, placed, similarity(0, 2.0))
    assert placed.root.scale[0] == 1.0
    assert placed.root.get(at_home.ALIGNED) is None


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION", "AXIS_ANGLE", "ZXY"])
def test_a_root_below_a_parent_and_in_any_rotation_mode_comes_to_stand_there(
    scene: bpy.types.Scene, tmp_path: Path, mode: str
) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    above = bpy.data.objects.new("Stage", None)
    scene.collection.objects.link(above)
    above.location, above.rotation_euler, above.scale = (3, 1, 2), (0.3, 0.2, 1.0), (2, 2, 2)
    placed.root.parent = above
    placed.root.rotation_mode = mode
    wanted = similarity(7, 0.5)
    bpy.context.view_layer.update()
    alignment.place(scene, placed, wanted)
    np.testing.assert_allclose(alignment.placed(placed.root).matrix, wanted.matrix, atol=2e-5)


def test_the_surface_is_what_the_mesh_shows(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path, moving=True))
    for frame in (1001, 1003, 1005):
        found = surface.surface_at(placed, frame)
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        seen = placed.mesh.evaluated_get(graph).data
        flat = np.empty(3 * len(seen.vertices), np.float32)
        seen.attributes["position"].data.foreach_get("vector", flat)
        height, width = found.vertices.shape[:2]
        np.testing.assert_allclose(found.vertices.reshape(-1, 3), flat.reshape(-1, 3)[: width * height])
    # Torn at the square's rim, and where the plate has no depth at all, a block that moves by one quad a frame.
    assert not found.valid[1:5, 5:9].any()
    assert not found.valid[2, 5:9].any()
    assert found.valid[1:5, 1:5].all()
    assert found.valid[-1, -1]
    # Beyond the plate it stands still.
    assert np.array_equal(surface.surface_at(placed, 2000).vertices, found.vertices)


def test_the_ray_through_a_pixel_meets_its_depth(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    found = surface.surface_at(placed, 1001)
    K = placed.source().K[0]
    for pixel, depth in (((24.2, 16.1), 3.0), ((44.0, 28.0), 6.0)):
        ray = np.linalg.inv(K) @ (*pixel, 1.0)
        hit = found.hit(np.zeros(3), ray)
        assert hit is not None
        np.testing.assert_allclose(hit, ray * depth, atol=1e-5)


@pytest.mark.parametrize("move", ["orbit:30", "crane", "truck", "figure_eight:6"])
def test_moves_turn_about_a_picked_pivot(scene: bpy.types.Scene, tmp_path: Path, move: str) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    shot.match_scene(scene, placed.record)
    point = np.array([0.6, -0.3, 5.0])
    picked_points.set_pivot(placed.root, point, 1001)
    take = takes.add_moving_camera(scene, placed, move)
    have = camera.sample_trajectory(scene, list(placed.frames), root=placed.root, camera=take)
    want = build_take(parse_preset(move), placed.source(), point)
    assert pixels_apart(want, have) < 0.05
    picked_points.set_pivot(placed.root, None)
    take = takes.add_moving_camera(scene, placed, move)
    have = camera.sample_trajectory(scene, list(placed.frames), root=placed.root, camera=take)
    assert pixels_apart(build_take(parse_preset(move), placed.source(), np.array([0, 0, 3.0])), have) < 0.05


def test_a_pivot_rides_as_it_was_seen_when_it_was_picked(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path, moving=True))
    shot.match_scene(scene, placed.record)
    source, point = placed.source(), np.array([0.4, -0.2, 5.0])
    for number in (1001, 1004):
        picked_points.set_pivot(placed.root, point, number)
        E = source.E[number - 1001]
        want = build_take(parse_preset("orbit:20"), source, E[:3, :3] @ point + E[:3, 3])
        take = takes.add_moving_camera(scene, placed, "orbit:20")
        have = camera.sample_trajectory(scene, list(placed.frames), root=placed.root, camera=take)
        assert pixels_apart(want, have) < 0.05
    # A camera that stands turns about the point itself.
    take = takes.add_moving_camera(scene, placed, "lock:1003+orbit:20")
    have = camera.sample_trajectory(scene, list(placed.frames), root=placed.root, camera=take)
    centres = np.array([-E[:3, :3].T @ E[:3, 3] for E in have.E])
    away = np.linalg.norm(centres - point, axis=1)
    np.testing.assert_allclose(away, away[0], rtol=1e-5)


def test_a_pivot_behind_the_camera_is_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = shot.import_shot(scene, make_shot(tmp_path))
    picked_points.set_pivot(placed.root, np.array([0, 0, -1.0]), 1001)
    before = len(scan.file_objects())
    with pytest.raises(BadInputError, match="behind the camera"):
        takes.add_moving_camera(scene, placed, "orbit:20")
    assert len(scan.file_objects()) == before


def test_what_was_picked_goes_where_depth_is_another(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    placed = shot.import_shot(scene, record)
    picked_points.set_pivot(placed.root, np.array([0, 0, 4.0]), 1001)
    picked_points.set_landmarks(placed.root, np.eye(3))
    alignment.place(scene, placed, similarity(1, 2.0))
    # The same again: the root stays, and so does what was picked on it.
    placed = shot.import_shot(scene, record)
    assert picked_points.pivot(placed.root) is not None
    assert len(picked_points.landmarks(placed.root)) == 3
    assert placed.root.scale[0] == 2.0
    assert placed.source_camera.data.clip_start == pytest.approx(0.06)
    placed = shot.import_shot(scene, {**record, "pivot": 3.1})
    assert picked_points.pivot(placed.root) is None
    assert len(picked_points.landmarks(placed.root)) == 0
