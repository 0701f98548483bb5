# SPDX-License-Identifier: Apache-2.0
"""Which depth a plate gets, as its camera was found to move."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_factory import Collected
from parallax_scenes import WALL, Flat, draw, slider
from solve_scenes import track_scene

from ex4d.depth.parallax.neighbours import LEAST_OF_SHOT, parallax_share
from ex4d.depth.parallax.source import LEAST_POINTS, ParallaxDepth
from ex4d.depth.solved import SolvedDepth
from ex4d.shot.depth_plan import DepthPlan
from ex4d.solve import Solve, SolvedPoints
from ex4d.system.progress import Silent

#: A wall four units in front of the cameras; of a way of 1 its points move by 90 / 4 of 96 pixels.
POINTS = np.column_stack([np.random.default_rng(0).uniform(-1, 1, (80, 2)), np.full(80, 4.0)])


def solve(way: float, points: np.ndarray = POINTS, **changes: Any) -> Solve:
    count = len(points)
    nothing, whole = np.zeros(count), np.zeros(count, np.int32)
    tracks = track_scene("slides").tracks
    still = np.zeros(tracks.count, bool)
    found = SolvedPoints(points, nothing, whole, nothing, whole)
    camera = slider(9, way).numbered(tuple(range(1001, 1010)), None)
    return Solve(
        **{"kind": "moves", "lens": "known", "camera": camera, "points": found, "tracks": tracks} | changes,
        moving=still,
        on_screen=still,
    )


def test_the_parallax_of_a_shot_is_that_of_its_farthest_frames() -> None:
    assert parallax_share(slider(9, 0.1), POINTS) == pytest.approx(0.1 * 90 / 4 / 96, rel=1e-3)
    assert parallax_share(slider(9, 0.0), POINTS) == 0


@pytest.mark.parametrize(("way", "measured"), [(0.07, False), (0.1, True)])
def test_depth_is_measured_where_the_shot_shows_parallax_enough(way: float, measured: bool) -> None:
    assert (way * 90 / 4 / 96 > LEAST_OF_SHOT) is measured
    plan, found = DepthPlan(Flat()), solve(way)
    assert plan.measures(found) is measured
    source = plan.chosen(found)
    assert isinstance(source, ParallaxDepth if measured else SolvedDepth)


def test_of_few_points_it_is_found_from_the_pictures() -> None:
    assert DepthPlan(Flat()).measures(solve(0.01, POINTS[: LEAST_POINTS - 1]))


def test_the_report_says_that_too_little_is_seen_and_the_estimate_is_fitted(tmp_path: Path) -> None:
    found = solve(0.07)
    frames = draw([WALL], found.camera).plate
    kept = Collected()
    result = DepthPlan(Flat(z=1.0)).chosen(found).estimate(frames, kept, tmp_path, Silent())
    assert result.notes[0].startswith("The shot shows parallax over 1.6% of the width at most, too little to measure")
    assert result.poses_known
    np.testing.assert_array_equal(result.source.E, found.camera.E)
    # The estimator said 1; the points are at 4.
    np.testing.assert_allclose(kept.maps[1001], 4, rtol=1e-3)


def test_a_camera_that_turns_is_told_nothing_of_parallax() -> None:
    source = DepthPlan(Flat()).chosen(solve(0.0, kind="turns"))
    assert isinstance(source, SolvedDepth)
    assert source.notes == ()
