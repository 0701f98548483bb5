# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves as the fewest Bezier keys, without Blender."""

from __future__ import annotations

import numpy as np
import pytest
from ex4d_blender.core.move_keys import KEY_TOLERANCE, choose_keys, hermite, move_curves, pixel_errors

from ex4d.camera import PRESETS, build_take, intrinsics_from_fov, parse_preset, static_trajectory
from ex4d.camera.transforms import invert_rigid

SIZE, PIVOT = (960, 640), np.array([0.0, 0.0, 3.0])
K = intrinsics_from_fov(60.0, *SIZE)


@pytest.mark.parametrize("move", [*PRESETS, "30", "180", "orbit:360", "crane:-0.6", "zoom_in:2..4,ease=out"])
@pytest.mark.parametrize("count", [2, 25])
def test_the_curves_are_the_move(move: str, count: int) -> None:
    spec = parse_preset(move)
    curves = move_curves(spec, count, PIVOT)
    take = build_take(spec, static_trajectory(K, *SIZE, count), PIVOT)
    np.testing.assert_allclose(curves.poses(curves.values, PIVOT), invert_rigid(take.E), atol=1e-9)
    np.testing.assert_allclose(curves.values[5], take.K[:, 0, 0] / K[0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("move", "most"), [("orbit:60", 2), ("dolly_in", 2), ("truck", 2), ("pan", 2), ("crane", 5), ("zoom_in", 9)]
)
def test_few_keys_show_the_move(move: str, most: int) -> None:
    curves = move_curves(parse_preset(move), 49, PIVOT)
    keys = choose_keys(curves, K, SIZE, PIVOT)
    assert (keys[0], keys[-1]) == (0, 48)
    assert len(keys) <= most
    shown = hermite(keys, curves.values, curves.slopes)
    assert pixel_errors(curves, shown, K, SIZE, PIVOT).max() <= KEY_TOLERANCE


def test_an_orbit_turns_about_the_pivot() -> None:
    assert move_curves(parse_preset("orbit:60"), 9, PIVOT).on_pivot
    assert not move_curves(parse_preset("pan"), 9, PIVOT).on_pivot
    assert not move_curves(parse_preset("hold"), 9, PIVOT).on_pivot


def test_one_frame_has_one_key() -> None:
    curves = move_curves(parse_preset("orbit:60"), 1, PIVOT)
    assert choose_keys(curves, K, SIZE, PIVOT) == [0]
    assert not curves.slopes.any()


def test_keys_meet_their_values_and_slopes() -> None:
    x = np.arange(11.0)
    cubic, slope = (x**3 - 7 * x)[None], (3 * x**2 - 7)[None]
    np.testing.assert_allclose(hermite([0, 10], cubic, slope), cubic, atol=1e-9)
    # Keys that do not suffice are told in pixels.
    curves = move_curves(parse_preset("figure_eight"), 49, PIVOT)
    assert pixel_errors(curves, hermite([0, 48], curves.values, curves.slopes), K, SIZE, PIVOT).max() > 1
