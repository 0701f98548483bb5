# SPDX-License-Identifier: GPL-3.0-or-later
"""Floor, axes and scale from picked points: exact for known motions, refused where the points tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
from ex4d_blender.core import alignment, axes
from ex4d_blender.core.alignment import DIRECTIONS, Similarity

from ex4d.protocol.errors import BadInputError

HOME = Similarity.from_matrix(axes.SHOT_TO_BLENDER, "shot")


def random_similarity(seed: int) -> Similarity:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Similarity(float(rng.uniform(0.1, 9)), rotation * np.linalg.det(rotation), rng.uniform(-5, 5, 3))


def shot_points(world: Similarity, points: list[tuple[float, float, float]]) -> np.ndarray:
    """Points of the true world (metres, Z up) as a shot sees them that stands in it as ``world`` says."""
    return (np.array(points, float) - world.translation) @ world.rotation / world.scale


FLOOR = [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.5, 1.5, 0.0)]
CAMERA = [(1.0, -4.0, 1.6)]


@pytest.mark.parametrize("seed", range(20))
def test_floor_axis_and_length_give_back_a_known_world(seed: int) -> None:
    # The world that the points come from is found whatever the shot's own axes, units and present place are.
    world, placed = random_similarity(seed), random_similarity(100 + seed)
    floor, camera = shot_points(world, FLOOR), shot_points(world, CAMERA)[0]
    found = alignment.on_floor(placed, floor, camera)
    found = alignment.to_length(found, floor[:2], 2.0)
    np.testing.assert_allclose(found.matrix, world.matrix, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_camera_height_scales_as_a_length_does(seed: int) -> None:
    world = random_similarity(seed)
    floor, camera = shot_points(world, FLOOR), shot_points(world, CAMERA)[0]
    found = alignment.to_height(alignment.on_floor(HOME, floor, camera), camera, 1.6)
    np.testing.assert_allclose(found.matrix, world.matrix, atol=1e-9)
    np.testing.assert_allclose(found(floor), FLOOR, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_a_level_floor_turns_no_more_than_it_must(seed: int) -> None:
    world, placed = random_similarity(seed), random_similarity(50 + seed)
    floor, camera = shot_points(world, FLOOR), shot_points(world, CAMERA)[0]
    found = alignment.on_floor(placed, floor, camera, as_frame=False)
    np.testing.assert_allclose(found(floor)[:, 2], 0, atol=1e-9)
    assert found(camera)[2] > 0
    np.testing.assert_allclose(found(floor[0])[:2], placed(floor[0])[:2], atol=1e-9)
    assert found.scale == placed.scale
    # The smallest turn goes about a level axis.
    turn = found.rotation @ placed.rotation.T
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    assert abs(axis[2]) < 1e-9
    # A second time nothing is to be done.
    np.testing.assert_allclose(alignment.on_floor(found, floor, camera, as_frame=False).matrix, found.matrix, atol=1e-9)


def test_more_points_of_a_floor_are_weighed() -> None:
    rng = np.random.default_rng(0)
    world = random_similarity(3)
    floor = rng.uniform(-2, 2, (40, 3)) * (1, 1, 0)
    noisy = floor + rng.normal(0, 0.01, floor.shape)
    found = alignment.on_floor(HOME, shot_points(world, noisy.tolist()), shot_points(world, CAMERA)[0])
    up = found.rotation @ world.rotation.T @ (0, 0, 1)
    # 40 points, 1 cm of noise over some metres: a fraction of a degree.
    assert np.degrees(np.arccos(np.clip(up[2], -1, 1))) < 0.3


def test_three_noisy_points_tilt_the_floor_by_their_noise() -> None:
    world, rng = random_similarity(4), np.random.default_rng(1)
    tilts = []
    for _ in range(50):
        noisy = np.array(FLOOR) + rng.normal(0, 0.005, (3, 3))
        found = alignment.on_floor(HOME, shot_points(world, noisy.tolist()), shot_points(world, CAMERA)[0])
        up = found.rotation @ world.rotation.T @ (0, 0, 1)
        tilts.append(np.degrees(np.arccos(np.clip(up[2], -1, 1))))
    assert 0.01 < np.mean(tilts) < 0.6


@pytest.mark.parametrize("direction", sorted(DIRECTIONS))
def test_two_points_become_an_axis(direction: str) -> None:
    placed = random_similarity(7)
    ends = np.array([(0.3, 0.2, 4.0), (1.3, -0.4, 5.0)])
    found = alignment.along(placed, ends, direction)
    way = found(ends[1]) - found(ends[0])
    np.testing.assert_allclose(found(ends[0]), placed(ends[0]), atol=1e-9)
    if direction.endswith("Z"):
        np.testing.assert_allclose(way / np.linalg.norm(way), DIRECTIONS[direction], atol=1e-9)
    else:
        assert float(way[:2] @ DIRECTIONS[direction][:2]) == pytest.approx(float(np.linalg.norm(way[:2])))
        # Heights are what they were.
        np.testing.assert_allclose(found(ends)[:, 2], placed(ends)[:, 2], atol=1e-9)


def test_a_length_keeps_the_floor() -> None:
    placed = alignment.at_origin(random_similarity(2), np.array([1.0, 2.0, 3.0]))
    ends = np.array([(1.0, 2.0, 3.0), (2.0, 2.5, 5.0)])
    found = alignment.to_length(placed, ends, 3.5)
    assert alignment.distance(found, ends) == pytest.approx(3.5)
    np.testing.assert_allclose(found(ends[0]), 0, atol=1e-12)
    np.testing.assert_allclose(found.rotation, placed.rotation)


@pytest.mark.parametrize("seed", range(20))
def test_pairs_of_points_find_a_known_motion(seed: int) -> None:
    rng, truth = np.random.default_rng(seed), random_similarity(seed)
    own = rng.normal(size=(3 + seed % 4, 3))
    match = alignment.onto(own, truth(own))
    np.testing.assert_allclose(match.placed.matrix, truth.matrix, atol=1e-8)
    assert match.rms < 1e-9
    assert np.linalg.det(match.placed.rotation) == pytest.approx(1)


def test_the_residual_of_noisy_pairs_is_said() -> None:
    rng, truth = np.random.default_rng(5), random_similarity(5)
    own = rng.normal(size=(3, 3))
    there = truth(own)
    there[0] += (0.02, 0, 0)
    match = alignment.onto(own, there)
    assert 0 < match.rms < 0.02
    assert match.residuals.shape == (3,)
    # No other similarity nearby lies better.
    for _ in range(200):
        moved = match.placed.moved(rng.normal(0, 1e-3, 3)).scaled(1 + rng.normal(0, 1e-3))
        assert ((moved(own) - there) ** 2).sum() >= (match.residuals**2).sum()


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda: alignment.on_floor(HOME, np.array([(0, 1, 4), (1, 1, 5), (2, 1, 6.0)]), np.zeros(3)), "on a line"),
        (lambda: alignment.on_floor(HOME, np.ones((3, 3)), np.zeros(3)), "on a line"),
        (lambda: alignment.on_floor(HOME, np.array([(0, 0, 4), (1, 0, 5), (2, 0, 4.0)]), np.zeros(3)), "which side"),
        (lambda: alignment.along(HOME, np.array([(0, 1, 4), (0, 1, 4.0)]), "X"), "one and the same"),
        (lambda: alignment.along(HOME, np.array([(0, 1, 4), (0, -1, 4.0)]), "Y"), "straight up"),
        (lambda: alignment.to_length(HOME, np.array([(0, 1, 4), (1, 1, 4.0)]), 0.0), "none"),
        (lambda: alignment.to_length(HOME, np.array([(0, 1, 4), (1e-6, 1, 4.0)]), 2.0), "one and the same"),
        (lambda: alignment.to_height(HOME, np.array([0, 0, 4.0]), 2.0), "not above the floor"),
        (lambda: alignment.to_height(HOME, np.array([0, 1.0, 4.0]), 2.0), "not above the floor"),
        (lambda: alignment.onto(np.eye(3), np.eye(3)[:2]), "3 points"),
        (lambda: alignment.onto(np.eye(3), np.outer([1, 2, 3.0], [1, 1, 1.0])), "do not lie on a line"),
        (lambda: alignment.onto(np.eye(3)[:2], np.eye(3)[:2]), "three pairs"),
    ],
)
def test_points_that_tell_nothing_are_refused_in_a_sentence(refused, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as error:
        refused()
    assert error.value.hint.endswith(".")


def test_opposite_directions_turn_by_half_a_circle() -> None:
    for axis in DIRECTIONS.values():
        turn = alignment.rotation_between(axis, -axis)
        np.testing.assert_allclose(turn @ axis, -axis, atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
