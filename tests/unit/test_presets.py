# SPDX-License-Identifier: Apache-2.0
"""Camera moves, and the released paths against their formulas written out."""

from dataclasses import replace

import numpy as np
import pytest

from ex4d.camera import PRESETS, build_take, intrinsics, parse_preset, static_trajectory
from ex4d.camera.camera import Trajectory
from ex4d.camera.easing import EASINGS, progress
from ex4d.camera.released import released_extrinsics, released_eyes, released_radius
from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.protocol.errors import UsageError

SOURCE = static_trajectory(intrinsics(500, 640, 360), 640, 360, 49)
PIVOT = np.array([0.0, 0.0, 2.5])


def take(text, source=SOURCE, pivot=PIVOT, **kwargs):
    return build_take(parse_preset(text), source, pivot, **kwargs)


@pytest.mark.parametrize("preset", ["30", "60", "90", "45", "-30", "135"])
@pytest.mark.parametrize("count", [49, 25, 1, 120])
def test_released_arcs_follow_their_formula_at_any_length(preset, count):
    radius = 2.74
    angle = np.linspace(0, np.radians(int(preset)), count)
    expected = np.stack(
        [radius * np.sin(angle), 0.2 * radius * (np.abs(np.cos(angle)) - 1), radius - radius * np.abs(np.cos(angle))],
        -1,
    )
    np.testing.assert_allclose(released_eyes(preset, count, radius), expected, atol=1e-12)


def test_released_180_is_an_ellipse_that_yaws_45_degrees():
    radius, angle = 2.74, np.linspace(0, 2 * np.pi, 49)
    expected = np.stack([radius * np.sin(angle), 0.2 * radius * (np.cos(angle) - 1), np.zeros(49)], -1)
    np.testing.assert_allclose(released_eyes("180", 49, radius), expected, atol=1e-12)
    forward = released_extrinsics("180", 49, radius)[:, 2, :3]
    yaw = np.degrees(np.arctan2(forward[:, 0], forward[:, 2]))
    assert yaw.min() == pytest.approx(-45, abs=0.1)
    assert yaw.max() == pytest.approx(45, abs=0.1)


@pytest.mark.parametrize("preset", ["30", "60", "90", "180", "-30", "0", "135"])
def test_released_cameras_look_at_the_point_at_the_radius(preset):
    trajectory = take(preset)
    for camera in trajectory:
        np.testing.assert_allclose(camera.project(PIVOT)[0], [320, 180], atol=1e-6)
    np.testing.assert_allclose(trajectory.E[0], np.eye(4), atol=1e-12)


def test_released_radius_is_the_nearest_pixel_plus_015():
    depth = np.full((4, 4), 5.0, np.float32)
    depth[1, 2] = 2.0
    assert released_radius(depth) == pytest.approx(2.15)


@pytest.mark.parametrize("angle", [30, 60, 90, -90, 135, 180])
def test_orbit_turns_by_the_angle_and_keeps_distance_and_aim(angle):
    trajectory = take(f"orbit:{angle}")
    centers = trajectory.centers()
    np.testing.assert_allclose(np.linalg.norm(centers - PIVOT, axis=1), 2.5)
    for camera in trajectory:
        np.testing.assert_allclose(camera.project(PIVOT)[0], [320, 180], atol=1e-6)
    expected = PIVOT + 2.5 * np.array([np.sin(np.radians(angle)), 0, -np.cos(np.radians(angle))])
    np.testing.assert_allclose(centers[-1], expected, atol=1e-9)
    np.testing.assert_allclose(trajectory.E[0], np.eye(4), atol=1e-12)


def test_orbit_sweeps_from_one_side_to_the_other():
    trajectory = take("orbit:-90..90,ease=linear")
    np.testing.assert_allclose(trajectory.centers()[[0, 24, 48]], [[-2.5, 0, 2.5], [0, 0, 0], [2.5, 0, 2.5]], atol=1e-9)


def test_orbit_about_a_point_beside_the_axis_starts_on_the_source_view():
    pivot = np.array([0.7, -0.2, 3.0])
    trajectory = take("orbit:50", pivot=pivot)
    start = trajectory[0].project(pivot)[0]
    np.testing.assert_allclose(trajectory.E[0], np.eye(4), atol=1e-12)
    for camera in trajectory:
        np.testing.assert_allclose(camera.project(pivot)[0], start, atol=1e-6)


def test_elevation_rises_and_keeps_the_horizon_level():
    trajectory = take("orbit:40,elevation=20")
    assert trajectory.centers()[-1][1] == pytest.approx(-2.5 * np.sin(np.radians(20)))
    np.testing.assert_allclose(trajectory.E[:, 0, 1], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "center"),
    [
        ("dolly_in:0.4", [0, 0, 1.0]),
        ("dolly_out:0.4", [0, 0, -1.0]),
        ("truck:0.2", [0.5, 0, 0]),
        ("truck:-0.2", [-0.5, 0, 0]),
        ("crane:0.2", [0, -0.5, 0]),
        ("hold", [0, 0, 0]),
        ("pan:20", [0, 0, 0]),
        ("tilt:10", [0, 0, 0]),
    ],
)
def test_where_moves_end(text, center):
    np.testing.assert_allclose(take(text).centers()[-1], center, atol=1e-9)


