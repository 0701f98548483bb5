# SPDX-License-Identifier: Apache-2.0
"""The working curve K."""

import numpy as np
import pytest

from ex4d.colour.curve import (
    BRIGHTEST,
    KNEE,
    KNEE_LINEAR,
    codes_of_linear,
    decode,
    encode,
    linear_of_codes,
)


@pytest.mark.parametrize(
    ("linear", "code"), [(0.0, 0.0), (0.18, 0.461356), (KNEE_LINEAR, 0.7), (1.0, 0.79939), (64.0, 1.0), (1000.0, 1.0)]
)
def test_known_values(linear, code):
    assert encode(np.array([linear]))[0] == pytest.approx(code, abs=1e-5)


def test_is_srgb_up_to_its_knee():
    codes = np.linspace(0, KNEE, 1001)
    srgb = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(decode(codes), srgb, rtol=1e-5, atol=1e-9)


def test_goes_on_with_the_same_slope():
    step = 1e-6
    below, at, above = encode(np.array([KNEE_LINEAR - step, KNEE_LINEAR, KNEE_LINEAR + step]))
    assert (above - at) / (at - below) == pytest.approx(1, abs=1e-3)


def test_float_codes_return():
    linear = np.exp2(np.random.default_rng(0).uniform(-14, 6, 100_000))
    np.testing.assert_allclose(decode(encode(linear)), linear, rtol=1e-12)


def test_16_bit_codes_return_to_2e_4():
    linear = np.exp2(np.random.default_rng(1).uniform(-9, 6, 200_000)).astype(np.float32)
    error = np.abs(linear_of_codes(codes_of_linear(linear)) - linear) / linear
    assert np.quantile(error, 0.99) <= 2e-4


def test_table_is_within_a_code_of_the_curve():
    linear = np.exp2(np.random.default_rng(2).uniform(-24, 7, 500_000)).astype(np.float32)
    exact = np.rint(encode(linear) * 65535)
    difference = np.abs(codes_of_linear(linear) - exact)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1


def test_all_whole_codes_return():
    codes = np.arange(65536)
    assert np.abs(codes_of_linear(linear_of_codes(codes)).astype(int) - codes).max() <= 1
    np.testing.assert_array_equal(np.rint(encode(decode(codes / 65535)) * 65535), codes)


def test_codes_between_whole_ones():
    codes = np.random.default_rng(3).uniform(100, 65535, 100_000).astype(np.float32)
    np.testing.assert_allclose(linear_of_codes(codes), decode(codes.astype(np.float64) / 65535), rtol=2e-6)


def test_what_is_no_brightness():
    values = np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 100.0, 1e-30], np.float32)
    assert codes_of_linear(values).tolist() == [0, 65535, 0, 0, 0, 65535, 0]
    kept = values.copy()
    codes_of_linear(values)
    np.testing.assert_array_equal(values, kept)
    assert linear_of_codes(np.array([-5.0, 70000.0, np.nan])).tolist() == [0.0, BRIGHTEST, 0.0]
