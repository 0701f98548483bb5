# SPDX-License-Identifier: Apache-2.0
"""Soft colour in holes: pull-push, and which side of a hole flows in."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.fill.preview.background_side import far_side_weights
from ex4d.fill.preview.pull_push import pull_push

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (64, 48), (129, 67)]


def filled(color, known, z=None):
    weight, say = far_side_weights(z, known)
    return pull_push(color.astype(np.float32), weight, say)


def square_hole(height, width, margin):
    known = np.ones((height, width), bool)
    known[margin : height - margin, margin : width - margin] = False
    return known


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_one_colour_stays_that_colour(size, share):
    known = np.random.default_rng(1).random(size) < share
    known.flat[0] = True
    color = np.where(known[..., None], np.float32([200, 30, 90]), 0)
    assert np.abs(filled(color, known) - [200, 30, 90]).max() < 0.01


@pytest.mark.parametrize("size", SIZES)
def test_nothing_known_gives_zero(size):
    assert not filled(np.zeros((*size, 3)), np.zeros(size, bool)).any()


def test_values_stay_between_those_around():
    rng = np.random.default_rng(2)
    known = rng.random((90, 70)) < 0.3
    color = np.where(known[..., None], rng.uniform(40, 180, (90, 70, 3)), 0)
    result = filled(color, known)
    assert result.min() > 40 - 0.01
    assert result.max() < 180 + 0.01


def test_ramp_goes_on_through_a_hole():
    x = np.linspace(0, 255, 96)
    color = np.repeat(np.repeat(x[None, :, None], 96, 0), 3, 2)
    known = square_hole(96, 96, 32)
    result = filled(np.where(known[..., None], color, 0), known)
    assert np.abs(result - color)[~known].mean() < 12
    # A mean of everything around would be off by 22 in the mean and have no slope.
    row = result[48, 34:62, 0]
    assert row[-1] - row[0] > 0.5 * (color[48, 61, 0] - color[48, 34, 0])


def test_each_border_keeps_its_colour():
    known = square_hole(80, 80, 20)
    color = np.zeros((80, 80, 3), np.float32)
    color[:, :40], color[:, 40:] = (250, 0, 0), (0, 0, 250)
    result = filled(np.where(known[..., None], color, 0), known)
    assert result[40, 22, 0] > 3 * result[40, 22, 2]
    assert result[40, 57, 2] > 3 * result[40, 57, 0]
    assert np.abs(result[40, 39:41].mean(axis=0) - [125, 0, 125]).max() < 25


def test_the_far_side_flows_in_and_the_near_one_does_not():
    """A red thing at z 2 has moved off a green wall at z 6; the hole lies between them."""
    color = np.zeros((96, 128, 3), np.float32)
    z = np.full((96, 128), 6, np.float32)
    color[:] = (0, 200, 0)
    color[20:76, 20:60], z[20:76, 20:60] = (220, 0, 0), 2
    known = np.ones((96, 128), bool)
    known[20:76, 60:90] = False
    z[~known] = np.nan
    result = filled(np.where(known[..., None], color, 0), known, z)
    assert result[~known][:, 0].max() < 10
    assert result[~known][:, 1].min() > 185
    blind = filled(np.where(known[..., None], color, 0), known, None)
    assert blind[~known][:, 0].max() > 100  # what the test is about


def test_near_surface_fills_where_nothing_else_is():
    color = np.full((40, 40, 3), 90, np.float32)
    known = square_hole(40, 40, 10)
    z = np.where(known, 1.0, np.nan).astype(np.float32)
    assert np.abs(filled(np.where(known[..., None], color, 0), known, z)[~known] - 90).max() < 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", SIZES)
def test_weights_of_odd_depths(size):
    rng = np.random.default_rng(3)
    z = rng.choice(np.array([np.nan, np.inf, 1e-30, 1, 1e30], np.float32), size)
    known = rng.random(size) < 0.6
    for values in far_side_weights(z, known):
        assert values.shape == size
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
        assert not values[~known].any() or values is not far_side_weights(z, known)[0]


def test_deterministic():
    rng = np.random.default_rng(4)
    known = rng.random((120, 160)) < 0.5
    color, z = rng.uniform(0, 255, (120, 160, 3)), rng.uniform(1, 9, (120, 160)).astype(np.float32)
    assert np.array_equal(filled(color, known, z), filled(color, known, z))


def test_what_is_wanted_is_the_same_without_the_rest() -> None:
    """More than a tile wide and high, with odd sides; holes at a corner, across tiles, and in the middle of one."""
    rng = np.random.default_rng(3)
    shape = (301, 455)
    color = rng.random((*shape, 3), dtype=np.float32)
    weight = (rng.random(shape) < 0.5).astype(np.float32)
    weight[:40, :30], weight[100:180, 90:300], weight[200:210, 300:310] = 0, 0, 0
    say = rng.random(shape, dtype=np.float32)
    wanted = np.zeros(shape, np.bool_)
    wanted[:5, :5] = wanted[150:160, 120:132] = wanted[205, 305] = wanted[-1, -1] = True
    whole = pull_push(color, weight, say)
    np.testing.assert_array_equal(pull_push(color, weight, say, wanted)[wanted], whole[wanted])
    assert np.isfinite(whole).all()
