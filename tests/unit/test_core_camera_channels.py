# SPDX-License-Identifier: Apache-2.0
"""Angles and lenses as Blender keeps them, against the matrices that they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ex4d_blender.core.camera_channels import SENSOR_WIDTH, Lens, euler_angles, lens_channels


def rotations(angles: np.ndarray) -> np.ndarray:
    """XYZ Euler angles (N, 3) -> Rz·Ry·Rx (N, 3, 3), written out."""
    (x, y, z), one = angles.T, np.ones(len(angles))
    zero = 0 * one

    def matrices(*values: np.ndarray) -> np.ndarray:
        return np.stack(values, axis=-1).reshape(-1, 3, 3)

    about_x = matrices(one, zero, zero, zero, np.cos(x), -np.sin(x), zero, np.sin(x), np.cos(x))
    about_y = matrices(np.cos(y), zero, np.sin(y), zero, one, zero, -np.sin(y), zero, np.cos(y))
    about_z = matrices(np.cos(z), -np.sin(z), zero, np.sin(z), np.cos(z), zero, zero, zero, one)
    return about_z @ about_y @ about_x


def test_angles_are_those_of_the_rotations() -> None:
    wanted = rotations(np.random.default_rng(3).uniform(-3.1, 3.1, (200, 3)))
    assert np.abs(rotations(euler_angles(wanted)) - wanted).max() < 1e-12


def test_angles_do_not_jump_where_a_camera_turns_on_and_on() -> None:
    turn = np.linspace(0, 5 * math.pi, 101)
    for axis in (0, 2):
        angles = np.zeros((101, 3))
        angles[:, axis] = turn
        assert np.abs(euler_angles(rotations(angles)) - angles).max() < 1e-9
    # About the middle axis the other two flip at a quarter turn, unless the second set of angles is followed.
    angles = np.zeros((101, 3))
    angles[:, 1] = turn
    found = euler_angles(rotations(angles))
    assert np.abs(np.diff(found, axis=0)).max() < 0.2
    assert np.abs(rotations(found) - rotations(angles)).max() < 1e-9


def test_angles_of_a_camera_that_looks_along_the_middle_axis() -> None:
    for middle in (math.pi / 2, -math.pi / 2):
        wanted = rotations(np.array([[0.7, middle, 0.2]]))
        (found,) = euler_angles(wanted)
        assert found[2] == 0
        assert np.abs(rotations(found[None]) - wanted).max() < 1e-9


@pytest.mark.parametrize(("size", "ratio"), [((1920, 1080), 1.0), ((720, 1280), 1.0), ((720, 576), 16 / 15)])
def test_channels_are_the_lens_that_k_says(size: tuple[int, int], ratio: float) -> None:
    K = np.array([[[1500.0, 0, 700.0], [0, 1500.0 / ratio, 333.0], [0, 0, 1]]])
    channels = {name: float(values[0]) for name, values in lens_channels(K, *size).items()}
    lens = Lens(**channels, sensor_fit="HORIZONTAL", sensor_width=SENSOR_WIDTH, sensor_height=24.0)
    assert np.abs(lens.intrinsics(size, (1.0, ratio)) - K[0]).max() < 1e-9


def test_the_sensor_fits_a_side() -> None:
    def focal(fit: str, size: tuple[int, int]) -> float:
        lens = Lens(50.0, 0.0, 0.0, fit, sensor_width=36.0, sensor_height=20.0)
        return float(lens.intrinsics(size, (1.0, 1.0))[0, 0])

    assert focal("AUTO", (1800, 1000)) == focal("HORIZONTAL", (1800, 1000)) == pytest.approx(50 / 36 * 1800)
    # Of an upright picture the longer side, over the sensor's width all the same.
    assert focal("AUTO", (1000, 1800)) == pytest.approx(50 / 36 * 1800)
    assert focal("VERTICAL", (1800, 1000)) == pytest.approx(50 / 20 * 1000)
