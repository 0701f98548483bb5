"""The solve from tracks: what kind of shot it is, its camera, its lens, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.camera import Lens, Trajectory, intrinsics_from_fov
from ex4d.evaluation.poses import camera_errors
from ex4d.protocol.errors import BadInputError
from ex4d.shot.source_camera import source_camera_info
from ex4d.solve import SolveOptions
from ex4d.solve.follow import Followed
from ex4d.solve.kind import (
    Numbers,
    has_parallax,
    move_refusal,
    rough_note,
    still_reason,
    turn_note,
    turn_refusal,
)
from ex4d.solve.plate_facts import PlateFacts
from ex4d.solve.solve import solve_tracks


def solve(scene, **options):
    return solve_tracks(scene.picture, scene.followed, SolveOptions(**options), lambda: None)


def focal_error(found, scene):
    return float(np.abs(found.camera.K[:, 0, 0] / scene.camera.K[:, 0, 0] - 1).max())


@pytest.mark.parametrize("prior", [25.0, 85.0])
def test_a_sliding_camera_is_found_whatever_lens_was_expected(prior):
    scene = track_scene("slides", movers=0.15)
    found = solve(scene, fov_deg=prior)
    assert (found.kind, found.refused[1:]) == ("moves", ())
    # 260 points are few: near and far ones alone tell it less well than all of them.
    assert found.lens in ("known", "within 5 %")
    error = camera_errors(found.camera.E, scene.camera.E)
    assert error.rotation_deg < 0.1
    assert error.translation < 0.004
    assert focal_error(found, scene) < 0.02
    assert np.array_equal(found.camera.E[0], np.eye(4))
    # What moves by itself is told from what does not.
    seen = np.bincount(scene.tracks.track, minlength=scene.tracks.count) >= 6
    assert found.moving[seen & scene.is_mover].mean() > 0.7
    assert found.moving[seen & ~scene.is_mover].mean() < 0.05


def test_the_points_are_those_of_the_scene_with_the_near_end_at_one():
    scene = track_scene("slides", noise=0.02)
    found = solve(scene)
    near = np.percentile((found.points.xyz @ found.camera.E[6, :3, :3].T + found.camera.E[6, :3, 3])[:, 2], 2)
    assert 0.8 < near < 1.25
    assert len(found.points) > 100
    assert np.median(found.points.error) < 0.05
    # A point of the world is found where the true camera sees it, scaled.
    camera = found.camera[3]
    at, _ = camera.project(found.points.xyz)
    part = scene.tracks.in_frame(3)
    track, where = scene.tracks.track[part], scene.tracks.xy[part]
    both = np.intersect1d(track, found.points.track, return_indices=True)
    distance = np.linalg.norm(at[both[2]] - where[both[1]], axis=1)
    assert np.median(distance) < 0.06


@pytest.mark.parametrize("prior", [30.0, 85.0])
def test_a_turning_camera_is_found_with_its_lens(prior):
    scene = track_scene("turns", movers=0.2)
    found = solve(scene, fov_deg=prior)
    assert (found.kind, found.lens) == ("turns", "known")
    error = camera_errors(found.camera.E, scene.camera.E)
    assert error.rotation_deg < 0.05
    assert focal_error(found, scene) < 0.01
    assert not found.camera.E[:, :3, 3].any()
    assert len(found.points) == 0


def test_tracks_that_only_a_frame_and_its_repeat_have_hide_no_parallax():
    scene = track_scene("slides", count=16, held=2)
    tracks = scene.tracks
    # Three in five live in one frame and its repeat.
    lives = (tracks.track % 5 < 2) | (tracks.frame // 2 == tracks.track % 8)
    followed = Followed(tracks.picked(lives), PlateFacts(repeats=tuple(range(1, 16, 2))))
    found = solve_tracks(scene.picture, followed, SolveOptions(), lambda: None)
    assert found.kind == "moves"
    assert found.numbers.angle_deg > 1
    assert camera_errors(found.camera.E, scene.camera.E).translation < 0.02


def test_a_long_lens_of_a_turn_is_found_though_a_usual_one_was_expected():
    # Ten per cent of the focal length raise the error little, but the expected one explains no turn at all.
    scene = track_scene("turns", fov=25.0, points=600, seed=3)
    found = solve(scene)
    assert (found.kind, found.lens) == ("turns", "within 5 %")
    assert found.numbers.lens_rise < 0.1
    assert focal_error(found, scene) < 0.02


def test_a_still_camera_stands_still_whatever_moves():
    scene = track_scene("stands", movers=0.4)
    found = solve(scene)
    assert (found.kind, found.lens) == ("still", "not observable")
    assert np.array_equal(found.camera.E, np.broadcast_to(np.eye(4), (13, 4, 4)))
    assert found.moving[scene.is_mover].mean() > 0.8
    assert found.moving[~scene.is_mover].mean() < 0.05


def test_the_field_of_view_is_that_of_the_frame_as_it_looks():
    found = solve(track_scene("stands", movers=0.4))
    # Pixels twice as wide as high, of a frame that is higher than it looks wide, or wider.
    for (width, height), tangent in {(100, 300): 300 / 400 / 2, (200, 300): 200 / 200 / 2}.items():
        view = Trajectory(np.diag([200.0, 400.0, 1.0]), np.eye(4)[None], width, height)
        told = source_camera_info(found, view).fov_deg
        assert told == pytest.approx(np.degrees(2 * np.arctan(tangent)), abs=0.01)


def test_where_all_moves_by_itself_no_camera_is_believed():
    found = solve(track_scene("stands", movers=1.0))
    assert found.kind == "still"
    assert found.refused
    assert source_camera_info(found, found.camera).assumed
    assert source_camera_info(found, found.camera).headline.startswith(
        "The source camera is taken to stand still, because no solve of it is believed; its depth is a guess. "
    )


def test_a_lens_that_does_not_show_stays_as_expected():
    # Little parallax and a narrow range of depths: any focal length fits.
    scene = track_scene("slides", count=9, depth=(80.0, 81.0), noise=0.2)
    found = solve(scene, fov_deg=40.0)
    assert found.lens == "not observable"
    expected = scene.picture.focal(40.0)
    assert np.allclose(found.camera.K[:, 0, 0], expected, rtol=1e-9)
    assert any("does not tell its lens" in note for note in found.notes)


def test_where_the_lens_does_not_show_it_is_said_how_much_hangs_on_it():
    scene = track_scene("slides", count=9, depth=(6.0, 8.0), noise=0.2)
    found = solve(scene, fov_deg=40.0)
    assert (found.kind, found.lens) == ("moves", "not observable")
    path, turn = found.numbers.lens_path, found.numbers.lens_turn_deg
    assert path is not None
    assert turn is not None
    assert any("25° to 85°" in note and f"{path:.1%}" in note and f"{turn:.1f}°" in note for note in found.notes)
    # The lens is 54°, and the camera no farther off than was said; angles to the first camera are up to twice those.
    error = camera_errors(found.camera.E, scene.camera.E)
    assert 0.001 < error.translation < path
    assert error.rotation_deg < 2 * turn


def test_a_zoom_on_a_tripod_is_found():
    scene = track_scene("turns", zoom=1.4, noise=0.05)
    found = solve(scene, fov_deg=54.0)
    assert found.kind == "turns"
    assert any("zooms" in note for note in found.notes)
    ratio = found.camera.K[:, 0, 0] / scene.camera.K[:, 0, 0]
    assert np.ptp(ratio) / ratio.mean() < 0.02


def test_a_distortion_that_shows_is_found():
    scene = track_scene("walks", k1=-0.2, fov=70.0, noise=0.05, points=400)
    found = solve(scene, fov_deg=60.0)
    assert found.kind == "moves"
    assert found.camera.lens is not None
    # What counts is where the lens puts a ray near a corner.
    corner = np.array([[0.6, 0.4]])
    ours = found.camera.lens.distort(corner) * found.camera.K[0, 0, 0]
    true = corner * (1 - 0.2 * (corner**2).sum()) * scene.camera.K[0, 0, 0]
    assert np.linalg.norm(ours - true) < 1.5
    assert camera_errors(found.camera.E, scene.camera.E).translation < 0.01


def test_a_given_lens_is_taken_out_and_kept():
    scene = track_scene("walks", k1=-0.15, fov=54.0, noise=0.05)
    lens = Lens("polynomial", (-0.15,))
    found = solve(scene, fov_deg=54.0, fov_known=True, lens=lens)
    assert (found.kind, found.lens, found.camera.lens) == ("moves", "given", lens)
    assert camera_errors(found.camera.E, scene.camera.E).translation < 0.006
    assert found.numbers.move_error < 0.15


def test_letters_on_the_screen_are_told_from_what_moves():
    scene = track_scene("slides", overlay=25)
    found = solve(scene)
    assert found.kind == "moves"
    assert found.on_screen[-25:].mean() > 0.9
    assert not found.on_screen[:-25].any()
    assert camera_errors(found.camera.E, scene.camera.E).translation < 0.005


def test_what_was_asked_for_is_done_with_a_note_on_what_speaks_against_it():
    scene = track_scene("slides")
    turned = solve(scene, source_camera="turns")
    assert turned.kind == "turns"
    assert any("asked for" in note for note in turned.notes)
    still = solve(scene, source_camera="still")
    assert still.kind == "still"
    few = track_scene("slides", points=20)
    with pytest.raises(BadInputError, match="moves"):
        solve(few, source_camera="moves")


def test_a_turn_that_explains_nothing_keeps_the_expected_lens():
    found = solve(track_scene("walks"), source_camera="turns", fov_deg=70.0)
    assert (found.kind, found.lens) == ("turns", "not observable")
    assert "a field of view of 70° is kept" in " ".join(found.notes)
    assert np.allclose(found.camera.K, intrinsics_from_fov(70.0, 256, 192))


def test_a_turn_that_zooms_says_which_focal_lengths_it_keeps():
    scene = track_scene("turns", zoom=1.15, fov=25.0)
    found = solve(scene)
    assert (found.kind, found.lens) == ("turns", "not observable")
    assert focal_error(found, scene) < 0.06
    said = " ".join(found.notes)
    assert "explain it best are kept" in said
    assert "The lens zooms between" in said
    assert "54°" not in said


def test_the_same_tracks_give_the_same_camera():
    first, second = (solve(track_scene("slides", count=9)) for _ in range(2))
    assert np.array_equal(first.camera.E, second.camera.E)
    assert np.array_equal(first.points.xyz, second.points.xyz)


GOOD = Numbers(
    motion=0.05, standing=0.0, turn_error=0.8, turn_explained=0.7, move_error=0.15, move_explained=0.93, angle_deg=3.0,
    frames=1.0, repeat_path=0.01, repeat_turn_deg=0.03,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"move_explained": 0.5}, "explains"),
        ({"move_error": 0.9}, "px"),
        ({"angle_deg": 0.2}, "parallax"),
        ({"frames": 0.8}, "frames"),
        ({"repeat_path": 0.3}, "path"),
        ({"repeat_turn_deg": 2.0}, "turns"),
        ({"repeat_path": 0.08, "angle_deg": 0.5}, "path"),
        ({"plane": 0.86}, "zoom"),
        ({"move_error": None}, "first pose"),
    ],
)
def test_each_gate_of_a_move_says_why(changes, word):
    assert move_refusal(GOOD) is None
    reason = move_refusal(Numbers(**{**vars(GOOD), **changes}))
    assert reason is not None
    assert word in reason


def test_noise_refuses_no_move_that_all_else_tells():
    """An orbit rendered with three rays a pixel leaves 0.301 px, and its path is 0.07 % off."""
    orbit = Numbers(
        turn_error=0.797, turn_explained=0.271, move_error=0.301, move_explained=0.958, angle_deg=11.1, frames=1.0,
        repeat_path=0.0025, repeat_turn_deg=0.033, reversal=2.74,
    )  # fmt: skip
    assert move_refusal(orbit) is None
    assert move_refusal(replace(orbit, reversal=None)) is None
    assert "0.41 px, more than 0.40" in str(move_refusal(replace(orbit, move_error=0.41)))
    # What moves by itself is explained as well, but by halves that differ, with little parallax, or in part.
    for unsure in (
        {"move_explained": 0.86},
        {"angle_deg": 0.5},
        {"repeat_path": 0.05},
        {"repeat_turn_deg": 0.2},
        {"repeat_path": None},
        {"reversal": 1.2, "order": 0.5, "order_reversed": -0.5},
    ):
        assert "0.301 px, more than 0.300" in str(move_refusal(replace(orbit, **unsure)))


def test_noise_refuses_no_turn_that_explains_all():
    """A pan along plants rendered with three rays a pixel."""
    pan = Numbers(turn_error=0.267, turn_explained=0.991, turn_kept=0.972, move_error=0.231, move_explained=0.991)
    assert turn_refusal(pan, 192) is None
    assert "0.40 px, more than 0.36" in str(turn_refusal(replace(pan, turn_error=0.4, move_error=0.38), 192))
    # Where a camera that moves leaves less, or was not tried yet, what is left may be parallax.
    for unsure in (
        {"move_error": 0.2},
        {"move_error": None},
        {"turn_explained": 0.85},
        {"turn_kept": 0.8},
        {"turn_kept": None},
    ):
        assert "0.27 px, more than 0.26" in str(turn_refusal(replace(pan, **unsure), 192))


def test_a_turn_that_few_tracks_follow_somewhere_is_said():
    assert turn_note(Numbers(turn_followed=0.58)) is None
    assert turn_note(Numbers()) is None
    assert "only 11% of the tracks follow the turn" in str(turn_note(Numbers(turn_followed=0.11)))


def test_reasons_tell_numbers_from_their_limits():
    assert "0.2551 px, more than 0.2550" in str(turn_refusal(Numbers(turn_error=0.25512, turn_explained=0.9), 256))
    assert "39.9% of the tracks, less than 40.0%" in str(
        turn_refusal(Numbers(turn_error=0.1, turn_explained=0.3991), 256)
    )
    assert "71.8% of the tracks, less than 72.0%" in str(move_refusal(replace(GOOD, move_explained=0.718)))


def test_the_gates_of_turns_and_stills():
    assert still_reason(GOOD) is None
    assert "moves by no more" in str(still_reason(Numbers(motion=0.002)))
    assert "stay where" in str(still_reason(Numbers(motion=0.05, standing=0.7)))
    assert "px" in str(turn_refusal(GOOD, 256))
    assert turn_refusal(Numbers(turn_error=0.1, turn_explained=0.9), 256) is None
    # Less than half of the tracks are enough where no camera that moves explains them better, and they are the same
    # all along: what is seen behind a large figure that walks, not the figure.
    close = Numbers(turn_error=0.188, turn_explained=0.434, turn_kept=0.56, move_error=0.28)
    assert turn_refusal(close, 256) is None
    assert "explains 38%" in str(turn_refusal(replace(close, turn_explained=0.384), 256))
    assert "33% in both" in str(turn_refusal(replace(close, turn_kept=0.33), 256))
    # An orbit round a far thing.
    orbit = Numbers(turn_error=0.229, turn_explained=0.495, turn_kept=0.73, move_error=0.121)
    assert "49.5% of the tracks, less than 50.0%" in str(turn_refusal(orbit, 256))
    assert has_parallax(GOOD)
    assert not has_parallax(Numbers(turn_error=0.1, move_error=0.1))
    # A figure that walks is explained as parallax, but no better than it is by a turn.
    assert not has_parallax(Numbers(turn_error=0.15, turn_explained=0.47, move_error=0.17, move_explained=0.77))
    assert has_parallax(Numbers(turn_error=0.25, turn_explained=0.47, move_error=0.17, move_explained=0.77))


def test_a_path_that_is_not_exact_is_said_to_be_rough():
    assert rough_note(GOOD) is None
    assert "5% apart" in str(rough_note(Numbers(**{**vars(GOOD), "repeat_path": 0.05})))
    assert "0.4°" in str(rough_note(Numbers(**{**vars(GOOD), "angle_deg": 0.42})))
