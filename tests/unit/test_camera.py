# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ex4d.camera import Camera, Trajectory, intrinsics, intrinsics_from_fov, static_trajectory, subject_distance
from ex4d.camera.transforms import invert_rigid, look_at, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError


def random_pose(rng):
    return rigid(rotation_y(rng.uniform(-3, 3)) @ rotation_x(rng.uniform(-1, 1)), rng.normal(size=3))


def test_projection_uses_pixel_edges_at_integers():
    camera = Camera(intrinsics(500, 640, 360), np.eye(4), 640, 360)
    pixels, z = camera.project(np.array([[0, 0, 2.0], [0.64, -0.36, 1.0]]))
    np.testing.assert_allclose(pixels, [[320, 180], [640, 0]])
    np.testing.assert_allclose(z, [2, 1])


def test_field_of_view_is_over_the_longer_side():
    for size in ((640, 360), (360, 640)):
        K = intrinsics_from_fov(90, *size)
        assert K[0, 0] == pytest.approx(320)
        assert K[1, 1] == pytest.approx(320)


def test_resizing_keeps_the_view():
    rng = np.random.default_rng(0)
    camera = Camera(intrinsics(500, 640, 360), random_pose(rng), 640, 360)
    points = rng.normal(size=(20, 3)) + camera.center() + 4 * camera.E[2, :3]
    small = camera.resized(160, 90)
    np.testing.assert_allclose(small.project(points)[0] * 4, camera.project(points)[0], atol=1e-9)


def test_inverse_of_rigid_matrices():
    rng = np.random.default_rng(1)
    poses = np.stack([random_pose(rng) for _ in range(5)])
    np.testing.assert_allclose(invert_rigid(poses) @ poses, np.broadcast_to(np.eye(4), (5, 4, 4)), atol=1e-12)


def test_look_at_centres_its_target_and_keeps_the_horizon_level():
    eye, target = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.5, 9.0])
    camera = Camera(intrinsics(100, 64, 64), look_at(eye, target), 64, 64)
    pixel, z = camera.project(target)
    np.testing.assert_allclose(pixel, [32, 32], atol=1e-9)
    assert z == pytest.approx(np.linalg.norm(target - eye))
    assert camera.E[0, 1] == pytest.approx(0)  # the camera's x axis has no vertical part
    assert camera.E[1, 1] > 0  # y points down


def test_look_at_refuses_straight_down():
    with pytest.raises(ValueError, match="straight above"):
        look_at(np.zeros(3), np.array([0.0, 5.0, 0.0]))


K = intrinsics(500, 64, 48)
E = np.broadcast_to(np.eye(4), (3, 4, 4))


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"E": np.eye(4)}, "shape"),
        ({"E": np.zeros((0, 4, 4))}, "shape"),
        ({"K": np.stack([K, K])}, "intrinsics"),
        ({"K": K * np.nan}, "not finite"),
        ({"E": E + np.inf}, "not finite"),
        ({"K": np.diag([-1.0, 1, 1])}, "pinhole"),
        ({"K": K + np.array([[0, 5, 0], [0, 0, 0], [0, 0, 0]])}, "pinhole"),
        ({"K": K + np.array([[0, 0, 0], [0, 0, 0], [0.1, 0, 0]])}, "pinhole"),
        ({"E": E * np.array([2.0, 2, 2, 1])[:, None]}, "rigid"),
        ({"E": E * np.array([-1.0, 1, 1, 1])[:, None]}, "rigid"),
        ({"width": 0}, "size"),
        ({"frame_numbers": (1, 2)}, "frame numbers"),
        ({"near": np.array([0.1, -0.1, 0.1])}, "near"),
        ({"far": np.array(np.nan)}, "far"),
    ],
)
def test_bad_trajectories_are_refused_with_a_hint(kwargs, word):
    with pytest.raises(BadInputError, match=word) as caught:
        Trajectory(**{"K": K, "E": E, "width": 64, "height": 48, **kwargs})
    assert caught.value.hint.endswith(".")


def test_one_camera_per_frame():
    trajectory = static_trajectory(K, 64, 48, 3).numbered((1001, 1002, 1003), None)
    assert len(trajectory) == 3
    assert [camera.width for camera in trajectory] == [64, 64, 64]
    np.testing.assert_allclose(trajectory.centers(), np.zeros((3, 3)))


def test_subject_distance_ignores_wrong_pixels():
    depth = np.full((120, 160), 10.0, np.float32)
    depth[30:110, 50:110] = 3.0  # the subject
    depth[60, 80] = 0.01  # one wrong pixel: what the released code would turn about
    depth[0:5] = np.nan
    depth[5:10] = np.inf
    assert subject_distance([depth]) == pytest.approx(3.0)


def test_subject_distance_needs_depth():
    with pytest.raises(BadInputError, match="no valid pixel"):
        subject_distance([np.full((4, 4), np.nan, np.float32)])
