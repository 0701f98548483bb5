"""Plates at the limits of what can be solved: solved, or said to stand still with a reason; never a crash."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from solve_scenes import FIRST, RATE, room_pictures, texture, track_scene

from ex4d.evaluation.poses import camera_errors
from ex4d.media.frames import ArrayFrames
from ex4d.protocol.errors import BadInputError
from ex4d.solve import Solve, SolveOptions, solve_camera
from ex4d.solve.plate_facts import frames_options, shots
from ex4d.solve.solve import solve_tracks
from ex4d.system.progress import Silent


def solve(pictures: np.ndarray, **options) -> Solve:
    frames = ArrayFrames.of(pictures, RATE, tuple(range(FIRST, FIRST + len(pictures))))
    started = time.process_time()
    found = solve_camera(frames, SolveOptions(**options), Silent())
    assert time.process_time() - started < 20
    assert len(found.camera) == len(pictures)
    assert np.isfinite(found.camera.K).all()
    assert np.isfinite(found.camera.E).all()
    assert (found.camera.K[:, 0, 0] > 0).all()
    return found


def grey(pictures: list[np.ndarray]) -> np.ndarray:
    return np.repeat(np.stack(pictures)[..., None], 3, axis=-1)


def moved(width: int, height: int, count: int, step: int = 3) -> np.ndarray:
    picture = cv2.resize(texture(3, 400), (width + step * count, height), interpolation=cv2.INTER_LINEAR)
    return grey([picture[:, step * index : step * index + width] for index in range(count)])


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 2), (8, 8), (24, 16)])
@pytest.mark.parametrize("count", [1, 3])
def test_plates_of_a_few_pixels_stand_still_with_a_reason(size, count):
    found = solve(moved(*size, count))
    assert found.kind == "still"
    assert found.refused


def test_one_frame_stands_still():
    found = solve(room_pictures("slides", count=1)[0])
    assert (found.kind, found.lens) == ("still", "not observable")
    assert any("one frame" in reason for reason in found.refused)


@pytest.mark.parametrize("level", [0, 255])
def test_a_plate_without_a_picture_stands_still(level):
    found = solve(np.full((9, 72, 96, 3), level, np.uint8))
    assert found.kind == "still"
    assert any("nothing to follow" in reason for reason in found.refused)


@pytest.mark.parametrize("count", [2, 4])
def test_short_plates_are_solved_or_refused(count):
    pictures, _ = room_pictures("slides", count=13)
    found = solve(pictures[:count])
    assert found.kind != "still" or found.refused


@pytest.mark.parametrize("size", [(8192, 96), (8192, 8), (96, 8192)])
def test_very_wide_frames(size):
    found = solve(moved(*size, 4, step=40))
    assert found.camera.width == size[0]
    assert found.kind != "still" or found.refused


def test_a_strong_blur_is_solved_or_refused():
    pictures, truth = room_pictures("slides", count=9)
    found = solve(np.stack([cv2.GaussianBlur(picture, (0, 0), 6) for picture in pictures]))
    if found.kind == "moves":
        assert camera_errors(found.camera.E, truth.E).rotation_deg < 0.5
    else:
        assert found.refused


@pytest.mark.parametrize("kind", ["turns", "moves"])
@pytest.mark.parametrize(
    "pictures", [moved(1, 1, 1), moved(8, 8, 3), np.zeros((5, 72, 96, 3), np.uint8)], ids=["pixel", "tiny", "black"]
)
def test_what_shows_nothing_is_refused_where_a_camera_was_asked_for(kind, pictures):
    with pytest.raises(BadInputError, match=kind):
        solve(pictures, source_camera=kind)


def test_a_zoom_while_the_camera_moves_is_solved_or_refused():
    scene = track_scene("slides", zoom=1.3, noise=0.05)
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(), lambda: None)
    if found.kind == "moves":
        ratio = found.camera.K[:, 0, 0] / scene.camera.K[:, 0, 0]
        assert np.ptp(ratio) / ratio.mean() < 0.03
        assert camera_errors(found.camera.E, scene.camera.E).translation < 0.02
    else:
        assert found.refused


@pytest.mark.parametrize("scene", [{"zoom": 1.5, "points": 400}, {"zoom": 1.6, "noise": 0.05, "seed": 2}])
def test_a_fast_zoom_while_the_camera_slides_is_solved(scene):
    """No path takes its place: a zoom that is expected to be slow ends 20 % of the path off."""
    made = track_scene("slides", **scene)
    found = solve_tracks(made.picture, made.followed, SolveOptions(), lambda: None)
    assert (found.kind, found.lens) == ("moves", "within 5 %")
    ratio = found.camera.K[:, 0, 0] / made.camera.K[:, 0, 0]
    assert np.abs(ratio - 1).max() < 0.05
    assert np.ptp(ratio) < 0.01
    assert camera_errors(found.camera.E, made.camera.E).translation < 0.015


def test_a_zoom_straight_ahead_is_no_known_lens():
    scene = track_scene("walks", count=9, points=200, zoom=1.3, noise=0.05)
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(), lambda: None)
    assert found.lens == "not observable"
    assert found.kind == "still" or any("taken not to zoom" in note for note in found.notes)


def test_rows_read_one_after_the_other_are_noticed():
    scene = track_scene("walks", noise=0.05, points=500)
    tracks = scene.tracks
    xy = tracks.xy.copy()
    # Each row is seen a part of the time to the next frame later.
    for index in range(tracks.frames - 1):
        common, here, there = tracks.common(index, index + 1)
        part = tracks.in_frame(index)
        at = np.searchsorted(tracks.track[part], common)
        xy[part][at] += 0.8 * (here[:, 1:] / tracks.size[1] - 0.5) * (there - here)
    found = solve_tracks(
        scene.picture, replace(scene.followed, tracks=replace(tracks, xy=xy)), SolveOptions(), lambda: None
    )
    assert any("rolling shutter" in note for note in found.notes)


def test_the_shots_between_cuts_are_offered_with_their_option():
    first, _ = room_pictures("slides", count=6)
    second = 255 - room_pictures("turns", count=5)[0][:, ::-1]
    found = solve(np.concatenate([first, second]))
    assert found.kind == "still"
    assert found.shots == ((FIRST, FIRST + 5), (FIRST + 6, FIRST + 10))
    assert any(f"--frames {FIRST}-{FIRST + 5} or --frames {FIRST + 6}-{FIRST + 10}." in note for note in found.notes)


def test_options_of_negative_frames_and_of_many_shots():
    assert shots([], (-4, -3, -2)) == ((-4, -2),)
    assert frames_options(shots([2, 3], (-4, -3, -2, -1, 0))) == "--frames=-4--3, --frames=-2--2 or --frames=-1-0"
