"""What is said of the lens, and the focal length laid to where the plate is explained best."""

from dataclasses import replace

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.camera.transforms import rotation_y
from ex4d.evaluation.poses import camera_errors
from ex4d.solve import SolveOptions
from ex4d.solve import triangulate as triangulation
from ex4d.solve.attempt import shares_of_turns
from ex4d.solve.bundle import BundleOptions, Sightings
from ex4d.solve.ideal import extrinsics
from ex4d.solve.keys import key_frames
from ex4d.solve.lens_test import part_spread, rescale_focal, settle_focal
from ex4d.solve.model import Model
from ex4d.solve.move_attempt import is_expected_wrong, repeated_state
from ex4d.solve.moving import LIMITS, WHOLE, refine_whole
from ex4d.solve.solve import solve_tracks
from ex4d.solve.tracks import tracks_of
from ex4d.solve.triangulate import triangulate


def true_model(scene, factor=1.0) -> tuple[Model, Sightings]:
    """The scene's cameras, with so many times the focal length, and points from them."""
    tracks = scene.tracks
    model = Model.empty(tracks.frames, tracks.count, factor * float(scene.camera.K[0, 0, 0]), np.array(tracks.size) / 2)
    model.rotation, model.position = scene.camera.E[:, :3, :3].copy(), scene.camera.E[:, :3, 3].copy()
    model.known[:] = True
    sightings = Sightings(tracks.frame, tracks.track, tracks.xy)
    triangulate(model, sightings)
    return model, sightings


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_focal_length_settles_where_the_plate_is_explained_best(factor):
    scene = track_scene("slides", noise=0.05)
    model, sightings = true_model(scene)
    rescale_focal(model, factor, turns_only=False)
    settle_focal(model, sightings, BundleOptions(loss=0.6, focal="fixed"), 20.0)
    assert abs(model.focal[0] / scene.camera.K[0, 0, 0] - 1) < 0.02
    assert np.ptp(model.log_focal) == 0


def test_parts_tell_one_lens_where_it_is_seen_and_others_where_it_is_not():
    options = BundleOptions(loss=0.6)
    clear = track_scene("slides", noise=0.05, points=500)
    assert part_spread(*true_model(clear), options, 2.0) < 0.03
    bent = track_scene("slides", noise=0.05, points=500, k1=-0.25, fov=70.0)
    assert part_spread(*true_model(bent), options, 6.0) > 0.06


@pytest.mark.parametrize(
    ("state", "halves", "parts", "said"),
    [
        ("known", 0.01, 0.02, "known"),
        ("known", 0.04, 0.02, "within 5 %"),
        ("known", 0.01, 0.08, "within 5 %"),
        ("known", 0.01, 0.12, "not observable"),
        ("known", 0.07, 0.0, "not observable"),
        ("within 5 %", 0.01, 0.04, "within 5 %"),
        ("within 5 %", 0.01, 0.08, "not observable"),
        ("not observable", 0.0, 0.0, "not observable"),
    ],
)
def test_what_disagrees_is_not_known(state, halves, parts, said):
    assert repeated_state(state, halves, parts) == said


def test_points_are_the_same_whether_found_in_blocks_or_at_once(monkeypatch):
    scene = track_scene("slides")
    at_once, _ = true_model(scene)
    monkeypatch.setattr(triangulation, "SIGHTINGS", 300)
    in_blocks, _ = true_model(scene)
    assert np.allclose(at_once.points, in_blocks.points, rtol=1e-9, atol=1e-9)
    assert np.array_equal(at_once.has_point, in_blocks.has_point)


def test_a_key_frame_comes_while_tracks_of_the_one_before_the_last_are_left():
    # Points that hardly move, each of them followed for 30 frames.
    xy = np.random.default_rng(0).uniform(10, 200, (90, 2))
    sightings = []
    for index in range(120):
        born = (index + np.arange(90) * 7 % 30) // 30
        names = (np.arange(90) + 90 * born).astype(np.int32)
        order = np.argsort(names)
        sightings.append((index, names[order], xy[order] + 0.01 * index))
    tracks = tracks_of((256, 256), 120, sightings)
    keys = key_frames(tracks, 0, 120)
    for before, _, after in zip(keys, keys[1:-1], keys[2:-1], strict=False):
        assert len(tracks.common(before, after)[0]) > 0


