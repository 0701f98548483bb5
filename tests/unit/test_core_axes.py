# SPDX-License-Identifier: Apache-2.0
"""Shot world and Blender's, as matrices."""

from __future__ import annotations

import numpy as np
import pytest
from ex4d_blender.core import axes

from ex4d.camera.transforms import invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError


def test_a_new_root_stands_the_shot_up() -> None:
    x, y, z = axes.ROOT_ROTATION
    assert (y, z) == (0, 0)
    assert np.abs(axes.SHOT_TO_BLENDER[:3, :3] - rotation_x(x)).max() < 1e-12
    # Forward becomes Blender's +Y, down its -Z.
    assert np.array_equal(axes.SHOT_TO_BLENDER[:3, :3] @ [0, 0, 1], [0, 1, 0])
    assert np.array_equal(axes.SHOT_TO_BLENDER[:3, :3] @ [0, 1, 0], [0, 0, -1])


def test_a_camera_and_its_pose_are_each_others_inverse() -> None:
    E = rigid(rotation_y(0.4) @ rotation_x(-0.3), np.array([0.2, -1.0, 3.0]))
    root = axes.SHOT_TO_BLENDER.copy()
    root[:3, :3] *= 2.5
    root[:3, 3] = 4, -1, 2
    world = root @ axes.camera_poses(E)
    found, scale = axes.camera_extrinsics(world, "Eye", root, "Shot")
    assert scale == pytest.approx(2.5)
    assert np.abs(found - E).max() < 1e-12
    # Blender's camera looks along its own -z, which is the pinhole's +z.
    assert np.abs(axes.camera_poses(E)[:3, 2] + invert_rigid(E)[:3, 2]).max() < 1e-12


def test_what_no_pinhole_camera_shows_is_refused() -> None:
    mirrored, uneven, nothing, sheared = (np.eye(4) for _ in range(4))
    mirrored[0, 0], uneven[0, 0], sheared[0, 1] = -1, 2, 0.5
    nothing[:3, :3] = 0
    for root in (mirrored, uneven, nothing):
        with pytest.raises(BadInputError, match="«Shot»"):
            axes.root_scale(root, "Shot")
    for camera in (mirrored, nothing, sheared):
        with pytest.raises(BadInputError, match="«Eye»"):
            axes.camera_rotation(camera, "Eye")
    # A parent's uneven scale along the camera's own axes only moves it, as in Blender.
    assert np.array_equal(axes.camera_rotation(uneven, "Eye"), np.eye(3))
