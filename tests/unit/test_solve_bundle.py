"""Bundle adjustment against differences, and against cameras that are known."""

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.ideal import extrinsics
from ex4d.solve.model import Model, rotation_vectors, rotations
from ex4d.solve.projection import by_rotation, by_world_point, gather, project, residuals
from ex4d.solve.repeat import alignment
from ex4d.solve.triangulate import angles, triangulate


def true_model(scene):
    model = Model.empty(scene.tracks.frames, scene.tracks.count, 1.0, np.array(scene.tracks.size) / 2)
    model.rotation, model.position = scene.camera.E[:, :3, :3].copy(), scene.camera.E[:, :3, 3].copy()
    model.log_focal = np.log(scene.camera.K[:, 0, 0])
    model.known[:] = True
    return model


def sightings(scene):
    return Sightings(scene.tracks.frame, scene.tracks.track, scene.tracks.xy)


def test_rotation_vectors_and_matrices():
    vectors = np.random.default_rng(0).normal(0, 1, (50, 3))
    vectors[0], vectors[1] = 0, 1e-9
    matrices = rotations(vectors)
    assert np.allclose(matrices @ np.swapaxes(matrices, 1, 2), np.eye(3), atol=1e-14)
    assert np.allclose(rotation_vectors(matrices), vectors, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"focal": "each"}, {"focal": "fixed", "radial": 2}])
def test_sightings_taken_in_parts_give_what_all_of_them_give(monkeypatch, options):
    scene = track_scene("slides")
    model, s = true_model(scene), sightings(scene)
    triangulate(model, s)
    model.position += np.random.default_rng(0).normal(0, 0.01, model.position.shape)
    parted = model.copy()
    cost = bundle(model, s, BundleOptions(**options))
    monkeypatch.setattr("ex4d.solve.bundle._SIGHTINGS", 300)
    monkeypatch.setattr("ex4d.solve.bundle._KEPT_BLOCKS", 0)
    assert bundle(parted, s, BundleOptions(**options)) == pytest.approx(cost, rel=1e-9)
    assert np.allclose(parted.points, model.points, atol=1e-6)
    assert np.allclose(parted.position, model.position, atol=1e-7)


def test_derivatives_are_those_of_differences():
    scene = track_scene("walks", points=30, count=3)
    model, s = true_model(scene), sightings(scene)
    model.radial = np.array([-0.2, 0.05])
    triangulate(model, s)
    xy = np.ascontiguousarray(s.xy.T)
    seen = project(model, gather(model, s.frame, s.track, xy))
    assert np.allclose(seen.residual, residuals(model, gather(model, s.frame, s.track, xy)))
    step = 1e-6

    def change(do):
        values = []
        for sign in (1, -1):
            moved = model.copy()
            do(moved, sign * step)
            values.append(residuals(moved, gather(moved, s.frame, s.track, xy)))
        return (values[0] - values[1]) / (2 * step)

    def turn(axis):
        return lambda m, d: setattr(m, "rotation", rotations(d * np.eye(3)[axis]) @ m.rotation)

    def move_point(axis):
        return lambda m, d: m.points.__setitem__((slice(None), axis), m.points[:, axis] + d)

    world = by_world_point(seen.by_point, gather(model, s.frame, s.track, xy).rotation)
    for axis in range(3):
        assert np.allclose(by_rotation(seen)[:, axis], change(turn(axis)), atol=1e-4)
        assert np.allclose(world[:, axis], change(move_point(axis)), atol=1e-4)
    for index in range(2):
        slope = change(lambda m, d, index=index: m.radial.__setitem__(index, m.radial[index] + d))
        assert np.allclose(seen.by_radial[:, index], slope, atol=1e-4)
    assert np.allclose(seen.by_focal, change(lambda m, d: setattr(m, "log_focal", m.log_focal + d)), atol=1e-4)


def test_points_are_found_where_they_are():
    scene = track_scene("slides", noise=0.0, points=60)
    model, s = true_model(scene), sightings(scene)
    triangulate(model, s)
    assert model.has_point.all()
    assert model.errors(s.frame, s.track, s.xy).max() < 1e-3
    assert np.degrees(np.median(angles(model, s))) > 1


def test_disturbed_cameras_come_back():
    scene = track_scene("slides", noise=0.0, points=120, count=7)
    model, s = true_model(scene), sightings(scene)
    triangulate(model, s)
    random = np.random.default_rng(2)
    model.rotation[1:] = rotations(random.normal(0, 0.01, (6, 3))) @ model.rotation[1:]
    model.position[1:] += random.normal(0, 0.02, (6, 3))
    model.log_focal += 0.1
    cost = bundle(model, s, BundleOptions(iterations=60))
    assert cost < 1e-3
    turn, shift, scale = alignment(model.centres(), scene.camera.centers(), model.rotation, scene.camera.E[:, :3, :3])
    moved = scale * (model.centres() @ turn.T + shift)
    assert np.abs(moved - scene.camera.centers()).max() < 1e-3
    assert np.allclose(model.focal, scene.camera.K[:, 0, 0], rtol=1e-3)


def test_fixed_cameras_stay_to_the_bit():
    scene = track_scene("slides", points=80, count=6)
    model, s = true_model(scene), sightings(scene)
    triangulate(model, s)
    before = extrinsics(model)
    fixed = np.array([True, False, True, False, False, True])
    bundle(model, s, BundleOptions(focal="fixed", iterations=5), fixed)
    same = (extrinsics(model) == before).all(axis=(1, 2))
    assert np.array_equal(same, fixed)


def test_many_points_in_blocks_are_one_problem():
    # More points than a block holds, of tracks that begin at different frames.
    scene = track_scene("walks", points=900, count=6, noise=0.05)
    model, s = true_model(scene), sightings(scene)
    triangulate(model, s)
    other = model.copy()
    first = bundle(model, s, BundleOptions(focal="fixed", iterations=3))
    shuffled = s.picked(np.random.default_rng(0).permutation(len(s)))
    assert bundle(other, shuffled, BundleOptions(focal="fixed", iterations=3)) == pytest.approx(first, rel=1e-9)
    assert np.allclose(model.points, other.points, atol=1e-7)