def test_a_lens_that_explains_the_plate_is_kept_where_the_expected_one_does_not():
    scene = track_scene("walks", fov=25.0, depth=(3.0, 9.0), points=400, count=9)
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(fov_deg=54.0), lambda: None)
    assert (found.kind, found.lens) == ("moves", "not observable")
    assert any("54° explains it worse than" in note for note in found.notes)
    assert found.camera.K[0, 0, 0] == pytest.approx(scene.camera.K[0, 0, 0], rel=0.15)
    error = camera_errors(found.camera.E, scene.camera.E)
    assert error.rotation_deg < 0.15
    assert error.translation < 0.004


def test_the_expected_lens_is_wrong_only_where_it_is_far_off_and_explains_less():
    scene = track_scene("slides")
    (true, sightings), (near, _), (far, _) = (true_model(scene, factor) for factor in (1.0, 1.02, 1.5))
    assert is_expected_wrong(true, far, sightings, 0.05)
    assert not is_expected_wrong(true, far, sightings, 0.3)
    assert not is_expected_wrong(far, true, sightings, 0.05)
    assert not is_expected_wrong(true, near, sightings, 0.0)


def test_a_camera_keeps_the_tracks_that_it_explains_unless_it_follows_now_one_thing_and_now_another():
    scene = track_scene("slides", movers=0.4)
    model, _ = true_model(scene)
    keys = range(13)
    steady, followed = shares_of_turns(model, scene.tracks, keys)
    assert steady > 0.7
    # Some of the tracks that are seen in both frames move by themselves all along.
    assert 0.5 < followed < steady
    model.rotation[6:] = model.rotation[6:] @ rotation_y(0.05)
    triangulate(model, Sightings(scene.tracks.frame, scene.tracks.track, scene.tracks.xy))
    torn = shares_of_turns(model, scene.tracks, keys)
    assert torn[0] < steady / 2
    assert torn[1] < followed / 2
    assert shares_of_turns(model, scene.tracks.picked(scene.tracks.track < 5), keys) == (None, None)


def test_a_frame_outside_of_the_bundle_that_was_lost_is_placed_anew():
    scene = track_scene("slides", count=WHOLE + 7, points=120)
    model, _ = true_model(scene)
    keys = key_frames(scene.tracks, 0, scene.tracks.frames)
    lost = next(frame for frame in range(30, 60) if frame not in keys)
    model.rotation[lost] = rotation_y(np.pi) @ model.rotation[lost]
    options = BundleOptions(loss=0.6, focal="fixed", iterations=4)
    refine_whole(model, scene.tracks, keys, options, LIMITS[-1:])
    assert model.known.all()
    error = camera_errors(extrinsics(model), scene.camera.E)
    assert error.rotation_deg < 0.1
    assert error.translation < 0.01


def test_a_frame_that_cannot_be_placed_is_not_known_any_more():
    scene = track_scene("slides", count=WHOLE + 7, points=120)
    keys = key_frames(scene.tracks, 0, scene.tracks.frames)
    lost = next(frame for frame in range(30, 60) if frame not in keys)
    xy = scene.tracks.xy.copy()
    xy[scene.tracks.frame == lost] = np.random.default_rng(1).uniform(
        0, 190, (int((scene.tracks.frame == lost).sum()), 2)
    )
    tracks = replace(scene.tracks, xy=xy)
    model, _ = true_model(scene)
    refine_whole(model, tracks, keys, BundleOptions(loss=0.6, focal="fixed", iterations=4), LIMITS[-1:])
    assert np.flatnonzero(~model.known).tolist() == [lost]
