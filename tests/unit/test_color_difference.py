# SPDX-License-Identifier: Apache-2.0
"""CIEDE2000 against the pairs that Sharma, Wu and Dalal published with its formula (2005, table 1)."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.colour.difference import delta_e_2000, lab_from_srgb

PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "wanted"), PAIRS)
def test_published_pairs(first: tuple[float, ...], second: tuple[float, ...], wanted: float) -> None:
    for a, b in ((first, second), (second, first)):
        assert delta_e_2000(np.array(a, float), np.array(b, float)) == pytest.approx(wanted, abs=5e-5)


def test_lab_of_known_colours() -> None:
    lab = lab_from_srgb(np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0.5, 0.5, 0.5]]))
    np.testing.assert_allclose(lab[0], (100, 0, 0), atol=1e-3)
    np.testing.assert_allclose(lab[1], 0, atol=1e-9)
    np.testing.assert_allclose(lab[2], (53.24, 80.09, 67.20), atol=0.02)
    assert lab[3][0] == pytest.approx(53.389, abs=0.01)
