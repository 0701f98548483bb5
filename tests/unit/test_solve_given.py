"""Cameras that were given, checked against the tracks."""

from dataclasses import replace

import numpy as np
import pytest
from solve_scenes import FIRST, track_scene

from ex4d.camera import Trajectory
from ex4d.camera.transforms import rotation_y
from ex4d.solve import SolveOptions, read_solve, write_solve
from ex4d.solve.plate_facts import PlateFacts
from ex4d.solve.solve import solve_tracks
from ex4d.solve.tracks import tracks_of


def solve(scene, given):
    return solve_tracks(scene.picture, scene.followed, SolveOptions(given=given), lambda: None)


def said(solve, words):
    return [note for note in solve.notes if words in note]


@pytest.mark.parametrize("kind", ["slides", "turns"])
def test_the_error_of_given_cameras_is_shown_and_kept(tmp_path, kind):
    scene = track_scene(kind, noise=0.1)
    found = solve(scene, scene.camera)
    # A noise of 0.1 px on both axes has a median length of 0.12 px.
    assert 0.09 < found.numbers.given_error < 0.14
    assert found.numbers.given_explained == 1.0
    assert said(found, f"a median error of {found.numbers.given_error:.2f} work pixels")
    assert not said(found, "do not fit")
    write_solve(tmp_path, found)
    assert read_solve(tmp_path).numbers == found.numbers


def test_one_wrong_camera_among_right_ones_is_named_and_stays():
    scene = track_scene("slides")
    E = scene.camera.E.copy()
    E[5, :3, :3] = rotation_y(0.06) @ E[5, :3, :3]
    found = solve(scene, replace(scene.camera, E=E))
    assert said(found, f"do not fit the plate: {FIRST + 5}.")
    assert np.array_equal(found.camera.E, E)


@pytest.mark.parametrize("kind", ["slides", "turns"])
def test_a_wrong_lens_is_said_to_contradict_the_plate(kind):
    scene = track_scene(kind, noise=0.1)
    K = scene.camera.K.copy()
    K[:, (0, 1), (0, 1)] *= 1.35
    found = solve(scene, replace(scene.camera, K=K))
    assert said(found, "do not fit the plate (")
    assert found.numbers.given_free_error < 0.15
    assert np.array_equal(found.camera.K, K)


def test_a_wrong_camera_of_a_part_stays_to_the_bit_and_is_said_to():
    scene = track_scene("slides")
    chosen = [0, 4, 8, 12]
    E = scene.camera.E[chosen]
    E[2, :3, :3] = rotation_y(-0.08) @ E[2, :3, :3]
    part = Trajectory(
        scene.camera.K[chosen], E, scene.camera.width, scene.camera.height,
        frame_numbers=tuple(FIRST + index for index in chosen),
    )  # fmt: skip
    found = solve(scene, part)
    assert np.array_equal(found.camera.E[chosen], E)
    assert said(found, "do not fit the plate")


def test_given_cameras_of_a_plate_that_shows_nothing_cannot_be_checked():
    scene = track_scene("slides")
    empty = replace(scene.followed, tracks=tracks_of(scene.tracks.size, scene.tracks.frames, []), facts=PlateFacts())
    found = solve_tracks(scene.picture, empty, SolveOptions(given=scene.camera), lambda: None)
    assert said(found, "could not be checked")
    assert np.array_equal(found.camera.E, scene.camera.E)
    assert found.numbers.given_error is None
