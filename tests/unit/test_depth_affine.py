# SPDX-License-Identifier: Apache-2.0
"""Disparity up to scale and shift becomes depth: finite, in bounds, and planes stay planes where nothing is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.depth.affine import (
    FARTHEST,
    LEAST_RATIO,
    MOST_RATIO,
    NEAR_Z,
    NEARER,
    measured_depth,
    relative_depth,
    released_depth,
)


def far_over_near(disparity: np.ndarray) -> float:
    far, near = np.percentile(relative_depth(disparity)(disparity), [98, 2])
    return float(far / near)


def test_a_plausible_zero_is_kept() -> None:
    true = np.linspace(0.1, 1.0, 2001)  # 1/z
    depth = relative_depth(7.3 * true)(7.3 * true)
    near = np.percentile(true, 98)
    inner = true <= near
    assert np.allclose(depth[inner], near * NEAR_Z / true[inner], rtol=1e-5)


def test_the_scale_of_the_disparities_does_not_matter() -> None:
    disparity = np.random.default_rng(0).uniform(2, 9, 5000)
    assert np.allclose(relative_depth(disparity)(disparity), relative_depth(1e-4 * disparity)(1e-4 * disparity))


def test_the_sky_stays_finite() -> None:
    disparity = np.concatenate([np.zeros(400), np.linspace(1, 10, 600)])
    mapped = relative_depth(disparity)
    depth = mapped(disparity)
    assert np.isfinite(depth).all()
    assert depth.max() == pytest.approx(MOST_RATIO * NEAR_Z, rel=1e-5)
    assert far_over_near(disparity) == pytest.approx(MOST_RATIO, rel=3e-3)
    # The shift that this takes changes what is half way by little.
    assert mapped(np.array([5.0]))[0] == pytest.approx(np.percentile(disparity, 98) / 5 * NEAR_Z, rel=0.03)


def test_negative_disparities_are_taken_for_an_offset() -> None:
    disparity = np.linspace(-3, 5, 1000)
    depth = relative_depth(disparity)(disparity)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
    assert (np.diff(depth) <= 0).all()
    assert far_over_near(disparity) == pytest.approx(MOST_RATIO, rel=3e-3)


def test_a_large_offset_does_not_flatten() -> None:
    assert far_over_near(np.linspace(100, 101, 1000)) == pytest.approx(LEAST_RATIO, rel=1e-3)


def test_a_spike_is_no_near_end() -> None:
    disparity = np.linspace(1, 10, 1000)
    spiked = np.append(disparity, 1e6)
    depth = relative_depth(spiked)(spiked)
    assert depth.min() == pytest.approx(NEAR_Z / NEARER)
    assert np.allclose(depth[:-1], relative_depth(disparity)(disparity), rtol=2e-3)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_no_depth_at_all_is_a_wall(value: float) -> None:
    depth = relative_depth(np.full(100, value))(np.full((4, 5), value, np.float32))
    assert np.allclose(depth, NEAR_Z)


def test_a_fitted_line_has_a_floor_only() -> None:
    mapped = measured_depth(0.5, -0.2, farthest=20.0)
    assert mapped(np.array([1.0]))[0] == pytest.approx(1 / 0.3)
    assert mapped(np.array([0.0, 0.4]))[0] == pytest.approx(FARTHEST * 20)
    assert mapped(np.array([100.0]))[0] == pytest.approx(1 / 49.8)


def test_the_released_codes_map() -> None:
    raw = np.linspace(-2.0, 6.0, 9)
    depth = released_depth(-2.0, 6.0)(raw)
    normalised = (raw + 2) / 8
    assert np.allclose(depth[1:], 10000 / (3900 * normalised[1:]), rtol=1e-6)
    assert depth[-1] == pytest.approx(2.564, abs=1e-3)
    assert depth[0] == pytest.approx(1e4)
    assert np.allclose(released_depth(3.0, 3.0)(np.full(4, 3.0)), NEAR_Z)
