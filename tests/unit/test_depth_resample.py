# SPDX-License-Identifier: Apache-2.0
"""Depth at another size: planes stay planes, edges stay edges."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.depth.resample import resample_depth

SIZES = [(120, 80), (37, 23), (60, 40), (59, 41), (1, 1), (240, 1)]


def plane(width, height):
    """z of a slanted plane over a view of that many pixels: disparity is linear in the picture."""
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    return (1 / (0.3 + 0.1 * x[None, :] - 0.15 * y[:, None])).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_a_slanted_plane_is_exact(size):
    result = resample_depth(plane(60, 40), *size)
    assert result.shape == size[::-1]
    assert result.dtype == np.float32
    inner = np.s_[2:-2, 4:-4] if min(size) > 9 else np.s_[:]
    error = np.abs(result / plane(*size) - 1)[inner]
    assert error.max() < (1e-5 if min(size) > 9 else 0.05)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_stands_between_two_layers(size):
    depth = np.full((40, 60), 5, np.float32)
    depth[10:30, 20:45] = 2
    assert set(np.unique(resample_depth(depth, *size))) <= {2, 5}


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_edges_stay_where_they_are(factor):
    depth = np.full((40, 60), 5, np.float32)
    depth[10:30, 20:45] = 2
    large = resample_depth(depth, factor * 60, factor * 40)
    assert np.array_equal(large, np.kron(depth, np.ones((factor, factor), np.float32)))


def torn_plane(width, height):
    """The plane, whose right half is three times nearer."""
    return np.where(np.arange(width) < width // 2, 1, np.float32(1 / 3)) * plane(width, height)


def test_planes_on_both_sides_of_an_edge_stay_planes():
    error = np.abs(resample_depth(torn_plane(60, 40), 120, 80) / torn_plane(120, 80) - 1)[2:-2, 4:-4]
    edge = np.s_[:, 54:58]
    assert error[edge].max() < 0.02  # the nearest pixel's value, of the right side
    error[edge] = 0
    assert error.max() < 1e-5


def test_holes_and_sky_do_not_spread():
    depth = np.full((40, 60), 5, np.float32)
    depth[:10], depth[30, 30] = np.inf, np.nan
    large = resample_depth(depth, 180, 120)
    assert np.isinf(large).sum() == 9 * np.isinf(depth).sum()
    assert np.isnan(large).sum() == 9
    assert np.isnan(large[90:93, 90:93]).all()
    assert set(np.unique(large[~np.isnan(large)])) == {5, np.inf}


def test_the_same_size_changes_nothing():
    depth = np.random.default_rng(0).uniform(1, 9, (20, 30)).astype(np.float32)
    assert np.allclose(resample_depth(depth, 30, 20), depth, rtol=1e-6)