def test_crane_keeps_its_aim():
    for camera in take("crane:0.5"):
        np.testing.assert_allclose(camera.project(PIVOT)[0], [320, 180], atol=1e-6)


def test_pan_goes_right_and_tilt_goes_up():
    right = np.array([np.sin(np.radians(20)), 0, np.cos(np.radians(20))])
    up = np.array([0, -np.sin(np.radians(10)), np.cos(np.radians(10))])
    np.testing.assert_allclose(take("pan:20")[48].project(right)[0], [320, 180], atol=1e-6)
    np.testing.assert_allclose(take("tilt:10")[48].project(up)[0], [320, 180], atol=1e-6)


def test_zoom_changes_the_lens_only():
    closer, wider = take("zoom_in:2"), take("zoom_out:2")
    np.testing.assert_allclose(closer.K[[0, -1], 0, 0], [500, 1000])
    np.testing.assert_allclose(wider.K[[0, -1], 1, 1], [500, 250])
    np.testing.assert_allclose(closer.E, SOURCE.E)
    ratios = take("zoom_in:4,ease=linear").K[:, 0, 0]
    np.testing.assert_allclose(ratios[1:] / ratios[:-1], 4 ** (1 / 48))


def test_figure_eight_is_closed_and_reaches_its_angle():
    trajectory = take("figure_eight:12")
    np.testing.assert_allclose(trajectory.E[-1], trajectory.E[0], atol=1e-9)
    forward = trajectory.E[:, 2, :3]
    yaw = np.degrees(np.arctan2(forward[:, 0], forward[:, 2]))
    assert yaw.min() == pytest.approx(-12, abs=0.1)
    assert yaw.max() == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("ease", ["linear", "in", "out", "in_out"])
def test_easings_go_from_start_to_end_and_never_back(ease):
    x = take(f"truck:1,ease={ease}").centers()[:, 0]
    assert x[0] == pytest.approx(0)
    assert x[-1] == pytest.approx(2.5)
    assert (np.diff(x) > 0).all()
    speed = np.diff(x)
    assert (speed[0] < speed[24]) == (ease in ("in", "in_out"))
    assert (speed[-1] < speed[24]) == (ease in ("out", "in_out"))


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("count", [1, 2, 500])
def test_every_move_has_any_length(name, count):
    source = static_trajectory(intrinsics(500, 640, 360), 640, 360, count)
    assert len(take(name, source=source)) == count


def moving_source():
    poses = np.stack([rigid(rotation_y(0.02 * i), np.array([0.1 * i, 0, 0.05 * i])) for i in range(49)])
    return Trajectory(SOURCE.K, invert_rigid(poses), 640, 360)


def test_moves_ride_on_the_source_camera():
    source = moving_source()
    np.testing.assert_allclose(take("hold", source=source).E, source.E, atol=1e-12)
    relative = take("orbit:30", source=source).E @ invert_rigid(source.E)
    np.testing.assert_allclose(relative, take("orbit:30").E, atol=1e-9)


def test_moves_can_take_the_source_motion_out():
    source = moving_source()
    held = take("hold", source=source, follow=False)
    np.testing.assert_allclose(held.E, np.broadcast_to(source.E[0], (49, 4, 4)), atol=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "orbit:", "orbit:x", "45.5", "361", "٣٠", "spin:3", "orbit:60,ease=bounce", "orbit:60,height=3", "zoom_in:0",
     "zoom_in:-1", "orbit:999", "hold:3", "pan:5,elevation=3", "orbit:5,elevation=x", "orbit:nan", "orbit:1e999",
     "orbit:5,elevation=91", "orbit:" + "9" * 400],
)  # fmt: skip
def test_what_is_not_understood_is_wrong_usage(text):
    with pytest.raises(UsageError) as caught:
        parse_preset(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("move", ["orbit:30", "orbit:-20..20,ease=linear", "zoom_in:2,ease=in", "figure_eight", "30"])
@pytest.mark.parametrize("follow", [True, False])
def test_handles_change_no_frame_of_the_move(move, follow):
    turning = np.stack([rigid(rotation_y(0.01 * index), np.array([0.02 * index, 0, 0])) for index in range(20)])
    source = replace(static_trajectory(intrinsics(100, 64, 48), 64, 48, 20), E=turning)
    inner = Trajectory(source.K[3:18], source.E[3:18], 64, 48)
    pivot = np.array([0.0, 0.0, 4.0])
    whole = build_take(parse_preset(move), source, pivot, follow=follow, handles=(3, 2))
    plain = build_take(parse_preset(move), inner, pivot, follow=follow)
    assert np.allclose(whole.E[3:18], plain.E, atol=1e-12)
    assert np.allclose(whole.K[3:18], plain.K, atol=1e-12)


def test_moves_go_on_in_handles_at_the_speed_they_have():
    for easing in EASINGS:
        shares = progress(1009, easing, (4, 5))
        steps = np.diff(shares)
        assert np.allclose(steps[:4], steps[4], atol=4e-6)
        assert np.allclose(steps[-5:], steps[-6], atol=4e-6)
        assert (shares[4], shares[-6]) == (0, 1)
    assert not progress(5, "linear", (2, 2)).any()
